#include "providers/sqlite/types.h"

#include <gtest/gtest.h>

#include <random>

#include "core/decimal.h"
#include "providers/sqlite/codec.h"

namespace syncflow::sqlite {
namespace {

std::unique_ptr<Database> scratch() {
  return std::make_unique<Database>(":memory:", OpenMode::create, std::chrono::seconds(1));
}

/// What SQLite itself makes of a declared type.
Affinity affinity_by_trial(Database& database, const std::string& declared) {
  database.execute("DROP TABLE IF EXISTS trial; CREATE TABLE trial (v " + declared +
                   "); INSERT INTO trial VALUES ('7.5'), (7), (7.0)");
  Statement rows = database.prepare("SELECT group_concat(typeof(v)) FROM trial");
  rows.step();
  const std::string kinds = rows.string(0);
  if (kinds == "text,text,text") return Affinity::text;
  if (kinds == "text,integer,real") return Affinity::blob;
  if (kinds == "real,real,real") return Affinity::real;
  return declared.find("INT") != std::string::npos || declared.find("int") != std::string::npos
             ? Affinity::integer
             : Affinity::numeric;
}

Field field_of(Type type) {
  Field field;
  field.name = "v";
  field.type = type;
  return field;
}

TEST(SqliteTypes, ADeclaredTypeMeansWhatItSays) {
  const std::vector<std::pair<std::string, Type>> table = {
      {"INTEGER", Type::int64},
      {"bigint unsigned", Type::int64},
      {"UNSIGNED BIG INT", Type::int64},
      {"INT8", Type::int64},
      {"tinyint(1)", Type::int64},
      {"BOOLEAN", Type::boolean},
      {"bool", Type::boolean},
      {"DECIMAL(10,2)", Type::decimal},
      {"numeric", Type::decimal},
      {"DECIMAL_TEXT", Type::decimal},
      {"REAL", Type::float64},
      {"double precision", Type::float64},
      {"FLOAT", Type::float64},
      {"TEXT", Type::text},
      {"VARCHAR(20)", Type::text},
      {"NATIVE CHARACTER(70)", Type::text},
      {"CLOB", Type::text},
      {"BLOB", Type::bytes},
      {"bytea", Type::bytes},
      {"DATE", Type::date},
      {"time", Type::time},
      {"TIMESTAMP", Type::timestamp},
      {"datetime", Type::timestamp},
      {"TIMESTAMP(6)", Type::timestamp},
      {"timestamptz", Type::timestamp_tz},
      {"timestamp (3) with  time zone", Type::timestamp_tz},
      {"UUID", Type::uuid},
      {"JSON", Type::json},
      {"JSON_TEXT", Type::json},
  };
  for (const auto& [declared, type] : table) {
    EXPECT_EQ(column_type(declared).canonical, type)
        << declared << " is " << name_of(column_type(declared).canonical);
    EXPECT_FALSE(column_type(declared).dynamic) << declared;
  }
}

TEST(SqliteTypes, ATypeThatSaysNothingLeavesTheKindToEachValue) {
  for (const char* declared : {"", "STRING", "POINT", "FLOATING POINT", "INTERVAL", "INET"}) {
    EXPECT_TRUE(column_type(declared).dynamic) << declared;
    EXPECT_EQ(column_type(declared).canonical, Type::text) << declared;
  }
}

TEST(SqliteTypes, PrecisionAndScaleOfDecimalsAreRead) {
  EXPECT_EQ(column_type("DECIMAL(10,2)").precision, 10);
  EXPECT_EQ(column_type("DECIMAL(10, 2)").scale, 2);
  EXPECT_EQ(column_type("NUMERIC(5)").scale, 0);
  EXPECT_EQ(column_type("DECIMAL").precision, std::nullopt);
}

TEST(SqliteTypes, AffinitiesAreThoseOfSqliteItself) {
  const auto database = scratch();
  for (const char* declared : {"INTEGER",
                               "BIGINT",
                               "POINT",
                               "FLOATING POINT",
                               "TEXT",
                               "VARCHAR(20)",
                               "CLOB",
                               "DECIMAL_TEXT(10,2)",
                               "JSON_TEXT",
                               "BLOB",
                               "",
                               "REAL",
                               "DOUBLE PRECISION",
                               "FLOAT",
                               "DECIMAL(10,2)",
                               "NUMERIC",
                               "DATE",
                               "TIMESTAMP",
                               "TIMESTAMPTZ",
                               "UUID",
                               "JSON",
                               "STRING",
                               "BOOLEAN",
                               "BYTEA",
                               "CHARINT"})
    EXPECT_EQ(column_type(declared).affinity, affinity_by_trial(*database, declared)) << declared;
}

TEST(SqliteTypes, WhatCreateDeclaresIsReadBackAsWhatItHolds) {
  for (const Type type :
       {Type::boolean, Type::int64, Type::float64, Type::decimal, Type::text, Type::bytes, Type::date,
        Type::time, Type::timestamp, Type::timestamp_tz, Type::uuid, Type::json})
    EXPECT_EQ(column_type(declared_type(field_of(type), "postgresql")).canonical, type) << name_of(type);
  EXPECT_EQ(column_type(declared_type(field_of(Type::uint64), "mysql")).canonical, Type::decimal);
  EXPECT_EQ(declared_type(field_of(Type::native), "postgresql"), "TEXT");
  Field price = field_of(Type::decimal);
  price.precision = 12;
  price.scale = 4;
  EXPECT_EQ(declared_type(price, "postgresql"), "DECIMAL_TEXT(12,4)");
}

TEST(SqliteTypes, AFieldOfSqlitesOwnKeepsItsDeclaredTypeUnlessThatIsNoType) {
  Field field = field_of(Type::decimal);
  field.native = "DECIMAL(10,2)";
  EXPECT_EQ(declared_type(field, "sqlite"), "DECIMAL(10,2)");
  EXPECT_EQ(declared_type(field, "mysql"), "DECIMAL_TEXT");
  for (const char* hostile : {"", "TEXT); DROP TABLE items; --", "TEXT DEFAULT (1)", "TEXT PRIMARY KEY",
                              "TEXT, b", "TEXT((1)", "a\"b"}) {
    field.native = hostile;
    EXPECT_EQ(declared_type(field, "sqlite"), "DECIMAL_TEXT") << hostile;
  }
}

// --- values ---

/// What a column of this type reads back after it was given `value`; or why it was not taken.
std::string through(Database& database, const std::string& declared, const Value& value) {
  const ColumnType type = column_type(declared);
  Arena arena;
  Stored stored;
  if (const auto reason = encode(value, type, {}, arena, stored)) return "refused: " + *reason;
  database.execute("DROP TABLE IF EXISTS trial; CREATE TABLE trial (v " + declared + ")");
  Statement insert = database.prepare("INSERT INTO trial VALUES (?1)");
  bind(insert, 1, stored);
  insert.run();
  Statement select = database.prepare("SELECT v FROM trial");
  select.step();
  Value read;
  if (const auto reason = decode(stored_at(select, 0), type, {}, arena, read))
    return "unreadable: " + *reason;
  return to_text(read);
}

TEST(SqliteCodec, ATextThatSqliteWouldTurnIntoAnotherNumberIsRefusedAndNoOther) {
  const auto database = scratch();
  std::mt19937 random(1);
  const std::string letters = "0011259.eE+- x";
  std::size_t refused = 0, taken = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string text;
    for (std::size_t length = random() % 8; text.size() < length;) text += letters[random() % letters.size()];
    for (const char* declared : {"STRING", "POINT", "TEXT", ""}) {
      const std::string read = through(*database, declared, Value::text(text));
      if (read.rfind("refused", 0) == 0) ++refused;
      else ++taken;
      if (read.rfind("refused", 0) != 0) {
        EXPECT_EQ(read, text) << declared;
      } else EXPECT_TRUE(std::string(declared) == "STRING" || std::string(declared) == "POINT") << text;
    }
  }
  EXPECT_GT(refused, 100u);
  EXPECT_GT(taken, 10'000u);
}

TEST(SqliteCodec, ADecimalIsHeldExactlyOrRefused) {
  const auto database = scratch();
  std::mt19937 random(2);
  std::size_t refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text = random() % 2 ? "-" : "";
    const auto digits = [&](std::size_t most) {
      for (std::size_t left = 1 + random() % most; left > 0; --left)
        text += static_cast<char>('0' + random() % 10);
    };
    digits(20);
    if (random() % 3) text += '.', digits(20);
    EXPECT_EQ(through(*database, "DECIMAL_TEXT", Value::decimal(text)), text);
    const std::string read = through(*database, "DECIMAL", Value::decimal(text));
    if (read.rfind("refused", 0) == 0) ++refused;
    else EXPECT_EQ(normalized_decimal(read), normalized_decimal(text));
  }
  EXPECT_GT(refused, 500u);
}

TEST(SqliteCodec, NumbersOfOtherTypesAreTakenWhereNothingIsLost) {
  const auto database = scratch();
  EXPECT_EQ(through(*database, "INTEGER", Value::decimal("5.00")), "5");
  EXPECT_EQ(through(*database, "INTEGER", Value::of(std::uint64_t{7})), "7");
  EXPECT_EQ(through(*database, "INTEGER", Value::of(3.0)), "3");
  EXPECT_EQ(through(*database, "DOUBLE", Value::of(std::int64_t{-9007199254740992})), "-9007199254740992");
  EXPECT_EQ(through(*database, "DOUBLE", Value::decimal("0.1")), "0.1");
  EXPECT_EQ(through(*database, "DECIMAL_TEXT", Value::of(1e300)).size(), 301u);
  EXPECT_EQ(through(*database, "TEXT", Value::of(std::int64_t{5})), "5");
  EXPECT_EQ(through(*database, "BOOLEAN", Value::of(std::int64_t{1})), "true");
  EXPECT_EQ(through(*database, "DECIMAL_TEXT", Value::of(HUGE_VAL)).rfind("refused", 0), 0u);
}

TEST(SqliteCodec, WhatHasNoTypeComesBackAsTheSameKindOfValue) {
  const auto database = scratch();
  for (const char* literal :
       {"5", "5.0", "-9223372036854775808", "1e+300", "9e999", "-9e999", "x'00ff'", "x''"})
    EXPECT_EQ(through(*database, "", Value::native(literal)), literal);
}

TEST(SqliteCodec, ATimestampIsWrittenAsRfc3339InAFixedWidth) {
  Arena arena;
  Stored stored;
  encode(Value::timestamp_tz(1'500'000), column_type("TIMESTAMPTZ"), {}, arena, stored);
  EXPECT_EQ(stored.bytes, "1970-01-01T00:00:01.500000Z");
  encode(Value::timestamp(0), column_type("TIMESTAMP"), {}, arena, stored);
  EXPECT_EQ(stored.bytes, "1970-01-01T00:00:00.000000");
  encode(Value::timestamp(0, 7), column_type("TIMESTAMP"), {}, arena, stored);
  EXPECT_EQ(stored.bytes, "1970-01-01T00:00:00.000000007");
}

TEST(SqliteCodec, NaiveTimesAndInstantsMeetInTheZoneOfTheConnection) {
  Spelling berlin;
  berlin.offset = std::chrono::hours(1);
  Arena arena;
  Value value;
  decode(Stored::text("2024-01-01 12:00:00"), column_type("TIMESTAMPTZ"), berlin, arena, value);
  EXPECT_EQ(to_text(value), "2024-01-01T11:00:00Z");
  decode(Stored::text("2024-01-01T12:00:00Z"), column_type("TIMESTAMP"), berlin, arena, value);
  EXPECT_EQ(to_text(value), "2024-01-01T13:00:00");
  Stored stored;
  encode(Value::timestamp(0), column_type("TIMESTAMPTZ"), berlin, arena, stored);
  EXPECT_EQ(stored.bytes, "1969-12-31T23:00:00.000000Z");
}

TEST(SqliteCodec, AKeyIsSpelledLikeItsSample) {
  const std::vector<std::pair<std::string, std::string>> samples = {
      {"TIMESTAMP", "2024-02-29 12:30:00"},
      {"TIMESTAMP", "2024-02-29T12:30:00.123"},
      {"TIMESTAMP", "2024-02-29 12:30"},
      {"TIMESTAMP", "2024-02-29T12:30:00Z"},
      {"TIMESTAMP", "2024-02-29T12:30:00+02:00"},
      {"TIMESTAMPTZ", "2024-02-29 12:30:00"},
      {"TIMESTAMPTZ", "2024-02-29T12:30:00.5Z"},
      {"TIMESTAMPTZ", "2024-02-29 12:30:00-05:00"},
      {"TIME", "12:30"},
      {"TIME", "12:30:00.250"},
      {"UUID", "6F1C1F6E-0000-4000-8000-00000000000F"},
      {"UUID", "6f1c1f6e-0000-4000-8000-00000000000f"},
  };
  Spelling otherwise;
  otherwise.offset = std::chrono::hours(3);
  for (const auto& [declared, text] : samples) {
    const ColumnType type = column_type(declared);
    const Spelling spelling = spelling_of(Stored::text(text), type, otherwise);
    Arena arena;
    Value value;
    Stored again;
    ASSERT_EQ(decode(Stored::text(text), type, spelling, arena, value), std::nullopt) << text;
    ASSERT_EQ(encode(value, type, spelling, arena, again), std::nullopt) << text;
    EXPECT_EQ(again.bytes, text) << declared;
  }
}

}  // namespace
}  // namespace syncflow::sqlite
