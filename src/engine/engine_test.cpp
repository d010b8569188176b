#include "engine/engine.h"

#include <gmock/gmock.h>

#include "core/error.h"
#include "core/failpoint.h"
#include "testkit/engine_test.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(EngineTest, CopiesATableAndThenOnlyItsChanges) {
  for (int id = 1; id <= 30; ++id) put(id, "first");
  SyncReport report = run(people_mapping());
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.strategy, "cursor");
  EXPECT_EQ(report.figures.written, 30);
  expect_equal();

  from_.advance(1min);
  put(5, "second");
  put(31, "first");
  report = run(people_mapping());
  EXPECT_EQ(report.figures.written, 2);
  EXPECT_TRUE(report.figures.add_up());
  expect_equal();
  expect_quiet(sync_of({people_mapping()}));
}

TEST_F(EngineTest, PrintsZerosWithoutAJobWhenNothingChanged) {
  put(1, "first");
  run(people_mapping());
  from_.advance(1min);
  const SyncReport report = run(people_mapping());
  EXPECT_EQ(report.status, "completed");
  EXPECT_EQ(report.figures, Figures{});
  ASSERT_EQ(report.tables.size(), 1u);
  EXPECT_EQ(report.tables[0].strategy, "cursor");
  EXPECT_EQ(store_->list_jobs({}).items.size(), 1u);
}

TEST_F(EngineTest, CarriesATransactionThatCommitsLate) {
  put(1, "early");
  run(people_mapping());
  auto late = from_.begin();
  late->put("people", {integer(2), Value::text("late"), Value::text("Ulm"), instant(late->start())});
  from_.advance(10min);
  put(3, "meanwhile");
  run(people_mapping());
  from_.advance(10min);
  late->commit();
  EXPECT_EQ(run(people_mapping()).figures.written, 1);
  expect_equal();
  expect_quiet(sync_of({people_mapping()}));
}

TEST_F(EngineTest, DeletesByDiffWhatIsGoneAtTheSource) {
  for (int id = 1; id <= 20; ++id) put(id, "row");
  const TableMapping mapping = diff_mapping(Deletes::hard);
  run(mapping);
  remove(3);
  remove(20);
  put(4, "changed");
  const SyncReport report = run(mapping);
  EXPECT_EQ(report.strategy, "diff");
  EXPECT_EQ(report.figures.deleted, 2);
  EXPECT_EQ(report.figures.written, 1);
  EXPECT_TRUE(report.figures.add_up());
  expect_equal();
  expect_quiet(sync_of({mapping}));
}

TEST_F(EngineTest, LeavesRowsOfOthersAloneWhenItAdoptsATable) {
  put(1, "ours");
  run(diff_mapping(Deletes::hard));
  to_.put("people", {integer(99), Value::text("theirs"), Value::text("Bonn")});
  remove(1);
  EXPECT_EQ(run(diff_mapping(Deletes::hard)).figures.deleted, 1);
  EXPECT_EQ(to_.size("people"), 1u);
}

TEST_F(EngineTest, KeepsWhatIsGoneWhenDeletesAreIgnored) {
  put(1, "a");
  put(2, "b");
  run(diff_mapping(Deletes::ignore));
  remove(1);
  EXPECT_EQ(run(diff_mapping(Deletes::ignore)).figures.deleted, 0);
  EXPECT_EQ(to_.size("people"), 2u);
  expect_quiet(sync_of({diff_mapping(Deletes::ignore)}));
}

TEST_F(EngineTest, RemovesARowThatLeavesTheFilter) {
  TableMapping mapping = diff_mapping(Deletes::hard);
  mapping.filters = {{"city", Operator::eq, {"Ulm"}, false}};
  put(1, "stays");
  put(2, "leaves");
  put(3, "never came", "Bonn");
  EXPECT_EQ(run(mapping).figures.filtered, 1);
  put(2, "leaves", "Bonn");
  const SyncReport report = run(mapping);
  EXPECT_EQ(report.figures.deleted, 1);
  EXPECT_TRUE(report.figures.add_up());
  EXPECT_EQ(to_.size("people"), 1u);
  expect_quiet(sync_of({mapping}));
}

TEST_F(EngineTest, KeepsARowThatLeavesTheFilterWhenToldTo) {
  TableMapping mapping = diff_mapping(Deletes::hard);
  mapping.filters = {{"city", Operator::eq, {"Ulm"}, false}};
  mapping.on_leave = OnLeave::keep;
  put(1, "leaves");
  run(mapping);
  put(1, "leaves", "Bonn");
  EXPECT_EQ(run(mapping).figures.deleted, 0);
  EXPECT_EQ(to_.size("people"), 1u);
}

