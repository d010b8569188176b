// What must not be lost when a table, a mapping or a row changes under a sync: each of these once was.

#include <gmock/gmock.h>

#include "testkit/engine_test.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class NothingLost : public EngineTest {
 protected:
  static SyncDefinition once(const TableMapping& mapping) {
    SyncDefinition sync = sync_of({mapping});
    sync.retry.max_retries = 0;
    return sync;
  }
  static TableMapping every_field(WantedStrategy strategy, Deletes deletes = Deletes::ignore) {
    TableMapping mapping;
    mapping.source = mapping.destination = "people";
    mapping.strategy = strategy;
    mapping.deletes = deletes;
    return mapping;
  }
  SyncReport resync(const SyncDefinition& sync) {
    return engine_of(sync)->run_once({sync.name}, true, {}, {}).front();
  }
  /// What stands at the destination in that field, of all rows in the order of the key.
  std::vector<std::string> column(const std::string& field) {
    std::vector<std::string> cells;
    for (const auto& row : to_.contents("people", {field})) cells.push_back(row[0].value_or("NULL"));
    return cells;
  }
  void put_people(int from, int to) {
    for (int id = from; id <= to; ++id) put(id, "row " + std::to_string(id));
  }
  /// Past the overlap: what is read now is not read again because it is recent.
  void let_time_pass() { from_.advance(1h); }
  static MemoryDatabase::Judge judge_of(std::int64_t id) {
    return [id](std::span<const Value> row) -> std::optional<Refusal> {
      if (row[0].as_int64() != id) return std::nullopt;
      return Refusal{"name", "cannot be read"};
    };
  }

  MemoryDatabase::Judge nobody_;
};

TEST_F(NothingLost, ALookDoesNotPassARowThatTheSourceRefuses) {
  put_people(1, 3);
  const SyncDefinition sync = once(people_mapping());
  run(sync);
  let_time_pass();
  run(sync);
  from_.refuse_reading("people", judge_of(7));
  put(7, "seven");
  const SyncReport report = run(sync);
  EXPECT_EQ(report.in_quarantine, 1u);
  from_.refuse_reading("people", nobody_);
  run(sync);
  expect_equal();
}

TEST_F(NothingLost, AnotherDestinationIsFilledWhateverWasWrittenToTheFirst) {
  for (const auto& mapping : {people_mapping(), diff_mapping(Deletes::hard)}) {
    put_people(1, 3);
    SyncDefinition sync = once(mapping);
    run(sync);
    to_.drop_table("people");
    Config config;
    config.connections = {{"source", "from", {}}, {"elsewhere", "to", {}}};
    sync.destination = "elsewhere";
    config.syncs = {sync};
    Engine engine({*store_, registry_, clock_, config, {}});
    engine.apply_config();
    const SyncReport report = engine.run_once({}, false, {}, {}).front();
    EXPECT_EQ(report.figures.written, 3);
    expect_equal();
    to_.drop_table("people");
    store_->forget_sync(sync.id);
  }
}

TEST_F(NothingLost, AFieldThatIsMappedToAnotherIsFilledInEveryRow) {
  MemoryTable table = from_.table("people");
  table.fields.push_back(memory_field("display", Type::text));
  table.cursor.clear();
  to_.create_table(table);
  for (const WantedStrategy strategy : {WantedStrategy::cursor, WantedStrategy::diff}) {
    put_people(1, 3);
    TableMapping mapping = people_mapping();
    mapping.strategy = strategy;
    run(once(mapping));
    mapping.fields[1].to = "display";
    const SyncReport report = run(once(mapping));
    EXPECT_EQ(report.status, "completed") << report.error;
    EXPECT_EQ(column("display"), column("name"));
    auto rows = to_.begin();
    rows->truncate("people");
    rows->commit();
    store_->forget_sync(once(mapping).id);
  }
}

TEST_F(NothingLost, ATableThatWasDroppedIsNamedAndFilledFromTheStartOnceItMayBeMade) {
  for (const auto& mapping : {people_mapping(), diff_mapping(Deletes::hard)}) {
    put_people(1, 3);
    const SyncDefinition sync = once(mapping);
    run(sync);
    to_.drop_table("people");
    put(4, "new");
    const SyncReport held = run(sync);
    EXPECT_NE(held.status, "completed");
    EXPECT_THAT(held.error, HasSubstr("is gone"));
    EXPECT_FALSE(to_.has_table("people"));
    store_->lift_hold(sync.id);
    EXPECT_EQ(run(sync).status, "completed");
    expect_equal();
    to_.drop_table("people");
    remove(4);
    store_->forget_sync(sync.id);
  }
}

