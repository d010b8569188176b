#include <fmt/core.h>

#include "core/text.h"
#include "providers/mysql/test_live.h"

namespace syncflow::mysql {
namespace {

/// A column and what goes into it, as literals; null goes into each besides.
struct Sample {
  std::string type;
  std::vector<std::string> literals;
};

/// The extremes of every built-in type that the two kinds of server share.
std::vector<Sample> shared_samples() {
  return {
      {"tinyint(1)", {"-128", "0", "1", "2", "127"}},
      {"tinyint unsigned", {"0", "255"}},
      {"smallint", {"-32768", "32767"}},
      {"smallint unsigned", {"65535"}},
      {"mediumint", {"-8388608", "8388607"}},
      {"mediumint unsigned", {"16777215"}},
      {"int", {"-2147483648", "2147483647"}},
      {"int unsigned", {"4294967295"}},
      {"bigint", {"-9223372036854775808", "9223372036854775807"}},
      {"bigint unsigned", {"18446744073709551615"}},
      {"decimal(65,30)",
       {"-99999999999999999999999999999999999.999999999999999999999999999999",
        "0.000000000000000000000000000001"}},
      {"decimal(65,0)", {"99999999999999999999999999999999999999999999999999999999999999999"}},
      {"decimal(10,2) unsigned", {"99999999.99"}},
      {"float", {"3.4028234e38", "-1.17549435e-38", "16777217", "0.1"}},
      {"float unsigned", {"0.5"}},
      {"double", {"1.7976931348623157e308", "-2.2250738585072014e-308", "0.1", "9007199254740993"}},
      {"double(10,2)", {"99999999.99"}},
      {"bit(1)", {"b'0'", "b'1'"}},
      {"bit(64)", {"18446744073709551615"}},
      {"year", {"0", "1901", "2155"}},
      {"date", {"'0000-00-00'", "'2024-00-00'", "'2024-02-30'", "'0001-01-01'", "'9999-12-31'"}},
      {"datetime", {"'0000-00-00 00:00:00'", "'2024-01-00 10:00:00'", "'9999-12-31 23:59:59'"}},
      {"datetime(6)",
       {"'1000-01-01 00:00:00.000001'", "'9999-12-31 23:59:59.999999'", "'1950-01-01 01:00:00.999999'"}},
      {"timestamp", {"'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'"}},
      {"timestamp(6)", {"'2038-01-19 03:14:07.999999'"}},
      {"time", {"'-838:59:59'", "'838:59:59'", "'24:00:00'", "'00:00:00'"}},
      {"time(6)", {"'23:59:59.999999'", "'-00:00:00.000001'"}},
      {"char(10)", {"'é'", "''"}},
      {"varchar(10)", {"'trailing  '", "'🙂🙂🙂🙂🙂🙂🙂🙂🙂🙂'"}},
      {"varchar(10) character set latin1", {"'€äß'"}},
      {"varchar(10) character set utf8mb3", {"'日本'"}},
      {"tinytext", {"REPEAT('é', 127)"}},
      {"text", {"x'61006200'"}},
      {"mediumtext", {"REPEAT('🙂', 100000)"}},
      {"longtext", {"''"}},
      {"binary(3)", {"x'010000'", "x'000000'"}},
      {"varbinary(3)", {"x''", "x'00'", "x'ff00ff'"}},
      {"tinyblob", {"x'00'"}},
      {"blob", {"REPEAT(x'ff', 65535)"}},
      {"longblob", {"x'275c00'"}},
      {"enum('a','it''s','back\\slash','ü')", {"'a'", "'it''s'", "'back\\slash'", "'ü'"}},
      {"set('x','y','z')", {"''", "'x'", "'z,x'"}},
      {"geometry", {"ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('LINESTRING(0 0,1 1)')"}},
      {"polygon", {"ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')"}},
  };
}

class MysqlRoundTrip : public MysqlLive {
 protected:
  std::vector<Sample> samples() {
    std::vector<Sample> all = shared_samples();
    if (database().is_mariadb()) {
      all.push_back({"json", {"'{\"b\": 1.10, \"a\": [1, 2.50]}'", "'12345678901234567890.1'"}});
      all.push_back(
          {"uuid", {"'6f1c1f6e-0000-4000-8000-00000000000f'", "'00000000-0000-0000-0000-000000000000'"}});
      all.push_back({"inet4", {"'255.255.255.255'"}});
      all.push_back({"inet6", {"'::'", "'2001:db8::ff00:42:8329'"}});
    } else {
      all.push_back(
          {"json",
           {"'{\"b\": 1.10, \"a\": [1, 2.50, null, true]}'", "'18446744073709551615'", "'\"text\"'"}});
      all.push_back({"vector(3)", {"STRING_TO_VECTOR('[0.1, -2, 3.4028234e38]')"}});
    }
    return all;
  }

  /// Makes one table of a type and puts the values in; returns its rows.
  int fill(const std::string& table, const Sample& sample) {
    database().run(fmt::format("CREATE TABLE {} (id INT PRIMARY KEY, v {} NULL)", table, sample.type));
    int id = 0;
    for (const std::string& literal : sample.literals)
      database().run(fmt::format("INSERT INTO {} VALUES ({}, {})", table, ++id, literal));
    database().run(fmt::format("INSERT INTO {} VALUES ({}, NULL)", table, ++id));
    return id;
  }

