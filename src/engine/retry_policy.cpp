#include "engine/retry_policy.h"

#include <fmt/core.h>

#include <algorithm>
#include <random>

#include "core/secrets.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

constexpr Duration kFirstWait = 2s;
constexpr Duration kLongestWait = 15min;
constexpr Duration kThrottleWait = 30s;
constexpr Duration kConflictWait = 500ms;

Duration spread(Duration wait, double jitter) {
  return wait + Duration(static_cast<std::int64_t>(static_cast<double>(wait.count()) / 2 * jitter));
}

}  // namespace

double random_fraction() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

Duration retry_wait(int attempt, const RetryPolicy& policy, double jitter) {
  Duration wait = kFirstWait;
  if (policy.backoff == RetryPolicy::Backoff::exponential)
    for (int i = 1; i < attempt && wait < kLongestWait; ++i) wait *= 2;
  if (policy.backoff == RetryPolicy::Backoff::linear) wait = kFirstWait * std::max(1, attempt);
  return spread(std::min(wait, kLongestWait), jitter);
}

Outcome outcome_of(const Error& error, int attempt, const RetryPolicy& policy, double jitter, Time now) {
  Outcome outcome;
  const std::string said = without_secrets(error.what());
  outcome.error = said;
  switch (error.kind()) {
    case ErrorKind::rate_limited:
      outcome.kind = Outcome::Kind::give_back;
      outcome.wait = error.retry_after() ? Duration(*error.retry_after()) : spread(kThrottleWait, jitter);
      return outcome;
    case ErrorKind::conflict:
      outcome.kind = Outcome::Kind::give_back;
      outcome.wait = spread(kConflictWait, jitter);
      return outcome;
    case ErrorKind::cancelled:
    case ErrorKind::lease_lost:
      outcome.kind = Outcome::Kind::give_back;
      outcome.yields = dynamic_cast<const YieldError*>(&error) != nullptr;
      return outcome;
    case ErrorKind::bad_config:
    case ErrorKind::unauthorized:
    case ErrorKind::not_found:
    case ErrorKind::forbidden: {
      outcome.kind = Outcome::Kind::failed;
      const auto* held = dynamic_cast<const HoldError*>(&error);
      outcome.hold = Hold{held ? held->hold_kind() : std::string(name_of(error.kind())), said, now};
      return outcome;
    }
    case ErrorKind::bug: outcome.kind = Outcome::Kind::failed; return outcome;
    case ErrorKind::unavailable:
    case ErrorKind::position_lost: break;
  }
  if (attempt <= policy.max_retries) {
    outcome.kind = Outcome::Kind::retry;
    outcome.wait = retry_wait(attempt, policy, jitter);
  } else {
    outcome.kind = Outcome::Kind::failed;
    outcome.error =
        fmt::format("{} (gave up after {} attempts; `syncflow jobs retry` tries again)", said, attempt);
  }
  return outcome;
}

}  // namespace syncflow
