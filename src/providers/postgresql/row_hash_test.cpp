#include "providers/postgresql/row_hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/error.h"
#include "providers/postgresql/provider.h"
#include "testkit/postgresql_database.h"

namespace syncflow::postgresql {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using testkit::PostgresDatabase;

ReadColumn column(const std::string& name, std::uint32_t oid, const std::string& type, bool nullable) {
  Column out;
  out.name = name;
  out.type = {oid, 'b', type, type, "pg_catalog." + type + "out"};
  out.native = type;
  out.nullable = nullable;
  return {out, field_of(out), reading_of(out)};
}

/// a (id, name) with the key id.
ReadPlan plan_of_a() {
  ReadPlan plan;
  plan.table = {"public", "a"};
  plan.columns = {column("id", 20, "int8", false), column("name", 25, "text", true)};
  plan.key = {0};
  return plan;
}

TEST(PostgresRowHash, MakesTheBytesOfARowOnceForBothSums) {
  EXPECT_EQ(row_hash_statement(plan_of_a(), {}, {"id", "name"}, 0),
            "SELECT 0, pg_catalog.count(*), pg_catalog.sum(pg_catalog.hash_array_extended(cells, 1)),"
            " pg_catalog.sum(pg_catalog.hash_array_extended(cells, 2)) FROM (SELECT"
            " ARRAY[pg_catalog.record_send(ROW(CAST(\"id\" AS pg_catalog.int8), CAST(\"name\" AS"
            " pg_catalog.text)))] AS cells FROM \"public\".\"a\" OFFSET 0) AS hashed");
}

TEST(PostgresRowHash, TellsARangeByTheUppermostBitsOfTheKeysHash) {
  EXPECT_EQ(range_number(plan_of_a(), 10),
            "CAST((pg_catalog.hash_array_extended(ARRAY[pg_catalog.record_send(ROW(CAST(\"id\" AS"
            " pg_catalog.int8)))], 3) >> 54) & 1023 AS pg_catalog.int4)");
}

TEST(PostgresRowHash, SaysInItsFormWhatIsComparedAndWhereTheKeyIs) {
  EXPECT_EQ(row_hash_form(plan_of_a(), {"name", "id"}), "postgresql rows, text, int8, key 1");
  EXPECT_EQ(row_hash_form(plan_of_a(), {"name"}), "") << "the key is not among the fields";
  ReadPlan nullable = plan_of_a();
  nullable.columns[0].column.nullable = true;
  EXPECT_EQ(row_hash_form(nullable, {"id", "name"}), "");
}

/// Two tables, `a` and `b`, and what their hashes say of them.
class PostgresRowHashes : public ::testing::Test {
 protected:
  using Names = std::vector<std::string>;

  void SetUp() override {
    SYNCFLOW_NEEDS_POSTGRESQL();
    database_.emplace();
    connection_ = provider().connect(database_->options(), {clock_, stop_.get_token(), nullptr});
  }
  void run(const std::string& sql) { database_->run(sql); }

  /// Both tables of these columns, with these rows.
  void make(const std::string& columns, const std::string& rows) {
    for (const char* table : {"a", "b"}) run(std::string("CREATE TABLE ") + table + " (" + columns + ")");
    run("INSERT INTO a VALUES " + rows + "; INSERT INTO b SELECT * FROM a");
  }

  std::unique_ptr<Source> open(const std::string& table, const Names& key = {}) {
    SourceSpec spec;
    spec.table = table;
    spec.key = key;
    spec.strategy = Strategy::diff;
    return connection_->open_source(spec);
  }
  static Names fields_of(Source& source) {
    Names names;
    for (const Field& field : source.schema()->fields) names.push_back(field.name);
    return names;
  }
  std::vector<RangeHash> hash(const std::string& table, int bits = 0) {
    const auto source = open(table);
    return source->range_hashes()->hash(fields_of(*source), bits);
  }

