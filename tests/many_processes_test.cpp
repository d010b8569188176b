// Several `serve` on one PostgreSQL store share the work: no sync runs twice at a time, none starves, and work moves
// when a process goes.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <csignal>
#include <thread>

#include "support/many_tables.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;

constexpr const char* kLease = "interval '2 seconds'";
/// What the machine may add to a time, busy as it is.
constexpr const char* kSlack = "interval '3 seconds'";

class ManyProcesses : public ManyTables {
 protected:
  void SetUp() override {
    if (!is_set(kPostgresqlUrl)) GTEST_SKIP() << not_set(kPostgresqlUrl);
  }
};

class UnderLoad : public ManyProcesses {
 protected:
  void share_the_work(int processes, int syncs, int turns) {
    begin(syncs);
    const std::string began = store_->value("SELECT clock_timestamp()");
    std::jthread writer([&](std::stop_token stop) { write_until(std::move(stop)); });
    std::vector<Service> services;
    for (int i = 0; i < processes; ++i) services.push_back(serve());
    // The one that has had the fewest turns.
    const std::string fewest = fmt::format(
        "SELECT coalesce(min(n), 0) FROM (SELECT count(r.id) AS n FROM sync_definitions d LEFT JOIN "
        "sync_runs r "
        "ON r.sync_id = d.id AND r.status = 'completed' AND r.written > 0 AND r.started_at > '{}' GROUP BY "
        "d.id) x",
        began);
    services.front().process.wait_until(
        "every sync has had its turns", [&] { return std::stoi(store_->value(fewest)) >= turns; }, 400s);
    writer.request_stop();
    writer.join();
    for (Service& service : services) EXPECT_EQ(service.stop(), Exit{0});
    // Each process has two workers, each an owner: so many are not of fewer processes.
    EXPECT_GT(std::stoi(store_->value("SELECT count(DISTINCT owner) FROM claims")), 2 * (processes - 1));
    expect_settled();
  }
};

TEST_F(UnderLoad, ThreeProcessesShareTheWorkAndNoSyncStarvesOrRunsTwiceAtATime) { share_the_work(3, 24, 2); }
TEST_F(UnderLoad, FiveProcessesShareTheWorkForLong) { share_the_work(5, 48, 20); }

TEST_F(ManyProcesses, MoveTheWorkOfOneThatIsKilledWithinOneLease) {
  begin(4);
  rename("t00", "id <= 20", "renamed");
  // It hangs in the middle of its run, and its heart beats on.
  environment["SYNCFLOW_FAILPOINT"] = "pipeline.before_write=hang";
  Service doomed = serve();
  environment.erase("SYNCFLOW_FAILPOINT");
  doomed.process.wait_until("it has begun", [&] { return claims_of("t00") == "1"; });
  Service other = serve();
  // The other one works, on what is not taken.
  rename("t01", "id <= 20", "renamed");
  other.process.wait_until("it has worked", [&] {
    return destination_->value("SELECT count(*) FROM t01 WHERE name = 'renamed'") == "20";
  });
  EXPECT_EQ(claims_of("t00"), "1") << "a lease ran out though its owner lives";

  const std::string killed = store_->value("SELECT clock_timestamp()");
  doomed.process.signal(SIGKILL);
  doomed.process.wait();
  other.process.wait_until("the work has moved", [&] { return claims_of("t00") == "2"; });
  EXPECT_TRUE(claimed_within("t00", fmt::format("'{}'::timestamptz", killed),
                             fmt::format("{} + {}", kLease, kSlack)));
  other.process.wait_until("the renamed rows", [&] {
    return destination_->value("SELECT count(*) FROM t00 WHERE name = 'renamed'") == "20";
  });
  EXPECT_EQ(other.stop(), Exit{0});
  EXPECT_NE(store_->value("SELECT count(*) FROM sync_runs WHERE error LIKE 'the worker was lost%'"), "0");
  expect_settled();
}

TEST_F(ManyProcesses, TakeOverAtOnceWhatOneHandsBackThatIsAskedToStop) {
  begin(2, "{size: 5, interval: 500}");
  Service first = serve();
  // The other one is there, and does not take it before its time.
  Service second = serve();
  second.process.signal(SIGSTOP);
  rename("t00", "true", "renamed");
  store_->execute(
      "INSERT INTO data_sync_jobs(sync_id) SELECT id::uuid FROM sync_definitions WHERE name = 't00'");
  const auto carried = [&](int rows) {
    return [this, rows] {
      return std::stoi(destination_->value("SELECT count(*) FROM t00 WHERE name = 'renamed'")) >= rows;
    };
  };
  first.process.wait_until("some of its batches", carried(5));
  second.process.signal(SIGCONT);
  EXPECT_EQ(first.stop(), Exit{0});
  EXPECT_FALSE(carried(kRows)()) << "it was over before it could be asked to stop";
  second.process.wait_until("the rest", carried(kRows));
  // No lease had to run out.
  EXPECT_TRUE(claimed_within("t00", "(SELECT min(finished_at) FROM sync_runs WHERE status = 'yielded')",
                             "interval '1900 milliseconds'"));
  EXPECT_EQ(second.stop(), Exit{0});
  expect_settled();
}

}  // namespace
}  // namespace syncflow::tests
