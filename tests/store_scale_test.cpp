// The queue keeps its pace when it gets long: every member that works on it is measured in a small store and in a
// large one, and no statement goes through a whole table.

#include "testkit/store_scale.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <map>
#include <mutex>

#include "core/uuid.h"
#include "drivers/sqlite/database.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;

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
    testkit::StoreScale scale(*store, clock_, [&](const std::string& sql) { other.execute(sql); });
    scale.grow_to(few);
    scale.measure();
    const auto small = scale.measure();
    scale.grow_to(many);
    scale.measure();
    ScanWatch::forget();
    const auto large = scale.measure();
    testkit::StoreScale::expect_kept(small, large, 5);
    for (const auto& [sql, count] : ScanWatch::above(1000))
      ADD_FAILURE() << count << " rows one by one: " << sql;
  }

  testkit::FakeClock clock_{testkit::FakeClock::Sleep::waits,
                            std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now())};
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("syncflow-scale-" + random_uuid());
  const std::string file_ = folder_ / "store.db";
};

TEST_F(StoreScaleTest, KeepsItsPaceWithFiftyThousandJobs) { expect_same_pace(1'000, 50'000); }

TEST_F(StoreScaleTest, FullSizeKeepsItsPaceWithAMillionJobs) { expect_same_pace(1'000, 1'000'000); }

}  // namespace
}  // namespace syncflow::tests
