#include "providers/mysql/encode.h"

#include <gtest/gtest.h>

#include "providers/mysql/charset.h"
#include "providers/mysql/json_check.h"
#include "providers/mysql/refusal.h"

namespace syncflow::mysql {
namespace {

ColumnInfo column(Kind kind, const std::string& type, const std::string& native = "") {
  ColumnInfo out;
  out.name = "v";
  out.kind = kind;
  out.type = type;
  out.native = native.empty() ? type : native;
  out.is_unsigned = out.native.find("unsigned") != std::string::npos;
  return out;
}

/// What the column is given for a canonical text, or why it refuses it.
std::string encoded(const ColumnInfo& column, Type type, const std::string& text, const Zone& zone = {}) try {
  Arena arena;
  const Encoded value = Encoder(column, zone, false).encode(parse_value(type, text, arena), arena);
  switch (value.form) {
    case Encoded::Form::null: return "null";
    case Encoded::Form::integer: return std::to_string(value.number);
    case Encoded::Form::natural: return std::to_string(static_cast<std::uint64_t>(value.number));
    case Encoded::Form::real: return std::to_string(value.real);
    default: return std::string(value.text);
  }
} catch (const Misfit& misfit) {
  return "refused: " + misfit.reason;
}

bool refused(const ColumnInfo& column, Type type, const std::string& text, const Zone& zone = {}) {
  return encoded(column, type, text, zone).rfind("refused", 0) == 0;
}

TEST(MysqlEncoder, TakesIntegersUpToTheEdgesOfTheirColumn) {
  struct Edge {
    const char *type, *native, *least, *below, *most, *above;
  };
  const Edge edges[] = {
      {"tinyint", "tinyint", "-128", "-129", "127", "128"},
      {"tinyint", "tinyint unsigned", "0", "-1", "255", "256"},
      {"smallint", "smallint", "-32768", "-32769", "32767", "32768"},
      {"mediumint", "mediumint", "-8388608", "-8388609", "8388607", "8388608"},
      {"mediumint", "mediumint unsigned", "0", "-1", "16777215", "16777216"},
      {"int", "int", "-2147483648", "-2147483649", "2147483647", "2147483648"},
      {"int", "int unsigned", "0", "-1", "4294967295", "4294967296"},
      {"bigint", "bigint", "-9223372036854775808", "-9223372036854775809", "9223372036854775807",
       "9223372036854775808"},
      {"bigint", "bigint unsigned", "0", "-1", "18446744073709551615", "18446744073709551616"},
  };
  for (const Edge& edge : edges) {
    const ColumnInfo into = column(Kind::integer, edge.type, edge.native);
    EXPECT_EQ(encoded(into, Type::decimal, edge.least), edge.least) << edge.native;
    EXPECT_EQ(encoded(into, Type::decimal, edge.most), edge.most) << edge.native;
    EXPECT_TRUE(refused(into, Type::decimal, edge.below)) << edge.native;
    EXPECT_TRUE(refused(into, Type::decimal, edge.above)) << edge.native;
  }
}

TEST(MysqlEncoder, TakesANumberOfAnyTypeThatMeansAnInteger) {
  const ColumnInfo into = column(Kind::integer, "int");
  EXPECT_EQ(encoded(into, Type::boolean, "true"), "1");
  EXPECT_EQ(encoded(into, Type::decimal, "7.00"), "7");
  EXPECT_EQ(encoded(into, Type::float64, "-7"), "-7");
  EXPECT_TRUE(refused(into, Type::float64, "7.5"));
  EXPECT_TRUE(refused(into, Type::float64, "1e+30"));
  EXPECT_TRUE(refused(into, Type::float64, "Infinity"));
  EXPECT_TRUE(refused(into, Type::text, "7"));
}

TEST(MysqlEncoder, TakesDecimalsOfNoMoreDigitsThanThereIsRoomFor) {
  ColumnInfo into = column(Kind::decimal, "decimal", "decimal(5,2)");
  into.precision = 5;
  into.scale = 2;
  EXPECT_EQ(encoded(into, Type::decimal, "-999.99"), "-999.99");
  EXPECT_EQ(encoded(into, Type::decimal, "0.10000"), "0.1");
  EXPECT_EQ(encoded(into, Type::float64, "0.1"), "0.1");
  EXPECT_TRUE(refused(into, Type::decimal, "1000"));
  EXPECT_TRUE(refused(into, Type::decimal, "0.001"));
  EXPECT_TRUE(refused(into, Type::float64, "NaN"));
  into.scale = 5;
  EXPECT_EQ(encoded(into, Type::decimal, "0.12345"), "0.12345");
  EXPECT_TRUE(refused(into, Type::decimal, "1.5"));
}

TEST(MysqlEncoder, TakesRealsOnlyWhereTheyComeBackAsTheSame) {
  const ColumnInfo wide = column(Kind::real, "double"), narrow = column(Kind::real, "float");
  EXPECT_FALSE(refused(wide, Type::decimal, "0.1"));
  EXPECT_FALSE(refused(wide, Type::int64, "9007199254740992"));
  EXPECT_TRUE(refused(wide, Type::int64, "9007199254740993"));
  EXPECT_TRUE(refused(wide, Type::decimal, "0.12345678901234567890"));
  EXPECT_FALSE(refused(narrow, Type::float64, "0.5"));
  EXPECT_TRUE(refused(narrow, Type::float64, "0.1"));
  EXPECT_TRUE(refused(narrow, Type::float64, "1e+39"));
}

TEST(MysqlEncoder, RefusesMomentsThatLieOutsideOrBetweenWhatTheColumnHolds) {
  ColumnInfo datetime = column(Kind::datetime, "datetime", "datetime(3)");
  datetime.fraction = 3;
  EXPECT_EQ(encoded(datetime, Type::timestamp, "0000-01-01T00:00:00"), "0000-01-01 00:00:00");
  EXPECT_EQ(encoded(datetime, Type::timestamp, "9999-12-31T23:59:59.999"), "9999-12-31 23:59:59.999");
  EXPECT_EQ(encoded(datetime, Type::date, "2024-02-29"), "2024-02-29 00:00:00");
  EXPECT_TRUE(refused(datetime, Type::timestamp, "2024-01-01T00:00:00.0001"));
  EXPECT_TRUE(refused(datetime, Type::timestamp, "+10000-01-01T00:00:00"));
  EXPECT_TRUE(refused(datetime, Type::timestamp, "-0001-12-31T00:00:00"));
  EXPECT_TRUE(refused(datetime, Type::date, "+294276-12-31"));
  EXPECT_TRUE(refused(datetime, Type::native, "infinity"));
  EXPECT_EQ(encoded(datetime, Type::native, "0000-00-00 00:00:00"), "0000-00-00 00:00:00");
  const ColumnInfo date = column(Kind::date, "date");
  EXPECT_EQ(encoded(date, Type::timestamp, "2024-02-29T00:00:00"), "2024-02-29");
  EXPECT_TRUE(refused(date, Type::timestamp, "2024-02-29T00:00:00.000001"));
}

TEST(MysqlEncoder, TurnsInstantsIntoTheConnectionsZoneAndBack) {
  const ColumnInfo datetime = column(Kind::datetime, "datetime"),
                   timestamp = column(Kind::timestamp, "timestamp");
  const Zone berlin = Zone::parse("Europe/Berlin");
  EXPECT_EQ(encoded(datetime, Type::timestamp_tz, "2024-01-01T12:00:00Z", berlin), "2024-01-01 13:00:00");
  EXPECT_EQ(encoded(timestamp, Type::timestamp, "2024-01-01T13:00:00", berlin), "2024-01-01 12:00:00");
  EXPECT_EQ(encoded(timestamp, Type::timestamp_tz, "2024-01-01T12:00:00Z", berlin), "2024-01-01 12:00:00");
  EXPECT_TRUE(refused(timestamp, Type::timestamp, "2024-03-31T02:30:00", berlin));
  EXPECT_TRUE(refused(datetime, Type::timestamp_tz, "2024-10-27T00:30:00Z", berlin));
}

TEST(MysqlEncoder, TakesOnlyTheVeryLabelsOfAnEnumOrSet) {
  ColumnInfo one = column(Kind::enumeration, "enum", "enum('a','B','it''s')");
  one.labels = labels_of(one.native);
  EXPECT_EQ(one.labels, (std::vector<std::string>{"a", "B", "it's"}));
  EXPECT_EQ(encoded(one, Type::text, "it's"), "it's");
  for (const char* text : {"A", "b", "", "a "}) EXPECT_TRUE(refused(one, Type::text, text)) << text;
  ColumnInfo some = column(Kind::set, "set", "set('a','b')");
  some.labels = labels_of(some.native);
  EXPECT_EQ(encoded(some, Type::array, "[\"b\",\"a\"]"), "b,a");
  EXPECT_EQ(encoded(some, Type::array, "[]"), "");
  EXPECT_TRUE(refused(some, Type::array, "[\"a\",\"a\"]"));
  EXPECT_TRUE(refused(some, Type::array, "[1]"));
}

TEST(MysqlCharsets, SayWhichCharacterTheyLack) {
  EXPECT_EQ(missing_character("a🙂b", "utf8mb4"), "");
  EXPECT_EQ(missing_character("a🙂b", "utf8mb3"), "🙂");
  EXPECT_EQ(missing_character("€ “ä” \u0081", "latin1"), "");
  EXPECT_EQ(missing_character("xŁ", "latin1"), "Ł");
  EXPECT_EQ(missing_character("\u0080", "latin1"), "\u0080");
  EXPECT_EQ(missing_character("日本語", "ascii"), "日");
  EXPECT_EQ(missing_character("日本語", "gbk"), "") << "only the server can tell";
  EXPECT_EQ(bytes_in("äb", "latin1"), 2U);
  EXPECT_EQ(bytes_in("äb", "utf8mb4"), 3U);
  EXPECT_EQ(count_characters("a🙂日"), 3U);
}

TEST(MysqlJson, IsRefusedWhereItsNumbersOrMembersWouldNotComeBack) {
  for (const char* kept :
       {"{}", "[1, 2.50, 1e3, -0.5]", "18446744073709551615", "-9223372036854775808",
        "{\"a\":{\"b\":1},\"b\":{\"b\":2}}", "\"1e400\"", "0.1", "-0", "100000000000000000000"})
    EXPECT_EQ(why_not_kept(kept), "") << kept;
  for (const char* lost : {"1e400", "18446744073709551617", "12345678901234567890.5",
                           "0.12345678901234567890", "{\"a\":1,\"\\u0061\":2}", "{\"a\":", "nul", ""})
    EXPECT_NE(why_not_kept(lost), "") << lost;
}

TEST(MysqlRefusals, NameTheColumnThatTheServersWordsName) {
  EXPECT_EQ(column_in("Column 'name' cannot be null"), "name");
  EXPECT_EQ(column_in("Data too long for column 'v' at row 3"), "v");
  EXPECT_EQ(column_in("Incorrect string value: '\\xE6' for column `db`.`t`.`v` at row 1"), "v");
  EXPECT_EQ(column_in("Field 'x' doesn't have a default value"), "x");
  EXPECT_EQ(column_in("Invalid JSON text: \"Invalid value.\" at position 1 in value for column 't.j'."), "j");
  EXPECT_EQ(column_in("Duplicate entry 'a' for key 't.e'"), "");
}

TEST(MysqlRefusals, AreToldFromFailuresOfTheWholeStatement) {
  for (const auto& [code, state, cause] : std::vector<std::tuple<unsigned, std::string, RejectionCause>>{
           {1062, "23000", RejectionCause::unique},
           {1242, "21000", RejectionCause::unique},
           {1452, "23000", RejectionCause::foreign_key},
           {1451, "23000", RejectionCause::foreign_key},
           {1048, "23000", RejectionCause::constraint},
           {3819, "HY000", RejectionCause::constraint},
           {4025, "23000", RejectionCause::constraint},
           {1644, "45000", RejectionCause::constraint},
           {1364, "HY000", RejectionCause::constraint},
           {1406, "22001", RejectionCause::value},
           {1264, "22003", RejectionCause::value},
           {1366, "HY000", RejectionCause::value},
           {1265, "01000", RejectionCause::value},
           {3140, "22032", RejectionCause::value},
           {1416, "22003", RejectionCause::value},
       }) {
    EXPECT_TRUE(is_about_row({code, state, ""})) << code;
    EXPECT_EQ(cause_of({code, state, ""}), cause) << code;
  }
  for (const auto& [code, state] : std::vector<std::pair<unsigned, std::string>>{{1213, "40001"},
                                                                                 {1205, "HY000"},
                                                                                 {2013, "HY000"},
                                                                                 {1142, "42000"},
                                                                                 {1054, "42S22"},
                                                                                 {1146, "42S02"},
                                                                                 {1114, "HY000"},
                                                                                 {1290, "HY000"}})
    EXPECT_FALSE(is_about_row({code, state, ""})) << code;
}

}  // namespace
}  // namespace syncflow::mysql