  std::string compare(const Names& key = {}) {
    const auto here = open("a", key), there = open("b", key);
    const std::string form = here->range_hashes()->form(fields_of(*here));
    if (form.empty() || form != there->range_hashes()->form(fields_of(*there))) return "of two kinds";
    return here->range_hashes()->hash(fields_of(*here), 0) ==
                   there->range_hashes()->hash(fields_of(*there), 0)
               ? "equal"
               : "they differ";
  }
  /// What `compare` says after that was done to `b`, which then is as `a` again.
  std::string after(const std::string& sql, const Names& key = {}) {
    run(sql);
    const std::string verdict = compare(key);
    run("TRUNCATE b; INSERT INTO b SELECT * FROM a");
    return verdict;
  }
  /// The keys that a scan of these ranges hands out.
  static Names keys_in(Source& source, const KeyRanges& ranges) {
    source.range_hashes()->scan_only(ranges);
    Names keys;
    std::optional<Key> last;
    for (bool more = true; more;) {
      const Batch batch = source.scan_rows(last, 7, 1u << 20);
      for (const Change& change : batch.changes) {
        last = key_of(batch.schema(), change);
        keys.push_back(last->to_json());
      }
      more = !batch.caught_up;
    }
    return keys;
  }
  /// The numbers of the ranges in which the tables differ.
  std::vector<int> unequal(int bits) {
    const std::vector<RangeHash> here = hash("a", bits), there = hash("b", bits);
    std::vector<int> numbers;
    for (int number = 0; number < 1 << bits; ++number) {
      const auto is_it = [number](const RangeHash& range) { return range.number == number; };
      const auto mine = std::find_if(here.begin(), here.end(), is_it);
      const auto theirs = std::find_if(there.begin(), there.end(), is_it);
      const bool is_empty = mine == here.end() && theirs == there.end();
      if (!is_empty && (mine == here.end() || theirs == there.end() || !(*mine == *theirs)))
        numbers.push_back(number);
    }
    return numbers;
  }