TEST_F(EngineTest, QuarantinesARefusedRowAndTakesItInOnceItFits) {
  create_destination();
  to_.refuse_writing("people", [](std::span<const Value> row) -> std::optional<Refusal> {
    if (row[1].view() == "too long") return Refusal{"name", "holds at most 5 characters"};
    return std::nullopt;
  });
  for (int id = 1; id <= 9; ++id) put(id, "ok");
  put(4, "too long");
  SyncReport report = run(people_mapping());
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.written, 8);
  EXPECT_EQ(report.figures.quarantined, 1);
  EXPECT_EQ(report.in_quarantine, 1u);
  const auto rows = store_->list_quarantine({}).items;
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].key.to_json(), R"(["4"])");
  EXPECT_EQ(rows[0].field, "name");
  EXPECT_EQ(rows[0].table, "people");

  from_.advance(1min);
  put(4, "fits");
  report = run(people_mapping());
  EXPECT_EQ(report.figures.written, 1);
  EXPECT_EQ(report.in_quarantine, 0u);
  expect_equal();
  expect_quiet(sync_of({people_mapping()}));
}

TEST_F(EngineTest, RetriesTheQuarantineThoughNothingChangedAtTheSource) {
  create_destination();
  to_.refuse_writing("people", [](std::span<const Value>) { return std::optional<Refusal>({"", "no"}); });
  put(1, "row");
  EXPECT_EQ(run(people_mapping()).in_quarantine, 1u);
  to_.refuse_writing("people", {});
  from_.advance(1min);
  const SyncReport report = run(people_mapping());
  EXPECT_EQ(report.figures.written, 1);
  EXPECT_EQ(report.in_quarantine, 0u);
  expect_equal();
}

TEST_F(EngineTest, ClearsTheQuarantineOfARowThatIsGone) {
  create_destination();
  to_.refuse_writing("people", [](std::span<const Value>) { return std::optional<Refusal>({"", "no"}); });
  put(1, "row");
  EXPECT_EQ(run(people_mapping()).in_quarantine, 1u);
  remove(1);
  EXPECT_EQ(run(people_mapping()).in_quarantine, 0u);
}

TEST_F(EngineTest, FailsRatherThanQuarantineATable) {
  create_destination();
  to_.refuse_writing("people", [](std::span<const Value>) { return std::optional<Refusal>({"name", "no"}); });
  for (int id = 1; id <= 300; ++id) put(id, "row");
  SyncDefinition sync = sync_of({people_mapping()});
  sync.batch.rows = 200;
  sync.retry.max_retries = 0;
  const SyncReport report = run(sync);
  EXPECT_EQ(report.status, "failed");
  EXPECT_THAT(report.error, HasSubstr("200 of 200 rows were refused"));
  EXPECT_EQ(store_->count_quarantine(sync.id), 0u);
  to_.refuse_writing("people", {});
  EXPECT_EQ(run(sync).status, "completed");
  expect_equal();
}

