// The queue keeps its pace when it gets long: every member that works on it is measured in a small store and in a
// large one, and no statement goes through a whole table.

#include "testkit/store_scale.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>

#include "core/error.h"
#include "core/uuid.h"
#include "drivers/sqlite/database.h"
#include "store/postgresql.h"
#include "testkit/postgresql_database.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;
using testkit::StoreScale;

/// How many times as long a member may take in the large store.
constexpr double kFactor = 5;
/// How many rows one execution of a statement may go through.
constexpr int kMostRows = 1000;

Time now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

/// Watches the statements of every SQLite connection that is opened while it lives, for those that go through a table
/// without an index. One at a time.
class ScanWatch {
 public:
  ScanWatch() {
    steps().clear();
    sqlite3_auto_extension(reinterpret_cast<void (*)()>(&watch));
  }
  ~ScanWatch() { sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(&watch)); }
  ScanWatch(const ScanWatch&) = delete;
  ScanWatch& operator=(const ScanWatch&) = delete;

  /// By statement: the most rows that one execution went through without an index.
  static std::map<std::string, int>& steps() {
    static std::map<std::string, int> steps;
    return steps;
  }
  static void forget() {
    const std::lock_guard lock(mutex());
    steps().clear();
  }
  static std::map<std::string, int> above(int most) {
    const std::lock_guard lock(mutex());
    std::map<std::string, int> out;
    for (const auto& [sql, count] : steps())
      if (count > most) out[sql] = count;
    return out;
  }

 private:
  static std::mutex& mutex() {
    static std::mutex mutex;
    return mutex;
  }
  static int watch(sqlite3* database, char**, const sqlite3_api_routines*) {
    return sqlite3_trace_v2(database, SQLITE_TRACE_PROFILE, &ended, nullptr);
  }
  static int ended(unsigned, void*, void* statement, void*) {
    auto* handle = static_cast<sqlite3_stmt*>(statement);
    const int count = sqlite3_stmt_status(handle, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
    const std::lock_guard lock(mutex());
    int& most = steps()[sqlite3_sql(handle)];
    most = std::max(most, count);
    return 0;
  }
};

class StoreScaleTest : public ::testing::Test {
 protected:
  StoreScaleTest() { std::filesystem::create_directories(folder_); }
  ~StoreScaleTest() override { std::filesystem::remove_all(folder_); }

  void expect_same_pace(std::size_t few, std::size_t many) {
    open_sqlite_store(file_, clock_).reset();                          // makes the file
    sqlite::Database other(file_, sqlite::OpenMode::read_write, 30s);  // not watched: that would take long
    const ScanWatch watch;
    const auto store = open_sqlite_store(file_, clock_);
    StoreScale scale(
        *store, clock_, [&](const std::string& sql) { other.execute(sql); }, StoreScale::Measure::processor);
    scale.grow_to(few);
    scale.measure();
    const auto small = scale.measure();
    scale.grow_to(many);
    scale.measure();
    ScanWatch::forget();
    const auto large = scale.measure();
    StoreScale::expect_kept(small, large, kFactor, 500us);
    for (const auto& [sql, count] : ScanWatch::above(kMostRows))
      ADD_FAILURE() << count << " rows one by one: " << sql;
  }

  testkit::FakeClock clock_{testkit::FakeClock::Sleep::waits, now()};
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("syncflow-scale-" + random_uuid());
  const std::string file_ = folder_ / "store.db";
};

TEST_F(StoreScaleTest, KeepsItsPaceWithFiftyThousandJobs) { expect_same_pace(1'000, 50'000); }

TEST_F(StoreScaleTest, FullSizeKeepsItsPaceWithAMillionJobs) { expect_same_pace(1'000, 1'000'000); }

/// The server does the work here, beside other programs and the disk. So time is a coarse measure: the shortest of thirty
/// calls, of which these hold up some but not all, and 5 ms are free. A million rows take a server twenty times that to go
/// through; what goes through fewer of them shows in what the server counts.
class PostgresqlStoreScaleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SYNCFLOW_NEEDS_POSTGRESQL();
    database_ = std::make_unique<testkit::PostgresDatabase>();
  }

  void expect_same_pace(std::size_t few, std::size_t many) {
    store_ = open();
    StoreScale scale(
        *store_, clock_, [&](const std::string& sql) { database_->run(sql); }, StoreScale::Measure::wall);
    grow(scale, few);
    measure(scale);
    const auto small = measure(scale);
    grow(scale, many);
    measure(scale);
    const auto before = rows_read();
    const auto large = measure(scale);
    StoreScale::expect_kept(small, large, kFactor, 5ms);
    for (const auto& [where, count] : rows_read()) {
      const auto found = before.find(where);
      const std::int64_t read = count - (found == before.end() ? 0 : found->second);
      if (read > most_rows(where)) ADD_FAILURE() << read << " rows read by the " << where;
    }
  }

 private:
  std::unique_ptr<Store> open(const std::string& parameters = "") {
    return open_postgresql_store(database_->url() + parameters, clock_, StoreTime::clock);
  }

  /// In sessions of its own, without scans: plans that are made while the tables are small last while these grow.
  void grow(StoreScale& scale, std::size_t jobs) {
    store_.reset();
    store_ = open("?silence_timeout=600&options=-cenable_seqscan%3Doff");
    scale.go_on_with(*store_);
    scale.grow_to(jobs);
    // Autovacuum comes in a while, and would come while the store is measured.
    database_->run("VACUUM ANALYZE");
  }

  /// In new sessions, as a program has them that is started on a store of this size.
  StoreScale::Times measure(StoreScale& scale) {
    store_.reset();
    store_ = open();
    scale.go_on_with(*store_);
    return scale.measure();
  }

  /// By table that is not small and by index: rows that statements went through since the database was made. Sessions
  /// tell when they end (PostgreSQL 15: before pg_stat_activity forgets them).
  std::map<std::string, std::int64_t> rows_read() {
    store_.reset();
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (database_->value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                            "application_name LIKE 'syncflow store%'") != "0")
      if (std::chrono::steady_clock::now() > until)
        throw Error(ErrorKind::bug, "the store's sessions did not end");
    const libpq::Rows rows = database_->run(
        "SELECT 'scans of table ' || s.relname, s.seq_tup_read FROM pg_stat_user_tables s JOIN pg_class c ON "
        "c.oid = s.relid WHERE c.reltuples > " +
        std::to_string(kMostRows) +
        " UNION ALL SELECT 'index ' || indexrelname, idx_tup_read FROM pg_stat_user_indexes");
    std::map<std::string, std::int64_t> read;
    for (int row = 0; row < rows.size(); ++row) read[rows.string(row, 0)] = rows.integer(row, 1);
    return read;
  }

  /// Of all calls together. No table is to be scanned. Of an index kMostRows are for each call of a member, and those are
  /// fewer than it holds: the large store has five thousand syncs at least.
  static std::int64_t most_rows(const std::string& where) {
    return where.starts_with("index ") ? std::int64_t{kMostRows} * StoreScale::kRepetitions : kMostRows;
  }

  testkit::FakeClock clock_{testkit::FakeClock::Sleep::waits, now()};
  std::unique_ptr<testkit::PostgresDatabase> database_;
  std::unique_ptr<Store> store_;
};

TEST_F(PostgresqlStoreScaleTest, KeepsItsPaceWithFiftyThousandJobs) { expect_same_pace(1'000, 50'000); }

TEST_F(PostgresqlStoreScaleTest, FullSizeKeepsItsPaceWithAMillionJobs) { expect_same_pace(1'000, 1'000'000); }

}  // namespace
}  // namespace syncflow::tests
