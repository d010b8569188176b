#include "core/value.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "core/batch.h"
#include "core/calendar.h"
#include "core/error.h"

namespace syncflow {
namespace {

constexpr std::int64_t kDay = kMicrosecondsPerDay;

std::int64_t days(std::int64_t year, unsigned month, unsigned day) {
  return days_from_civil({year, month, day});
}

/// A value, its text and itself again.
void expect_round_trip(const Value& value) {
  Arena arena;
  const std::string text = to_text(value);
  const Value again = parse_value(value.type(), text, arena);
  EXPECT_EQ(again, value) << name_of(value.type()) << " " << text;
  EXPECT_EQ(again.type(), value.type()) << text;
  EXPECT_EQ(to_text(again), text);
  EXPECT_EQ(hash_row({&again, 1}), hash_row({&value, 1})) << text;
}

bool is_refused(Type type, std::string_view text) {
  Arena arena;
  try {
    parse_value(type, text, arena);
    return false;
  } catch (const Error& error) {
    return error.kind() == ErrorKind::bad_config;
  }
}

TEST(ValueText, RoundTripsIntegersAtTheirLimits) {
  for (const std::int64_t number :
       {INT64_MIN, INT64_MIN + 1, std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, INT64_MAX})
    expect_round_trip(Value::of(number));
  for (const std::uint64_t number :
       {std::uint64_t{0}, std::uint64_t{INT64_MAX}, std::uint64_t{INT64_MAX} + 1, UINT64_MAX})
    expect_round_trip(Value::of(number));
  EXPECT_EQ(to_text(Value::of(INT64_MIN)), "-9223372036854775808");
  EXPECT_EQ(to_text(Value::of(UINT64_MAX)), "18446744073709551615");
}

TEST(ValueText, RefusesIntegersThatAreNone) {
  for (const char* text :
       {"", "-", "+1", " 1", "1 ", "1.0", "1e3", "0x10", "9223372036854775808", "-9223372036854775809"})
    EXPECT_TRUE(is_refused(Type::int64, text)) << text;
  for (const char* text : {"", "-1", "+1", "18446744073709551616"})
    EXPECT_TRUE(is_refused(Type::uint64, text)) << text;
}

TEST(ValueText, RoundTripsDoublesBitForBit) {
  using Limits = std::numeric_limits<double>;
  for (const double number : {0.0,
                              -0.0,
                              0.1,
                              -0.1,
                              1.0 / 3,
                              1e15,
                              1e16,
                              1e22,
                              1e23,
                              123456789012345680.0,
                              Limits::min(),
                              Limits::max(),
                              Limits::lowest(),
                              Limits::denorm_min(),
                              -Limits::denorm_min(),
                              std::nextafter(Limits::min(), 0.0),
                              Limits::epsilon(),
                              2.2250738585072011e-308,
                              9007199254740993.0,
                              Limits::infinity(),
                              -Limits::infinity(),
                              Limits::quiet_NaN()})
    expect_round_trip(Value::of(number));
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const auto number = std::bit_cast<double>(random());
    Arena arena;
    const Value again = parse_value(Type::float64, to_text(Value::of(number)), arena);
    if (std::isnan(number)) EXPECT_TRUE(std::isnan(again.as_double()));
    else EXPECT_EQ(std::bit_cast<std::uint64_t>(again.as_double()), std::bit_cast<std::uint64_t>(number));
  }
}

TEST(ValueText, WritesDoublesAsShortAsTheyReadBack) {
  EXPECT_EQ(to_text(Value::of(0.1)), "0.1");
  EXPECT_EQ(to_text(Value::of(-0.0)), "-0");
  EXPECT_EQ(to_text(Value::of(5e-324)), "5e-324");
  EXPECT_EQ(to_text(Value::of(std::nan("7"))), "NaN");
  EXPECT_EQ(to_text(Value::of(-HUGE_VAL)), "-Infinity");
  for (const char* text :
       {"", "inf", "-inf", "nan", "nan(7)", "infinity", "+1", " 1", "1 ", "1,5", "0x1p3", "1e400"})
    EXPECT_TRUE(is_refused(Type::float64, text)) << text;
}

TEST(ValueText, RoundTripsDecimalsOfHundredsOfDigits) {
  const std::string long_whole(400, '9');
  const std::string long_fraction(400, '7');
  for (const std::string& text :
       {std::string("0"), std::string("-0"), std::string("1.50"), std::string("-1.50"), std::string("0.000"),
        long_whole, "-" + long_whole + "." + long_fraction, "0." + std::string(500, '0') + "1"}) {
    Arena arena;
    const Value value = parse_value(Type::decimal, text, arena);
    expect_round_trip(value);
    // The scale is kept.
    EXPECT_EQ(to_text(value), text);
  }
  for (const char* text : {"", "-", ".", "1.", ".5", "+1", "1e5", "1,5", "NaN", "--1", "1.2.3", " 1", "٣"})
    EXPECT_TRUE(is_refused(Type::decimal, text)) << text;
}

TEST(ValueText, RoundTripsDatesFromTheFarPastToTheFarFuture) {
  for (const std::int64_t day :
       {days(-4713, 11, 24), days(-4712, 1, 1), days(-1, 12, 31), days(0, 1, 1), days(0, 2, 29),
        days(1, 1, 1), days(999, 12, 31), days(1582, 10, 15), days(1899, 12, 31), days(1969, 12, 31),
        std::int64_t{0}, days(2000, 2, 29), days(9999, 12, 31), days(10000, 1, 1), days(294276, 12, 31),
        days(5874897, 12, 31)})
    expect_round_trip(Value::date(day));
  EXPECT_EQ(to_text(Value::date(days(1, 1, 1))), "0001-01-01");
  EXPECT_EQ(to_text(Value::date(days(0, 2, 29))), "0000-02-29");
  EXPECT_EQ(to_text(Value::date(days(-4712, 1, 1))), "-04712-01-01");
  EXPECT_EQ(to_text(Value::date(days(294276, 12, 31))), "+294276-12-31");
  for (const char* text :
       {"", "2023-02-29", "2024-13-01", "2024-00-01", "2024-01-00", "2024-01-32", "24-01-01", "2024-1-1",
        "2024-01-01 ", "2024-01-01T00:00:00", "12345-01-01", "2024/01/01", "0000-00-00"})
    EXPECT_TRUE(is_refused(Type::date, text)) << text;
}

TEST(ValueText, RoundTripsTimesOfDayToTheNanosecondAndMidnightAtTheEnd) {
  for (const Value& value : {Value::time(0), Value::time(0, 1), Value::time(1), Value::time(kDay - 1, 999),
                             Value::time(kDay), Value::time(45'000'500'000)})
    expect_round_trip(value);
  EXPECT_EQ(to_text(Value::time(kDay)), "24:00:00");
  EXPECT_EQ(to_text(Value::time(45'000'500'000)), "12:30:00.5");
  EXPECT_EQ(to_text(Value::time(0, 1)), "00:00:00.000000001");
  for (const char* text :
       {"", "24:00:01", "24:00:00.000000001", "25:00:00", "12:60:00", "12:00:60", "1:00:00", "12:00:00.",
        "12", "12:30.5", "-01:00:00", "12:00:00Z", "12:00:00.0000000001"})
    EXPECT_TRUE(is_refused(Type::time, text)) << text;
}

TEST(ValueText, RoundTripsTimestampsAtTheEndsOfTheirRange) {
  for (const std::int64_t microseconds :
       {INT64_MIN, INT64_MIN + 1, days(-4712, 1, 1) * kDay, days(1, 1, 1) * kDay, std::int64_t{-kDay - 1},
        std::int64_t{-kDay}, std::int64_t{-1}, std::int64_t{-500'000}, std::int64_t{0}, std::int64_t{1},
        days(9999, 12, 31) * kDay + kDay - 1, INT64_MAX - 1, INT64_MAX})
    for (const unsigned nanoseconds : {0u, 1u, 999u}) {
      expect_round_trip(Value::timestamp(microseconds, nanoseconds));
      expect_round_trip(Value::timestamp_tz(microseconds, nanoseconds));
    }
  EXPECT_EQ(to_text(Value::timestamp(-1)), "1969-12-31T23:59:59.999999");
  EXPECT_EQ(to_text(Value::timestamp_tz(-500'000, 1)), "1969-12-31T23:59:59.500000001Z");
  EXPECT_EQ(to_text(Value::timestamp(INT64_MAX)), "+294247-01-10T04:00:54.775807");
  EXPECT_EQ(to_text(Value::timestamp(INT64_MIN)), "-290308-12-21T19:59:05.224192");
}

TEST(ValueText, RefusesTimestampsBeyondWhat64BitsHold) {
  for (const char* text :
       {"+294247-01-10T04:00:54.775808", "-290308-12-21T19:59:05.224191", "+294276-12-31T23:59:59",
        "+999999999-01-01T00:00:00", "-999999999-01-01T00:00:00"}) {
    EXPECT_TRUE(is_refused(Type::timestamp, text)) << text;
    EXPECT_TRUE(is_refused(Type::timestamp_tz, std::string(text) + "Z")) << text;
  }
  EXPECT_TRUE(is_refused(Type::timestamp_tz, "+294247-01-10T04:00:54-23:59"));
  EXPECT_TRUE(is_refused(Type::timestamp_tz, "-290308-12-21T20:00:00+23:59"));
}

TEST(ValueText, TakesAnInstantInAnyZoneButNoneWithout) {
  Arena arena;
  const Value noon = parse_value(Type::timestamp_tz, "2024-02-29T12:00:00Z", arena);
  for (const char* text : {"2024-02-29T14:00:00+02:00", "2024-02-29 14:00:00+02", "2024-02-29T06:30:00-0530",
                           "2024-03-01T11:59:00+23:59", "2024-02-29t12:00:00z"})
    EXPECT_EQ(parse_value(Type::timestamp_tz, text, arena), noon) << text;
  for (const char* text :
       {"2024-02-29T12:00:00", "2024-02-29", "2024-02-29T12:00:00 Z", "2024-02-29T12:00:00x02:00",
        "2024-02-29T12:00:00+2", "2024-02-29T12:00:00+02:", "2024-02-29T12:00:00+24:00",
        "2024-02-29T12:00:00+02:60", "2024-02-29T24:00:00Z", "2024-02-29T12:00:60Z", "2024-02-29T12:00:00ZZ"})
    EXPECT_TRUE(is_refused(Type::timestamp_tz, text)) << text;
  EXPECT_TRUE(is_refused(Type::timestamp, "2024-02-29T12:00:00Z"));
}

TEST(ValueText, RoundTripsTextAndBytesOfAnyContent) {
  const std::string every_byte = [] {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    return bytes;
  }();
  expect_round_trip(Value::bytes(every_byte));
  expect_round_trip(Value::bytes(""));
  expect_round_trip(Value::text(""));
  expect_round_trip(Value::text(std::string_view("a\0b", 3)));
  expect_round_trip(Value::text("\xf0\x9f\xa6\x94 \xef\xbf\xbf \xc2\x80"));
  expect_round_trip(Value::json(R"({"a":[1,null,"\u0000"]})"));
  expect_round_trip(Value::array(R"(["1",null])"));
  expect_round_trip(Value::native("infinity"));
  EXPECT_TRUE(is_refused(Type::text, "\xff"));
  for (const char* text : {"0", "0g", "zz", "00 "}) EXPECT_TRUE(is_refused(Type::bytes, text)) << text;
}

TEST(ValueText, RoundTripsUuidsInAnyCase) {
  const std::string zero(16, '\0');
  const std::string full(16, '\xff');
  expect_round_trip(Value::uuid(zero));
  expect_round_trip(Value::uuid(full));
  Arena arena;
  EXPECT_EQ(to_text(parse_value(Type::uuid, "6BA7B810-9DAD-11D1-80B4-00C04FD430C8", arena)),
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  for (const char* text :
       {"", "6ba7b810", "6ba7b8109dad11d180b400c04fd430c8", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
        "6ba7b810-9dad-11d1-80b4-00c04fd430cg", "6ba7b81-09dad-11d1-80b4-00c04fd430c8"})
    EXPECT_TRUE(is_refused(Type::uuid, text)) << text;
}

TEST(ValueText, OfNullAndAbsentIsEmpty) {
  EXPECT_EQ(to_text(Value::null()), "");
  EXPECT_EQ(to_text(Value::absent()), "");
  EXPECT_TRUE(Value().is_null());
  EXPECT_TRUE(is_refused(Type::boolean, "yes"));
  expect_round_trip(Value::of(true));
  expect_round_trip(Value::of(false));
}

// --- order and equality ---

/// Values of every type, many of them near or equal to each other across types.
std::vector<Value> assorted(Arena& arena) {
  std::vector<Value> out = {Value::null(), Value::absent(), Value::of(true), Value::of(false)};
  for (const std::int64_t number :
       {INT64_MIN, INT64_MIN + 1, std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, std::int64_t{2},
        std::int64_t{9007199254740993}, INT64_MAX})
    out.push_back(Value::of(number));
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{2}, std::uint64_t{INT64_MAX},
                                     std::uint64_t{INT64_MAX} + 1, UINT64_MAX})
    out.push_back(Value::of(number));
  for (const double number :
       {-HUGE_VAL, HUGE_VAL, 0.0, -0.0, 0.1, 1.0, 2.0, -1.0, 9007199254740992.0, 9223372036854775808.0,
        18446744073709551616.0, 5e-324, -5e-324, 1.7976931348623157e308, std::nan("1"), -std::nan("2")})
    out.push_back(Value::of(number));
  for (const char* text : {"0", "-0", "0.0", "0.1", "0.10", "1", "1.0", "2.000", "-1", "9007199254740993",
                           "9223372036854775807", "9223372036854775808", "18446744073709551616", "-0.1",
                           "0.1000000000000000055511151231257827021181583404541015625"})
    out.push_back(Value::decimal(text));
  out.push_back(Value::decimal(arena.copy(std::string(400, '9'))));
  out.push_back(Value::decimal(arena.copy("-" + std::string(400, '9'))));
  for (const char* text : {"", "a", "A", "aa", "b", "\xc3\xa4", "\xf0\x9f\xa6\x94", "\xef\xbf\xbf", "0"}) {
    out.push_back(Value::text(text));
    out.push_back(Value::bytes(text));
    out.push_back(Value::json(text));
    out.push_back(Value::array(text));
    out.push_back(Value::native(text));
  }
  out.push_back(Value::text(std::string_view("a\0", 2)));
  for (const std::int64_t count : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, std::int64_t{1}, INT64_MAX})
    for (const unsigned nanoseconds : {0u, 999u}) {
      out.push_back(Value::timestamp(count, nanoseconds));
      out.push_back(Value::timestamp_tz(count, nanoseconds));
      if (nanoseconds == 0) out.push_back(Value::date(count / 1'000'000'000));
      if (count >= 0 && count < 2) out.push_back(Value::time(count, nanoseconds));
    }
  out.push_back(Value::uuid(arena.copy(std::string(16, '\0'))));
  out.push_back(Value::uuid(arena.copy(std::string(16, '\xff'))));
  return out;
}

TEST(ValueOrder, IsTotal) {
  Arena arena;
  std::vector<Value> values = assorted(arena);
  for (const Value& a : values) {
    EXPECT_EQ(compare(a, a), std::strong_ordering::equal) << to_text(a);
    for (const Value& b : values) {
      EXPECT_EQ(compare(a, b) < 0, compare(b, a) > 0) << to_text(a) << " and " << to_text(b);
      EXPECT_EQ(compare(a, b) == 0, compare(b, a) == 0) << to_text(a) << " and " << to_text(b);
    }
  }
  // Sorted by it, no value may come after a greater one: that takes transitivity.
  std::mt19937_64 random(1);
  for (int shuffle = 0; shuffle < 5; ++shuffle) {
    std::shuffle(values.begin(), values.end(), random);
    std::sort(values.begin(), values.end(), [](const Value& a, const Value& b) { return compare(a, b) < 0; });
    for (std::size_t i = 0; i < values.size(); ++i)
      for (std::size_t j = i + 1; j < values.size(); ++j)
        EXPECT_TRUE(compare(values[i], values[j]) <= 0)
            << name_of(values[i].type()) << " " << to_text(values[i]) << " sorts before "
            << name_of(values[j].type()) << " " << to_text(values[j]);
  }
}

TEST(ValueOrder, PutsNullFirstAndComparesNumbersOfAllTypesBySize) {
  EXPECT_TRUE(compare(Value::null(), Value::of(std::int64_t{-5})) < 0);
  EXPECT_TRUE(compare(Value::of(std::int64_t{-1}), Value::of(std::uint64_t{0})) < 0);
  EXPECT_TRUE(compare(Value::of(INT64_MAX), Value::of(UINT64_MAX)) < 0);
  EXPECT_TRUE(compare(Value::of(9007199254740992.0), Value::of(std::int64_t{9007199254740993})) < 0);
  EXPECT_TRUE(compare(Value::decimal("0.1"), Value::of(0.1)) < 0);
  EXPECT_TRUE(compare(Value::decimal("2.00"), Value::of(std::int64_t{2})) == 0);
  EXPECT_TRUE(compare(Value::of(UINT64_MAX), Value::of(std::nan(""))) < 0);
  EXPECT_TRUE(compare(Value::of(-0.0), Value::of(std::int64_t{0})) < 0);
  EXPECT_TRUE(compare(Value::text("Z"), Value::text("a")) < 0);
  EXPECT_TRUE(compare(Value::text("z"), Value::text("\xc3\xa4")) < 0);
}

TEST(ValueEquality, AgreesWithOrderAndWithHash) {
  Arena arena;
  const std::vector<Value> values = assorted(arena);
  for (const Value& a : values)
    for (const Value& b : values) {
      if (a == b) {
        EXPECT_TRUE(compare(a, b) == 0);
        EXPECT_EQ(hash_row({&a, 1}), hash_row({&b, 1}))
            << name_of(a.type()) << " " << to_text(a) << " and " << to_text(b);
      } else {
        EXPECT_NE(hash_row({&a, 1}), hash_row({&b, 1}))
            << name_of(a.type()) << " " << to_text(a) << " and " << to_text(b);
      }
    }
}

TEST(ValueEquality, KeepsTypesApartButNotTheTwoIntegers) {
  EXPECT_EQ(Value::of(std::int64_t{7}), Value::of(std::uint64_t{7}));
  EXPECT_FALSE(Value::of(std::int64_t{-1}) == Value::of(UINT64_MAX));
  EXPECT_EQ(Value::decimal("1.50"), Value::decimal("1.5"));
  EXPECT_FALSE(Value::decimal("1") == Value::of(std::int64_t{1}));
  EXPECT_FALSE(Value::of(0.0) == Value::of(-0.0));
  EXPECT_EQ(Value::of(std::nan("1")), Value::of(std::nan("2")));
  EXPECT_FALSE(Value::text("a") == Value::json("a"));
  EXPECT_FALSE(Value::null() == Value::absent());
  EXPECT_FALSE(Value::timestamp(0) == Value::timestamp_tz(0));
}

TEST(Value, KeepsItsBytesWhenItIsCopiedToAnArena) {
  Arena arena;
  Value copy;
  {
    std::string text = "short lived";
    copy = Value::text(text).copied_to(arena);
    text.assign(text.size(), 'x');
  }
  EXPECT_EQ(copy.view(), "short lived");
  EXPECT_EQ(copy.size_bytes(), 11u);
  EXPECT_EQ(Value::of(std::int64_t{1}).size_bytes(), 0u);
  EXPECT_EQ(Value::text({}).copied_to(arena).view(), "");
}

}  // namespace
}  // namespace syncflow
