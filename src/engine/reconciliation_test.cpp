#include <gmock/gmock.h>

#include "core/failpoint.h"
#include "testkit/engine_test.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Reconciliation : public EngineTest {
 protected:
  static TableMapping mapping_of(Deletes deletes) {
    TableMapping mapping = people_mapping();
    mapping.strategy = WantedStrategy::cursor;
    mapping.deletes = deletes;
    return mapping;
  }
  static SyncDefinition once(const TableMapping& mapping) {
    SyncDefinition sync = sync_of({mapping});
    sync.retry.max_retries = 0;
    return sync;
  }
  /// The next run compares both sides' keys.
  void make_due() {
    execute_in_store("UPDATE sync_mappings SET reconciled_at = NULL");
    from_.advance(1h);
  }
  SyncReport reconciled(const TableMapping& mapping) {
    make_due();
    return run(once(mapping));
  }
  void put_people(int from, int to, const std::string& city = "Ulm") {
    for (int id = from; id <= to; ++id) put(id, "row " + std::to_string(id), city);
  }
  void remove_people(int from, int to) {
    for (int id = from; id <= to; ++id) remove(id);
  }
  std::string message() { return store_->find_sync(once(people_mapping()).id)->message; }
  std::string hold() {
    const auto sync = store_->find_sync(once(people_mapping()).id);
    return sync->hold ? sync->hold->kind : "";
  }
  std::vector<std::string> column(const std::string& field) {
    std::vector<std::string> cells;
    for (const auto& row : to_.contents("people", {field})) cells.push_back(row[0].value_or("NULL"));
    return cells;
  }
};

TEST_F(Reconciliation, FindsWhatIsGoneAtTheSourceOnItsOwnSchedule) {
  put_people(1, 30);
  const TableMapping mapping = mapping_of(Deletes::hard);
  SyncReport report = run(once(mapping));
  EXPECT_EQ(report.strategy, "cursor");
  EXPECT_EQ(report.figures.written, 30);
  EXPECT_THAT(message(), HasSubstr("deleted rows are looked for every 1 hour; last on"));

  remove(3);
  remove(30);
  from_.advance(10min);
  put(4, "changed");
  report = run(once(mapping));
  EXPECT_EQ(report.figures.deleted, 0) << "an hour has not passed";
  EXPECT_EQ(report.figures.written, 1);

  report = reconciled(mapping);
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.deleted, 2);
  EXPECT_TRUE(report.figures.add_up());
  EXPECT_THAT(message(), HasSubstr("2 rows removed, 0 that were missing written"));
  expect_equal();
  report = reconciled(mapping);
  EXPECT_EQ(report.figures.read, 0);
}

TEST_F(Reconciliation, SetsASoftMarkOnceAndAnUpsertClearsIt) {
  put_people(1, 5);
  const TableMapping mapping = mapping_of(Deletes::soft);
  run(once(mapping));
  remove(2);
  EXPECT_EQ(reconciled(mapping).figures.deleted, 1);
  const auto marks = column("deleted_at");
  ASSERT_EQ(marks.size(), 5u);
  EXPECT_NE(marks[1], "NULL");
  const SyncReport again = reconciled(mapping);
  EXPECT_EQ(again.figures.read, 0) << "a marked row is not looked at again";
  EXPECT_EQ(column("deleted_at"), marks);
  put(2, "back");
  EXPECT_EQ(run(once(mapping)).figures.written, 1);
  EXPECT_EQ(column("deleted_at"), std::vector<std::string>(5, "NULL"));
}

