#include "engine/retry_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <utility>
#include <vector>

namespace syncflow {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Backoff = RetryPolicy::Backoff;
using Kind = Outcome::Kind;

constexpr Time kNow{};

Outcome outcome_of(const Error& error, int attempt = 1, const RetryPolicy& policy = {}, double jitter = 0) {
  return outcome_of(error, attempt, policy, jitter, kNow);
}

std::vector<Duration> waits(Backoff backoff, const std::vector<int>& attempts) {
  std::vector<Duration> out;
  for (const int attempt : attempts) out.push_back(retry_wait(attempt, {1000, backoff}, 0));
  return out;
}

TEST(RetryWait, DoublesGrowsOrStaysAndIsNeverLongerThanAQuarterOfAnHour) {
  EXPECT_EQ(waits(Backoff::exponential, {1, 2, 3, 9, 10, 1000}),
            (std::vector<Duration>{2s, 4s, 8s, 512s, 15min, 15min}));
  EXPECT_EQ(waits(Backoff::linear, {1, 2, 3, 449, 1000}), (std::vector<Duration>{2s, 4s, 6s, 898s, 15min}));
  EXPECT_EQ(waits(Backoff::constant, {1, 2, 1000}), (std::vector<Duration>{2s, 2s, 2s}));
}

TEST(RetryWait, IsSpreadByUpToHalf) {
  EXPECT_EQ(retry_wait(1, {}, 0.5), 2500ms);
  EXPECT_EQ(retry_wait(1, {}, 1), 3s);
  for (int i = 0; i < 1000; ++i) {
    const double fraction = random_fraction();
    EXPECT_GE(fraction, 0);
    EXPECT_LT(fraction, 1);
  }
}

TEST(RetryPolicy, TriesAgainAsOftenAsItSaysAndThenTellsWhatAPersonCanDo) {
  for (const ErrorKind kind : {ErrorKind::unavailable, ErrorKind::position_lost}) {
    const Error error(kind, "the server is away");
    for (int attempt = 1; attempt <= 3; ++attempt) {
      const Outcome outcome = outcome_of(error, attempt);
      EXPECT_EQ(outcome.kind, Kind::retry);
      EXPECT_EQ(outcome.wait, retry_wait(attempt, {}, 0));
      EXPECT_EQ(outcome.error, "the server is away");
    }
    const Outcome last = outcome_of(error, 4);
    EXPECT_EQ(last.kind, Kind::failed);
    EXPECT_FALSE(last.hold);
    EXPECT_EQ(last.error, "the server is away (gave up after 4 attempts; `syncflow jobs retry` tries again)");
  }
  EXPECT_EQ(outcome_of(Error(ErrorKind::unavailable, "away"), 1, {0, Backoff::exponential}).kind,
            Kind::failed);
}

TEST(RetryPolicy, ThrottlingConflictsAndShutdownUseUpNoAttempt) {
  const std::vector<std::pair<ErrorKind, Duration>> cases = {{ErrorKind::rate_limited, 30s},
                                                             {ErrorKind::conflict, 500ms},
                                                             {ErrorKind::cancelled, 0s},
                                                             {ErrorKind::lease_lost, 0s}};
  for (const auto& [kind, wait] : cases) {
    const Outcome outcome = outcome_of(Error(kind, "not now"), 1000);
    EXPECT_EQ(outcome.kind, Kind::give_back) << name_of(kind);
    EXPECT_EQ(outcome.wait, wait) << name_of(kind);
    EXPECT_FALSE(outcome.yields) << name_of(kind);
  }
  EXPECT_TRUE(outcome_of(YieldError()).yields);
}

TEST(RetryPolicy, WaitsAsLongAsTheServerAsks) {
  Error error(ErrorKind::rate_limited, "slow down");
  EXPECT_EQ(outcome_of(error, 1, {}, 1).wait, 45s) << "it says nothing";
  EXPECT_EQ(outcome_of(error.retry_after(7s), 1, {}, 1).wait, 7s);
  EXPECT_EQ(outcome_of(error.retry_after(2h), 1, {}, 1).wait, 2h);
}

TEST(RetryPolicy, HoldsWhatOnlyAPersonCanMend) {
  for (const ErrorKind kind :
       {ErrorKind::bad_config, ErrorKind::unauthorized, ErrorKind::not_found, ErrorKind::forbidden}) {
    const Outcome outcome = outcome_of(Error(kind, "grant SELECT on items"));
    EXPECT_EQ(outcome.kind, Kind::failed);
    ASSERT_TRUE(outcome.hold) << name_of(kind);
    EXPECT_EQ(outcome.hold->kind, name_of(kind));
    EXPECT_EQ(outcome.hold->reason, "grant SELECT on items");
    EXPECT_EQ(outcome.hold->since, kNow);
  }
  EXPECT_EQ(outcome_of(HoldError(kHoldTableSize, "add a field updated_at")).hold->kind, kHoldTableSize);
}

TEST(RetryPolicy, DoesNotRepeatABug) {
  const Outcome outcome = outcome_of(Error(ErrorKind::bug, "an invariant broke"));
  EXPECT_EQ(outcome.kind, Kind::failed);
  EXPECT_FALSE(outcome.hold);
  EXPECT_THAT(outcome.error, HasSubstr("an invariant broke"));
}

}  // namespace
}  // namespace syncflow
