#include "engine/look_queue.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>

namespace syncflow {
namespace {

using namespace std::chrono_literals;
using Offered = LookQueue::Offered;

Sync sync_of(const std::string& connection, int number) {
  Sync sync;
  sync.id = fmt::format("{} {}", connection, number);
  sync.source = connection;
  return sync;
}

const Time kNow{std::chrono::seconds(1'704'067'200)};

void offer(LookQueue& queue, const std::string& connection, int count) {
  for (int i = 0; i < count; ++i) queue.offer(sync_of(connection, i), kNow);
}

/// Takes all that may be taken; how many of each connection.
std::map<std::string, int> take_all(LookQueue& queue) {
  std::map<std::string, int> taken;
  while (const auto sync = queue.take()) ++taken[sync->source];
  return taken;
}

TEST(LookQueueTest, ConnectionsTakeTurns) {
  LookQueue queue(4);
  offer(queue, "long", 100);
  offer(queue, "short", 2);
  std::string order;
  for (int i = 0; i < 4; ++i) order += queue.take()->source + " ";
  EXPECT_EQ(order, "long short long short ");
}

TEST(LookQueueTest, KnowsASyncUntilItsLookIsNoted) {
  LookQueue queue(4);
  EXPECT_EQ(queue.offer(sync_of("shop", 1), kNow), Offered::queued);
  EXPECT_EQ(queue.offer(sync_of("shop", 1), kNow), Offered::known);
  const auto sync = queue.take();
  EXPECT_EQ(queue.offer(sync_of("shop", 1), kNow), Offered::known);
  queue.ended("shop", 1ms);
  EXPECT_EQ(queue.offer(sync_of("shop", 1), kNow), Offered::known);
  queue.forget(sync->id);
  EXPECT_EQ(queue.offer(sync_of("shop", 1), kNow), Offered::queued);
}

TEST(LookQueueTest, OneConnectionNeverTakesEveryHand) {
  LookQueue queue(16);
  offer(queue, "shop", 100);
  EXPECT_EQ(take_all(queue)["shop"], 12);
  offer(queue, "other", 1);
  EXPECT_EQ(take_all(queue)["other"], 1);
}

TEST(LookQueueTest, SlowConnectionsShareHalfOfTheHands) {
  LookQueue queue(4);
  for (const char* slow : {"a", "b", "c"}) {
    offer(queue, slow, 10);
    queue.take();
    queue.ended(slow, 2s);
  }
  const auto taken = take_all(queue);
  EXPECT_EQ(taken, (std::map<std::string, int>{{"a", 1}, {"b", 1}}));
  offer(queue, "quick", 10);
  EXPECT_EQ(take_all(queue)["quick"], 3);
}

TEST(LookQueueTest, ASlowConnectionThatGotQuickGetsItsHandsBack) {
  LookQueue queue(4);
  offer(queue, "shop", 10);
  queue.take();
  queue.ended("shop", 2s);
  EXPECT_EQ(take_all(queue)["shop"], 1);
  queue.ended("shop", 1ms);
  EXPECT_EQ(take_all(queue)["shop"], 3);
}

TEST(LookQueueTest, AConnectionInTroubleGetsOneProbe) {
  LookQueue queue(8);
  offer(queue, "shop", 3);
  queue.take();
  EXPECT_EQ(queue.failed("shop", kNow, kNow + 1s), 1);
  EXPECT_EQ(queue.leave_alone("shop", kNow + 10s).size(), 2U);
  queue.ended("shop", 1ms);
  EXPECT_FALSE(queue.take());
  EXPECT_EQ(queue.offer(sync_of("shop", 7), kNow + 9s), Offered::in_trouble);
  EXPECT_EQ(queue.trouble_until("shop"), kNow + 10s);

  EXPECT_EQ(queue.offer(sync_of("shop", 8), kNow + 10s), Offered::queued);
  EXPECT_EQ(queue.offer(sync_of("shop", 9), kNow + 10s), Offered::in_trouble);
  ASSERT_TRUE(queue.take());
  EXPECT_EQ(queue.offer(sync_of("shop", 10), kNow + 11s), Offered::in_trouble) << "the probe is on its way";
  queue.works("shop");
  queue.ended("shop", 1ms);
  EXPECT_EQ(queue.offer(sync_of("shop", 11), kNow + 11s), Offered::queued);
}

TEST(LookQueueTest, LooksThatFailTogetherCountOnce) {
  LookQueue queue(8);
  EXPECT_EQ(queue.failed("shop", kNow, kNow + 2s), 1);
  EXPECT_EQ(queue.failed("shop", kNow + 1s, kNow + 3s), 1);
  EXPECT_EQ(queue.failed("shop", kNow + 4s, kNow + 5s), 2);
}

TEST(LookQueueTest, ALineThatIsTooLongKeepsNoOtherOut) {
  LookQueue queue(2);
  offer(queue, "shop", 256);
  EXPECT_EQ(queue.offer(sync_of("shop", 1000), kNow), Offered::full);
  EXPECT_EQ(queue.offer(sync_of("other", 1), kNow), Offered::queued);
}

}  // namespace
}  // namespace syncflow
