// A week of a busy service in a few minutes: nothing that it keeps may grow from day to day, in memory, in files, in
// sessions or in the store.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include "core/uuid.h"
#include "engine/engine.h"
#include "testkit/fake_clock.h"
#include "testkit/memory_provider.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;
using namespace testkit;

/// What the process and its store hold at one moment.
struct Held {
  std::size_t memory_bytes = 0;  ///< allocated; 0 where a sanitizer has its own allocator
  std::size_t files = 0;
  std::size_t threads = 0;
  std::size_t store_bytes = 0;
  std::size_t log_bytes = 0;  ///< of the store's write-ahead log
  std::size_t jobs = 0;
  std::size_t rows = 0;  ///< of the position's windows
};
std::ostream& operator<<(std::ostream& out, const Held& held) {
  return out << fmt::format(
             "{} KiB allocated, {} files, {} threads, {} KiB of store, {} jobs, {} rows of windows",
             held.memory_bytes / 1024, held.files, held.threads, held.store_bytes / 1024, held.jobs,
             held.rows);
}

std::size_t entries_of(const char* folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

class Week : public ::testing::Test {
 protected:
  static constexpr int kWorkers = 2;
  static constexpr int kSyncs = 6;

  Week() {
    std::filesystem::create_directories(folder_);
    store_ = open_sqlite_store(file_, clock_);
    config_.engine.workers = kWorkers;
    config_.engine.lease = 6h;
    config_.engine.heartbeat = 1h;
    config_.connections = {{"shop", "shop", {}}, {"copy", "copy", {}}};
    for (int i = 0; i < kSyncs; ++i) add_sync(i);
    // One row in ten finds no room at the destination, until it is renamed.
    for (int i = 0; i < kSyncs; ++i)
      copy_.refuse_writing(name_of(i), [](std::span<const Value> row) -> std::optional<Refusal> {
        if (row[1].view() != "refused") return std::nullopt;
        return Refusal{"name", "no room for it"};
      });
  }
  ~Week() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  static std::string name_of(int number) { return fmt::format("items{}", number); }

  void add_sync(int number) {
    const std::string name = name_of(number);
    MemoryTable table;
    table.name = name;
    table.fields = {memory_field("id", Type::int64, false), memory_field("name", Type::text),
                    memory_field("updated_at", Type::timestamp_tz)};
    table.key = {"id"};
    table.cursor = "updated_at";
    shop_.create_table(table);
    table.cursor.clear();
    copy_.create_table(table);
    SyncDefinition sync;
    sync.name = name;
    sync.id = url_uuid("syncflow:test/" + name);
    sync.source = "shop";
    sync.destination = "copy";
    sync.retry.max_retries = 1;
    TableMapping mapping;
    mapping.source = mapping.destination = name;
    if (number == 0) {
      mapping.strategy = WantedStrategy::diff;
      mapping.deletes = Deletes::hard;
    }
    sync.tables = {mapping};
    config_.syncs.push_back(sync);
  }

  /// What people and other programs do in the `minute`-th minute.
  void do_something(int minute) {
    const int number = minute % kSyncs;
    for (int i = 0; i < 3; ++i) {
      const int id = (minute * 7 + i * 13) % 200;
      put(number, id, id % 10 == 0 && minute % 3 != 0 ? "refused" : fmt::format("minute {}", minute));
    }
    if (minute % 50 == 0) shop_.remove(name_of(0), {integer(minute % 200)});
    // Short and longer outages, of both ends.
    if (minute % 97 == 0) shop_.calls().fail(Call::has_changes, ErrorKind::unavailable, 1, 10);
    if (minute % 211 == 0) copy_.calls().fail(Call::write, ErrorKind::unavailable, 1, 6);
    if (minute % 307 == 0) shop_.calls().fail(Call::discover, ErrorKind::unauthorized, 1, 1);
    if (minute % 60 == 30) lift_holds();
    if (minute % 120 == 60)
      store_->enqueue(config_.syncs[static_cast<std::size_t>(number)].id, Trigger::manual, kPersonPriority);
  }

  void put(int table, int id, const std::string& name) {
    shop_.put(name_of(table), {integer(id), Value::text(name), instant(clock_.now())});
  }

  void lift_holds() {
    for (const SyncDefinition& sync : config_.syncs) store_->lift_hold(sync.id);
  }

  /// Threads get the time that they need after each step of the clock.
  void pass(Duration time) {
    constexpr Duration kStep = 60s;
    for (Duration passed{0}; passed < time; passed += kStep) {
      clock_.await_sleepers(1 + kWorkers + 1);  // feeder, workers, sweeper
      clock_.advance(kStep);
    }
    clock_.await_sleepers(1 + kWorkers + 1);
  }

  Held held() {
    Held out;
    out.memory_bytes = mallinfo2().uordblks;
    out.files = entries_of("/proc/self/fd");
    out.threads = entries_of("/proc/self/task");
    out.store_bytes = std::filesystem::file_size(file_);
    out.log_bytes = std::filesystem::file_size(file_ + "-wal");
    Page page;
    page.limit = 100'000;
    out.jobs = store_->list_jobs(page).items.size();
    for (const SyncDefinition& sync : config_.syncs)
      store_->each_row(sync.id, sync.tables[0].name(), [&](const RowState&) { ++out.rows; });
    return out;
  }

  /// Compares what is held at the end of the first day with the end of the last.
  void expect_no_growth(int last, std::chrono::minutes day_long) {
    config_.engine.keep_finished = day_long / 2;
    for (int i = 0; i < kSyncs; ++i)
      for (int id = 0; id < 200; ++id) put(i, id, "first");
    Engine engine({*store_, registry_, clock_, config_, {}});
    engine.apply_config();
    engine.start();
    Held before;
    std::size_t runs = 0;
    for (int day = 1; day <= last; ++day) {
      for (int minute = 0; minute < day_long.count(); ++minute) {
        do_something((day - 1) * static_cast<int>(day_long.count()) + minute);
        pass(1min);
      }
      const Held now = held();
      RecordProperty(fmt::format("store_bytes_after_day_{}", day), std::to_string(now.store_bytes));
      if (day == 1) before = now;
      if (day < last) continue;
      SCOPED_TRACE(::testing::Message()
                   << "after the first day: " << before << "\nafter day " << day << ": " << now);
      EXPECT_LE(now.memory_bytes, before.memory_bytes * 5 / 4 + (1u << 20));
      EXPECT_LE(now.files, before.files + 4);      // readers of the store that happen to be open
      EXPECT_LE(now.threads, before.threads + 2);  // a run that happens to be going on
      EXPECT_LE(now.store_bytes, before.store_bytes * 5 / 4 + (1u << 20));
      EXPECT_LE(now.log_bytes, 24u << 20) << "it is copied into the store from 16 MiB on";
      EXPECT_LE(now.jobs, before.jobs * 3 / 2 + 100);
      EXPECT_LE(now.rows, before.rows * 3 / 2 + 500);
      Page page;
      page.limit = 100'000;
      runs = store_->list_runs(page).items.size();
    }
    EXPECT_GE(runs, 10U) << "the service was not busy";
    engine.stop();
    catch_up();
    for (int i = 0; i < kSyncs; ++i) expect_equal(i);
  }

  /// What was refused gets a name that is taken, and everything is carried.
  void catch_up() {
    shop_.calls().forget();
    copy_.calls().forget();
    lift_holds();
    clock_.advance(1h);
    for (int i = 0; i < kSyncs; ++i)
      for (int id = 0; id < 200; id += 10) put(i, id, "named at last");
    // One worker alone never waits, so that nobody has to move the clock.
    config_.engine.workers = 1;
    Engine engine({*store_, registry_, clock_, config_, {}});
    engine.apply_config();
    for (const SyncReport& report : engine.run_once({}, false, {}, {}))
      EXPECT_EQ(report.status, "completed") << report.sync << ": " << report.error;
  }

  void expect_equal(int number) {
    EXPECT_EQ(shop_.contents(name_of(number), {"id", "name"}),
              copy_.contents(name_of(number), {"id", "name"}))
        << name_of(number);
  }

  FakeClock clock_{FakeClock::Sleep::waits};
  MemoryDatabase shop_{clock_}, copy_{clock_};
  Registry registry_{{provider(shop_, "shop"), provider(copy_, "copy")}};
  Config config_;
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("syncflow-week-" + random_uuid());
  const std::string file_ = folder_ / "store.db";
  std::unique_ptr<Store> store_;
};

TEST_F(Week, NothingGrowsFromOneShortDayToTheThird) { expect_no_growth(3, 4h); }

TEST_F(Week, FullSizeNothingGrowsFromTheFirstDayToTheSeventh) { expect_no_growth(7, 24h); }

}  // namespace
}  // namespace syncflow::tests
