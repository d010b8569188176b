#include <map>

#include "testkit/destination_contract.h"
#include "testkit/mysql_server.h"
#include "testkit/source_contract.h"

namespace syncflow::testkit {
namespace {

std::vector<KeySample> keys(bool mariadb) {
  // Without regard to case and accents these are one key: only different ones are among them.
  const std::vector<std::string> folded = {"''",     "'A'",   "'b'",   "'C'",   "'日本'",
                                           "'🙂'", "'a b'", "'a-b'", "'a_b'", "'ab'"};
  const std::vector<std::string> words = {"''",  "'A'", "'a'",    "'B'",    "'b'",
                                          "'ä'", "'Z'", "'日本'", "'🙂'", "'a b'"};
  std::vector<KeySample> samples = {
      {"varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", folded},
      {"varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", words},
      {"varchar(20) CHARACTER SET latin1 COLLATE latin1_german1_ci",
       {"'A'", "'b'", "'C'", "'é'", "'ß'", "'z'"}},
      {"char(20) CHARACTER SET utf8mb4", folded},
      {"varbinary(20)", {"''", "0x00", "0xff", "0x7f00", "0x7f"}},
      {"tinyint", {"-1", "0", "100", "-100"}},
      {"bigint", {"-9223372036854775808", "9", "10", "9223372036854775807"}},
      {"bigint unsigned", {"0", "9", "10", "18446744073709551615", "9223372036854775808"}},
      {"decimal(30,5)", {"10", "9", "-1.5", "-1.25", "9999999999999999999999999.5"}},
      {"double", {"10", "9", "-1.5", "1e300", "-1e300", "0.1"}},
      {"date", {"'1969-12-31'", "'2024-02-29'", "'9999-12-31'"}},
      {"time(6)", {"'00:00:00'", "'12:30:00.5'", "'12:30:00.25'"}},
      {"datetime(6)",
       {"'1969-12-31 23:59:59.999999'", "'2024-02-29 00:00:00'", "'2024-02-29 00:00:00.000001'"}},
      {"timestamp(6)",
       {"'1971-12-31 23:59:59.999999'", "'2024-02-29 00:00:00'", "'2024-02-29 00:00:00.000001'"}},
      {"enum('z','b','a')", {"'z'", "'b'", "'a'"}},
  };
  if (mariadb)
    samples.push_back({"uuid",
                       {"'ffffffff-0000-1000-8000-000000000001'", "'00000000-ffff-1000-8000-000000000002'",
                        "'0000ffff-0000-4000-8000-000000000003'"}});
  return samples;
}

std::vector<TypeSample> samples(bool mariadb) {
  std::vector<TypeSample> out = {
      {"TINYINT(1)", "2", Type::int64, "2"},
      {"TINYINT", "-128", Type::int64, "-128"},
      {"TINYINT UNSIGNED", "255", Type::int64, "255"},
      {"SMALLINT", "-32768", Type::int64, "-32768"},
      {"SMALLINT UNSIGNED", "65535", Type::int64, "65535"},
      {"MEDIUMINT", "-8388608", Type::int64, "-8388608"},
      {"MEDIUMINT UNSIGNED", "16777215", Type::int64, "16777215"},
      {"INT", "-2147483648", Type::int64, "-2147483648"},
      {"INT UNSIGNED", "4294967295", Type::int64, "4294967295"},
      {"INT ZEROFILL", "42", Type::int64, "42"},
      {"BIGINT", "-9223372036854775808", Type::int64, "-9223372036854775808"},
      {"BIGINT UNSIGNED", "18446744073709551615", Type::uint64, "18446744073709551615"},
      {"DECIMAL(65,30)", "'-99999999999999999999999999999999999.000000000000000000000000000001'",
       Type::decimal, "-99999999999999999999999999999999999.000000000000000000000000000001"},
      {"DECIMAL(10,2)", "1.5", Type::decimal, "1.50"},
      {"DECIMAL(10,0)", "-7", Type::decimal, "-7"},
      {"DECIMAL(8,3) ZEROFILL", "1.5", Type::decimal, "1.500"},
      {"FLOAT", "16777218", Type::float64, "16777218"},
      {"FLOAT", "0.1", Type::float64, "0.10000000149011612"},
      {"DOUBLE", "1.7976931348623157e308", Type::float64, "1.7976931348623157e+308"},
      {"DOUBLE", "5e-324", Type::float64, "5e-324"},
      {"DOUBLE", "0.1", Type::float64, "0.1"},
      {"BIT(1)", "b'1'", Type::uint64, "1"},
      {"BIT(64)", "18446744073709551615", Type::uint64, "18446744073709551615"},
      {"BIT(10)", "b'1000000001'", Type::uint64, "513"},
      {"YEAR", "2155", Type::int64, "2155"},
      {"YEAR", "0", Type::int64, "0"},
      {"DATE", "'9999-12-31'", Type::date, "9999-12-31"},
      {"DATE", "'0001-01-01'", Type::date, "0001-01-01"},
      {"DATETIME", "'2024-02-29 12:30:00'", Type::timestamp, "2024-02-29T12:30:00"},
      {"DATETIME(6)", "'9999-12-31 23:59:59.999999'", Type::timestamp, "9999-12-31T23:59:59.999999"},
      {"DATETIME(3)", "'2017-03-12 02:30:00.125'", Type::timestamp, "2017-03-12T02:30:00.125"},
      {"TIMESTAMP(6)", "'2038-01-19 03:14:07.999999'", Type::timestamp_tz, "2038-01-19T03:14:07.999999Z"},
      {"TIMESTAMP", "'1970-01-01 00:00:01'", Type::timestamp_tz, "1970-01-01T00:00:01Z"},
      {"TIME(6)", "'23:59:59.999999'", Type::time, "23:59:59.999999"},
      {"TIME", "'24:00:00'", Type::time, "24:00:00"},
      {"TIME", "'-838:59:59'", Type::time, "-838:59:59"},
      {"TIME(1)", "'100:00:00.5'", Type::time, "100:00:00.5"},
      {"CHAR(10)", "'héllo'", Type::text, "héllo"},
      {"VARCHAR(10)", "'a  '", Type::text, "a  "},
      {"VARCHAR(10) CHARACTER SET latin1", "'€ äß'", Type::text, "€ äß"},
      {"VARCHAR(10) CHARACTER SET utf8mb3", "'日本'", Type::text, "日本"},
      {"VARCHAR(10) CHARACTER SET ucs2", "'日本'", Type::text, "日本"},
      {"VARCHAR(10) CHARACTER SET utf16", "'🙂'", Type::text, "🙂"},
      {"VARCHAR(10) CHARACTER SET gbk", "'中文'", Type::text, "中文"},
      {"TINYTEXT", "'🙂'", Type::text, "🙂"},
      {"MEDIUMTEXT", "''", Type::text, ""},
      {"TEXT", "x'6100'", Type::text, std::string("a\0", 2)},
      {"BINARY(4)", "x'01020000'", Type::bytes, "01020000"},
      {"VARBINARY(4)", "x'00ff'", Type::bytes, "00ff"},
      {"LONGBLOB", "x'00ff27'", Type::bytes, "00ff27"},
      {"ENUM('a','it''s','ü')", "'it''s'", Type::text, "it's"},
      {"SET('a','b','c')", "'c,a'", Type::array, "[\"a\",\"c\"]"},
      {"SET('a','b')", "''", Type::array, "[]"},
      {"POINT", "ST_GeomFromText('POINT(1 2)')", Type::bytes,
       "000000000101000000000000000000f03f0000000000000040"},
  };
  if (mariadb) {
    out.push_back(
        {"JSON", "'{\"b\": 1.10, \"a\": [1, 2.50]}'", Type::json, "{\"b\": 1.10, \"a\": [1, 2.50]}"});
    out.push_back({"UUID", "'6F1C1F6E-0000-4000-8000-00000000000f'", Type::uuid,
                   "6f1c1f6e-0000-4000-8000-00000000000f"});
    out.push_back({"INET6", "'2001:db8::ff00:42:8329'", Type::text, "2001:db8::ff00:42:8329"});
    out.push_back({"INET4", "'192.168.0.1'", Type::text, "192.168.0.1"});
    out.push_back({"TIME(6)", "'838:59:59.999999'", Type::time, "838:59:59.999999"});
  } else {
    out.push_back({"JSON", "'{\"b\": 1.10, \"a\": [1, 12345678901234567890]}'", Type::json,
                   "{\"a\": [1, 12345678901234567890], \"b\": 1.1}"});
    out.push_back({"VECTOR(3)", "STRING_TO_VECTOR('[0.1, -2, 16777218]')", Type::array, "[0.1,-2,16777218]"});
  }
  return out;
}

SourceCase source_case(const std::string& flavour) {
  SourceCase out;
  static_cast<DatabaseCase&>(out) = mysql_case(flavour);
  out.samples = samples(flavour == "MARIADB");
  out.keys = keys(flavour == "MARIADB");
  out.block_readers = {"LOCK TABLES items WRITE"};
  return out;
}

std::optional<std::string> held(const ValueSample& value, bool mariadb) {
  static const std::map<std::string, std::string> as_mysql_lays_out = {
      {"{\"a\": [1, 2.50, null]}", "{\"a\": [1, 2.5, null]}"},
      {"1.10", "1.1"},
      {"[1,2]", "[1, 2]"},
      {"[\"a\",null,\"it's\"]", "[\"a\", null, \"it's\"]"},
  };
  switch (value.type) {
    case Type::boolean: return value.text == "true" ? "1" : "0";
    case Type::float64:
      if (value.text == "NaN" || value.text.find("Inf") != std::string::npos) return std::nullopt;
      // MariaDB keeps no sign of a zero.
      if (value.text == "-0" && mariadb) return "0";
      return value.text;
    case Type::decimal: {
      std::string text = value.text;
      if (text.find('.') == std::string::npos) text += '.';
      return text + std::string(30 - (text.size() - text.find('.') - 1), '0');
    }
    // Kept in a DATETIME, which has no zone.
    case Type::timestamp_tz: return value.text.substr(0, value.text.size() - 1);
    case Type::json:
    case Type::array: {
      const auto found = as_mysql_lays_out.find(value.text);
      return mariadb || found == as_mysql_lays_out.end() ? value.text : found->second;
    }
    default: return value.text;
  }
}

DestinationCase destination_case(const std::string& flavour) {
  DestinationCase out;
  static_cast<DatabaseCase&>(out) = mysql_case(flavour);
  const bool mariadb = flavour == "MARIADB";
  out.reads_back = [mariadb](const ValueSample& value) { return held(value, mariadb); };
  out.misfits = {
      {"VARCHAR(3)", {Type::text, "abcd"}},
      {"VARCHAR(3)", {Type::text, "日本語で"}},
      {"CHAR(5)", {Type::text, "a "}},
      {"TINYTEXT", {Type::text, std::string(256, 'x')}},
      {"VARCHAR(10) CHARACTER SET utf8mb3", {Type::text, "🙂"}},
      {"VARCHAR(10) CHARACTER SET latin1", {Type::text, "日本"}},
      {"VARCHAR(10) CHARACTER SET ascii", {Type::text, "ä"}},
      {"VARCHAR(10) CHARACTER SET gbk", {Type::text, "🙂"}},
      {"VARBINARY(2)", {Type::bytes, "010203"}},
      {"BINARY(4)", {Type::bytes, "0102"}},
      {"TINYINT", {Type::int64, "128"}},
      {"TINYINT UNSIGNED", {Type::int64, "-1"}},
      {"SMALLINT", {Type::int64, "32768"}},
      {"MEDIUMINT", {Type::int64, "8388608"}},
      {"INT", {Type::int64, "2147483648"}},
      {"BIGINT", {Type::uint64, "9223372036854775808"}},
      {"BIGINT UNSIGNED", {Type::int64, "-1"}},
      {"INT", {Type::decimal, "1.5"}},
      {"DECIMAL(4,2)", {Type::decimal, "1.234"}},
      {"DECIMAL(4,2)", {Type::decimal, "100"}},
      {"DECIMAL(4,2) UNSIGNED", {Type::decimal, "-1"}},
      {"FLOAT", {Type::float64, "0.1"}},
      {"DOUBLE", {Type::int64, "9007199254740993"}},
      {"DOUBLE(5,2)", {Type::float64, "1.234"}},
      {"DOUBLE", {Type::float64, "NaN"}},
      {"BIT(3)", {Type::int64, "8"}},
      {"YEAR", {Type::int64, "1900"}},
      {"DATE", {Type::timestamp, "2024-01-01T00:00:01"}},
      {"DATETIME", {Type::timestamp, "2024-01-01T00:00:00.5"}},
      {"DATETIME(3)", {Type::timestamp, "2024-01-01T00:00:00.0001"}},
      {"DATETIME(6)", {Type::timestamp, "+10000-01-01T00:00:00"}},
      {"DATETIME(6)", {Type::timestamp, "2024-01-01T00:00:00.000000001"}},
      {"DATE", {Type::date, "-0001-12-31"}},
      {"TIMESTAMP(6) NULL", {Type::timestamp_tz, "2038-01-19T03:14:08Z"}},
      {"TIMESTAMP(6) NULL", {Type::timestamp_tz, "1969-12-31T23:59:59Z"}},
      {"TIME", {Type::time, "12:00:00.5"}},
      {"ENUM('a','b')", {Type::text, "A"}},
      {"SET('a','b')", {Type::array, "[\"a\",\"x\"]"}},
      {"POINT", {Type::bytes, "0102"}},
  };
  if (mariadb) {
    out.misfits.push_back({"INET6", {Type::text, "no address"}});
    out.misfits.push_back({"UUID", {Type::text, "no uuid"}});
    out.misfits.push_back({"DATETIME(6)", {Type::native, "infinity"}});
  } else {
    out.misfits.push_back({"JSON", {Type::json, "{\"a\": 12345678901234567890.1}"}});
    out.misfits.push_back({"JSON", {Type::json, "{\"a\": 1, \"a\": 2}"}});
    out.misfits.push_back({"VECTOR(3)", {Type::array, "[1,2,3,4]"}});
  }
  out.block_writers = {"START TRANSACTION", "SELECT * FROM items WHERE id = 1 FOR UPDATE"};
  return out;
}

SYNCFLOW_SOURCE_CONTRACT(Mysql, source_case("MYSQL"), source_case("MARIADB"));
SYNCFLOW_DESTINATION_CONTRACT(Mysql, destination_case("MYSQL"), destination_case("MARIADB"));

}  // namespace
}  // namespace syncflow::testkit
