#include "providers/sqlite/test_database.h"
#include "testkit/destination_contract.h"
#include "testkit/source_contract.h"

namespace syncflow::sqlite {
namespace {

using namespace testkit;

std::vector<KeySample> keys() {
  const std::vector<std::string> words = {"''",     "'A'",    "'b'",   "'C'",   "'ä'",   "'z'",
                                          "'日本'", "'🙂'", "'a b'", "'a-b'", "'a_b'", "'ab'"};
  return {
      {"TEXT", words},
      {"TEXT COLLATE NOCASE", words},
      {"INTEGER", {"-9223372036854775808", "9", "10", "9223372036854775807"}},
      {"BIGINT", {"-1", "9", "10"}},
      {"BLOB", {"x''", "x'00'", "x'ff'", "x'7f00'", "x'7f'"}},
      {"DECIMAL_TEXT(30,5)", {"'10'", "'9'", "'-1.5'", "'9999999999999999999999999.5'"}},
      {"DATE", {"'1969-12-31'", "'2024-02-29'"}},
      {"UUID", {"'ffffffff-0000-4000-8000-000000000001'", "'00000000-ffff-4000-8000-000000000002'"}},
  };
}

std::vector<TypeSample> samples() {
  return {
      {"INTEGER", "9223372036854775807", Type::int64, "9223372036854775807"},
      {"BIGINT UNSIGNED", "-9223372036854775808", Type::int64, "-9223372036854775808"},
      {"BOOLEAN", "1", Type::boolean, "true"},
      {"BOOLEAN", "'False'", Type::boolean, "false"},
      {"DOUBLE PRECISION", "0.1", Type::float64, "0.1"},
      {"REAL", "9e999", Type::float64, "Infinity"},
      {"REAL", "'NaN'", Type::float64, "NaN"},
      {"DECIMAL(10,2)", "1.5", Type::decimal, "1.50"},
      {"NUMERIC", "123456789012", Type::decimal, "123456789012"},
      {"DECIMAL_TEXT(40,20)", "'12345678901234567890.12345678901234567890'", Type::decimal,
       "12345678901234567890.12345678901234567890"},
      {"VARCHAR(3)", "'longer than three'", Type::text, "longer than three"},
      {"TEXT", "'a' || char(0) || 'b'", Type::text, std::string("a\0b", 3)},
      {"BLOB", "x'00ff'", Type::bytes, "00ff"},
      {"BLOB", "x''", Type::bytes, ""},
      {"DATE", "'2024-02-29'", Type::date, "2024-02-29"},
      {"TIME", "'12:30'", Type::time, "12:30:00"},
      {"TIMESTAMP", "'2024-02-29 12:30:00'", Type::timestamp, "2024-02-29T12:30:00"},
      {"DATETIME", "'2024-02-29T12:30:00.123Z'", Type::timestamp, "2024-02-29T12:30:00.123"},
      {"TIMESTAMP", "'2024-02-29T12:30:00+02:00'", Type::timestamp, "2024-02-29T10:30:00"},
      {"TIMESTAMPTZ", "'2024-02-29 12:30:00.123456789-05:00'", Type::timestamp_tz,
       "2024-02-29T17:30:00.123456789Z"},
      {"TIMESTAMP WITH TIME ZONE", "'2024-02-29 12:30:00'", Type::timestamp_tz, "2024-02-29T12:30:00Z"},
      {"UUID", "'6F1C1F6E-0000-4000-8000-00000000000F'", Type::uuid, "6f1c1f6e-0000-4000-8000-00000000000f"},
      {"UUID", "x'6f1c1f6e00004000800000000000000f'", Type::uuid, "6f1c1f6e-0000-4000-8000-00000000000f"},
      {"JSON", "'{\"a\": 1.50}'", Type::json, "{\"a\": 1.50}"},
      {"JSON", "5", Type::json, "5"},
      {"JSON_TEXT", "'1.10'", Type::json, "1.10"},
      {"", "'text'", Type::text, "text"},
      {"", "5", Type::text, "5"},
      {"", "5.0", Type::text, "5.0"},
      {"", "x'00'", Type::text, "x'00'"},
      {"POINT", "'(1,2)'", Type::text, "(1,2)"},
      {"STRING", "'abc'", Type::text, "abc"},
  };
}

std::vector<UnreadableSample> unreadable() {
  return {
      {"TEXT", "CAST(x'ff' AS TEXT)"},
      {"TEXT", "x'61'"},
      {"INTEGER", "'five'"},
      {"INTEGER", "1.5"},
      {"INTEGER", "9223372036854775808"},
      {"BOOLEAN", "2"},
      {"REAL", "'much'"},
      {"DECIMAL(4,2)", "123.5"},
      {"DECIMAL(4,2)", "1.234"},
      {"DECIMAL_TEXT", "'1e5'"},
      {"BLOB", "'text'"},
      {"DATE", "'2024-02-30'"},
      {"DATE", "'2024-02-28 12:00:00'"},
      {"TIME", "'25:00:00'"},
      {"TIMESTAMP", "1700000000"},
      {"TIMESTAMP", "'0000-00-00 00:00:00'"},
      {"TIMESTAMPTZ", "'yesterday'"},
      {"UUID", "'6f1c1f6e'"},
      {"JSON", "'{\"a\"'"},
  };
}

SourceCase source_case(const std::string& name, const std::string& journal_mode) {
  SourceCase a_case;
  a_case.name = name;
  a_case.make = [journal_mode] { return std::make_unique<TestFile>(journal_mode); };
  a_case.dialect = test_dialect();
  a_case.samples = samples();
  a_case.keys = keys();
  a_case.unreadable = unreadable();
  a_case.several_writers = false;
  // In WAL mode a writer does not keep anybody from reading.
  if (journal_mode != "wal") a_case.block_readers = {"BEGIN EXCLUSIVE"};
  return a_case;
}

/// Times as SQLite's own CURRENT_TIMESTAMP writes them, in a field that is declared as text.
SourceCase text_cursor_case() {
  SourceCase a_case = source_case("TextCursor", "wal");
  a_case.dialect.cursor = "TEXT";
  a_case.dialect.instant = [](Time time) {
    std::string text = to_rfc3339(time);
    text.replace(10, 1, " ").erase(text.find_first_of(".Z"));
    return "'" + text + "'";
  };
  return a_case;
}

/// What JavaScript's toISOString writes.
SourceCase iso_cursor_case() {
  SourceCase a_case = source_case("IsoCursor", "delete");
  a_case.dialect.cursor = "DATETIME";
  a_case.dialect.instant = [](Time time) {
    const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(time);
    std::string text = to_rfc3339(milliseconds);
    text.erase(text.find_first_of(".Z"));
    return fmt::format("'{}.{:03}Z'", text,
                       (milliseconds.time_since_epoch() % std::chrono::seconds(1)).count());
  };
  return a_case;
}

/// Local times without a zone, far from UTC.
SourceCase local_time_case() {
  SourceCase a_case = source_case("LocalTime", "wal");
  a_case.make = [] {
    Options options;
    options.set("timezone", "-08:00");
    return std::make_unique<TestFile>("wal", options);
  };
  a_case.dialect.instant = [](Time time) {
    std::string text = to_rfc3339(time - std::chrono::hours(8));
    text.replace(10, 1, " ").pop_back();
    return "'" + text + "'";
  };
  a_case.samples.clear();
  return a_case;
}

/// A file that must not be written to: late commits are found within the overlap only.
SourceCase read_only_case() {
  SourceCase a_case = source_case("ReadOnly", "wal");
  a_case.make = [] {
    Options options;
    options.set("mode", "read_only");
    return std::make_unique<TestFile>("wal", options);
  };
  a_case.samples.clear();
  return a_case;
}

/// Every row in another spelling of its own.
SourceCase mixed_cursor_case() {
  SourceCase a_case = source_case("MixedSpellings", "wal");
  a_case.dialect.instant = [count = std::make_shared<int>(0)](Time time) {
    std::string naive = to_rfc3339(time);
    naive.pop_back();
    const std::string two_hours_on = to_rfc3339(time + std::chrono::hours(2));
    const std::string five_hours_back = to_rfc3339(time - std::chrono::hours(5));
    switch (++*count % 5) {
      case 0: return "'" + naive + "Z'";
      case 1: return "'" + naive.replace(10, 1, " ") + "'";
      case 2: return "'" + two_hours_on.substr(0, two_hours_on.size() - 1) + "+02:00'";
      case 3: return "'" + five_hours_back.substr(0, five_hours_back.size() - 1) + "-05:00'";
      default: return "'" + naive + "'";
    }
  };
  return a_case;
}

DestinationCase destination_case(const std::string& name, const std::string& journal_mode) {
  DestinationCase a_case;
  a_case.name = name;
  a_case.make = [journal_mode] { return std::make_unique<TestFile>(journal_mode); };
  a_case.dialect = test_dialect();
  a_case.reads_back = [](const ValueSample& sample) -> std::optional<std::string> {
    // A column of floating-point numbers keeps whole ones as integers, which have one zero only.
    if (sample.type == Type::float64 && sample.text == "-0") return "0";
    return sample.text;
  };
  a_case.misfits = {
      {"INTEGER", {Type::uint64, "9223372036854775808"}},
      {"INTEGER", {Type::text, "five"}},
      {"INTEGER", {Type::decimal, "1.5"}},
      {"BOOLEAN", {Type::int64, "2"}},
      {"REAL", {Type::decimal, "0.12345678901234567890"}},
      {"REAL", {Type::int64, "9007199254740993"}},
      {"DECIMAL(10,2)", {Type::decimal, "123456789.00"}},
      {"DECIMAL_TEXT(10,2)", {Type::decimal, "1.234"}},
      {"NUMERIC", {Type::decimal, "12345678901234567.89"}},
      {"TEXT", {Type::bytes, "00ff"}},
      {"BLOB", {Type::text, "text"}},
      {"DATE", {Type::timestamp, "2024-02-29T12:30:00"}},
      {"TIMESTAMP", {Type::text, "yesterday"}},
      {"UUID", {Type::text, "no uuid"}},
      {"JSON", {Type::text, "{"}},
      {"JSON", {Type::json, "1.10"}},
      {"STRING", {Type::text, "007"}},
  };
  a_case.block_writers = {"BEGIN IMMEDIATE"};
  return a_case;
}

SYNCFLOW_SOURCE_CONTRACT(Sqlite, source_case("Wal", "wal"), source_case("Rollback", "delete"),
                         text_cursor_case(), iso_cursor_case(), local_time_case(), read_only_case(),
                         mixed_cursor_case());

SYNCFLOW_DESTINATION_CONTRACT(Sqlite, destination_case("Wal", "wal"), destination_case("Rollback", "delete"));

}  // namespace
}  // namespace syncflow::sqlite
