#include "engine/filter.h"

#include <gtest/gtest.h>

#include <limits>

#include "testkit/mapping_rows.h"

namespace syncflow {
namespace {

using namespace testkit::mapping;

std::vector<FreeText> free_texts(const Texts& values) { return {values.begin(), values.end()}; }

/// What one condition says of one cell of a field of type `type`.
Truth ask(Type type, Operator op, const Texts& values, const std::string& text, bool null_value = false) {
  const auto schema = table({field("id", Type::int64), field("x", type)});
  const Condition condition(Filter{"x", op, free_texts(values), null_value}, *schema);
  Arena arena;
  return condition.judge(cell(type, text, arena));
}

std::string refusal(Type type, Operator op, const Texts& values, bool null_value = false) {
  const auto schema = table({field("id", Type::int64), field("x", type)});
  return error_of([&] { Condition(Filter{"x", op, free_texts(values), null_value}, *schema); });
}

TEST(Filter, ComparesWholeNumbersAtTheEdgesOfTheirTypes) {
  const std::string least = "-9223372036854775808", most = "9223372036854775807",
                    beyond = "18446744073709551615";
  EXPECT_EQ(ask(Type::int64, Operator::eq, {least}, least), Truth::yes);
  EXPECT_EQ(ask(Type::int64, Operator::lt, {most}, "9223372036854775806"), Truth::yes);
  EXPECT_EQ(ask(Type::int64, Operator::lt, {beyond}, most), Truth::yes);
  EXPECT_EQ(ask(Type::uint64, Operator::gt, {"-1"}, "0"), Truth::yes);
  EXPECT_EQ(ask(Type::uint64, Operator::gt, {most}, beyond), Truth::yes);
  EXPECT_EQ(ask(Type::uint64, Operator::eq, {"18446744073709551614"}, beyond), Truth::no);
}

TEST(Filter, ComparesANumberFieldWithNumbersThatItCannotHold) {
  EXPECT_EQ(ask(Type::int64, Operator::gt, {"1.5"}, "2"), Truth::yes);
  EXPECT_EQ(ask(Type::int64, Operator::gt, {"1.5"}, "1"), Truth::no);
  EXPECT_EQ(ask(Type::int64, Operator::eq, {"2.0"}, "2"), Truth::yes);
  EXPECT_EQ(ask(Type::int64, Operator::eq, {"2e3"}, "2000"), Truth::yes);
}

TEST(Filter, ComparesDecimalsOfFortyDigitsExactly) {
  const std::string a = "1234567890123456789012345678901234567890.1",
                    b = "1234567890123456789012345678901234567890.2";
  EXPECT_EQ(ask(Type::decimal, Operator::lt, {b}, a), Truth::yes);
  EXPECT_EQ(ask(Type::decimal, Operator::eq, {b}, a), Truth::no);
  EXPECT_EQ(ask(Type::decimal, Operator::eq, {a + "00"}, a), Truth::yes);
  EXPECT_EQ(ask(Type::decimal, Operator::eq, {"0"}, "-0.00"), Truth::yes);
}

TEST(Filter, TakesANaNAsEqualToItselfAndAboveAllNumbers) {
  EXPECT_EQ(ask(Type::float64, Operator::eq, {"NaN"}, "NaN"), Truth::yes);
  EXPECT_EQ(ask(Type::float64, Operator::gt, {"Infinity"}, "NaN"), Truth::yes);
  EXPECT_EQ(ask(Type::float64, Operator::lt, {"0"}, "-Infinity"), Truth::yes);
}

TEST(Filter, TakesBothZerosOfADoubleAsOne) {
  EXPECT_EQ(ask(Type::float64, Operator::eq, {"0"}, "-0"), Truth::yes);
  EXPECT_EQ(ask(Type::float64, Operator::lt, {"0"}, "-0"), Truth::no);
  EXPECT_EQ(ask(Type::float64, Operator::eq, {"0.1"}, "0.1"), Truth::yes);
}

TEST(Filter, ComparesCellsOfAnotherNumericTypeThanTheirField) {
  const auto schema = table({field("id", Type::int64), field("x", Type::float64)});
  const Condition equal(Filter{"x", Operator::eq, {"9007199254740992"}, false}, *schema);
  EXPECT_EQ(equal.judge(Value::of(std::int64_t{9007199254740992})), Truth::yes);
  EXPECT_EQ(equal.judge(Value::of(std::int64_t{9007199254740993})), Truth::no);
  EXPECT_EQ(equal.judge(Value::decimal("9007199254740992.00")), Truth::yes);
}

TEST(Filter, ComparesTextByItsBytes) {
  EXPECT_EQ(ask(Type::text, Operator::lt, {"a"}, "Z"), Truth::yes);
  EXPECT_EQ(ask(Type::text, Operator::gt, {"z"}, "é"), Truth::yes);
  EXPECT_EQ(ask(Type::text, Operator::eq, {"e\xcc\x81"}, "\xc3\xa9"), Truth::no);
  EXPECT_EQ(ask(Type::text, Operator::eq, {"a"}, "a "), Truth::no);
  EXPECT_EQ(ask(Type::text, Operator::eq, {""}, ""), Truth::yes);
}

TEST(Filter, ComparesTimesAsInstants) {
  EXPECT_EQ(ask(Type::timestamp_tz, Operator::eq, {"2024-01-01T02:00:00+02:00"}, "2024-01-01T00:00:00Z"),
            Truth::yes);
  EXPECT_EQ(ask(Type::timestamp_tz, Operator::gte, {"2024-01-01"}, "2024-01-01T00:00:00Z"), Truth::yes);
  EXPECT_EQ(ask(Type::timestamp_tz, Operator::lt, {"2024-01-01T00:00:00.000000001Z"}, "2024-01-01T00:00:00Z"),
            Truth::yes);
  EXPECT_EQ(ask(Type::timestamp, Operator::gt, {"2024-01-01 00:00"}, "2024-01-01T00:00:00.000001"),
            Truth::yes);
}

TEST(Filter, ComparesDatesFarFromOurs) {
  EXPECT_EQ(ask(Type::date, Operator::lt, {"1970-01-01"}, "0001-01-01"), Truth::yes);
  EXPECT_EQ(ask(Type::date, Operator::gt, {"9999-12-31"}, "+12000-01-01"), Truth::yes);
  EXPECT_EQ(ask(Type::date, Operator::lt, {"0001-01-01"}, "-0043-03-15"), Truth::yes);
  EXPECT_EQ(ask(Type::timestamp, Operator::lt, {"0001-01-01"}, "+12000-01-01T00:00:00"), Truth::no);
}

TEST(Filter, ComparesTheOtherTypesByTheirOwnOrder) {
  EXPECT_EQ(ask(Type::boolean, Operator::eq, {"true"}, "true"), Truth::yes);
  EXPECT_EQ(ask(Type::boolean, Operator::lt, {"true"}, "false"), Truth::yes);
  EXPECT_EQ(ask(Type::time, Operator::lte, {"24:00"}, "24:00:00"), Truth::yes);
  EXPECT_EQ(ask(Type::bytes, Operator::gt, {"7f"}, "80"), Truth::yes);
  EXPECT_EQ(ask(Type::uuid, Operator::eq, {"6F1C1F6E-0000-4000-8000-000000000001"},
                "6f1c1f6e-0000-4000-8000-000000000001"),
            Truth::yes);
}

TEST(Filter, KnowsNothingOfANullExceptThatItIsNull) {
  for (const Operator op :
       {Operator::eq, Operator::neq, Operator::gt, Operator::gte, Operator::lt, Operator::lte, Operator::in,
        Operator::nin, Operator::like, Operator::nlike, Operator::ilike, Operator::nilike})
    EXPECT_EQ(ask(Type::text, op, {"a"}, "null"), Truth::unknown) << name_of(op);
  EXPECT_EQ(ask(Type::text, Operator::is_null, {}, "null"), Truth::yes);
  EXPECT_EQ(ask(Type::text, Operator::is_not_null, {}, "null"), Truth::no);
  EXPECT_EQ(ask(Type::text, Operator::is_null, {}, ""), Truth::no);
  EXPECT_EQ(ask(Type::text, Operator::is_not_null, {}, ""), Truth::yes);
}

TEST(Filter, LetsNothingThroughNinWithANullInTheList) {
  EXPECT_EQ(ask(Type::int64, Operator::nin, {"1", "2"}, "3", true), Truth::unknown);
  EXPECT_EQ(ask(Type::int64, Operator::nin, {"1", "2"}, "2", true), Truth::no);
  EXPECT_EQ(ask(Type::int64, Operator::in, {"1", "2"}, "2", true), Truth::yes);
  EXPECT_EQ(ask(Type::int64, Operator::in, {"1", "2"}, "3", true), Truth::unknown);
  EXPECT_EQ(ask(Type::int64, Operator::in, {"1", "2"}, "3"), Truth::no);
  EXPECT_EQ(ask(Type::int64, Operator::nin, {"1", "2"}, "3"), Truth::yes);
}

TEST(Filter, MatchesNothingAgainstNullButByIs) {
  for (const Operator op :
       {Operator::eq, Operator::neq, Operator::gt, Operator::lte, Operator::like, Operator::nilike})
    EXPECT_EQ(ask(Type::text, op, {}, "a", true), Truth::unknown) << name_of(op);
  EXPECT_EQ(ask(Type::text, Operator::is, {}, "null", true), Truth::yes);
  EXPECT_EQ(ask(Type::text, Operator::is, {}, "a", true), Truth::no);
  EXPECT_EQ(ask(Type::text, Operator::is_not, {}, "null", true), Truth::no);
  EXPECT_EQ(ask(Type::boolean, Operator::is, {"true"}, "null"), Truth::no);
  EXPECT_EQ(ask(Type::boolean, Operator::is_not, {"true"}, "null"), Truth::yes);
  EXPECT_EQ(ask(Type::boolean, Operator::is, {"true"}, "true"), Truth::yes);
}

TEST(Filter, MatchesPatterns) {
  struct Case {
    const char* pattern;
    const char* text;
    bool fits;
  };
  for (const Case& c : std::initializer_list<Case>{{"%", "", true},
                                                   {"", "", true},
                                                   {"", "a", false},
                                                   {"_", "", false},
                                                   {"a%", "abc", true},
                                                   {"a%", "Abc", false},
                                                   {"%c", "abc", true},
                                                   {"%b%", "abc", true},
                                                   {"a_c", "abc", true},
                                                   {"a_c", "ac", false},
                                                   {"_", "é", true},
                                                   {"__", "é", false},
                                                   {"_", "\xf0\x9f\x98\x80", true},
                                                   {"%%a%%", "xxaxx", true},
                                                   {"a%b%c", "a-b-b-c", true},
                                                   {"a%b%c", "a-b-b-d", false},
                                                   {"%ab", "aab", true},
                                                   {"%aab", "aaab", true},
                                                   {"%abac%", "xababacx", true},
                                                   {"100\\%", "100%", true},
                                                   {"100\\%", "100x", false},
                                                   {"a\\_b", "a_b", true},
                                                   {"a\\_b", "axb", false},
                                                   {"c:\\\\%", "c:\\windows", true},
                                                   {"\\a", "a", true},
                                                   {"a\nb%", "a\nbc", true}}) {
    EXPECT_EQ(ask(Type::text, Operator::like, {c.pattern}, c.text), c.fits ? Truth::yes : Truth::no)
        << c.pattern << " on " << c.text;
    EXPECT_EQ(ask(Type::text, Operator::nlike, {c.pattern}, c.text), c.fits ? Truth::no : Truth::yes)
        << c.pattern << " on " << c.text;
  }
}

TEST(Filter, FoldsTheLettersOfEveryAlphabetForIlike) {
  EXPECT_EQ(ask(Type::text, Operator::ilike, {"straße%"}, "STRAßE 1"), Truth::yes);
  EXPECT_EQ(ask(Type::text, Operator::ilike, {"ὈΔΥΣΣΕΎΣ"}, "ὀδυσσεύς"), Truth::yes);
  EXPECT_EQ(ask(Type::text, Operator::ilike, {"привет"}, "ПРИВЕТ"), Truth::yes);
  EXPECT_EQ(ask(Type::text, Operator::ilike, {"\xe2\x84\xaa"}, "k"), Truth::yes);
  EXPECT_EQ(ask(Type::text, Operator::ilike, {"ẞ"}, "ß"), Truth::yes);
  EXPECT_EQ(ask(Type::text, Operator::nilike, {"ä%"}, "Ähre"), Truth::no);
}

TEST(Filter, KeepsTheTurkishLettersApartAsSimpleFoldingDoes) {
  EXPECT_EQ(ask(Type::text, Operator::ilike, {"İ"}, "i"), Truth::no);
  EXPECT_EQ(ask(Type::text, Operator::ilike, {"ı"}, "I"), Truth::no);
  EXPECT_EQ(ask(Type::text, Operator::ilike, {"I"}, "i"), Truth::yes);
  EXPECT_EQ(ask(Type::text, Operator::ilike, {"ß"}, "ss"), Truth::no);
}

TEST(Filter, MatchesAPatternAgainstALongTextWithoutGoingWild) {
  const std::string text(20'000, 'a');
  EXPECT_EQ(ask(Type::text, Operator::like, {"%a%a%a%a%a%a%a%a%b"}, text), Truth::no);
}

TEST(Filter, DecidesWhatItCanOfValuesInTheSourcesOwnNotation) {
  const auto schema = table({field("id", Type::int64), field("x", Type::timestamp_tz)});
  const auto ask_infinity = [&](Operator op, const Texts& values) {
    return Condition(Filter{"x", op, free_texts(values), false}, *schema).judge(Value::native("infinity"));
  };
  EXPECT_EQ(ask_infinity(Operator::eq, {"2024-01-01"}), Truth::no);
  EXPECT_EQ(ask_infinity(Operator::nin, {"2024-01-01"}), Truth::yes);
  EXPECT_EQ(ask_infinity(Operator::is_not_null, {}), Truth::yes);
  EXPECT_EQ(ask_infinity(Operator::gt, {"2024-01-01"}), Truth::not_decided);
  EXPECT_EQ(ask(Type::native, Operator::eq, {"1 day"}, "1 day"), Truth::yes);
  EXPECT_EQ(ask(Type::native, Operator::like, {"1%"}, "1 day"), Truth::yes);
}

TEST(Filter, SaysWhatDoesNotFit) {
  EXPECT_EQ(refusal(Type::int64, Operator::eq, {"ten"}), "filter x eq: \"ten\" is not an int64");
  EXPECT_EQ(refusal(Type::timestamp_tz, Operator::gt, {"yesterday"}),
            "filter x gt: \"yesterday\" is not a timestamp with zone; write it like 2024-02-29T12:30:00Z");
  EXPECT_EQ(refusal(Type::timestamp, Operator::gt, {"2024-01-01T00:00:00Z"}),
            "filter x gt: \"2024-01-01T00:00:00Z\" is not a timestamp without zone; write it like "
            "2024-02-29T12:30:00");
  EXPECT_EQ(refusal(Type::boolean, Operator::eq, {"yes"}),
            "filter x eq: \"yes\" is not a boolean; write true or false");
  EXPECT_EQ(refusal(Type::date, Operator::in, {"2024-02-29", "2023-02-29"}),
            "filter x in: \"2023-02-29\" is not a date; write it like 2024-02-29");
  EXPECT_EQ(refusal(Type::int64, Operator::like, {"1%"}),
            "filter x like: the field is an int64, and patterns are for text");
  EXPECT_EQ(refusal(Type::json, Operator::eq, {"{}"}),
            "filter x eq: the field is a json; it takes like, is_null and their opposites");
  EXPECT_EQ(refusal(Type::native, Operator::gt, {"1 day"}),
            "filter x gt: only the source itself knows the order of this type's values");
  EXPECT_EQ(refusal(Type::text, Operator::like, {"50\\"}),
            "filter x like: the pattern \"50\\\" ends with a backslash; write \\\\ for a backslash itself");
  EXPECT_EQ(refusal(Type::text, Operator::is_null, {"a"}), "filter x is_null: it takes no value");
  EXPECT_EQ(refusal(Type::text, Operator::in, {}), "filter x in: it needs a list of values");
  EXPECT_EQ(refusal(Type::text, Operator::eq, {}), "filter x eq: it needs one value");
  EXPECT_EQ(refusal(Type::text, Operator::eq, {"a", "b"}), "filter x eq: it needs one value");
  const auto schema = table({field("id", Type::int64), field("country", Type::text)});
  EXPECT_EQ(error_of([&] {
              Condition(Filter{"contry", Operator::eq, {"DE"}, false}, *schema);
            }),
            "filter contry eq: table people has no field \"contry\"; did you mean \"country\"?");
}

TEST(RowFilter, PassesARowThatEveryConditionAffirms) {
  const auto schema =
      table({field("id", Type::int64), field("country", Type::text), field("age", Type::int64)});
  const RowFilter filter(
      {{"country", Operator::in, {"DE", "FR"}, false}, {"age", Operator::gte, {"18"}, false}}, *schema);
  const auto passes = [&](const Texts& row) {
    const Batch batch = Rows(schema).upsert(row).batch();
    return filter.judge(batch.changes.front().row).passes;
  };
  EXPECT_TRUE(passes({"1", "DE", "18"}));
  EXPECT_FALSE(passes({"1", "DE", "17"}));
  EXPECT_FALSE(passes({"1", "GB", "18"}));
  EXPECT_FALSE(passes({"1", "null", "18"}));
}

TEST(RowFilter, RefusesARowThatItCannotJudgeUnlessAnotherConditionSaysNo) {
  const auto schema =
      table({field("id", Type::int64), field("country", Type::text), field("age", Type::int64)});
  const RowFilter filter({{"country", Operator::eq, {"DE"}, false}, {"age", Operator::gte, {"18"}, false}},
                         *schema);
  const Batch batch = Rows(schema).upsert({"1", "absent", "18"}).upsert({"1", "absent", "17"}).batch();
  const auto verdict = filter.judge(batch.changes[0].row);
  EXPECT_FALSE(verdict.passes);
  ASSERT_TRUE(verdict.refusal);
  EXPECT_EQ(verdict.refusal->field, "country");
  EXPECT_EQ(verdict.refusal->reason, "the source did not send this field, which a filter asks for");
  EXPECT_FALSE(filter.judge(batch.changes[1].row).refusal);
}

}  // namespace
}  // namespace syncflow
