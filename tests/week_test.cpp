// A week of a busy service in a few minutes: nothing that it keeps may grow from day to day, in memory, in files, in
// sessions or in the store.

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <vector>

#include "core/uuid.h"
#include "engine/engine.h"
#include "store/postgresql.h"
#include "store/postgresql_sessions.h"
#include "testkit/fake_clock.h"
#include "testkit/memory_provider.h"
#include "testkit/postgresql_database.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Of the sanitizer's runtime: GCC 12 comes without sanitizer/allocator_interface.h, which declares it.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#define SYNCFLOW_SANITIZED 1
#else
#define SYNCFLOW_SANITIZED 0
#endif

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;
using namespace testkit;

constexpr std::size_t kMiB = 1u << 20;

/// What the process and its store hold at one moment.
struct Held {
  std::size_t memory_bytes = 0;  ///< allocated
  std::size_t files = 0;
  std::size_t threads = 0;
  std::size_t sessions = 0;  ///< of the store at its server
  std::size_t store_bytes = 0;
  std::size_t log_bytes = 0;  ///< of the store's write-ahead log, where it is the store's own
  std::size_t jobs = 0;
  std::size_t rows = 0;  ///< of the position's windows
};
std::ostream& operator<<(std::ostream& out, const Held& held) {
  return out << fmt::format(
             "{} KiB allocated, {} files, {} threads, {} sessions, {} KiB of store, {} jobs, {} rows of "
             "windows",
             held.memory_bytes / 1024, held.files, held.threads, held.sessions, held.store_bytes / 1024,
             held.jobs, held.rows);
}