TEST_F(NothingLost, AResyncStillRemovesWhatIsGoneAtTheSource) {
  put_people(1, 5);
  const SyncDefinition sync = once(diff_mapping(Deletes::hard));
  run(sync);
  remove(2);
  const SyncReport report = resync(sync);
  EXPECT_EQ(report.figures.deleted, 1) << report.error;
  expect_equal();
}

TEST_F(NothingLost, AResyncThatJoinsAJobInProgressLoadsAgainAllTheSame) {
  put_people(1, 5);
  const SyncDefinition sync = once(people_mapping());
  run(sync);
  let_time_pass();
  run(sync);
  const auto engine = engine_of(sync);
  store_->enqueue(sync.id, Trigger::manual, kPersonPriority);
  const auto claim = store_->claim("another worker", 1min);
  Outcome outcome;
  outcome.kind = Outcome::Kind::retry;
  store_->finish(claim->lease, outcome);
  to_.put("people", {integer(3), Value::text("damaged"), Value::text("Ulm")});
  EXPECT_EQ(resync(sync).status, "completed");
  expect_equal();
}

TEST_F(NothingLost, AFieldThatIsNewAtTheSourceIsFilledInEveryRow) {
  put_people(1, 3);
  const SyncDefinition sync = once(every_field(WantedStrategy::cursor));
  EXPECT_EQ(run(sync).status, "completed");
  let_time_pass();
  EXPECT_EQ(run(sync).figures.written, 0);
  from_.add_field("people", memory_field("vat", Type::int64), integer(19));
  to_.add_field("people", memory_field("vat", Type::int64), {});
  EXPECT_EQ(run(sync).figures.written, 3);
  EXPECT_EQ(column("vat"), (std::vector<std::string>{"19", "19", "19"}));
}

TEST_F(NothingLost, RowsOfOthersAreNotRemovedByAFilterThatTheyNeverPassed) {
  create_destination();
  to_.put("people", {integer(3), Value::text("somebody else's"), Value::text("Paris")});
  put(1, "one");
  put(3, "three", "Paris");
  TableMapping mapping = people_mapping();
  mapping.filters = {{"city", Operator::eq, {"Ulm"}, false}};
  mapping.on_leave = OnLeave::remove;
  SyncReport report = run(once(mapping));
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.filtered, 1);
  EXPECT_EQ(to_.size("people"), 2u);
  let_time_pass();
  put(1, "one", "Paris");
  report = run(once(mapping));
  EXPECT_EQ(report.figures.deleted, 1) << "a row of our own that left the filter goes";
  EXPECT_TRUE(report.figures.add_up());
  EXPECT_EQ(column("name"), std::vector<std::string>{"somebody else's"});
}

TEST_F(NothingLost, ASyncMayGoFromCursorToDiff) {
  put_people(1, 5);
  run(once(people_mapping()));
  remove(2);
  const SyncReport report = run(once(diff_mapping(Deletes::hard)));
  EXPECT_EQ(report.status, "completed") << report.error;
  remove(3);
  EXPECT_EQ(run(once(diff_mapping(Deletes::hard))).figures.deleted, 1);
}

