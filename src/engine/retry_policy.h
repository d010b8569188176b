#pragma once

#include "core/error.h"
#include "engine/definition.h"
#include "store/store.h"

namespace syncflow {

/// What becomes of a run that ended with `error` in its `attempt`-th attempt (from 1).
///
/// Throttling, shutdown and deadlocks use up no attempt; what only a person can mend puts a hold on the sync.
/// `jitter` is from 0 to 1 and spreads waits by up to half. `now`: since when a hold stands.
Outcome outcome_of(const Error& error, int attempt, const RetryPolicy& policy, double jitter, Time now);

/// How long to wait before the next attempt.
Duration retry_wait(int attempt, const RetryPolicy& policy, double jitter);

/// From 0 to 1, from a generator of this thread.
double random_fraction();

/// An error whose hold has a kind of its own.
class HoldError : public Error {
 public:
  HoldError(std::string hold_kind, const std::string& message)
      : Error(ErrorKind::bad_config, message), hold_kind_(std::move(hold_kind)) {}
  const std::string& hold_kind() const { return hold_kind_; }

 private:
  std::string hold_kind_;
};

/// A run that has worked for long stops, between two steps, for others that wait.
class YieldError : public Error {
 public:
  YieldError() : Error(ErrorKind::cancelled, "made room for others that wait; goes on after them") {}
};

/// Of a table that is too large to be compared whole (DESIGN 5, the table-size rule).
inline constexpr const char* kHoldTableSize = "table_size";
/// Of deletes that are more than a person was told to expect (BrakePolicy).
inline constexpr const char* kHoldBrake = "brake";

}  // namespace syncflow
