// A server of the test's own is stopped in the middle of a batch, in good order and by kill -9, and started again: as
// source, as destination and as store. The run goes on by itself; afterwards both ends are equal, a further run writes
// nothing, and what happened was told with its cause.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "support/many_tables.h"
#include "support/mysql_server.h"
#include "support/postgresql_server.h"
#include "support/runs.h"
#include "support/two_tables.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

enum class Way { in_order, killed };
enum class End { source, destination };

constexpr std::array kWays = {Way::in_order, Way::killed};
const char* name_of(Way way) { return way == Way::in_order ? "in good order" : "by kill -9"; }

/// One end is the server, the other a SQLite file.
class RestartedEnd : public TwoTables, public ::testing::WithParamInterface<std::pair<System, End>> {
 protected:
  void SetUp() override {
    const std::string reason =
        on_postgresql() ? PostgresqlServer::obstacle() : MysqlServer::obstacle(flavour());
    if (!reason.empty()) GTEST_SKIP() << reason;
    // More than the buffers between server and program hold: the rest of a read is yet to be sent.
    rows_ = is_source() ? (on_postgresql() ? 10'000 : 40'000) : 200;
    batch_rows = is_source() ? 1000 : 40;
    engine = "{lease: 2m}";  // beside other tests MySQL may take half a minute to stop and start
    std::filesystem::permissions(folder(), std::filesystem::perms(0711));
    begin_on_server();
    add_tags(1, 20);
    add_items(1, 10, "first");
    run_syncs();
  }

  void TearDown() override {
    TwoTables::TearDown();
    // Before their server goes.
    source_.reset();
    destination_.reset();
    source_database_.reset();
    destination_database_.reset();
  }

  static bool on_postgresql() { return GetParam().first == System::postgresql; }
  static Flavour flavour() { return GetParam().first == System::mysql ? Flavour::mysql : Flavour::mariadb; }
  static bool is_source() { return GetParam().second == End::source; }

  void begin_on_server() {
    if (on_postgresql()) postgresql_.emplace(folder() / "server");
    else mysql_.emplace(flavour(), folder() / "server");
    auto database = on_postgresql() ? postgresql_->make_database() : mysql_->make_database();
    auto file = make_database(System::sqlite, folder(), "other.db");
    (is_source() ? source_database_ : destination_database_) = std::move(database);
    (is_source() ? destination_database_ : source_database_) = std::move(file);
    make_tables(is_source() ? GetParam().first : System::sqlite);
  }

  std::string place() const { return on_postgresql() ? postgresql_->place() : mysql_->place(); }

  void restart(Way way) {
    source_.reset();
    destination_.reset();
    if (on_postgresql()) {
      postgresql_->stop(way == Way::in_order ? PostgresqlServer::Stop::fast : PostgresqlServer::Stop::killed);
      postgresql_->start();
    } else {
      mysql_->stop(way == Way::in_order ? MysqlServer::Stop::fast : MysqlServer::Stop::killed);
      mysql_->start();
    }
    source_ = source_database_->log_in();
    destination_ = destination_database_->log_in();
  }

  void change_much(int round) {
    constexpr int kAtOnce = 1000;
    const std::string name(90, static_cast<char>('a' + round));
    const int first = round * 100'000;
    for (int done = 0; done < rows_; done += kAtOnce)
      add_items(first + done, std::min(kAtOnce, rows_ - done), name);
    rename_items("id <= 5", fmt::format("round {}", round));
    remove_tag(round);
    add_tag(100 + round);
  }

  /// The attempt that was cut off is told in the log and with its run.
  void expect_told(const Finished& finished) {
    EXPECT_THAT(finished.err, AllOf(HasSubstr("A sync will be tried again."), HasSubstr(place())))
        << finished;
    const std::vector<Report> reports = finished.reports();
    ASSERT_EQ(reports.size(), 1u) << finished;
    const Finished shown = run({"jobs", "show", reports.front().job_id, "--json"});
    EXPECT_THAT(shown.out, HasSubstr(place())) << shown;
  }

  int rows_ = 0;
  std::optional<PostgresqlServer> postgresql_;
  std::optional<MysqlServer> mysql_;
};

