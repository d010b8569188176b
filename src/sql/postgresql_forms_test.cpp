#include "sql/postgresql_forms.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "sql/json_scanner.h"
#include "sql/postgresql_decode.h"
#include "sql/postgresql_encode.h"

namespace syncflow::sql::pg {
namespace {

/// The field's bytes, or the reason of a refusal in angle brackets.
std::string sent(const Encoding& encoding, const Value& value) {
  Encoder encoder;
  std::string out, reason;
  if (!encoder.append(encoding, value, out, reason)) {
    EXPECT_EQ(out, "") << "a refused value left bytes behind";
    return "<" + reason + ">";
  }
  EXPECT_EQ(static_cast<std::size_t>(network_order<std::int32_t>(out.data())), out.size() - 4);
  return out.substr(4);
}

std::string refusal(const Encoding& encoding, const Value& value) {
  const std::string text = sent(encoding, value);
  return text.starts_with('<') ? text : "not refused";
}

Value read_back(Form form, const std::string& bytes, Arena& arena) {
  Decoder decoder;
  Value value;
  EXPECT_TRUE(decoder.decode(form, Form::text, bytes, arena, value));
  return value;
}

void expect_round_trip(Form form, const Value& value) {
  Arena arena;
  const Value back = read_back(form, sent({.form = form}, value), arena);
  EXPECT_EQ(back, value) << to_text(value) << " came back as " << to_text(back);
  EXPECT_EQ(to_text(back), to_text(value));
}

TEST(PostgresForms, CarryWholeNumbersAtTheirEnds) {
  for (const std::int64_t n : {std::int64_t{0}, std::int64_t{-32768}, std::int64_t{32767}})
    expect_round_trip(Form::int2, Value::of(n));
  for (const std::int64_t n : {std::int64_t{INT32_MIN}, std::int64_t{INT32_MAX}})
    expect_round_trip(Form::int4, Value::of(n));
  for (const std::int64_t n : {INT64_MIN, INT64_MAX}) expect_round_trip(Form::int8, Value::of(n));
  expect_round_trip(Form::uint4, Value::of(std::int64_t{UINT32_MAX}));
  expect_round_trip(Form::uint8, Value::of(UINT64_MAX));
}

TEST(PostgresForms, RefuseWholeNumbersBeyondTheColumn) {
  EXPECT_NE(refusal({.form = Form::int2}, Value::of(std::int64_t{32768})), "not refused");
  EXPECT_NE(refusal({.form = Form::int4}, Value::of(std::int64_t{INT32_MIN} - 1)), "not refused");
  EXPECT_NE(refusal({.form = Form::int8}, Value::of(UINT64_MAX)), "not refused");
  EXPECT_NE(refusal({.form = Form::int8}, Value::decimal("9223372036854775808")), "not refused");
  EXPECT_NE(refusal({.form = Form::int8}, Value::decimal("1.5")), "not refused");
  EXPECT_EQ(refusal({.form = Form::int8}, Value::decimal("-9223372036854775808.00")), "not refused");
  EXPECT_EQ(refusal({.form = Form::int8}, Value::decimal("-0.0")), "not refused");
  EXPECT_EQ(refusal({.form = Form::uint8}, Value::decimal("-0.0")), "not refused");
  EXPECT_NE(refusal({.form = Form::int8}, Value::of(1e300)), "not refused");
  EXPECT_EQ(refusal({.form = Form::int8}, Value::of(-3.0)), "not refused");
}

TEST(PostgresForms, CarryFloatsWithTheirOddities) {
  for (const double n : {0.0, -0.0, 0.1, 5e-324, 1.7976931348623157e308, std::nan(""), HUGE_VAL, -HUGE_VAL})
    expect_round_trip(Form::float8, Value::of(n));
  for (const double n : {0.0, -0.0, 0.5, double{std::numeric_limits<float>::max()}, std::nan(""), HUGE_VAL})
    expect_round_trip(Form::float4, Value::of(n));
  EXPECT_NE(refusal({.form = Form::float4}, Value::of(0.1)), "not refused");
  EXPECT_NE(refusal({.form = Form::float4}, Value::of(1e300)), "not refused");
  EXPECT_EQ(refusal({.form = Form::float4}, Value::decimal("0.1")), "not refused");
  EXPECT_NE(refusal({.form = Form::float8}, Value::decimal("0.10000000000000000000001")), "not refused");
}

TEST(PostgresForms, CarryNumericsDigitByDigit) {
  std::string long_one = "-9";
  for (int i = 0; i < 500; ++i) long_one += "1234567890";
  long_one += ".";
  for (int i = 0; i < 500; ++i) long_one += "0987654321";
  for (const std::string text :
       {"0", "0.00", "1", "-1", "10000", "100000000", "0.0001", "0.00010", "0.00000001", "-12345.6789",
        "1.50", "9999", "99999999.99999999", "12345678901234567890.10", long_one.c_str()})
    expect_round_trip(Form::numeric, Value::decimal(text));
  Arena arena;
  EXPECT_EQ(
      read_back(Form::numeric, sent({.form = Form::numeric}, Value::decimal("-000123.40")), arena).view(),
      "-123.40");
  for (const char* text : {"NaN", "Infinity", "-Infinity"})
    expect_round_trip(Form::numeric, Value::native(text));
}

TEST(PostgresForms, RefuseNumericsThatWouldBeRounded) {
  const Encoding money{.form = Form::numeric, .precision = 5, .scale = 2};
  EXPECT_EQ(refusal(money, Value::decimal("999.99")), "not refused");
  EXPECT_EQ(refusal(money, Value::decimal("999.9900")), "not refused");
  EXPECT_NE(refusal(money, Value::decimal("999.991")), "not refused");
  EXPECT_NE(refusal(money, Value::decimal("1000")), "not refused");
  const Encoding thousands{.form = Form::numeric, .precision = 2, .scale = -3};
  EXPECT_EQ(refusal(thousands, Value::decimal("99000")), "not refused");
  EXPECT_NE(refusal(thousands, Value::decimal("99001")), "not refused");
  EXPECT_NE(refusal(thousands, Value::decimal("100000")), "not refused");
  const Encoding tiny{.form = Form::numeric, .precision = 2, .scale = 4};
  EXPECT_EQ(refusal(tiny, Value::decimal("0.0099")), "not refused");
  EXPECT_NE(refusal(tiny, Value::decimal("0.0100")), "not refused");
}

TEST(PostgresForms, CarryTimesFromTheFirstDayToTheLast) {
  const std::int64_t first_day = -2'451'545 + kEpochDays;
  for (const std::int64_t day :
       {first_day, std::int64_t{0}, std::int64_t{2'147'483'493} - 2'451'545 + kEpochDays})
    expect_round_trip(Form::date, Value::date(day));
  EXPECT_NE(refusal({.form = Form::date}, Value::date(first_day - 1)), "not refused");
  for (const std::int64_t us : {std::int64_t{0}, std::int64_t{86'400'000'000}})
    expect_round_trip(Form::time, Value::time(us));
  for (const std::int64_t us : {-211'813'488'000'000'000 + kEpochMicroseconds, std::int64_t{-1}, INT64_MAX}) {
    expect_round_trip(Form::timestamp, Value::timestamp(us));
    expect_round_trip(Form::timestamp_tz, Value::timestamp_tz(us));
  }
  EXPECT_NE(refusal({.form = Form::timestamp}, Value::timestamp(INT64_MIN)), "not refused");
  for (const char* text : {"infinity", "-infinity"})
    for (const Form form : {Form::date, Form::timestamp, Form::timestamp_tz})
      expect_round_trip(form, Value::native(text));
}

TEST(PostgresForms, TellInstantsBeyondTheReachOfMicrosecondsInWords) {
  std::string bytes;
  put_network_order(std::int64_t{9'223'371'331'199'999'999}, bytes);
  Arena arena;
  const Value value = read_back(Form::timestamp_tz, bytes, arena);
  EXPECT_EQ(value.type(), Type::native);
  EXPECT_EQ(value.view(), "294276-12-31 23:59:59.999999+00");
  EXPECT_EQ(sent({.form = Form::timestamp_tz}, value), bytes);
}

TEST(PostgresForms, RefuseTimesThatWouldBeRounded) {
  const Encoding milliseconds{.form = Form::timestamp_tz, .second_digits = 3};
  EXPECT_EQ(refusal(milliseconds, Value::timestamp_tz(1'000)), "not refused");
  EXPECT_NE(refusal(milliseconds, Value::timestamp_tz(1'001)), "not refused");
  EXPECT_NE(refusal({.form = Form::time}, Value::time(1, 500)), "not refused");
}

TEST(PostgresForms, RefuseIntervalsThatWouldBeRounded) {
  const Encoding seconds{.form = Form::native_text, .second_digits = 0};
  EXPECT_EQ(refusal(seconds, Value::native("1 day 00:00:05")), "not refused");
  EXPECT_NE(refusal(seconds, Value::native("1 day 00:00:05.25")), "not refused");
}

TEST(PostgresForms, ShiftNaiveTimesByTheZone) {
  const Encoding naive{.form = Form::timestamp, .zone_offset = 3'600'000'000};
  const Encoding instant{.form = Form::timestamp_tz, .zone_offset = 3'600'000'000};
  Arena arena;
  EXPECT_EQ(read_back(Form::timestamp, sent(naive, Value::timestamp_tz(0)), arena),
            Value::timestamp(3'600'000'000));
  EXPECT_EQ(read_back(Form::timestamp_tz, sent(instant, Value::timestamp(3'600'000'000)), arena),
            Value::timestamp_tz(0));
}

TEST(PostgresForms, RefuseTextThatDoesNotFit) {
  using std::string_view_literals::operator""sv;
  EXPECT_EQ(refusal({.form = Form::text, .length = 3}, Value::text("äöü")), "not refused");
  EXPECT_NE(refusal({.form = Form::text, .length = 3}, Value::text("abcd")), "not refused");
  EXPECT_NE(refusal({.form = Form::text}, Value::text("a\0b"sv)), "not refused");
  EXPECT_NE(refusal({.form = Form::text, .padded = true}, Value::text("a ")), "not refused");
  EXPECT_NE(refusal({.form = Form::text}, Value::bytes("a")), "not refused");
}

TEST(PostgresForms, TakeTheCanonicalTextOfAnotherType) {
  Arena arena;
  EXPECT_EQ(read_back(Form::int4, sent({.form = Form::int4}, Value::text("42")), arena),
            Value::of(std::int64_t{42}));
  EXPECT_EQ(read_back(Form::date, sent({.form = Form::date}, Value::text("2024-02-29")), arena),
            Value::date(19782));
  EXPECT_NE(refusal({.form = Form::date}, Value::text("29.02.2024")), "not refused");
  EXPECT_EQ(sent({.form = Form::text}, Value::timestamp_tz(0)), "1970-01-01T00:00:00Z");
}

TEST(PostgresForms, SayWhichTextIsNotUtf8) {
  Decoder decoder;
  Arena arena;
  Value value;
  EXPECT_FALSE(decoder.decode(Form::text, Form::text, "a\xff", arena, value));
  EXPECT_THROW(decoder.decode(Form::int4, Form::text, "abc", arena, value), Error);
}

TEST(PostgresForms, TellTimesAsTheServerWritesThem) {
  EXPECT_EQ(exact_text(Type::timestamp_tz, "-00043-03-15T12:00:00Z"), "0044-03-15 12:00:00+00 BC");
  EXPECT_EQ(exact_text(Type::timestamp, "+12345-01-01T00:00:00.5"), "12345-01-01 00:00:00.5");
  EXPECT_EQ(exact_text(Type::date, "-infinity"), "-infinity");
  EXPECT_EQ(exact_text(Type::bytes, "00ff"), "\\x00ff");
  EXPECT_EQ(exact_text(Value::date(0)), "1970-01-01");
}

TEST(PostgresForms, ReadBackTheirOwnNotation) {
  for (const char* text : {"2024-02-29T12:30:00.5Z", "-00043-03-15T12:00:00Z", "+12345-01-01T00:00:00Z",
                           "0001-01-01T00:00:00Z", "0000-12-31T00:00:00Z"}) {
    Arena arena;
    const Value value = parse_value(Type::timestamp_tz, text, arena);
    EXPECT_EQ(to_text(parse_value(Type::timestamp_tz, canonical_text(Type::timestamp_tz, exact_text(value)),
                                  arena)),
              text);
  }
  EXPECT_EQ(canonical_text(Type::date, "infinity"), "infinity");
  EXPECT_EQ(canonical_text(Type::date, "-infinity"), "-infinity");
}

TEST(PostgresForms, TurnJsonArraysIntoLiterals) {
  EXPECT_EQ(array_literal("[]", Type::int64), "{}");
  EXPECT_EQ(array_literal(" [1, null, [true], [\"a\\\"b\\\\\", \"NULL\"]] ", Type::text),
            "{\"1\",NULL,{\"true\"},{\"a\\\"b\\\\\",\"NULL\"}}");
  EXPECT_EQ(array_literal("[\"00ff\"]", Type::bytes), "{\"\\\\x00ff\"}");
  EXPECT_EQ(array_literal("[{\"a\":[1,{\"b\":2}]},3]", Type::json),
            "{\"{\\\"a\\\":[1,{\\\"b\\\":2}]}\",\"3\"}");
  EXPECT_THROW(array_literal("{\"a\":1}", Type::text), Error);
  EXPECT_THROW(array_literal("[1", Type::text), Error);
}

TEST(JsonScanner, TakesWhatIsJsonAndNothingElse) {
  for (const char* text : {"1", "-0.5e+10", "\"\\u00e4\\n\"", "null", "[]", "{}",
                           "[1,[2,{}],{\"a\":[],\"a\":false}]", " { \"a\" : 1 } ", "1e400", "\"\\ud800\""})
    EXPECT_EQ(json_problem(text, false), "") << text;
  for (const char* text :
       {"",           " ",          "01",    "1.",       ".5",  "+1",      "[1,]",      "[,1]",
        "{\"a\"}",    "{\"a\":1,}", "{a:1}", "'a'",      "\"a", "\"\\x\"", "\"\\u12\"", "nul",
        "true false", "[1}",        "]",     "\"a\tb\"", "1e",  "NaN"})
    EXPECT_NE(json_problem(text, false), "") << text;
}

TEST(JsonScanner, KnowsWhatJsonbRefuses) {
  EXPECT_NE(json_problem("\"\\u0000\"", true), "");
  EXPECT_NE(json_problem("{\"\\ud800\":1}", true), "");
  EXPECT_EQ(json_problem("\"\\ud83d\\ude00\"", true), "");
  EXPECT_EQ(json_problem("\"\\\\u0000\"", true), "");
}

}  // namespace
}  // namespace syncflow::sql::pg