TEST_F(Reconciliation, OfATableOfOthersRemovesOnlyWhatItWrote) {
  create_destination();
  to_.put("people", {integer(98), Value::text("theirs"), Value::text("Bonn")});
  to_.put("people", {integer(99), Value::text("theirs"), Value::text("Bonn")});
  put_people(1, 5);
  put(99, "both have it");
  const TableMapping mapping = mapping_of(Deletes::hard);
  EXPECT_EQ(run(once(mapping)).status, "completed");
  remove(2);
  SyncReport report = reconciled(mapping);
  EXPECT_EQ(report.figures.deleted, 1);
  EXPECT_EQ(column("id"), (std::vector<std::string>{"1", "3", "4", "5", "98", "99"}));
  // What was removed is no longer ours: another's row under the same key stays.
  to_.put("people", {integer(2), Value::text("theirs"), Value::text("Bonn")});
  EXPECT_EQ(reconciled(mapping).figures.deleted, 0);
  EXPECT_EQ(to_.size("people"), 7u);
}

TEST_F(Reconciliation, WritesRowsThatAreMissingAtTheDestination) {
  put_people(1, 10);
  const TableMapping mapping = mapping_of(Deletes::hard);
  run(once(mapping));
  to_.remove("people", {integer(4)});
  to_.remove("people", {integer(9)});
  const SyncReport report = reconciled(mapping);
  EXPECT_EQ(report.figures.written, 2);
  EXPECT_TRUE(report.figures.add_up());
  expect_equal();
}

TEST_F(Reconciliation, ComparesRowsWithoutACursor) {
  const auto put_null = [&](std::int64_t id, const std::string& name) {
    from_.put("people", {integer(id), Value::text(name), Value::text("Ulm"), Value::null()});
  };
  put_people(1, 5);
  put_null(6, "null");
  put_null(7, "null");
  const TableMapping mapping = mapping_of(Deletes::hard);
  run(once(mapping));
  expect_equal();
  from_.advance(1h);
  run(once(mapping));
  put_null(6, "changed in place");
  const SyncReport report = reconciled(mapping);
  EXPECT_EQ(report.figures.written, 1);
  EXPECT_THAT(message(), HasSubstr("2 rows without a cursor compared, 1 changed"));
  expect_equal();
}

TEST_F(Reconciliation, RemovesWhatIsOutsideTheFilterAndKeepsWhatIsSaidToStay) {
  for (const OnLeave policy : {OnLeave::remove, OnLeave::keep}) {
    put_people(1, 5);
    TableMapping mapping = mapping_of(Deletes::hard);
    mapping.filters = {{"city", Operator::eq, {"Ulm"}, false}};
    mapping.on_leave = policy;
    run(once(mapping));
    // A change that the cursor does not see.
    from_.put("people", {integer(2), Value::text("left"), Value::text("Bonn"), instant(from_.now() - 100h)});
    remove(3);
    const SyncReport report = reconciled(mapping);
    EXPECT_EQ(report.figures.deleted, policy == OnLeave::remove ? 2 : 1);
    EXPECT_TRUE(report.figures.add_up());
    to_.drop_table("people");
    store_->forget_sync(once(mapping).id);
  }
}

TEST_F(Reconciliation, BringsKeysOfOtherTypesToOne) {
  put_people(1, 25);
  TableMapping mapping = mapping_of(Deletes::hard);
  mapping.fields[0] = {"id", {"id"}, "cast", {{"to", FreeText("text")}}, std::nullopt};
  EXPECT_EQ(run(once(mapping)).figures.written, 25);
  remove(2);
  remove(10);
  to_.remove("people", {Value::text("11")});
  const SyncReport report = reconciled(mapping);
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.deleted, 2);
  EXPECT_EQ(report.figures.written, 1);
  EXPECT_EQ(to_.size("people"), 23u);
  EXPECT_EQ(reconciled(mapping).figures.read, 0);
}

TEST_F(Reconciliation, AnIncompleteListingDeletesNothing) {
  put_people(1, 50);
  const TableMapping mapping = mapping_of(Deletes::hard);
  run(once(mapping));
  remove_people(1, 5);
  for (MemoryDatabase* side : {&from_, &to_}) {
    side->calls().fail(Call::scan_keys, ErrorKind::unavailable);
    side->calls().fail(Call::scan_rows, ErrorKind::unavailable);
    EXPECT_EQ(reconciled(mapping).status, "failed");
    EXPECT_EQ(to_.size("people"), 50u);
    side->calls().forget();
  }
  EXPECT_EQ(run(once(mapping)).figures.deleted, 5);
  expect_equal();
}

