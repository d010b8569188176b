// The program dies at every step in turn, and at random moments under a writing load. Afterwards both ends are
// equal and a further run writes nothing.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <random>
#include <thread>

#include "support/two_tables.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;

/// Where the program can be made to die: between read, write, rejection, position and job state.
constexpr const char* kPoints[] = {
    "pipeline.after_read",    "pipeline.before_write", "pipeline.after_write", "pipeline.rejection",
    "pipeline.before_commit", "store.position",        "store.rows",           "store.quarantine",
    "pipeline.after_commit",  "worker.before_finish",  "store.job_state",
};

class DyingAtEachStep : public TwoTables, public ::testing::WithParamInterface<std::pair<System, System>> {};

TEST_P(DyingAtEachStep, LosesAndDoublesNothing) {
  const auto [from, to] = GetParam();
  for (const System system : {from, to})
    if (const char* variable = variable_of(system); variable && !is_set(variable))
      GTEST_SKIP() << not_set(variable);
  begin(from, to);
  add_items(1, 100, "first");
  add_tags(1, 20);
  int round = 0;
  for (const char* point : kPoints) {
    SCOPED_TRACE(point);
    ++round;
    rename_items(fmt::format("id % 5 = {}", round % 5), fmt::format("round {}", round));
    rename_items(fmt::format("id = {}", 10 + round), "refused");
    add_items(1000 + 10 * round, 5, "new");
    remove_tag(round);
    add_tag(100 + round);

    environment["SYNCFLOW_FAILPOINT"] = std::string(point) + "=die";
    const Finished died = run({"run", "--json"});
    EXPECT_EQ(died.exit.signal, SIGKILL) << "it never came to " << point << "\n" << died;
    environment.erase("SYNCFLOW_FAILPOINT");

    run_syncs({}, 4);  // all but the refused row
    rename_items(fmt::format("id = {}", 10 + round), "mended");
    run_syncs();
    expect_equal();
    expect_quiet();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Between, DyingAtEachStep,
    ::testing::Values(std::pair(System::sqlite, System::sqlite),
                      std::pair(System::postgresql, System::sqlite),
                      std::pair(System::mariadb, System::sqlite), std::pair(System::mysql, System::sqlite),
                      std::pair(System::sqlite, System::postgresql),
                      std::pair(System::sqlite, System::mariadb), std::pair(System::sqlite, System::mysql)),
    [](const auto& instance) {
      return std::string(name_of(instance.param.first)) + "_to_" + name_of(instance.param.second);
    });

class KilledAtRandom : public TwoTables {
 protected:
  /// Kills `serve` again and again while another session writes, then lets it come to rest.
  void kill_often(int kills) {
    begin(System::postgresql, System::mariadb);
    add_items(1, 500, "first");
    add_tags(1, 50);
    std::atomic<bool> stop = false;
    std::thread writer([&] { write_until(stop); });
    std::mt19937 random(kills);
    for (int kill = 0; kill < kills; ++kill) {
      Service service = serve();
      const auto wait = std::chrono::milliseconds(random() % 700);
      std::this_thread::sleep_for(wait);  // the moment of the kill is what is random here
      service.process.signal(SIGKILL);
      service.process.wait();
    }
    stop = true;
    writer.join();
    run_syncs();
    expect_equal();
    expect_quiet();
  }

 private:
  void write_until(const std::atomic<bool>& stop) {
    const auto session = source_database_->log_in();
    std::mt19937 random(7);
    for (int n = 0; !stop; ++n) {
      const int id = static_cast<int>(random() % 500) + 1;
      session->execute("BEGIN");
      session->execute(
          fmt::format("UPDATE items SET name = 'write {}', updated_at = clock_timestamp() WHERE id % 50 = {}",
                      n, id % 50));
      session->execute(
          fmt::format("INSERT INTO items VALUES ({}, 'new {}', 1, clock_timestamp())", 10'000 + n, n));
      if (n % 10 == 0) session->execute(fmt::format("DELETE FROM tags WHERE tag = {}", n / 10));
      if (n % 3 == 0) session->execute(fmt::format("INSERT INTO tags VALUES ({}, 'late')", 1'000 + n));
      session->execute(n % 17 == 0 ? "ROLLBACK" : "COMMIT");
      std::this_thread::sleep_for(5ms);  // a load that both of two cores bear
    }
  }
};

TEST_F(KilledAtRandom, FortyTimesUnderLoad) {
  for (const char* variable : {kPostgresqlUrl, kMariadbUrl})
    if (!is_set(variable)) GTEST_SKIP() << not_set(variable);
  kill_often(40);
}

TEST_F(KilledAtRandom, TwoHundredTimesUnderLoad) {
  for (const char* variable : {kPostgresqlUrl, kMariadbUrl})
    if (!is_set(variable)) GTEST_SKIP() << not_set(variable);
  kill_often(200);
}

}  // namespace
}  // namespace syncflow::tests
