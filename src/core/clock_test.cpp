#include "core/clock.h"

#include <gtest/gtest.h>

#include <ctime>
#include <future>
#include <thread>

#include "core/error.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

TEST(Rfc3339, IsWrittenInUtcAndReadInAnyZone) {
  EXPECT_EQ(to_rfc3339(Time(0us)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(to_rfc3339(Time(1'704'067'200'000'001us)), "2024-01-01T00:00:00.000001Z");
  EXPECT_EQ(to_rfc3339(Time(-1us)), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(from_rfc3339("2024-01-01T02:00:00+02:00"), Time(1'704'067'200'000'000us));
  for (const Duration time : {-1us, 0us, 1us, Duration::min(), Duration::max()})
    EXPECT_EQ(from_rfc3339(to_rfc3339(Time(time))), Time(time));
}

TEST(Rfc3339, RefusesWhatIsNoInstant) {
  for (const char* text :
       {"", "2024-01-01", "2024-01-01T00:00:00", "yesterday", "+999999999-01-01T00:00:00Z"}) {
    try {
      from_rfc3339(text);
      ADD_FAILURE() << "accepted " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    }
  }
}

TEST(SystemClock, CountsTheTimeThatTheMachineSleeps) {
  SystemClock clock;
  const auto since_boot = [] {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
  };
  const auto before = since_boot();
  const auto said = clock.monotonic().time_since_epoch();
  EXPECT_GE(said, before);
  EXPECT_LE(said, since_boot());
}

TEST(SystemClock, SleepsNoLongerThanAsked) {
  SystemClock clock;
  EXPECT_TRUE(clock.sleep(0us, {}));
  EXPECT_TRUE(clock.sleep(-1h, {}));
  const auto before = clock.monotonic();
  EXPECT_TRUE(clock.sleep(2ms, {}));
  EXPECT_GE(clock.monotonic() - before, 2ms);
}

TEST(SystemClock, WakesWhenAStopIsAskedFor) {
  for (const Duration time : {Duration(1h), Duration::max()}) {
    SystemClock clock;
    std::stop_source stop;
    auto slept = std::async(std::launch::async, [&] { return clock.sleep(time, stop.get_token()); });
    stop.request_stop();
    EXPECT_FALSE(slept.get());
  }
}

TEST(SystemClock, DoesNotReturnAtOnceFromTheLongestSleep) {
  SystemClock clock;
  std::stop_source stop;
  std::promise<void> begins;
  auto slept = std::async(std::launch::async, [&] {
    begins.set_value();
    return clock.sleep(Duration::max(), stop.get_token());
  });
  begins.get_future().wait();
  EXPECT_EQ(slept.wait_for(20ms), std::future_status::timeout);
  stop.request_stop();
  EXPECT_FALSE(slept.get());
}

TEST(SystemClock, DoesNotSleepAfterAStop) {
  SystemClock clock;
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(clock.sleep(1h, stop.get_token()));
}

}  // namespace
}  // namespace syncflow