TEST_F(Reconciliation, ARowThatIsBackBeforeItIsDeletedStays) {
  put_people(1, 10);
  const TableMapping mapping = mapping_of(Deletes::hard);
  run(once(mapping));
  remove(4);
  remove(5);
  make_due();
  from_.calls().on(Call::fetch, [&](const std::string&) { put(4, "back"); });
  const SyncReport report = run(once(mapping));
  from_.calls().on(Call::fetch, {});
  EXPECT_EQ(report.figures.deleted, 1);
  EXPECT_EQ(report.figures.written, 1);
  expect_equal();
}

TEST_F(Reconciliation, GoesOnAfterItDiedAnywhere) {
  const TableMapping mapping = mapping_of(Deletes::hard);
  put_people(1, 20);
  run(once(mapping));
  int next = 1;
  for (const char* point :
       {"reconcile.listed", "reconcile.confirmed", "pipeline.before_write", "pipeline.after_write",
        "pipeline.before_commit", "store.rows", "pipeline.after_commit", "reconcile.before_done"}) {
    SCOPED_TRACE(point);
    remove(next++);
    to_.remove("people", {integer(20 - next)});
    arm_failpoints(std::string(point) + "=fail");
    EXPECT_EQ(reconciled(mapping).status, "failed");
    arm_failpoints("");
    EXPECT_EQ(run(once(mapping)).status, "completed");
    expect_equal();
  }
}

TEST_F(Reconciliation, ABrakeHoldsBackManyDeletesUntilAPersonLetsThemPass) {
  put_people(1, 400);
  const TableMapping mapping = mapping_of(Deletes::hard);
  run(once(mapping));
  remove_people(1, 150);
  SyncReport report = reconciled(mapping);
  EXPECT_EQ(report.status, "failed");
  EXPECT_EQ(report.hold, "brake");
  EXPECT_EQ(hold(), "brake");
  EXPECT_THAT(report.error, HasSubstr("150 of 400 rows of destination table people would be deleted"));
  EXPECT_THAT(report.error, HasSubstr("syncflow resume people"));
  EXPECT_EQ(to_.size("people"), 400u);
  EXPECT_EQ(run(once(mapping)).hold, "brake") << "running it again is no word of a person";
  EXPECT_EQ(to_.size("people"), 400u);

  ASSERT_TRUE(store_->lift_hold(once(mapping).id));
  report = run(once(mapping));
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.deleted, 150);
  expect_equal();

  remove_people(151, 300);
  EXPECT_EQ(reconciled(mapping).hold, "brake") << "what passed once does not pass again";
  EXPECT_EQ(to_.size("people"), 250u);
}

TEST_F(Reconciliation, APersonsWordIsForTheseDeletesAndNoMore) {
  put_people(1, 400);
  const TableMapping mapping = mapping_of(Deletes::hard);
  run(once(mapping));
  remove_people(1, 150);
  EXPECT_EQ(reconciled(mapping).hold, "brake");
  ASSERT_TRUE(store_->lift_hold(once(mapping).id));
  remove_people(151, 350);
  SyncReport report = run(once(mapping));
  EXPECT_EQ(report.hold, "brake");
  EXPECT_THAT(report.error, HasSubstr("350 of 400 rows"));
  EXPECT_EQ(to_.size("people"), 400u);
  ASSERT_TRUE(store_->lift_hold(once(mapping).id));
  remove(360);  // a few more are no matter
  report = run(once(mapping));
  EXPECT_EQ(report.figures.deleted, 351);
  expect_equal();
}

TEST_F(Reconciliation, WhatIsBackBeforeAPersonSaidSoStays) {
  put_people(1, 400);
  const TableMapping mapping = mapping_of(Deletes::hard);
  run(once(mapping));
  remove_people(1, 400);
  EXPECT_EQ(reconciled(mapping).hold, "brake");
  put_people(1, 400);
  ASSERT_TRUE(store_->lift_hold(once(mapping).id));
  EXPECT_EQ(run(once(mapping)).figures.deleted, 0);
  expect_equal();
}

