// Runs that take long while others wait, on a clock that the tests move.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "core/error.h"
#include "core/uuid.h"
#include "engine/sync_run.h"
#include "testkit/fake_clock.h"
#include "testkit/memory_provider.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;

/// One worker, the test's own thread, and two syncs: `people`, which takes its time, and `visits`.
class LongRuns : public ::testing::Test {
 protected:
  LongRuns() {
    std::filesystem::create_directories(folder_);
    store_ = open_sqlite_store((folder_ / "store.db").string(), clock_);
    config_.engine.lease = 24h;
    config_.connections = {{"source", "from", {}}, {"destination", "to", {}}};
    for (const char* name : {"people", "visits"}) {
      MemoryTable table;
      table.name = name;
      table.fields = {memory_field("id", Type::int64, false), memory_field("name", Type::text),
                      memory_field("updated_at", Type::timestamp_tz, false)};
      table.key = {"id"};
      table.cursor = "updated_at";
      from_.create_table(table);
      config_.syncs.push_back(sync(name));
    }
    parts_.emplace(
        EngineParts{*store_, registry_, clock_, config_, {}, std::make_shared<SessionPools>(clock_)});
    Engine({*store_, registry_, clock_, config_, {}}).apply_config();
    put("visits", 1, 3);
  }
  ~LongRuns() override {
    parts_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  static SyncDefinition sync(const std::string& name) {
    SyncDefinition sync;
    sync.name = name;
    sync.id = url_uuid("syncflow:test/" + name);
    sync.source = "source";
    sync.destination = "destination";
    sync.batch.rows = 1000;
    sync.retry.max_retries = 0;
    TableMapping mapping;
    mapping.source = mapping.destination = name;
    mapping.strategy = WantedStrategy::cursor;
    mapping.deletes = Deletes::hard;
    mapping.brake.share = 100;  // so many deletes are meant here
    mapping.fields = {{"id", {"id"}, "", {}, std::nullopt}, {"name", {"name"}, "", {}, std::nullopt}};
    sync.tables = {mapping};
    return sync;
  }

  void put(const std::string& table, int from, int to) {
    const auto writer = from_.begin();
    for (int id = from; id <= to; ++id)
      writer->put(table, {integer(id), Value::text("row"), instant(from_.now())});
    writer->commit();
  }
  void remove(const std::string& table, int from, int to) {
    const auto writer = from_.begin();
    for (int id = from; id <= to; ++id) writer->remove(table, {integer(id)});
    writer->commit();
  }
  void expect_equal(const std::string& table) {
    EXPECT_EQ(from_.contents(table, {"id", "name"}), to_.contents(table, {"id", "name"}));
  }

  void ask(const std::string& sync, int priority = 0) {
    store_->enqueue(url_uuid("syncflow:test/" + sync), Trigger::manual, priority);
  }
  /// The sync whose turn it is, worked on until its run is over.
  SyncReport work() {
    const auto claim = store_->claim("worker", config_.engine.lease);
    if (!claim) throw Error(ErrorKind::bug, "nothing waits");
    return run_claim(*parts_, *claim, {});
  }
  /// A run that others wait for: they ask once it has begun. So it goes on until it makes room, or ends.
  SyncReport work_while_visits_wait() {
    const auto claim = store_->claim("worker", config_.engine.lease);
    if (!claim) throw Error(ErrorKind::bug, "nothing waits");
    ask("visits");
    return run_claim(*parts_, *claim, {});
  }
  void expect_visits_next() {
    const SyncReport report = work();
    EXPECT_EQ(report.sync, "visits") << "who waited goes first";
    EXPECT_EQ(report.status, "completed") << report.error;
  }
  /// Each such call takes so long.
  void takes(MemoryDatabase& database, Call call, Duration time) {
    database.calls().on(call, [this, time](const std::string& table) {
      if (table == "people") clock_.advance(time);
    });
  }

  FakeClock clock_{FakeClock::Sleep::waits};
  MemoryDatabase from_, to_;
  Registry registry_{{provider(from_, "from"), provider(to_, "to")}};
  Config config_;
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("syncflow-long-" + random_uuid());
  std::unique_ptr<Store> store_;
  std::optional<EngineParts> parts_;
};

TEST_F(LongRuns, MakeRoomAfterABatchThoughAPersonAskedForThem) {
  put("people", 1, 5000);
  ask("people", kPersonPriority);
  takes(to_, Call::after_commit, 61s);
  SyncReport report = work_while_visits_wait();
  EXPECT_EQ(report.status, "pending");
  EXPECT_EQ(to_.size("people"), 1000u) << "it goes on after its batch";
  EXPECT_EQ(store_->find_job(report.job_id)->retry_count, 0);
  expect_visits_next();
  report = work();
  EXPECT_EQ(report.sync, "people");
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.written, 4000) << "where it stood";
  expect_equal("people");
}