std::size_t entries_of(const char* folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

/// What is allocated and not freed. glibc's own figure counts what its threads keep for their next allocations too.
std::size_t allocated_bytes() {
#if SYNCFLOW_SANITIZED
  return __sanitizer_get_current_allocated_bytes();
#else
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

/// By how much what is allocated may differ between two moments of a service that keeps nothing, but for its store.
/// The workers sleep at both; at each some looks may be going on, which hold some tens of KiB apiece, and the test has
/// noted a few outages more. Six days have 8,640 minutes of six looks each: 20 bytes kept by each look would be a MiB.
/// Of glibc's figure: up to 230 KiB for each of some twenty threads, which most have by the end of the first day.
constexpr std::size_t kMemoryPlay = SYNCFLOW_SANITIZED ? kMiB : 4 * kMiB;

/// Those for calls, those for heartbeats, and the one that listens.
constexpr std::size_t kMostSessions = postgresql_store::kMostSessions + postgresql_store::kMostHeartbeats + 1;

std::size_t more(std::size_t now, std::size_t before) { return now - std::min(now, before); }

/// Where the store of a week lies.
class Place {
 public:
  virtual ~Place() = default;
  virtual std::unique_ptr<Store> open(Clock& clock) = 0;
  /// What happens by itself in the course of a day, which here takes seconds.
  virtual void end_day() {}
  /// Fills in what is held outside of the process.
  virtual void look(Held& held) = 0;
  /// How much more memory the store itself may have.
  virtual std::size_t memory_play(const Held& now, const Held& before) const = 0;
};

class SqlitePlace : public Place {
 public:
  SqlitePlace() { std::filesystem::create_directories(folder_); }
  ~SqlitePlace() override { std::filesystem::remove_all(folder_); }
  std::unique_ptr<Store> open(Clock& clock) override { return open_sqlite_store(file_, clock); }
  void look(Held& held) override {
    held.store_bytes = std::filesystem::file_size(file_);
    held.log_bytes = std::filesystem::file_size(file_ + "-wal");
  }
  /// SQLite keeps up to 2,000 KiB of pages for a connection. That of the writer may not be full after the first day,
  /// and a reader that was opened since has two files and one cache.
  std::size_t memory_play(const Held& now, const Held& before) const override {
    return 2 * kMiB + more(now.files, before.files) * kMiB;
  }

 private:
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("syncflow-week-" + random_uuid());
  const std::string file_ = folder_ / "store.db";
};

class PostgresqlPlace : public Place {
 public:
  std::unique_ptr<Store> open(Clock& clock) override {
    return open_postgresql_store(database_.url(), clock, StoreTime::clock);
  }
  /// Autovacuum looks once a minute of the server's clock, so not often enough for a day that is over in less.
  void end_day() override { database_.run("VACUUM"); }
  void look(Held& held) override {
    held.sessions = count(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE "
        "'syncflow store%'");
    held.store_bytes = count(
        "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = "
        "'public'::regnamespace");
  }
  /// A session has two buffers of 16 KiB, which grow with its longest answer, and the texts of its statements.
  std::size_t memory_play(const Held& now, const Held& before) const override {
    return more(now.sessions, before.sessions) * kMiB / 4;
  }

 private:
  std::size_t count(const std::string& sql) { return std::stoull(database_.value(sql)); }

  PostgresDatabase database_;
};

class Week : public ::testing::Test {
 protected:
  static constexpr int kWorkers = 2;
  static constexpr int kSyncs = 6;

  Week() {
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
    out.files = entries_of("/proc/self/fd");
    out.threads = entries_of("/proc/self/task");
    place_->look(out);
    Page page;
    page.limit = 100'000;
    out.jobs = store_->list_jobs(page).items.size();
    for (const SyncDefinition& sync : config_.syncs)
      store_->each_row(sync.id, sync.tables[0].name(), [&](const RowState&) { ++out.rows; });
    // Last, so that what the lists above leave in the store's caches is there each time.
    out.memory_bytes = allocated_bytes();
    return out;
  }

  void expect_no_more(const Held& now, const Held& before) {
    EXPECT_GT(before.memory_bytes, 0U) << "nothing was measured";
    EXPECT_LE(now.memory_bytes, before.memory_bytes + kMemoryPlay + place_->memory_play(now, before));
    // Sessions are opened when as many calls come together, which chance may bring about late; each is a file.
    const std::size_t more_sessions = more(now.sessions, before.sessions);
    EXPECT_LE(now.files, before.files + more_sessions + 4);  // readers of the store that happen to be open
    EXPECT_LE(now.threads, before.threads + 2);              // a run that happens to be going on
    EXPECT_LE(now.sessions, kMostSessions);
    EXPECT_LE(now.store_bytes, before.store_bytes * 5 / 4 + kMiB);
    EXPECT_LE(now.log_bytes, 24 * kMiB) << "it is copied into the store from 16 MiB on";
    EXPECT_LE(now.jobs, before.jobs * 3 / 2 + 100);
    EXPECT_LE(now.rows, before.rows * 3 / 2 + 500);
  }

  /// Compares what is held at the end of the first day with the end of the last.
  void expect_no_growth(std::unique_ptr<Place> place, int last, std::chrono::minutes day_long) {
    place_ = std::move(place);
    store_ = place_->open(clock_);
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
      place_->end_day();
      const Held now = held();
      RecordProperty(fmt::format("store_bytes_after_day_{}", day), std::to_string(now.store_bytes));
      RecordProperty(fmt::format("memory_bytes_after_day_{}", day), std::to_string(now.memory_bytes));
      if (day == 1) before = now;
      if (day < last) continue;
      SCOPED_TRACE(::testing::Message()
                   << "after the first day: " << before << "\nafter day " << day << ": " << now);
      expect_no_more(now, before);
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
  std::unique_ptr<Place> place_;
  std::unique_ptr<Store> store_;
};

TEST_F(Week, NothingGrowsFromOneShortDayToTheThird) {
  expect_no_growth(std::make_unique<SqlitePlace>(), 3, 4h);
}

TEST_F(Week, FullSizeNothingGrowsFromTheFirstDayToTheSeventh) {
  expect_no_growth(std::make_unique<SqlitePlace>(), 7, 24h);
}

TEST_F(Week, FullSizeNothingGrowsInPostgresqlFromTheFirstDayToTheSeventh) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  expect_no_growth(std::make_unique<PostgresqlPlace>(), 7, 24h);
}

}  // namespace
}  // namespace syncflow::tests
