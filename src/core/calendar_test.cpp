#include "core/calendar.h"

#include <gtest/gtest.h>

#include <string>

namespace syncflow {
namespace {

TEST(Calendar, CountsDaysForEveryDayOfFourCenturies) {
  std::int64_t expected = days_from_civil({1600, 1, 1});
  for (std::int64_t year = 1600; year < 2000; ++year)
    for (unsigned month = 1; month <= 12; ++month)
      for (unsigned day = 1; is_civil_day(year, month, day); ++day, ++expected) {
        ASSERT_EQ(days_from_civil({year, month, day}), expected);
        ASSERT_EQ(civil_from_days(expected), (CivilDay{year, month, day}));
      }
  EXPECT_EQ(expected, days_from_civil({2000, 1, 1}));
}

TEST(Calendar, KnowsDaysThatAreWritten) {
  EXPECT_EQ(days_from_civil({1970, 1, 1}), 0);
  EXPECT_EQ(days_from_civil({2000, 3, 1}), 11'017);
  EXPECT_EQ(days_from_civil({1, 1, 1}), -719'162);
  EXPECT_EQ(days_from_civil({0, 3, 1}), -719'468);
  // The first day of the Julian day count, in the proleptic Gregorian calendar.
  EXPECT_EQ(days_from_civil({-4713, 11, 24}), -2'440'588);
  for (const std::int64_t day : {std::int64_t{-3'000'000'000}, std::int64_t{-2'440'588}, std::int64_t{-1},
                                 std::int64_t{3'000'000'000}}) {
    const CivilDay civil = civil_from_days(day);
    EXPECT_TRUE(is_civil_day(civil.year, civil.month, civil.day));
    EXPECT_EQ(days_from_civil(civil), day);
  }
}

TEST(Calendar, KnowsLeapYears) {
  EXPECT_TRUE(is_civil_day(2000, 2, 29));
  EXPECT_FALSE(is_civil_day(1900, 2, 29));
  EXPECT_TRUE(is_civil_day(0, 2, 29));
  EXPECT_TRUE(is_civil_day(-4, 2, 29));
  EXPECT_FALSE(is_civil_day(-1, 2, 29));
  EXPECT_FALSE(is_civil_day(2024, 4, 31));
  EXPECT_FALSE(is_civil_day(2024, 0, 1));
  EXPECT_FALSE(is_civil_day(2024, 13, 1));
  EXPECT_FALSE(is_civil_day(2024, 1, 0));
}

TEST(ParseIso, ReadsDatesTimesFractionsAndZones) {
  const auto parsed = parse_iso("2024-02-29 23:59:59.123456789-08:30");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->days, days_from_civil({2024, 2, 29}));
  EXPECT_EQ(parsed->microseconds, 86'399'123'456);
  EXPECT_EQ(parsed->nanoseconds, 789u);
  EXPECT_EQ(parsed->offset_minutes, -510);
  EXPECT_TRUE(parsed->has_time);
  EXPECT_EQ(parse_iso("2024-02-29T12:30")->microseconds, 45'000'000'000);
  EXPECT_FALSE(parse_iso("2024-02-29")->has_time);
  EXPECT_FALSE(parse_iso("2024-02-29T12:30")->offset_minutes);
  EXPECT_EQ(parse_iso("-0043-03-15")->days, days_from_civil({-43, 3, 15}));
  EXPECT_EQ(parse_iso("2024-02-29T12:30:00.1000000000Z")->microseconds, 45'000'100'000);
}

TEST(ParseIso, RefusesWhatIsNone) {
  for (const char* text :
       {"", "now", "2024", "2024-02", "2024-02-30", "2024-02-29T", "2024-02-29T1:00", "2024-02-29T12:30.5",
        "2024-02-29T12:30:00.", "2024-02-29T24:00:00", "2024-02-29T12:30:00.0000000001",
        "2024-02-29T12:30:00*02:00", "2024-02-29T12:30:00+", "2024-02-29T12:30:00+0", "2024-02-29X12:30:00",
        "+123-01-01", "+1234567890-01-01", "2024-02-29T12:30:00+02:00 "})
    EXPECT_FALSE(parse_iso(text)) << text;
  EXPECT_FALSE(
      parse_iso(std::string_view("2024-02-29T12:30:00\0"
                                 "02",
                                 22)));
}

TEST(ParseIso, NeverReadsBeyondItsText) {
  const std::string whole = "2024-02-29T23:59:59.123456789+08:30";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    // A copy of its own, so that a sanitizer sees a read behind its end.
    const std::string cut(whole, 0, size);
    parse_iso(cut);
    parse_time_of_day(std::string_view(cut).substr(std::min<std::size_t>(size, 11)));
  }
}

TEST(Timestamps, AreWrittenAlsoBelow1970) {
  const auto text = [](std::int64_t microseconds, unsigned nanoseconds = 0) {
    std::string out;
    append_timestamp(microseconds, nanoseconds, out, ' ');
    return out;
  };
  EXPECT_EQ(text(0), "1970-01-01 00:00:00");
  EXPECT_EQ(text(-1), "1969-12-31 23:59:59.999999");
  EXPECT_EQ(text(-kMicrosecondsPerDay), "1969-12-31 00:00:00");
  EXPECT_EQ(text(-kMicrosecondsPerDay - 1, 5), "1969-12-30 23:59:59.999999005");
  EXPECT_EQ(text(INT64_MIN), "-290308-12-21 19:59:05.224192");
  EXPECT_EQ(text(INT64_MAX), "+294247-01-10 04:00:54.775807");
}

TEST(Timestamps, AreCountedToTheEndsOf64Bits) {
  EXPECT_EQ(microseconds_since_1970(*parse_iso("-290308-12-21T19:59:05.224192")), INT64_MIN);
  EXPECT_EQ(microseconds_since_1970(*parse_iso("+294247-01-10T04:00:54.775807")), INT64_MAX);
  EXPECT_FALSE(microseconds_since_1970(*parse_iso("-290308-12-21T19:59:05.224191")));
  EXPECT_FALSE(microseconds_since_1970(*parse_iso("+294247-01-10T04:00:54.775808")));
  EXPECT_EQ(microseconds_since_1970(*parse_iso("1969-12-31T23:00:00-01:00")), 0);
}

TEST(FloorDivide, RoundsDownBelowZeroToo) {
  EXPECT_EQ(floor_divide(7, 2), 3);
  EXPECT_EQ(floor_divide(-7, 2), -4);
  EXPECT_EQ(floor_divide(-8, 2), -4);
  EXPECT_EQ(floor_divide(INT64_MIN, kMicrosecondsPerDay), -106'751'992);
}

}  // namespace
}  // namespace syncflow
