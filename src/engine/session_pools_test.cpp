#include "engine/session_pools.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

#include "core/error.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

class SessionPoolsTest : public ::testing::Test {
 protected:
  static ConnectionConfig connection(const std::string& name, int max_connections = 0) {
    ConnectionConfig config;
    config.name = name;
    if (max_connections > 0) config.options.set("max_connections", std::to_string(max_connections));
    return config;
  }

  /// Why there is no turn; empty: there is one, which ends at once.
  std::optional<Error> refusal(const ConnectionConfig& source, const ConnectionConfig& destination,
                               const std::stop_token& stop = {}) {
    try {
      pools_.take_turn(source, destination, stop);
    } catch (const Error& error) {
      return error;
    }
    return std::nullopt;
  }

  SystemClock clock_;
  SessionPools pools_{clock_};
};

TEST_F(SessionPoolsTest, NoMoreRunsBeginThanAConnectionBears) {
  const ConnectionConfig shop = connection("shop", 4), copy = connection("copy");
  std::optional<SessionPools::Turn> first(pools_.take_turn(shop, copy, {}));
  const SessionPools::Turn second = pools_.take_turn(copy, shop, {});
  const auto began = std::chrono::steady_clock::now();
  const std::optional<Error> refused = refusal(shop, copy);
  ASSERT_TRUE(refused) << "a third run would need two sessions more than there may be";
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s) << "a worker stood still for a busy connection";
  EXPECT_EQ(refused->kind(), ErrorKind::rate_limited) << "no attempt is used up";
  ASSERT_TRUE(refused->retry_after());
  EXPECT_GE(*refused->retry_after(), 1s);
  EXPECT_LE(*refused->retry_after(), 10s);
  EXPECT_NE(std::string(refused->what()).find("connection shop"), std::string::npos) << refused->what();
  EXPECT_FALSE(refusal(copy, connection("else", 2))) << "others are no matter of this";

  first.reset();
  EXPECT_FALSE(refusal(shop, copy)) << "a run has ended";
}

TEST_F(SessionPoolsTest, ARunWithinOneConnectionTakesThePlaceOfTwo) {
  const ConnectionConfig shop = connection("shop", 4), copy = connection("copy");
  std::optional<SessionPools::Turn> within(pools_.take_turn(shop, shop, {}));
  EXPECT_TRUE(refusal(shop, copy));
  within.reset();
  const SessionPools::Turn beside = pools_.take_turn(shop, copy, {});
  EXPECT_TRUE(refusal(shop, shop));
}

TEST_F(SessionPoolsTest, OneRunMayAlwaysBegin) {
  const ConnectionConfig narrow = connection("narrow", 1);
  EXPECT_FALSE(refusal(narrow, narrow)) << "else it never would";
}

TEST_F(SessionPoolsTest, AStopEndsTheWaitForATurn) {
  const ConnectionConfig narrow = connection("narrow", 1), copy = connection("copy");
  const SessionPools::Turn turn = pools_.take_turn(narrow, copy, {});
  std::stop_source stop;
  stop.request_stop();
  const std::optional<Error> refused = refusal(narrow, copy, stop.get_token());
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->kind(), ErrorKind::cancelled);
}

}  // namespace
}  // namespace syncflow
