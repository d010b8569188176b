#pragma once

#include <mutex>
#include <optional>

#include "core/clock.h"
#include "drivers/libpq/session.h"

namespace syncflow::postgresql_store {

/// The time of a PostgreSQL server, told without asking it each time.
///
/// It is the server's time when it was asked last plus what the local monotonic clock counted since, so steps of the
/// local wall clock do not show. It is off by at most half of what that question took (a tenth of a millisecond in
/// one network, never above an eighth of a second but at the very first), and by what the two clocks drift apart until the
/// next question: the store asks with a call of its own every ten seconds. Leases are judged in the server by its own
/// clock, never by this one. Thread-safe.
class ServerClock : public Clock {
 public:
  explicit ServerClock(Clock& local) : local_(local) {}

  Time now() override;
  std::chrono::steady_clock::time_point monotonic() override { return local_.monotonic(); }
  bool sleep(Duration time, std::stop_token stop) override { return local_.sleep(time, std::move(stop)); }

  /// Asks the server if that is due and no other thread is at it.
  void follow(libpq::Session& session);

 private:
  bool begin_to_ask();

  Clock& local_;
  std::mutex mutex_;
  Time server_;  ///< at `local_at_`
  std::chrono::steady_clock::time_point local_at_;
  std::optional<std::chrono::steady_clock::time_point> asked_at_;
  bool is_set_ = false;
};

}  // namespace syncflow::postgresql_store