TEST_P(RestartedEnd, InTheMiddleOfABatchIsToldAndTheRunGoesOn) {
  int round = 0;
  for (const Way way : kWays) {
    SCOPED_TRACE(name_of(way));
    change_much(++round);
    Process process = start_and_freeze(is_source() ? "pipeline.after_read" : "destination.before_commit");
    restart(way);
    process.signal(SIGCONT);
    const Exit exit = process.wait();
    EXPECT_EQ(exit, Exit{0}) << process.story();
    expect_told({exit, process.out(), process.err(), process.story()});
    expect_equal();
    expect_quiet();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Of, RestartedEnd,
                         ::testing::Values(std::pair(System::postgresql, End::source),
                                           std::pair(System::postgresql, End::destination),
                                           std::pair(System::mariadb, End::source),
                                           std::pair(System::mariadb, End::destination),
                                           std::pair(System::mysql, End::source),
                                           std::pair(System::mysql, End::destination)),
                         [](const auto& instance) {
                           return std::string(name_of(instance.param.first)) +
                                  (instance.param.second == End::source ? "_source" : "_destination");
                         });

/// The store is the server, both ends are SQLite files.
class RestartedStore : public TwoTables {
 protected:
  void SetUp() override {
    if (!PostgresqlServer::obstacle().empty()) GTEST_SKIP() << PostgresqlServer::obstacle();
    std::filesystem::permissions(folder(), std::filesystem::perms(0711));
    server_.emplace(folder() / "server");
    store_database_ = server_->make_database();
    store = store_database_->address();
    engine = "{workers: 2, lease: 5s, heartbeat: 500ms}";
    max_retries = 20;
    begin(System::sqlite, System::sqlite);
    add_items(1, 100, "first");
    add_tags(1, 20);
    run_syncs();
  }

  void TearDown() override {
    TwoTables::TearDown();
    store_database_.reset();  // before its server goes
  }

  void expect_settled() {
    run_syncs();
    expect_equal();
    expect_quiet();
    EXPECT_EQ(overlapping_runs(*store_database_->log_in()), "");
    EXPECT_EQ(count("data_sync_jobs WHERE status = 'failed'"), "0");
  }
  std::string count(const std::string& what) const {
    return store_database_->log_in()->value("SELECT count(*) FROM " + what);
  }

  std::optional<PostgresqlServer> server_;
  std::unique_ptr<Database> store_database_;
};

TEST_F(RestartedStore, InTheMiddleOfABatchIsToldAndTheRunGoesOn) {
  int round = 0;
  for (const auto how :
       {PostgresqlServer::Stop::fast, PostgresqlServer::Stop::immediate, PostgresqlServer::Stop::killed}) {
    SCOPED_TRACE(name_of(how));
    change(++round);
    Process process = start_and_freeze("pipeline.before_commit");
    server_->stop(how);
    server_->start();
    process.signal(SIGCONT);
    EXPECT_EQ(process.wait(), Exit{0}) << process.story();
    EXPECT_THAT(process.err(), AllOf(HasSubstr("The store did not answer a call; trying again."),
                                     HasSubstr(server_->place())));
    expect_settled();
    if (HasFailure()) return;
  }
}

TEST_F(RestartedStore, ThatIsAwayForAWhileIsOutlivedByTheService) {
  change(1);
  environment["SYNCFLOW_FAILPOINT"] = "pipeline.before_commit=freeze";
  Process service = start({"serve", "--json", "--listen", "127.0.0.1:0"});
  environment.erase("SYNCFLOW_FAILPOINT");
  service.wait_until("it stands still", [&] { return service.is_frozen(); });
  server_->stop(PostgresqlServer::Stop::killed);
  service.signal(SIGCONT);
  service.wait_for_line("A table could not be brought up to date.");
  service.wait_for_line("The queue cannot be read; trying again.");
  change(2);
  server_->start();
  service.wait_until("both ends are equal", [&] { return differences().empty(); });
  service.signal(SIGTERM);
  EXPECT_EQ(service.wait(), Exit{0}) << service.story();
  EXPECT_THAT(service.err(), HasSubstr(server_->place()));
  // As it ended, or that nobody heard of its end.
  EXPECT_NE(count(fmt::format("sync_runs WHERE error LIKE '%{}%' OR error LIKE 'the worker was lost%'",
                              server_->place())),
            "0");
  expect_settled();
}

/// Source, destination and store are three servers, one of which is always about to go.
class RestartedAtRandom : public ManyTables {
 protected:
  void SetUp() override {
    if (!PostgresqlServer::obstacle().empty()) GTEST_SKIP() << PostgresqlServer::obstacle();
    std::filesystem::permissions(folder(), std::filesystem::perms(0711));
    for (std::size_t i = 0; i < servers_.size(); ++i)
      servers_[i].emplace(folder() / fmt::format("server{}", i));
    source_database_ = servers_[0]->make_database();
    destination_database_ = servers_[1]->make_database();
    store_database_ = servers_[2]->make_database();
    // Small batches with pauses: a run is always under way.
    begin(6, "{size: 5, interval: 50}");
  }

  void TearDown() override {
    ManyTables::TearDown();
    // Before their servers go.
    log_out();
    for (auto* database : {&source_database_, &destination_database_, &store_database_}) database->reset();
  }

  void log_out() {
    for (auto* session : {&source_, &destination_, &store_}) session->reset();
  }

  void restart(PostgresqlServer& server, PostgresqlServer::Stop how) {
    log_out();
    server.stop(how);
    server.start();
    source_ = source_database_->log_in();
    destination_ = destination_database_->log_in();
    store_ = store_database_->log_in();
  }

  void restart_often(int times) {
    const unsigned seed = std::random_device{}();
    fmt::print("seed {}\n", seed);
    std::mt19937 random(seed);
    Service service = serve();
    for (int time = 1; time <= times; ++time) {
      for (int sync = 0; sync < syncs_; ++sync)
        rename(table_of(sync), fmt::format("id % 7 = {}", time % 7), fmt::format("time {}", time));
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 1500));  // somewhere in their runs
      constexpr std::array kHow = {PostgresqlServer::Stop::fast, PostgresqlServer::Stop::immediate,
                                   PostgresqlServer::Stop::killed};
      restart(*servers_[random() % servers_.size()], kHow[random() % kHow.size()]);
      ASSERT_TRUE(service.process.running()) << service.process.story();
    }
    service.process.wait_until(
        "both ends are equal", [&] { return differences().empty(); }, 300s);
    EXPECT_EQ(service.stop(20s), Exit{0}) << service.process.story();
    EXPECT_NE(store_->value("SELECT count(*) FROM sync_runs WHERE error <> ''"), "0");
    expect_settled();
  }

  std::array<std::optional<PostgresqlServer>, 3> servers_;
};

TEST_F(RestartedAtRandom, ThirtyTimesNothingIsLost) { restart_often(30); }

}  // namespace
}  // namespace syncflow::tests
