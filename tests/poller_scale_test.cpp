// Ten thousand syncs of a real server, looked at every minute by one process.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "drivers/sqlite/database.h"
#include "engine/definition.h"
#include "support/database.h"
#include "support/program.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;

constexpr int kTables = 100;

/// Seconds of processor time that a process has used.
double cpu_seconds(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double resident_mib(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/statm", pid));
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

class PollerScale : public Scenario {
 protected:
  void make(int syncs) {
    source_ = make_postgresql_database();
    const auto session = source_->log_in();
    std::string sql;
    for (int i = 0; i < kTables; ++i)
      sql += fmt::format(
          "CREATE TABLE t{0} (id bigint PRIMARY KEY, name text, updated_at timestamptz NOT NULL);"
          "CREATE INDEX ON t{0} (updated_at, id);"
          "INSERT INTO t{0} SELECT g, 'row ' || g, '2024-01-01'::timestamptz + g * interval '1 s' FROM "
          "generate_series(1, 100) g;",
          i);
    session->execute(sql);
    // A table has one sync that fills it: each hundred fills a file of its own.
    std::string yaml =
        fmt::format("version: 1\nstore: sqlite:store.db\nconnections:\n  shop: {}\n", source_->connection());
    for (int i = 0; i < syncs; i += kTables)
      yaml +=
          fmt::format("  copy{}: {}\n", i / kTables,
                      make_sqlite_database(folder(), fmt::format("copy{}.db", i / kTables))->connection());
    yaml += "syncs:\n";
    for (int i = 0; i < syncs; ++i)
      yaml += fmt::format(
          "  - {{name: s{0}, source: shop, destination: copy{1}, schedule: every 1 minute, tables: "
          "[{{source: "
          "public.t{2}, destination: t{2}}}]}}\n",
          i, i / kTables, i % kTables);
    write_config(yaml);
    std::vector<std::string> first;
    for (int i = 0; i < kTables; ++i) first.insert(first.end(), {"--sync", fmt::format("s{}", i)});
    run_syncs(first, 0, 600s);
    spread_positions(syncs);
  }

  sqlite::Database store() {
    return sqlite::Database(folder() / "store.db", sqlite::OpenMode::read_write, 30s);
  }

  /// Every sync stands where the one of its table does that was loaded: what is measured are looks, not loads.
  void spread_positions(int syncs) {
    auto database = store();
    sqlite::Transaction transaction(database);
    auto insert = database.prepare(
        "INSERT INTO sync_mappings(sync_id, mapping, position, fingerprint_data, fingerprint_shape, owned, "
        "appending, generation, outgrown_since) SELECT t.id, m.mapping, m.position, ?3, m.fingerprint_shape, "
        "m.owned, m.appending, m.generation, m.outgrown_since FROM sync_mappings m JOIN syncs f ON f.id = "
        "m.sync_id, syncs t WHERE f.name = ?1 AND t.name = ?2");
    for (int i = kTables; i < syncs; ++i) {
      SyncDefinition sync;
      sync.source = "shop";
      sync.destination = fmt::format("copy{}", i / kTables);
      TableMapping table;
      table.source = fmt::format("public.t{}", i % kTables);
      table.destination = fmt::format("t{}", i % kTables);
      const std::string loaded = fmt::format("s{}", i % kTables), name = fmt::format("s{}", i);
      const std::string fingerprint = data_fingerprint(sync, table);
      insert.bind_text(1, loaded).bind_text(2, name).bind_text(3, fingerprint);
      insert.run();
    }
    transaction.commit();
  }

  std::map<std::string, Time> last_looks() {
    auto database = store();
    auto statement =
        database.prepare("SELECT sync_id, last_polled_at FROM sync_state WHERE last_polled_at IS NOT NULL");
    std::map<std::string, Time> looks;
    while (statement.step()) looks[statement.string(0)] = from_rfc3339(statement.text(1));
    return looks;
  }

  std::string count(const std::string& sql) {
    auto database = store();
    auto statement = database.prepare(sql);
    statement.step();
    return statement.string(0);
  }

  std::unique_ptr<Database> source_;
};

TEST_F(PollerScale, FullSizeTenThousandSyncsAreLookedAtEachMinuteOnLessThanACore) {
  if (!is_set(kPostgresqlUrl)) GTEST_SKIP() << not_set(kPostgresqlUrl);
  if (!is_set(kReleaseProgram)) GTEST_SKIP() << not_set(kReleaseProgram);
  // Sanitizers make it three times as slow.
  program = std::getenv(kReleaseProgram);
  constexpr int kSyncs = 10'000;
  make(kSyncs);
  Service service = serve();
  service.process.wait_until(
      "each sync was looked at", [&] { return last_looks().size() == kSyncs; }, 300s);
  std::this_thread::sleep_for(60s);  // the second look of each, spread over the minute

  // Watches for two minutes when each was looked at, more often than that changes.
  std::map<std::string, std::vector<Time>> looks;
  const double cpu_before = cpu_seconds(service.process.pid());
  const auto began = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - began < 125s) {
    for (const auto& [sync, at] : last_looks())
      if (auto& seen = looks[sync]; seen.empty() || seen.back() != at) seen.push_back(at);
    std::this_thread::sleep_for(5s);
  }
  const double minutes = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count() / 60;
  const double cpu = (cpu_seconds(service.process.pid()) - cpu_before) / minutes;

  std::vector<double> late;
  std::size_t all = 0;
  for (const auto& [sync, seen] : looks) {
    all += seen.size() - 1;
    for (std::size_t i = 1; i < seen.size(); ++i)
      late.push_back(std::chrono::duration<double>(seen[i] - seen[i - 1]).count() - 60);
  }
  std::sort(late.begin(), late.end());
  ASSERT_FALSE(late.empty());
  const auto share = [&](double part) {
    return late[static_cast<std::size_t>(part * static_cast<double>(late.size() - 1))];
  };
  const std::string sessions = source_->log_in()->value(
      "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'syncflow reader'");
  fmt::print(
      "{:.1f} s of processor a minute, {:.0f} looks a minute, {:.0f} MiB resident, {} sessions; "
      "after the minute: p50 {:.2f} s, p99 {:.2f} s, at most {:.2f} s\n",
      cpu, static_cast<double>(all) / minutes, resident_mib(service.process.pid()), sessions, share(0.5),
      share(0.99), late.back());
  EXPECT_LT(cpu, 60) << "seconds of processor a minute";
  EXPECT_GE(static_cast<double>(all) / minutes, 0.95 * kSyncs);
  EXPECT_LT(share(0.99), 2.0) << "seconds after the minute";
  EXPECT_LE(std::stoi(sessions), 16);
  EXPECT_EQ(count("SELECT count(*) FROM sync_state WHERE failed_polls > 0"), "0");
  // The 100 loads, and next to nothing since.
  EXPECT_LE(std::stoi(count("SELECT count(*) FROM sync_runs")), 2 * kTables);
  EXPECT_EQ(service.stop().code, 0);
}

}  // namespace
}  // namespace syncflow::tests