  /// Rows that are not the very same in both tables.
  std::string differences(const std::string& a, const std::string& b, const std::string& type) {
    const std::string charset = database().value(
        "SELECT COALESCE(MAX(CHARACTER_SET_NAME), '') FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = "
        "DATABASE() "
        "AND TABLE_NAME = '" +
        a + "' AND COLUMN_NAME = 'v'");
    std::string value = "{0}.v";
    if (type == "json") value = "CAST(CAST({0}.v AS CHAR) AS BINARY)";
    else if (!charset.empty()) value = "CAST(CONVERT({0}.v USING utf8mb4) AS BINARY)";
    else if (type.find("binary") != std::string::npos || type.find("blob") != std::string::npos ||
             type == "geometry" || type == "polygon" || type.rfind("vector", 0) == 0)
      value = "HEX({0}.v)";
    return database().value(fmt::format(
        "SELECT COUNT(*) FROM {} a LEFT JOIN {} b ON a.id = b.id WHERE b.id IS NULL OR NOT ({} <=> {})", a, b,
        fmt::format(fmt::runtime(value), "a"), fmt::format(fmt::runtime(value), "b")));
  }
};
SYNCFLOW_ON_MYSQL_SERVERS(MysqlRoundTrip);

TEST_P(MysqlRoundTrip, EveryTypeComesBackAsItWasThroughATableThatWeMake) {
  database().run("SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_BACKSLASH_ESCAPES'");
  const auto connection = connect();
  int number = 0;
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.type);
    const std::string from = fmt::format("from_{}", ++number), to = fmt::format("to_{}", number);
    const int count = fill(from, sample);
    const auto source = connection->open_source(reading(from));
    const auto destination = connection->open_destination(writing(to, *source->schema()));
    const Prepared prepared = destination->prepare();
    EXPECT_TRUE(prepared.created);
    const WriteResult first = copy(*source, *destination, WriteMode::append);
    for (const Rejection& rejection : first.rejected) ADD_FAILURE() << rejection.reason;
    EXPECT_EQ(first.written, static_cast<std::size_t>(count));
    EXPECT_EQ(differences(from, to, sample.type), "0") << prepared.ddl;
    const WriteResult again = copy(*source, *destination);
    EXPECT_EQ(again.unchanged, static_cast<std::size_t>(count)) << "equal rows were written";
    EXPECT_TRUE(again.rejected.empty());

    Replica before(true), after(true);
    read_on(*source, {}, before);
    read_on(*connection->open_source(reading(to)), {}, after);
    EXPECT_EQ(before.rows(), after.rows());
  }
}

TEST_P(MysqlRoundTrip, EveryTypeOfTheOtherKindOfServerIsHeldOrRefusedByName) {
  const std::string flavour = std::string(GetParam()) == "MYSQL" ? "MARIADB" : "MYSQL";
  const auto other_server = testkit::mysql_target(flavour);
  if (!other_server) GTEST_SKIP() << "SYNCFLOW_TEST_" << flavour << "_URL is not set";
  testkit::ScratchMysql other(*other_server);
  database().run("SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_BACKSLASH_ESCAPES'");
  const auto connection = connect();
  const auto other_connection = connect_as(other.target());
  int number = 0;
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.type);
    const std::string table = fmt::format("t{}", ++number);
    const int count = fill(table, sample);
    const auto source = connection->open_source(reading(table));
    const auto destination = other_connection->open_destination(writing(table, *source->schema()));
    destination->prepare();
    const WriteResult result = copy(*source, *destination, WriteMode::append);
    for (const Rejection& rejection : result.rejected) EXPECT_EQ(rejection.field, "v") << rejection.reason;
    // MySQL's JSON is not exact; all else goes over.
    EXPECT_EQ(result.rejected.size(), sample.type == "json" && database().is_mariadb() ? 1U : 0U);
    EXPECT_EQ(result.written + result.rejected.size(), static_cast<std::size_t>(count));
    EXPECT_EQ(copy(*source, *destination).unchanged, result.written);
  }
}

TEST_P(MysqlRoundTrip, LongTextColumnsBecomeLobsSoThatARowFits) {
  database().run(
      "CREATE TABLE long_row (id INT PRIMARY KEY, a VARCHAR(20000) CHARACTER SET latin1, b VARCHAR(20000) "
      "CHARACTER SET latin1, "
      "c VARCHAR(4000) CHARACTER SET latin1, k VARCHAR(700) CHARACTER SET ascii NOT NULL, UNIQUE (k))");
  database().run(
      "INSERT INTO long_row VALUES (1, REPEAT('ä', 20000), REPEAT('b', 20000), 'c', REPEAT('k', 700))");
  const auto connection = connect();
  SourceSpec spec = reading("long_row");
  spec.key = {"k"};
  const auto source = connection->open_source(spec);
  const auto destination = connection->open_destination(writing("copy", *source->schema()));
  destination->prepare();
  EXPECT_EQ(copy(*source, *destination).written, 1U);
  EXPECT_EQ(copy(*source, *destination).unchanged, 1U);
  EXPECT_EQ(database().value("SELECT COUNT(*) FROM long_row l JOIN copy c ON l.k = c.k WHERE CONVERT(l.a "
                             "USING utf8mb4) = c.a AND l.b = c.b"),
            "1");
}

}  // namespace
}  // namespace syncflow::mysql
