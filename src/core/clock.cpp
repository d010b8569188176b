#include "core/clock.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>

#include "core/calendar.h"
#include "core/error.h"
#include "core/text.h"

namespace syncflow {
namespace {

/// Two processes of one machine share its clock. A test that wants them to differ says by how much in the environment
/// (test builds only): SYNCFLOW_CLOCK_OFFSET_MS=-2500.
Duration offset() {
#ifdef SYNCFLOW_FAILPOINTS
  static const Duration set = [] {
    const char* text = std::getenv("SYNCFLOW_CLOCK_OFFSET_MS");
    return Duration(std::chrono::milliseconds(text ? std::atoll(text) : 0));
  }();
  return set;
#else
  return Duration(0);
#endif
}

}  // namespace

Time SystemClock::now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()) + offset();
}

std::chrono::steady_clock::time_point SystemClock::monotonic() {
  // CLOCK_MONOTONIC, the steady_clock's, stands still while the machine is suspended, and leases would not run out.
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::steady_clock::time_point(std::chrono::seconds(now.tv_sec) +
                                               std::chrono::nanoseconds(now.tv_nsec));
}

bool SystemClock::sleep(Duration time, std::stop_token stop) {
  // The longest durations would overflow the time at which they end.
  time = std::min<Duration>(time, std::chrono::hours(24 * 365));
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  woken.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

std::string to_rfc3339(Time time) {
  std::string out;
  append_timestamp(time.time_since_epoch().count(), 0, out);
  return out + 'Z';
}

Time from_rfc3339(std::string_view text) {
  const auto parsed = parse_iso(text);
  const auto instant =
      parsed && parsed->has_time && parsed->offset_minutes ? microseconds_since_1970(*parsed) : std::nullopt;
  if (!instant)
    throw Error(ErrorKind::bad_config,
                fmt::format("\"{}\" is not a time like 2024-01-01T00:00:00Z", shortened(text)));
  return Time(std::chrono::microseconds(*instant));
}

}  // namespace syncflow
