// Deletes of several tables that wait for one word, and runs that die while they note what waits.

#include <gmock/gmock.h>

#include "core/failpoint.h"
#include "testkit/engine_test.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Brakes : public EngineTest {
 protected:
  Brakes() {
    MemoryTable visits = from_.table("people");
    visits.name = "visits";
    from_.create_table(visits);
  }

  static SyncDefinition sync_with(const std::vector<std::string>& tables) {
    std::vector<TableMapping> mappings;
    for (const std::string& table : tables) {
      TableMapping mapping = people_mapping();
      mapping.source = mapping.destination = table;
      mapping.strategy = WantedStrategy::cursor;
      mapping.deletes = Deletes::hard;
      mappings.push_back(mapping);
    }
    SyncDefinition sync = sync_of(mappings);
    sync.batch.rows = 2000;
    sync.retry.max_retries = 0;
    return sync;
  }

  void put_rows(const std::string& table, int from, int to) {
    const auto writer = from_.begin();
    for (int id = from; id <= to; ++id)
      writer->put(table, {integer(id), Value::text("row"), Value::text("Ulm"), instant(from_.now())});
    writer->commit();
  }
  void remove_rows(const std::string& table, int from, int to) {
    const auto writer = from_.begin();
    for (int id = from; id <= to; ++id) writer->remove(table, {integer(id)});
    writer->commit();
  }
  SyncReport reconciled(const SyncDefinition& sync) {
    execute_in_store("UPDATE sync_mappings SET reconciled_at = NULL");
    from_.advance(1h);
    return run(sync);
  }
};

TEST_F(Brakes, OneWordIsAskedForAllTablesTogether) {
  const SyncDefinition sync = sync_with({"people", "visits"});
  for (const char* table : {"people", "visits"}) put_rows(table, 1, 400);
  ASSERT_EQ(run(sync).status, "completed");
  remove_rows("people", 1, 150);
  remove_rows("visits", 1, 200);
  SyncReport report = reconciled(sync);
  EXPECT_EQ(report.hold, "brake");
  EXPECT_THAT(report.error, AllOf(HasSubstr("150 of 400 rows of destination table people"),
                                  HasSubstr("200 of 400 rows of destination table visits")))
      << "the word is for both";
  EXPECT_EQ(store_->find_sync(sync.id)->hold->reason, report.error);
  EXPECT_EQ(to_.size("people") + to_.size("visits"), 800u);

  ASSERT_TRUE(store_->lift_hold(sync.id));
  report = run(sync);
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.deleted, 350);
}

TEST_F(Brakes, ATableThatFailsKeepsNoOtherFromAsking) {
  const SyncDefinition sync = sync_with({"people", "visits"});
  for (const char* table : {"people", "visits"}) put_rows(table, 1, 400);
  ASSERT_EQ(run(sync).status, "completed");
  remove_rows("people", 1, 150);
  for (const Call call : {Call::scan_keys, Call::scan_rows})
    from_.calls().fail(call, ErrorKind::unavailable, 1, 1, "visits");
  const SyncReport report = reconciled(sync);
  EXPECT_EQ(report.hold, "brake") << report.error;
  EXPECT_THAT(report.error, HasSubstr("destination table people"));
}

TEST_F(Brakes, WhatTheHoldDidNotTellOfDoesNotPassWithIt) {
  const SyncDefinition sync = sync_with({"people", "visits"});
  for (const char* table : {"people", "visits"}) put_rows(table, 1, 400);
  ASSERT_EQ(run(sync).status, "completed");
  // A run dies when it has noted what it holds back, and nobody was told.
  remove_rows("people", 1, 150);
  arm_failpoints("brake.noted=fail");
  EXPECT_EQ(reconciled(sync).hold, "");
  arm_failpoints("");
  // The next one does not come that far with people, and asks about visits.
  remove_rows("visits", 1, 200);
  for (const Call call : {Call::scan_keys, Call::scan_rows})
    from_.calls().fail(call, ErrorKind::unavailable, 1, 1, "people");
  SyncReport report = reconciled(sync);
  from_.calls().forget();
  EXPECT_EQ(report.hold, "brake");
  EXPECT_THAT(report.error, AllOf(HasSubstr("table visits"), Not(HasSubstr("table people"))));

  ASSERT_TRUE(store_->lift_hold(sync.id));
  report = run(sync);
  EXPECT_EQ(report.hold, "brake");
  EXPECT_THAT(report.error, AllOf(HasSubstr("table people"), Not(HasSubstr("table visits"))));
  EXPECT_EQ(to_.size("people"), 400u) << "nobody has let these go";
  EXPECT_EQ(to_.size("visits"), 200u);
}

TEST_F(Brakes, ARunThatDiesWhileItNotesMoreLeavesTheOldWordVoid) {
  const SyncDefinition sync = sync_with({"people"});
  put_rows("people", 1, 8000);
  ASSERT_EQ(run(sync).status, "completed");
  remove_rows("people", 1, 900);
  ASSERT_EQ(reconciled(sync).hold, "brake");
  ASSERT_TRUE(store_->lift_hold(sync.id));
  // More than are noted in one step, and those of the first step alone leave too few to ask again.
  remove_rows("people", 901, 5500);
  arm_failpoints("brake.noted=fail");
  EXPECT_EQ(run(sync).status, "failed");
  arm_failpoints("");
  const SyncReport report = run(sync);
  EXPECT_EQ(report.hold, "brake") << "nobody has let 5,500 go";
  EXPECT_THAT(report.error, HasSubstr("5500 of 8000 rows"));
  EXPECT_EQ(to_.size("people"), 8000u);

  ASSERT_TRUE(store_->lift_hold(sync.id));
  EXPECT_EQ(run(sync).figures.deleted, 5500);
}

}  // namespace
}  // namespace syncflow::testkit