TEST_F(LongRuns, GiveTheirWorkerWhoWaitsInTheStepThatEndsThem) {
  put("people", 1, 5000);
  ask("people", kPersonPriority);
  takes(to_, Call::after_commit, 61s);
  auto next = store_->claim("worker", config_.engine.lease);
  ASSERT_TRUE(next);
  ask("visits");
  next = run_claim_and_take_next(*parts_, *next, {});
  ASSERT_TRUE(next);
  EXPECT_EQ(next->sync.name, "visits");
  next = run_claim_and_take_next(*parts_, *next, {});
  ASSERT_TRUE(next);
  EXPECT_EQ(next->sync.name, "people");
  EXPECT_FALSE(run_claim_and_take_next(*parts_, *next, {})) << "nothing is left to be done";
  expect_equal("people");
  expect_equal("visits");
}

TEST_F(LongRuns, LeaveTheNextToOthersWhenTheirWorkerIsAskedToStop) {
  put("people", 1, 5000);
  ask("people", kPersonPriority);
  ask("visits");
  const auto claim = store_->claim("worker", config_.engine.lease);
  ASSERT_TRUE(claim);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(run_claim_and_take_next(*parts_, *claim, stop.get_token()));
  EXPECT_EQ(store_->pending_jobs(), 2u) << "the job that was in hand is handed back";
}

TEST_F(LongRuns, GoOnWhileNobodyWaits) {
  put("people", 1, 5000);
  ask("people");
  takes(to_, Call::after_commit, 61s);
  EXPECT_EQ(work().status, "completed");
  expect_equal("people");
}

TEST_F(LongRuns, GoOnForTheirFirstMinute) {
  put("people", 1, 5000);
  ask("people");
  takes(to_, Call::after_commit, 11s);
  EXPECT_EQ(work_while_visits_wait().status, "completed");
  expect_equal("people");
}

TEST_F(LongRuns, DoNotMakeRoomForJobsThatNobodyHereWouldTake) {
  put("people", 1, 5000);
  takes(to_, Call::after_commit, 61s);
  ask("visits");
  Engine engine({*store_, registry_, clock_, config_, {}});
  const SyncReport report = engine.run_once({"people"}, false, {}, {}).front();
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(store_->runs_of_job(report.job_id).size(), 1u);
}

TEST_F(LongRuns, MakeRoomWhileTheyRemoveWhatIsGoneAndComeToTheirEnd) {
  put("people", 1, 2500);
  ask("people");
  ASSERT_EQ(work().status, "completed");
  clock_.advance(2h);
  remove("people", 1, 2100);
  // Listing takes longer than a turn, and each step of 500 rows two thirds of one.
  takes(from_, Call::scan_keys, 90s);
  takes(from_, Call::fetch, 40s);
  ask("people");
  SyncReport report = work_while_visits_wait();
  EXPECT_EQ(report.status, "pending");
  EXPECT_EQ(report.figures.deleted, 1500)
      << "the next run has to list anew: this one goes on for as long as it listed";
  expect_visits_next();
  report = work_while_visits_wait();
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.deleted, 600);
  expect_equal("people");
}

TEST_F(LongRuns, MakeRoomWhileTheyTryTheQuarantineAgain) {
  put("people", 1, 1200);
  from_.advance(1h);  // past what is read again anyway
  MemoryTable copy = from_.table("people");
  copy.fields.pop_back();
  copy.cursor.clear();
  to_.create_table(copy);
  to_.refuse_writing(
      "people",
      [](auto) {
        return std::optional<Refusal>({"name", "lacks its parent"});
      },
      RejectionCause::foreign_key);
  ask("people");
  ASSERT_EQ(work().status, "completed");
  ASSERT_EQ(store_->count_quarantine(url_uuid("syncflow:test/people")), 1200u);
  to_.refuse_writing("people", {});
  takes(to_, Call::after_commit, 61s);
  ask("people");
  EXPECT_EQ(work_while_visits_wait().status, "pending");
  EXPECT_EQ(to_.size("people"), 500u);
  expect_visits_next();
  EXPECT_EQ(work().status, "completed");
  EXPECT_EQ(store_->count_quarantine(url_uuid("syncflow:test/people")), 0u);
  expect_equal("people");
}

}  // namespace
}  // namespace syncflow::testkit