  SystemClock clock_;
  std::stop_source stop_;
  std::optional<PostgresDatabase> database_;
  std::unique_ptr<Connection> connection_;
};

constexpr const char* kEveryType =
    "id int PRIMARY KEY, b bool, i2 int2, i8 int8, o oid, x xid8, f4 float4, f8 float8, n numeric, m money, "
    "t text,"
    " v varchar(9), c char(9), q \"char\", bb bytea, d date, ti time, ts timestamp, tz timestamptz, tt "
    "timetz,"
    " iv interval, u uuid, j json, jb jsonb, ai int[], ax text[], am money[], r int4range, ip inet, bi "
    "bit(3),"
    " xm xml, tv tsvector, p point";
constexpr const char* kRowsOfEveryType =
    "(1, true, 2, 3, 4, '5', 6.5, 7.5, 8.25, 9.5, 'text', 'v', 'c', 'q', '\\x00ff', '2024-02-29', '12:30',"
    " '2024-02-29 12:30:00.000001', '2024-02-29 12:30+02', '12:30+02', '1 mon 2 days', gen_random_uuid(), "
    "'{\"a\": 1}',"
    " '{\"a\": 1}', '{1,NULL}', '{a,\"b,c\"}', '{1.5}', '[1,5)', '10.0.0.1/8', '101', '<a/>', 'a b', "
    "'(1,2)'),"
    "(2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
    ", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),"
    "(3, false, -2, -3, 0, '0', 'NaN', '-Infinity', 'NaN', -9.5, '', '', '', '', '', '-infinity', '24:00', "
    "'infinity',"
    " '0044-03-15 BC', '24:00-15', '-1 day', NULL, '[]', '[]', '{}', '{}', '{}', 'empty', '::1', '000', '', "
    "'', NULL)";

TEST_F(PostgresRowHashes, OfEqualRowsAreEqualInWhateverOrderTheyLie) {
  make(kEveryType, kRowsOfEveryType);
  EXPECT_EQ(compare(), "equal");
  EXPECT_EQ(after("TRUNCATE b; INSERT INTO b SELECT * FROM a ORDER BY id DESC"), "equal");
  const auto columns = open("a")->schema()->fields;
  for (const Field& field : columns)
    if (field.name != "id") {
      EXPECT_EQ(after("UPDATE b SET " + field.name + " = NULL WHERE id = 1"), "they differ") << field.name;
    }
}

TEST_F(PostgresRowHashes, ShowWhatIsEasilyOverlooked) {
  make("id int NOT NULL, x text, y text, n int8, f float8, since timestamptz",
       "(1, '', NULL, 1, 0, '2024-01-01'), (2, 'b', 'c', 2, 1, '2024-01-02'), (3, 'd', 'e', 3, 2, "
       "'2024-01-03')");
  const Names id{"id"};
  EXPECT_EQ(compare(id), "equal");
  EXPECT_EQ(after("UPDATE b SET x = NULL WHERE id = 1", id), "they differ") << "an empty text is not NULL";
  EXPECT_EQ(after("UPDATE b SET x = y, y = x WHERE id = 1", id), "they differ") << "one is NULL";
  EXPECT_EQ(after("UPDATE b SET x = y, y = x WHERE id = 2", id), "they differ") << "in the other field";
  EXPECT_EQ(after("UPDATE b SET x = 'bc', y = '' WHERE id = 2", id), "they differ") << "across a border";
  EXPECT_EQ(after("UPDATE b SET x = CASE id WHEN 2 THEN 'd' ELSE 'b' END WHERE id > 1", id), "they differ")
      << "two rows swapped a cell";
  EXPECT_EQ(after("INSERT INTO b SELECT * FROM b WHERE id = 2", id), "they differ") << "a row is there twice";
  EXPECT_EQ(after("INSERT INTO b SELECT * FROM b WHERE id = 2; DELETE FROM b WHERE id = 3", id),
            "they differ");
  EXPECT_EQ(after("INSERT INTO b SELECT b.* FROM b, generate_series(1, 2) WHERE id = 2", id), "they differ");
  EXPECT_EQ(after("UPDATE b SET n = 4294967296 WHERE id = 1", id), "they differ")
      << "the halves add up alike";
  EXPECT_EQ(after("UPDATE b SET n = ~n", id), "they differ");
  EXPECT_EQ(after("UPDATE b SET f = '-0' WHERE id = 1", id), "they differ");
  EXPECT_EQ(after("UPDATE b SET since = since + interval '1 microsecond' WHERE id = 3", id), "they differ");
  EXPECT_EQ(after("UPDATE b SET x = 'B' WHERE id = 2", id), "they differ");
}

TEST_F(PostgresRowHashes, CompareNumbersByTheirSize) {
  run("CREATE TABLE a (id int PRIMARY KEY, n numeric); INSERT INTO a VALUES (1, 1.5), (2, 100), (3, 0.00)");
  run("CREATE TABLE b (id numeric(9) PRIMARY KEY, n numeric(10,2)); INSERT INTO b SELECT * FROM a");
  EXPECT_EQ(compare(), "of two kinds") << "an int and a numeric are read as two types";
  run("ALTER TABLE b ALTER id TYPE int");
  EXPECT_EQ(compare(), "equal") << "1.5 is 1.50";
  EXPECT_EQ(after("UPDATE b SET n = 1.51 WHERE id = 1"), "they differ");
  EXPECT_EQ(after("UPDATE b SET n = 10 WHERE id = 2"), "they differ");
}

TEST_F(PostgresRowHashes, CompareTypesThatAreReadAlike) {
  run("CREATE SCHEMA other; CREATE TYPE mood AS ENUM ('good', 'bad');"
      "CREATE TYPE other.mood AS ENUM ('never', 'bad', 'good'); CREATE DOMAIN amount AS int CHECK (VALUE > "
      "0)");
  run("CREATE TABLE a (id int PRIMARY KEY, t varchar(9), c char(9), m mood, d amount, s int2)");
  run("CREATE TABLE b (id int8 PRIMARY KEY, t text, c varchar(20), m other.mood, d int, s amount)");
  run("INSERT INTO a VALUES (1, 'ä', 'c', 'good', 3, 4); INSERT INTO b VALUES (1, 'ä', 'c', 'good', 3, 4)");
  EXPECT_EQ(compare(), "equal");
  run("UPDATE b SET m = 'bad'");
  EXPECT_EQ(compare(), "they differ");
}

TEST_F(PostgresRowHashes, AreNotHeldAgainstAnotherKind) {
  for (const char* types : {"int/text", "json/jsonb", "timestamp/timestamptz", "real/double precision",
                            "int[]/bigint[]", "interval/text"}) {
    const std::string both = types;
    run("DROP TABLE IF EXISTS a, b; CREATE TABLE a (id int PRIMARY KEY, x " + both.substr(0, both.find('/')) +
        "); CREATE TABLE b (id int PRIMARY KEY, x " + both.substr(both.find('/') + 1) + ")");
    EXPECT_EQ(compare(), "of two kinds") << types;
  }
  run("DROP TABLE a; CREATE VIEW a AS SELECT * FROM b");
  EXPECT_EQ(compare({"id"}), "of two kinds") << "who knows whether a view's key is never null";
}

TEST_F(PostgresRowHashes, OfAnotherEncodingThereAreNone) {
  PostgresDatabase latin("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
  latin.run("CREATE TABLE a (id int PRIMARY KEY)");
  connection_ = provider().connect(latin.options(), {clock_, stop_.get_token(), nullptr});
  const auto source = open("a");
  EXPECT_EQ(source->range_hashes()->form({"id"}), "");
}

TEST_F(PostgresRowHashes, OfEmptyTablesAreEqual) {
  run("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)");
  EXPECT_EQ(compare(), "equal");
  EXPECT_THAT(hash("a"), IsEmpty());
  EXPECT_THAT(hash("a", 8), IsEmpty());
  run("INSERT INTO b VALUES (1)");
  EXPECT_EQ(compare(), "they differ");
}

TEST_F(PostgresRowHashes, TellTheRangeOfADifferenceWhereverItIs) {
  make("id int PRIMARY KEY, name text", "(0, 'zero')");
  run("INSERT INTO a SELECT n, 'row ' || n FROM generate_series(1, 500) n; TRUNCATE b; INSERT INTO b SELECT "
      "* FROM a");
  EXPECT_THAT(unequal(4), IsEmpty());
  const auto source = open("a");
  std::size_t rows = 0;
  for (const int number : {0, 7, 15}) {
    const Names keys = keys_in(*source, {4, {number}});
    ASSERT_THAT(keys, Not(IsEmpty()));
    const std::string id = Key::from_json(keys.back()).parts.front();
    for (const char* change : {"UPDATE b SET name = 'x' WHERE id = ", "DELETE FROM b WHERE id = "}) {
      run(change + id);
      EXPECT_THAT(unequal(4), ElementsAre(number)) << change << id;
      run("TRUNCATE b; INSERT INTO b SELECT * FROM a");
    }
  }
  for (int number = 0; number < 16; ++number) rows += keys_in(*source, {4, {number}}).size();
  EXPECT_EQ(rows, 501u) << "each row is in one range";
  EXPECT_THAT(keys_in(*source, {4, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}), SizeIs(501));
  EXPECT_THAT(keys_in(*source, {}), SizeIs(501));
}

TEST_F(PostgresRowHashes, OfKeysThatTheSidesSortDifferentlyFallIntoTheSameRanges) {
  run(R"(CREATE TABLE a (code text COLLATE "en-x-icu", n int8, x int, PRIMARY KEY (code, n)))");
  run(R"(CREATE TABLE b (code varchar(20) COLLATE "C", n int8, x int, PRIMARY KEY (code, n)))");
  for (const char* table : {"a", "b"})
    run(std::string("INSERT INTO ") + table +
        " SELECT w || i, i % 3, i FROM generate_series(1, 60) i, unnest(ARRAY['a', 'B', 'ä', '-', 'z']) w");
  EXPECT_THAT(unequal(3), IsEmpty());
  const auto here = open("a"), there = open("b");
  for (int number = 0; number < 8; ++number)
    EXPECT_EQ(keys_in(*here, {3, {number}}), keys_in(*there, {3, {number}})) << "also their order is one";
  run("UPDATE b SET x = 0 WHERE code = 'ä7'");
  EXPECT_THAT(unequal(3), SizeIs(1));
}

TEST_F(PostgresRowHashes, LeaveOutRowsThatAMarkHides) {
  make("id int PRIMARY KEY, deleted_at timestamptz", "(1, NULL), (2, NULL)");
  run("INSERT INTO b VALUES (3, now())");
  SourceSpec spec;
  spec.table = "b";
  spec.fields = {"id", "deleted_at"};
  spec.hidden_by = "deleted_at";
  spec.strategy = Strategy::diff;
  const auto marked = connection_->open_source(spec);
  const auto plain = open("a");
  EXPECT_EQ(marked->range_hashes()->form({"id"}), plain->range_hashes()->form({"id"}));
  EXPECT_EQ(marked->range_hashes()->hash({"id"}, 0), plain->range_hashes()->hash({"id"}, 0));
}

TEST_F(PostgresRowHashes, MayBeMadeByParallelWorkers) {
  make("id int8 PRIMARY KEY, name text", "(0, 'zero')");
  run("INSERT INTO a SELECT n, 'row ä' || n FROM generate_series(1, 20000) n; ANALYZE a");
  const std::vector<RangeHash> alone = hash("a", 6);
  const std::string together =
      "SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
      " SET max_parallel_workers_per_gather = 2;";
  for (const int bits : {0, 6})
    EXPECT_THAT(
        database_->rows(together + "EXPLAIN " + row_hash_statement(plan_of_a(), {}, {"id", "name"}, bits)),
        HasSubstr("Parallel"))
        << bits;
  for (const char* setting : {"min_parallel_table_scan_size = 0", "parallel_setup_cost = 0",
                              "parallel_tuple_cost = 0", "max_parallel_workers_per_gather = 2"})
    run("ALTER DATABASE " + database_->name() + " SET " + setting);
  EXPECT_EQ(hash("a", 6), alone);
}

}  // namespace
}  // namespace syncflow::postgresql
