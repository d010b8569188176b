#include "engine/held_lease.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "core/error.h"
#include "core/uuid.h"
#include "engine/definition.h"
#include "store/store.h"
#include "testkit/fake_clock.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;
using testkit::FakeClock;

/// Of a machine with too much to do: whoever sleeps wakes seconds late.
class LateClock : public FakeClock {
 public:
  bool sleep(Duration time, std::stop_token stop) override {
    std::this_thread::yield();
    return FakeClock::sleep(time + 4s, std::move(stop));
  }
};

/// A store in a file with one sync that is claimed.
class HeldLeaseTest : public ::testing::Test {
 protected:
  HeldLeaseTest() { std::filesystem::create_directories(folder_); }
  ~HeldLeaseTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  Claim claim(Clock& clock) {
    store_ = open_sqlite_store((folder_ / "store.db").string(), clock);
    sync_.id = url_uuid("syncflow:test/people");
    sync_.name = "people";
    sync_.provider = "memory";
    sync_.schedule = "every 1 minute";
    sync_.definition = "{}";
    store_->apply_syncs({sync_});
    store_->enqueue(sync_.id, Trigger::manual);
    const auto claim = store_->claim("worker", settings_.lease);
    if (!claim) throw Error(ErrorKind::bug, "there was nothing to claim");
    return *claim;
  }
  /// Lets time pass for the one thread that beats.
  static void pass(FakeClock& clock, Duration time) {
    for (Duration passed{0}; passed < time; passed += 500ms) {
      clock.await_sleepers(1);
      clock.advance(500ms);
    }
    clock.await_sleepers(1);
  }

  const EngineSettings settings_{};
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("syncflow-lease-" + random_uuid());
  Sync sync_;
  std::unique_ptr<Store> store_;
};

TEST_F(HeldLeaseTest, BeatsInTimeThoughItSleepsTooLong) {
  LateClock clock;
  const Claim claimed = claim(clock);
  const Time begin = clock.now();
  const HeldLease lease(*store_, claimed, settings_, {});
  while (clock.now() - begin < 4 * settings_.lease && !lease.stop_token().stop_requested())
    std::this_thread::yield();
  EXPECT_FALSE(lease.stop_token().stop_requested()) << "the lease ran out between two heartbeats";
}

TEST_F(HeldLeaseTest, CountsFromTheClaimUntilAHeartbeatIsDue) {
  FakeClock clock(FakeClock::Sleep::waits);
  const Claim claimed = claim(clock);
  clock.advance(4s);
  const HeldLease lease(*store_, claimed, settings_, {});
  EXPECT_EQ(lease.left(), settings_.lease - 4s);
  pass(clock, settings_.heartbeat - 4s);
  EXPECT_EQ(lease.left(), settings_.lease);
  pass(clock, settings_.lease);
  EXPECT_NO_THROW(store_->finish(claimed.lease, {}));
}

TEST_F(HeldLeaseTest, BeatsAtOnceForAClaimThatIsOld) {
  FakeClock clock(FakeClock::Sleep::waits);
  const Claim claimed = claim(clock);
  clock.advance(settings_.heartbeat);
  {
    const HeldLease lease(*store_, claimed, settings_, {});
    EXPECT_EQ(lease.left(), settings_.lease);
  }
  clock.advance(settings_.lease);
  EXPECT_THROW(HeldLease(*store_, claimed, settings_, {}), Error) << "another worker may have it";
}

TEST_F(HeldLeaseTest, EndsTheRunOfASyncThatWasChangedAndHoldsItUntilThen) {
  FakeClock clock(FakeClock::Sleep::waits);
  const Claim claimed = claim(clock);
  const HeldLease lease(*store_, claimed, settings_, {});
  pass(clock, 1s);
  EXPECT_FALSE(lease.stop_token().stop_requested());
  sync_.definition = R"({"changed":true})";
  store_->apply_syncs({sync_});
  pass(clock, 1s);
  EXPECT_TRUE(lease.stop_token().stop_requested());
  EXPECT_FALSE(lease.cancelled()) << "its job is to be done all the same";
  // A batch may take longer than one lease.
  pass(clock, 2 * settings_.lease);
  EXPECT_GT(lease.left(), 0ms);
  EXPECT_NO_THROW(store_->finish(claimed.lease, {Outcome::Kind::give_back, "", {}, {}, "", {}}));
}

TEST_F(HeldLeaseTest, NamesItsHolderByItsEpoch) {
  FakeClock clock(FakeClock::Sleep::waits);
  const Claim claimed = claim(clock);
  const HeldLease lease(*store_, claimed, settings_, {});
  EXPECT_EQ(lease.holder().sync_id, sync_.id);
  EXPECT_EQ(lease.holder().epoch, claimed.lease.epoch);
}

}  // namespace
}  // namespace syncflow
