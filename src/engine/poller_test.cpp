#include "engine/poller.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "core/uuid.h"
#include "engine/engine.h"
#include "testkit/fake_clock.h"
#include "testkit/memory_provider.h"
#include "testkit/store_file.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;

/// Many syncs from two systems in memory, looked at by a poller whose clock the test moves.
class PollerTest : public ::testing::Test {
 protected:
  PollerTest() {
    std::filesystem::create_directories(folder_);
    store_ = open_sqlite_store(file_, clock_);
    for (MemoryDatabase* database : {&shop_, &bank_}) {
      MemoryTable items;
      items.name = "items";
      items.fields = {memory_field("id", Type::int64, false), memory_field("updated_at", Type::timestamp_tz)};
      items.key = {"id"};
      items.cursor = "updated_at";
      database->create_table(items);
      database->put("items", {integer(1), instant(database->now())});
    }
    config_.engine.workers = 1;  // one alone never waits, so that nobody has to move the clock
    config_.connections = {{"shop", "shop", {}}, {"bank", "bank", {}}, {"copy", "copy", {}}};
  }
  ~PollerTest() override {
    poller_.reset();
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void add_syncs(const std::string& connection, int count) {
    for (int i = 0; i < count; ++i) {
      SyncDefinition sync;
      sync.name = connection + std::to_string(i);
      sync.id = url_uuid("syncflow:test/" + sync.name);
      sync.source = connection;
      sync.destination = "copy";
      TableMapping mapping;
      mapping.source = "items";
      mapping.destination = connection;
      sync.tables = {mapping};
      config_.syncs.push_back(sync);
    }
  }

  /// Every sync stands where the first one of its connection does once that was loaded, and is due at once.
  void bring_up_to_date() {
    Engine engine({*store_, registry_, clock_, config_, {}});
    engine.apply_config();
    std::vector<std::string> first;
    for (const SyncDefinition& sync : config_.syncs)
      if (sync.name == sync.source + "0") first.push_back(sync.name);
    for (const SyncReport& report : engine.run_once(first, false, {}, {}))
      ASSERT_EQ(report.status, "completed") << report.error;
    execute_in_store(
        file_,
        "INSERT INTO sync_mappings(sync_id, mapping, position, fingerprint_data, fingerprint_shape, "
        "owned, "
        "appending, generation) SELECT t.id, m.mapping, m.position, m.fingerprint_data, "
        "m.fingerprint_shape, "
        "m.owned, m.appending, m.generation FROM sync_mappings m JOIN syncs f ON f.id = m.sync_id "
        "JOIN syncs t ON t.source = f.source WHERE t.id <> f.id;"
        "INSERT INTO sync_rows(mapping_id, key_hash, row_hash, key, generation) SELECT m.id, r.key_hash, "
        "r.row_hash, r.key, r.generation FROM sync_rows r JOIN sync_mappings o ON o.id = r.mapping_id "
        "JOIN sync_mappings m ON m.fingerprint_data = o.fingerprint_data WHERE m.id <> o.id;"
        "UPDATE sync_state SET next_run_at = NULL");
  }

  void start() {
    parts_ = std::make_unique<EngineParts>(
        EngineParts{*store_, registry_, clock_, config_, {}, std::make_shared<SessionPools>(clock_)});
    poller_ = std::make_unique<Poller>(*parts_, 16);
  }
  void stop() { poller_.reset(); }

  void step() {
    clock_.await_sleepers(1);  // the thread that reads what is due
    clock_.advance(250ms);
    clock_.await_sleepers(1);
  }
  /// Moves the clock step by step, and gives the looks that are due at each the time that they need.
  void pass(Duration time) {
    for (Duration passed{0}; passed < time; passed += 250ms) {
      step();
      while (poller_->is_busy()) std::this_thread::yield();
    }
  }

  std::size_t looks_at(MemoryDatabase& database) { return database.calls().count(Call::has_changes); }
  std::vector<Sync> syncs() {
    Page page;
    page.limit = 10'000;
    return store_->list_syncs(page).items;
  }

  FakeClock clock_{FakeClock::Sleep::waits};
  MemoryDatabase shop_{clock_}, bank_{clock_}, copy_{clock_};
  Registry registry_{{provider(shop_, "shop"), provider(bank_, "bank"), provider(copy_, "copy")}};
  Config config_;
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("syncflow-poller-" + random_uuid());
  const std::string file_ = folder_ / "store.db";
  std::unique_ptr<Store> store_;
  std::unique_ptr<EngineParts> parts_;
  std::unique_ptr<Poller> poller_;
};

TEST_F(PollerTest, LooksAtAThousandSyncsEachMinuteWithoutAHerd) {
  add_syncs("shop", 1000);
  bring_up_to_date();
  start();
  pass(90s);

  std::mutex mutex;
  std::map<std::int64_t, int> by_second;
  const Time begin = clock_.now();
  const std::size_t before = looks_at(shop_);
  shop_.calls().on(Call::has_changes, [&](const std::string&) {
    const std::lock_guard lock(mutex);
    ++by_second[std::chrono::floor<std::chrono::seconds>(clock_.now() - begin).count()];
  });
  pass(90s);
  stop();
  shop_.calls().on(Call::has_changes, {});

  EXPECT_GE(looks_at(shop_) - before, 1450U);
  EXPECT_LE(looks_at(shop_) - before, 1800U);
  int most = 0;
  for (const auto& [second, count] : by_second) most = std::max(most, count);
  EXPECT_LE(most, 60) << "looks come in herds";
  for (const Sync& sync : syncs())
    EXPECT_GE(*sync.last_polled_at, clock_.now() - 61s) << sync.name << " was forgotten";
}

TEST_F(PollerTest, LooksATenthAsOftenAtATableThatOutgrewTheSizeRule) {
  add_syncs("shop", 1);
  bring_up_to_date();
  execute_in_store(file_, "UPDATE sync_mappings SET outgrown_since = '" + to_rfc3339(clock_.now()) + "'");
  const std::size_t before = looks_at(shop_);
  start();
  pass(12min);
  stop();
  const std::size_t looks = looks_at(shop_) - before;
  EXPECT_GE(looks, 2u);
  EXPECT_LE(looks, 3u) << "in twelve minutes, though it is to be looked at every minute";
}

TEST_F(PollerTest, NotesWhatWasSeenWhenItStops) {
  add_syncs("shop", 5);
  bring_up_to_date();
  clock_.advance(1h);
  start();
  while (looks_at(shop_) < 5) std::this_thread::yield();
  while (poller_->is_busy()) std::this_thread::yield();
  stop();
  for (const Sync& sync : syncs()) {
    EXPECT_EQ(sync.last_polled_at, clock_.now());
    ASSERT_TRUE(sync.next_run_at);
    EXPECT_LE(*sync.next_run_at, clock_.now() + 1min);
  }
}

TEST_F(PollerTest, ADeadConnectionGetsProbesAndHoldsUpNoOther) {
  add_syncs("shop", 300);
  add_syncs("bank", 300);
  bring_up_to_date();
  shop_.calls().fail(Call::open_source, ErrorKind::unavailable, 1, 1'000'000);
  const std::size_t probes_before = shop_.calls().count(Call::open_source);
  const std::size_t looks_before = looks_at(bank_);
  start();
  pass(4min);
  // The looks that were on their way when the first one failed, then one probe for each wait: 2, 4, 8, 16, … s.
  EXPECT_LE(shop_.calls().count(Call::open_source) - probes_before, 30U);
  EXPECT_GE(looks_at(bank_) - looks_before, 1100U);
  int told = 0;
  for (const Sync& sync : syncs())
    if (sync.source == "shop" && sync.message.find("trouble") != std::string::npos) ++told;
  EXPECT_GE(told, 280) << "each sync of the connection says why it waits";

  shop_.calls().forget();
  pass(8min);
  int well = 0;
  for (const Sync& sync : syncs())
    if (sync.failed_polls == 0 && sync.last_polled_at && *sync.last_polled_at >= clock_.now() - 61s) ++well;
  EXPECT_GE(well, 590) << "all but those whose failing probes asked for a job, which nobody does here";
}

TEST_F(PollerTest, ALookThatKeepsFailingAsksForAJobThatTellsPeopleWhy) {
  add_syncs("shop", 1);
  bring_up_to_date();
  shop_.calls().fail(Call::open_source, ErrorKind::unavailable, 1, 1'000'000);
  start();
  while (syncs().front().failed_polls < 3) pass(1s);
  EXPECT_EQ(store_->pending_jobs(), 0u) << "its three tries again are not used up";
  while (syncs().front().failed_polls < 4) pass(1s);
  stop();
  EXPECT_EQ(store_->pending_jobs(), 1u);
  EXPECT_NE(syncs().front().message, "");
}

TEST_F(PollerTest, AHangingConnectionHoldsUpNoOther) {
  add_syncs("shop", 40);
  add_syncs("bank", 40);
  bring_up_to_date();
  std::mutex mutex;
  std::condition_variable changed;
  bool hangs = true;
  shop_.calls().on(Call::has_changes, [&](const std::string&) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !hangs; });
  });
  const std::size_t before = looks_at(bank_);
  start();
  for (int steps = 0; steps < 100'000 && looks_at(bank_) < before + 200; ++steps) step();
  EXPECT_GE(looks_at(bank_) - before, 200U);
  {
    const std::lock_guard lock(mutex);
    hangs = false;
  }
  changed.notify_all();
  stop();
  shop_.calls().on(Call::has_changes, {});
}

TEST_F(PollerTest, ALookThatTakesTooLongIsEndedAndBlamesOnlyItsSync) {
  add_syncs("shop", 2);
  bring_up_to_date();
  std::atomic<int> stuck = 0;
  std::atomic<bool> goes_on = false;
  shop_.calls().on(Call::exists, [&](const std::string&) {
    if (stuck++ == 0) goes_on.wait(false);
  });
  start();
  for (int steps = 0; stuck == 0 && steps < 10'000; ++steps) step();
  EXPECT_GE(stuck, 1);
  for (Duration passed{0}; passed < 6min; passed += 250ms) step();
  goes_on = true;
  goes_on.notify_all();
  // The hands stand still meanwhile: the sync is not looked at again, which would clear what is to be seen.
  while (poller_->is_busy()) std::this_thread::yield();
  stop();
  shop_.calls().on(Call::exists, {});
  int failed = 0;
  for (const Sync& sync : syncs()) {
    failed += sync.failed_polls;
    const bool tells = sync.message.find("took longer than five minutes") != std::string::npos;
    EXPECT_EQ(tells, sync.failed_polls > 0) << sync.message;
  }
  EXPECT_EQ(failed, 1);
}

}  // namespace
}  // namespace syncflow::testkit