TEST_F(EngineTest, RefusesALargeTableWithoutALastModifiedField) {
  MemoryTable plain;
  plain.name = "plain";
  plain.fields = {memory_field("id", Type::int64, false)};
  plain.key = {"id"};
  from_.create_table(plain);
  auto writer = from_.begin();
  for (int id = 1; id <= 10'001; ++id) writer->put("plain", {integer(id)});
  writer->commit();
  TableMapping mapping;
  mapping.source = mapping.destination = "plain";
  const SyncReport report = run(mapping);
  EXPECT_EQ(report.status, "failed");
  EXPECT_EQ(report.hold, "table_size");
  EXPECT_THAT(report.error, HasSubstr("updated_at"));
  EXPECT_EQ(store_->find_sync(sync_of({}).id)->hold->kind, "table_size");
  EXPECT_FALSE(to_.has_table("plain"));
}

TEST_F(EngineTest, GoesOnForSevenDaysWithATableThatOutgrowsTheSizeRule) {
  MemoryTable plain;
  plain.name = "plain";
  plain.fields = {memory_field("id", Type::int64, false)};
  plain.key = {"id"};
  from_.create_table(plain);
  const auto put_ids = [&](int first, int last) {
    auto writer = from_.begin();
    for (int id = first; id <= last; ++id) writer->put("plain", {integer(id)});
    writer->commit();
  };
  TableMapping mapping;
  mapping.source = mapping.destination = "plain";
  const auto warning = [&] { return store_->find_sync(sync_of({}).id)->message; };
  put_ids(1, 999);
  EXPECT_EQ(run(mapping).status, "completed");
  EXPECT_THAT(warning(), Not(HasSubstr("rows")));
  put_ids(1'000, 1'000);
  EXPECT_EQ(run(mapping).status, "completed");
  EXPECT_THAT(warning(), HasSubstr("has 1000 rows and is compared whole at each look"));
  put_ids(1'001, 10'001);
  EXPECT_EQ(run(mapping).status, "completed");
  EXPECT_THAT(warning(), AllOf(HasSubstr("outgrown 10000 rows"), HasSubstr("updated_at")));
  const auto outgrew_before = [&](Duration time) {
    execute_in_store("UPDATE sync_mappings SET outgrown_since = '" + to_rfc3339(clock_.now() - time) + "'");
  };
  outgrew_before(7 * 24h - 1min);
  put_ids(10'002, 10'002);
  EXPECT_EQ(run(mapping).status, "completed");
  outgrew_before(7 * 24h);
  put_ids(10'003, 10'003);
  const SyncReport report = run(mapping);
  EXPECT_EQ(report.status, "failed");
  EXPECT_EQ(report.hold, "table_size");
  EXPECT_THAT(report.error, AllOf(HasSubstr("outgrew 10000 rows"), HasSubstr("updated_at")));
}

TEST_F(EngineTest, ReadsEveryRowAgainWhenFieldsChange) {
  for (int id = 1; id <= 10; ++id) put(id, "row");
  TableMapping mapping = people_mapping();
  mapping.fields.pop_back();
  run(mapping);
  to_.add_field("people", memory_field("city", Type::text), Value::null());
  from_.advance(1h);
  EXPECT_EQ(run(people_mapping()).figures.written, 10);
  expect_equal();
  expect_quiet(sync_of({people_mapping()}));
}

TEST_F(EngineTest, LoadsAnewIntoAnotherDestination) {
  for (int id = 1; id <= 10; ++id) put(id, "row");
  run(people_mapping());
  TableMapping mapping = people_mapping();
  mapping.destination = "others";
  SyncDefinition sync = sync_of({mapping});
  EXPECT_EQ(run(sync).figures.written, 10);
  EXPECT_EQ(to_.size("others"), 10u);
}

TEST_F(EngineTest, LoadsAgainWhenTheSourceTableWasMadeAnew) {
  for (int id = 1; id <= 10; ++id) put(id, "row");
  run(diff_mapping(Deletes::hard));
  const MemoryTable table = from_.table("people");
  from_.drop_table("people");
  from_.create_table(table);
  put(1, "row");
  put(11, "row");
  const SyncReport report = run(diff_mapping(Deletes::hard));
  EXPECT_EQ(report.status, "completed") << report.error;
  expect_equal();
}

TEST_F(EngineTest, OneTablesFailureDoesNotStopTheOthers) {
  put(1, "row");
  TableMapping missing = people_mapping();
  missing.source = "peopel";
  const SyncReport report = run(sync_of({missing, people_mapping()}));
  EXPECT_EQ(report.status, "failed");
  EXPECT_THAT(report.error, HasSubstr("peopel"));
  expect_equal();
}

TEST_F(EngineTest, KnowsItsOwnRowsAfterAFailureThoughItMayNotAdoptOthers) {
  for (int id = 1; id <= 30; ++id) put(id, "row");
  TableMapping mapping = people_mapping();
  mapping.existing = Existing::refuse;
  SyncDefinition sync = sync_of({mapping});
  sync.retry.max_retries = 0;
  to_.calls().fail(Call::after_commit, ErrorKind::unavailable);
  EXPECT_EQ(run(sync).status, "failed");
  EXPECT_GT(to_.size("people"), 0u);
  EXPECT_EQ(run(sync).status, "completed");
  expect_equal();
}

TEST_F(EngineTest, RefusesRowsOfOthersWhenToldTo) {
  create_destination();
  to_.put("people", {integer(7), Value::text("theirs"), Value::text("Ulm")});
  put(1, "row");
  TableMapping mapping = people_mapping();
  mapping.existing = Existing::refuse;
  EXPECT_THAT(run(mapping).error, HasSubstr("existing: refuse"));
  mapping.existing = Existing::replace;
  EXPECT_EQ(run(mapping).status, "completed");
  expect_equal();
}

TEST_F(EngineTest, GoesOnWhereAFailedLoadStood) {
  for (int id = 1; id <= 70; ++id) put(id, "row");
  SyncDefinition sync = sync_of({people_mapping()});
  sync.retry.max_retries = 0;
  to_.calls().fail(Call::write, ErrorKind::unavailable, 9);
  EXPECT_EQ(run(sync).status, "failed");
  const SyncReport report = run(sync);
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_LT(report.figures.written, 30);
  expect_equal();
}

TEST_F(EngineTest, WritesARowThatBecameAgainWhatItWasBeforeAFailure) {
  for (const bool diff : {false, true}) {
    const TableMapping mapping = diff ? diff_mapping(Deletes::hard) : people_mapping();
    SyncDefinition sync = sync_of({mapping});
    sync.retry.max_retries = 0;
    put(1, "before");
    ASSERT_EQ(run(sync).status, "completed");
    from_.advance(1min);
    put(1, "between");
    arm_failpoints("pipeline.before_commit=fail");
    EXPECT_EQ(run(sync).status, "failed");
    arm_failpoints("");
    from_.advance(1min);
    put(1, "before");
    EXPECT_EQ(run(sync).status, "completed");
    expect_equal();
  }
}

TEST_F(EngineTest, LoadsFromTheStartOnResync) {
  for (int id = 1; id <= 20; ++id) put(id, "row");
  const SyncDefinition sync = sync_of({people_mapping()});
  run(sync);
  const auto engine = engine_of(sync);
  const SyncReport report = engine->run_once({"people"}, true, {}, {}).front();
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.written, 0);
  EXPECT_GE(report.figures.unchanged, 20);
  expect_equal();
}

