#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>

namespace syncflow {

using Time = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;
using Duration = std::chrono::microseconds;

/// The only way to learn the time and to wait. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() = 0;
  /// Never goes back, nor stands still while the machine sleeps; for leases and durations.
  virtual std::chrono::steady_clock::time_point monotonic() = 0;
  /// Returns early, with false, when a stop is asked for.
  virtual bool sleep(Duration time, std::stop_token stop) = 0;
};

class SystemClock : public Clock {
 public:
  Time now() override;
  std::chrono::steady_clock::time_point monotonic() override;
  bool sleep(Duration time, std::stop_token stop) override;
};

/// `2024-01-01T00:00:00.000001Z`; whole seconds carry no fraction.
std::string to_rfc3339(Time time);
/// Throws Error(bad_config).
Time from_rfc3339(std::string_view text);

}  // namespace syncflow
