#pragma once

#include <condition_variable>
#include <iterator>
#include <mutex>
#include <set>
#include <stop_token>

#include "core/clock.h"

namespace syncflow::testkit {

/// A clock whose hands tests move. Thread-safe.
class FakeClock : public Clock {
 public:
  enum class Sleep {
    moves_the_hands,  ///< who sleeps moves the time on at once: for code that runs in the test's own thread
    waits,            ///< until someone else moves it past the end, or a stop is asked for
  };
  explicit FakeClock(Sleep sleep = Sleep::moves_the_hands,
                     Time begin = Time(std::chrono::seconds(1'704'067'200)))
      : sleep_(sleep), begin_(begin) {}

  Time now() override {
    const std::lock_guard lock(mutex_);
    return begin_ + passed_ + set_by_;
  }

  std::chrono::steady_clock::time_point monotonic() override {
    const std::lock_guard lock(mutex_);
    return std::chrono::steady_clock::time_point(std::chrono::hours(1)) + passed_;
  }

  bool sleep(Duration time, std::stop_token stop) override {
    std::unique_lock lock(mutex_);
    if (sleep_ == Sleep::moves_the_hands) {
      passed_ += time;
      moved_.notify_all();
      return !stop.stop_requested();
    }
    const Duration end = passed_ + time;
    const auto sleeper = ends_.insert(end);
    moved_.notify_all();
    moved_.wait(lock, stop, [&] { return passed_ >= end; });
    ends_.erase(sleeper);
    return !stop.stop_requested();
  }

  void advance(Duration time) {
    const std::lock_guard lock(mutex_);
    passed_ += time;
    moved_.notify_all();
  }

  /// Sets the wall clock alone, as an operator or NTP does; `monotonic` goes on.
  void set(Time time) {
    const std::lock_guard lock(mutex_);
    set_by_ = time - begin_ - passed_;
  }

  /// Returns once `count` threads wait in `sleep`: then moving the hands wakes them for certain.
  void await_sleepers(int count) {
    std::unique_lock lock(mutex_);
    // Whose time has come is not asleep any more, though it may not have noticed yet.
    moved_.wait(lock, [&] { return std::distance(ends_.upper_bound(passed_), ends_.end()) >= count; });
  }

 private:
  const Sleep sleep_;
  const Time begin_;
  std::mutex mutex_;
  std::condition_variable_any moved_;
  Duration passed_{0};
  Duration set_by_{0};
  std::multiset<Duration> ends_;  ///< of those who sleep
};

}  // namespace syncflow::testkit