TEST_F(EngineTest, HoldsASyncThatOnlyAPersonCanMend) {
  put(1, "row");
  from_.calls().fail(Call::discover, ErrorKind::unauthorized, 1, 100);
  const SyncDefinition sync = sync_of({people_mapping()});
  EXPECT_EQ(run(sync).status, "failed");
  EXPECT_EQ(store_->find_sync(sync.id)->hold->kind, "unauthorized");
  EXPECT_TRUE(store_->due_syncs(10).empty());
  from_.calls().forget();
  EXPECT_EQ(run(sync).status, "completed");
  EXPECT_FALSE(store_->find_sync(sync.id)->hold);
}

TEST_F(EngineTest, NamesTheNearestSyncWhenThereIsNone) {
  const auto engine = engine_of(sync_of({people_mapping()}));
  try {
    engine->run_once({"poeple"}, false, {}, {});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("did you mean \"people\"?"));
  }
}

TEST_F(EngineTest, PollsAndCarriesInTheBackground) {
  put(1, "row");
  std::mutex mutex;
  std::condition_variable written;
  int writes = 0;
  to_.calls().on(Call::after_commit, [&](const std::string&) {
    const std::lock_guard lock(mutex);
    ++writes;
    written.notify_all();
  });
  const SyncDefinition sync = sync_of({people_mapping()});
  const auto engine = engine_of(sync);
  engine->start();
  std::unique_lock lock(mutex);
  ASSERT_TRUE(written.wait_for(lock, 30s, [&] { return writes == 1; }));
  lock.unlock();
  from_.advance(1min);
  put(2, "row");
  lock.lock();
  ASSERT_TRUE(written.wait_for(lock, 30s, [&] { return writes == 2; }));
  lock.unlock();
  engine->stop();
  expect_equal();
  EXPECT_TRUE(store_->find_sync(sync.id)->last_polled_at);
}

/// A failure at each step, in a run that writes, rejects and deletes.
class EngineFaults : public EngineTest,
                     public ::testing::WithParamInterface<std::tuple<const char*, bool>> {};

TEST_P(EngineFaults, AreMadeGoodByTheNextRun) {
  const auto [point, diff] = GetParam();
  const TableMapping mapping = diff ? diff_mapping(Deletes::hard) : people_mapping();
  create_destination();
  to_.refuse_writing("people", [](std::span<const Value> row) -> std::optional<Refusal> {
    if (row[1].view() == "refused") return Refusal{"name", "not this one"};
    return std::nullopt;
  });
  for (int id = 1; id <= 30; ++id) put(id, "first");
  SyncDefinition sync = sync_of({mapping});
  sync.retry.max_retries = 0;
  ASSERT_EQ(run(sync).status, "completed");
  from_.advance(1min);
  for (int id = 10; id <= 40; ++id) put(id, "second");
  put(20, "refused");
  if (diff) remove(1);

  for (int nth = 1; nth <= 4; ++nth) {
    arm_failpoints(std::string(point) + "=fail@" + std::to_string(nth));
    run(sync);
    arm_failpoints("");
    put(50 + nth, "between");
  }
  put(20, "third");
  const SyncReport report = run(sync);
  EXPECT_EQ(report.status, "completed") << report.error;
  expect_equal();
  expect_quiet(sync);
  EXPECT_EQ(store_->count_quarantine(sync.id), 0u);
}

INSTANTIATE_TEST_SUITE_P(AtEachStep, EngineFaults,
                         ::testing::Combine(::testing::Values("pipeline.after_read", "pipeline.before_write",
                                                              "pipeline.after_write", "pipeline.rejection",
                                                              "pipeline.before_commit",
                                                              "pipeline.after_commit",
                                                              "worker.before_finish"),
                                            ::testing::Bool()),
                         [](const auto& instance) {
                           std::string name = std::string(std::get<0>(instance.param)) +
                                              (std::get<1>(instance.param) ? "_diff" : "_cursor");
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace syncflow::testkit
