// A worker stands still (SIGSTOP) past its lease while another process carries newer values of the same rows, and goes
// on: what it still sends is refused, and the newer values stand.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <random>
#include <thread>

#include "support/runs.h"
#include "support/two_tables.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr auto kLease = 2s;
constexpr const char* kEngine = "{workers: 1, lease: 2s, heartbeat: 500ms, drain: 2s}";

/// Two processes on one PostgreSQL store, from PostgreSQL to a destination.
class Frozen : public TwoTables {
 protected:
  /// Why it cannot be; empty: it can.
  static std::string obstacle(System to) {
    for (const char* variable : {kPostgresqlUrl, variable_of(to)})
      if (variable && !is_set(variable)) return not_set(variable);
    return "";
  }

  void begin_on_shared_store(System to) {
    store_database_ = make_postgresql_database();
    store = store_database_->address();
    engine = kEngine;
    begin(System::postgresql, to);
    store_session_ = store_database_->log_in();
  }

  std::string count_named(const std::string& name) {
    // SQLite's file may be locked by a process that stands still: readers may wait for it too.
    return destination_->value("SELECT count(*) FROM items WHERE name = '" + name + "'");
  }

  std::unique_ptr<Database> store_database_;
  std::unique_ptr<Session> store_session_;
};

struct Moment {
  System to;
  const char* point;
  bool holds_file = false;  ///< SQLite's lock is held meanwhile, so that others wait for it
};

std::ostream& operator<<(std::ostream& out, const Moment& moment) {
  return out << moment.to << " " << moment.point;
}

class FrozenAt : public Frozen, public ::testing::WithParamInterface<Moment> {
 protected:
  void SetUp() override {
    if (const std::string reason = obstacle(GetParam().to); !reason.empty()) GTEST_SKIP() << reason;
    begin_on_shared_store(GetParam().to);
    add_items(1, 60, "first");
    add_tags(1, 10);
    run_syncs();
  }

  /// A process that has read values called "old" and stands still.
  Process frozen_worker() {
    rename_items("id <= 40", "old");
    add_tag(100);
    environment["SYNCFLOW_FAILPOINT"] = std::string(GetParam().point) + "=freeze";
    Process worker = start({"serve", "--json", "--listen", "127.0.0.1:0"});
    environment.erase("SYNCFLOW_FAILPOINT");
    worker.wait_until("it stands still", [&] { return worker.is_frozen(); });
    return worker;
  }
};

TEST_P(FrozenAt, WritesNothingLateAndTheNewerValuesStand) {
  Process frozen = frozen_worker();
  // Some rows change again, others become what they were: both must come out of the other worker's hands.
  rename_items("id <= 20", "newer");
  rename_items("id > 20 AND id <= 40", "first");
  add_tag(200);
  remove_tag(3);
  Service other = serve();
  const auto arrived = [&] { return count_named("newer") == "20" && count_named("old") == "0"; };
  if (GetParam().holds_file) other.process.wait_for_line("database is locked");
  else other.process.wait_until("the newer values", arrived);

  frozen.signal(SIGCONT);
  frozen.wait_for_line("lease");
  other.process.wait_until("the newer values after all", arrived);
  EXPECT_EQ(other.stop(), Exit{0});
  frozen.signal(SIGTERM);
  EXPECT_EQ(frozen.wait(), Exit{0});
  run_syncs();
  expect_equal();
  expect_quiet();
  EXPECT_EQ(overlapping_runs(*store_session_), "");
  // The interruption is there to be seen.
  EXPECT_NE(store_session_->value("SELECT count(*) FROM sync_runs WHERE error LIKE '%lease%'"), "0");
}

std::vector<Moment> moments(bool full) {
  std::vector<Moment> all;
  for (const System to : {System::postgresql, System::mysql, System::mariadb, System::sqlite}) {
    const bool file = to == System::sqlite;
    const Moment short_list[] = {{to, "destination.before_commit", file}, {to, "pipeline.after_write"}};
    const Moment long_list[] = {{to, "pipeline.after_read"},     {to, "pipeline.before_write"},
                                {to, "destination.begun", file}, {to, "pipeline.before_commit"},
                                {to, "store.position"},          {to, "pipeline.after_commit"},
                                {to, "worker.before_finish"}};
    if (full) all.insert(all.end(), std::begin(long_list), std::end(long_list));
    else all.insert(all.end(), std::begin(short_list), std::end(short_list));
  }
  return all;
}

std::string name_of_moment(const ::testing::TestParamInfo<Moment>& instance) {
  std::string name = std::string(name_of(instance.param.to)) + "_" + instance.param.point;
  for (char& c : name)
    if (c == '.') c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(ShortForm, FrozenAt, ::testing::ValuesIn(moments(false)), name_of_moment);
INSTANTIATE_TEST_SUITE_P(LongForm, FrozenAt, ::testing::ValuesIn(moments(true)), name_of_moment);

class FrozenAtRandom : public Frozen, public ::testing::WithParamInterface<System> {
 protected:
  void SetUp() override {
    if (const std::string reason = obstacle(GetParam()); !reason.empty()) GTEST_SKIP() << reason;
  }

  void freeze_often(int times) {
    begin_on_shared_store(GetParam());
    add_items(1, 300, "first");
    add_tags(1, 30);
    std::jthread writer([&](std::stop_token stop) { write_until(std::move(stop)); });
    Service services[] = {serve(), serve()};
    std::mt19937 random(static_cast<unsigned>(times));
    for (int n = 0; n < times; ++n) {
      const Process& process = services[n % 2].process;
      std::this_thread::sleep_for(
          std::chrono::milliseconds(random() % 1500));  // the moment is what is random
      process.signal(SIGSTOP);
      std::this_thread::sleep_for(kLease + std::chrono::milliseconds(random() % 1500));
      process.signal(SIGCONT);
    }
    writer.request_stop();
    writer.join();
    for (Service& service : services) EXPECT_EQ(service.stop(), Exit{0});
    run_syncs();
    expect_equal();
    expect_quiet();
    EXPECT_EQ(overlapping_runs(*store_session_), "");
  }

 private:
  void write_until(std::stop_token stop) {
    const auto session = source_database_->log_in();
    for (int n = 0; !stop.stop_requested(); ++n) {
      session->execute(
          fmt::format("UPDATE items SET name = 'write {}', updated_at = clock_timestamp() WHERE id % 20 = {}",
                      n, n % 20));
      if (n % 3 == 0) session->execute(fmt::format("INSERT INTO tags VALUES ({}, 'late')", 1'000 + n));
      if (n % 4 == 0) session->execute(fmt::format("DELETE FROM tags WHERE tag = {}", 1'000 + n - 30));
      std::this_thread::sleep_for(10ms);  // a load that both of two cores bear
    }
  }
};

TEST_P(FrozenAtRandom, ThreeTimesUnderLoad) { freeze_often(3); }
TEST_P(FrozenAtRandom, TwentyFiveTimesUnderLoad) { freeze_often(25); }

INSTANTIATE_TEST_SUITE_P(To, FrozenAtRandom,
                         ::testing::Values(System::postgresql, System::mysql, System::mariadb,
                                           System::sqlite),
                         [](const auto& instance) { return name_of(instance.param); });

}  // namespace
}  // namespace syncflow::tests