TEST_F(Reconciliation, TheBrakeIsForDiffToo) {
  put_people(1, 400);
  const TableMapping mapping = diff_mapping(Deletes::hard);
  run(once(mapping));
  remove_people(1, 400);
  EXPECT_EQ(run(once(mapping)).hold, "brake");
  EXPECT_EQ(to_.size("people"), 400u);
  ASSERT_TRUE(store_->lift_hold(once(mapping).id));
  const SyncReport report = run(once(mapping));
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.deleted, 400);
  expect_equal();
}

TEST_F(Reconciliation, FindsWhatWentBeforeTheStrategyChanged) {
  const SyncDefinition cursor = once(mapping_of(Deletes::hard)), diff = once(diff_mapping(Deletes::hard));
  for (const bool owned : {true, false}) {
    SCOPED_TRACE(owned ? "a table of our own" : "a table of others");
    if (!owned) {
      create_destination();
      to_.put("people", {integer(99), Value::text("theirs"), Value::text("Bonn")});
    }
    const std::size_t others = owned ? 0 : 1;
    put_people(1, 30);
    run(cursor);
    remove(3);
    EXPECT_EQ(engine_of(diff)->verify("people", {}).tables.at(0).surplus, 1);
    SyncReport report = run(diff);
    EXPECT_EQ(report.status, "completed") << report.error;
    EXPECT_EQ(report.figures.deleted, 1);
    EXPECT_TRUE(report.figures.add_up());
    EXPECT_EQ(to_.size("people"), 29 + others);
    remove(4);
    EXPECT_EQ(run(diff).figures.deleted, 1);
    EXPECT_EQ(run(diff).figures.read, 0) << "both sides are compared once, and there is nothing to do";
    remove(5);
    from_.advance(1h);
    report = run(cursor);
    EXPECT_EQ(report.status, "completed") << report.error;
    EXPECT_EQ(report.figures.deleted, 1);
    EXPECT_EQ(to_.size("people"), 27 + others);
    to_.drop_table("people");
    store_->forget_sync(cursor.id);
  }
}

TEST_F(Reconciliation, TheBrakeIsForWhatWentBeforeTheStrategyChangedToo) {
  put_people(1, 400);
  run(once(mapping_of(Deletes::hard)));
  remove_people(1, 200);
  const SyncDefinition diff = once(diff_mapping(Deletes::hard));
  EXPECT_EQ(run(diff).hold, "brake");
  EXPECT_EQ(to_.size("people"), 400u);
  ASSERT_TRUE(store_->lift_hold(diff.id));
  const SyncReport report = run(diff);
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.deleted, 200);
  expect_equal();
}

TEST_F(Reconciliation, WhatWentBeforeTheStrategyChangedIsFoundThoughRunsDie) {
  put_people(1, 30);
  run(once(mapping_of(Deletes::hard)));
  remove(3);
  const SyncDefinition diff = once(diff_mapping(Deletes::hard));
  arm_failpoints("reconcile.listed=fail");
  EXPECT_EQ(run(diff).status, "failed");
  arm_failpoints("");
  from_.calls().fail(Call::fetch, ErrorKind::unavailable);
  EXPECT_EQ(run(diff).status, "failed") << "both sides were compared, and nothing removed yet";
  from_.calls().forget();
  EXPECT_EQ(run(diff).status, "completed");
  expect_equal();
}

TEST_F(Reconciliation, ABrakeCanBeSet) {
  put_people(1, 20);
  TableMapping mapping = mapping_of(Deletes::hard);
  mapping.brake = {50, 5};
  run(once(mapping));
  remove_people(1, 9);
  EXPECT_EQ(reconciled(mapping).figures.deleted, 9);
  remove_people(10, 19);
  EXPECT_EQ(reconciled(mapping).hold, "brake");
}

}  // namespace
}  // namespace syncflow::testkit