TEST_F(NothingLost, ARowThatCannotBeDeletedWaitsAndTheOthersGo) {
  create_destination();
  MemoryTable visits;
  visits.name = "visits";
  visits.fields = {memory_field("id", Type::int64, false), memory_field("person", Type::int64)};
  visits.key = {"id"};
  visits.foreign_keys = {{{"person"}, "people"}};
  to_.create_table(visits);
  put_people(1, 1'200);
  TableMapping mapping = diff_mapping(Deletes::hard);
  mapping.brake.share = 100;  // so many deletes are meant here
  const SyncDefinition sync = once(mapping);
  EXPECT_EQ(run(sync).status, "completed");
  to_.put("visits", {integer(1), integer(2)});
  for (int id = 1; id <= 1'100; ++id) remove(id);

  const SyncReport report = run(sync);
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.deleted, 1'099);
  EXPECT_EQ(report.in_quarantine, 1u);
  EXPECT_TRUE(report.figures.add_up());
  EXPECT_EQ(to_.size("people"), 101u);
  to_.remove("visits", {integer(1), integer(2)});
  EXPECT_EQ(run(sync).in_quarantine, 0u);
  expect_equal();
  expect_quiet(sync);
}

TEST_F(NothingLost, ARowThatLeavesTheFilterLeavesTheQuarantine) {
  create_destination();
  to_.refuse_writing("people", judge_of(2));
  put_people(1, 3);
  TableMapping mapping = people_mapping();
  mapping.filters = {{"city", Operator::eq, {"Ulm"}, false}};
  mapping.on_leave = OnLeave::keep;
  const SyncDefinition sync = once(mapping);
  EXPECT_EQ(run(sync).in_quarantine, 1u);
  put(2, "row 2", "Paris");
  const SyncReport report = run(sync);
  EXPECT_EQ(report.in_quarantine, 0u);
  EXPECT_TRUE(report.figures.add_up());
}

TEST_F(NothingLost, AStampOfLongAgoIsFoundWhenItLiesAboveWhatWasRead) {
  const auto stamped = [&](std::int64_t id, Duration ago) {
    from_.put("people", {integer(id), Value::text("row"), Value::text("Ulm"), instant(from_.now() - ago)});
  };
  stamped(1, 240h);
  stamped(2, 239h);
  const SyncDefinition sync = once(people_mapping());
  run(sync);
  let_time_pass();
  stamped(1, 200h);
  stamped(3, 100h);
  EXPECT_EQ(run(sync).figures.written, 1) << "only the city or name counts, and row 1 kept them";
  expect_equal();
  stamped(4, 50h);
  run(sync);
  expect_equal();
  expect_quiet(sync);
}

TEST_F(NothingLost, ATableIsNotFilledFromItselfUnderAnotherName) {
  put_people(1, 3);
  SyncDefinition sync = once(people_mapping());
  sync.tables[0].existing = Existing::replace;
  Config config;
  config.connections = {{"source", "from", {}}, {"alias", "from", {}}};
  sync.destination = "alias";
  config.syncs = {sync};
  Engine engine({*store_, registry_, clock_, config, {}});
  engine.apply_config();
  const SyncReport report = engine.run_once({}, false, {}, {}).front();
  EXPECT_THAT(report.error, HasSubstr("one and the same table"));
  EXPECT_EQ(from_.size("people"), 3u);
}

TEST_F(NothingLost, RowsThatALoadReadsTwiceCountOnce) {
  put_people(1, 4);
  const SyncReport report = run(once(people_mapping()));
  EXPECT_EQ(report.figures.read, 4);
  EXPECT_EQ(report.figures.written, 4);
  EXPECT_EQ(report.figures.unchanged, 0);
}

TEST_F(NothingLost, RowsOutsideTheFilterAreCountedAsFiltered) {
  put_people(1, 4);
  put(5, "five", "Paris");
  TableMapping mapping = people_mapping();
  mapping.filters = {{"city", Operator::eq, {"Ulm"}, false}};
  for (const OnLeave policy : {OnLeave::keep, OnLeave::remove}) {
    mapping.on_leave = policy;
    const SyncReport report = run(once(mapping));
    EXPECT_EQ(report.figures.filtered, 1);
    EXPECT_EQ(report.figures.written, 4);
    to_.drop_table("people");
    store_->forget_sync(once(mapping).id);
  }
  mapping.on_leave = OnLeave::remove;
  run(once(mapping));
  put(6, "six", "Paris");
  put(1, "one", "Paris");
  const SyncReport report = run(once(mapping));
  EXPECT_EQ(report.figures.deleted, 1);
  EXPECT_GE(report.figures.filtered, 1);
  EXPECT_TRUE(report.figures.add_up());
}

TEST_F(NothingLost, AKeyThatTheSourceWouldNotKnowByItsCastTextStaysInQuarantine) {
  MemoryTable codes;
  codes.name = "codes";
  codes.fields = {memory_field("code", Type::decimal, false), memory_field("name", Type::text)};
  codes.key = {"code"};
  from_.create_table(codes);
  from_.put("codes", {Value::decimal("7"), Value::text("seven")});
  from_.put("codes", {Value::decimal("8.00"), Value::text("eight")});
  TableMapping mapping;
  mapping.source = mapping.destination = "codes";
  mapping.strategy = WantedStrategy::diff;
  mapping.fields = {{"nr", {"code"}, "cast", {{"to", "int64"}}, std::nullopt},
                    {"name", {"name"}, "", {}, std::nullopt}};
  for (int again = 0; again < 2; ++again) EXPECT_EQ(run(once(mapping)).in_quarantine, 1u);
  EXPECT_EQ(to_.size("codes"), 1u);
}

}  // namespace
}  // namespace syncflow::testkit
