#include <gtest/gtest.h>

#include "core/error.h"
#include "providers/postgresql/provider.h"
#include "testkit/destination_contract.h"
#include "testkit/postgresql_database.h"

namespace syncflow::postgresql {
namespace {

using testkit::PostgresDatabase;
using testkit::TestFence;

/// Types of the database's own, in both databases.
constexpr const char* kTypes =
    "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE SCHEMA \"odd schema\";"
    "CREATE TYPE \"odd schema\".\"Mood\" AS ENUM ('sad', 'it''s ok', 'happy');"
    "CREATE TYPE public.pair AS (a int, b text);"
    "CREATE DOMAIN public.short AS varchar(5) CHECK (VALUE <> 'bad');"
    "CREATE DOMAIN public.shorter AS public.short;"
    "CREATE DOMAIN public.span AS int4range;"
    "CREATE DOMAIN public.numbers AS int[];"
    "CREATE COLLATION public.folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)";

struct TypedValues {
  const char* type;
  std::vector<const char*> values;
};

/// Every built-in type that a table can be made of, at its extremes.
const std::vector<TypedValues>& all_types() {
  static const std::vector<TypedValues> all = {
      {"boolean", {"true", "false"}},
      {"smallint", {"-32768", "32767"}},
      {"integer", {"-2147483648", "2147483647"}},
      {"bigint", {"-9223372036854775808", "9223372036854775807"}},
      {"oid", {"0", "4294967295"}},
      {"xid8", {"'0'", "'18446744073709551615'"}},
      {"real", {"'-0'", "0.1", "1.4e-45", "3.4028235e38", "'NaN'", "'Infinity'", "'-Infinity'"}},
      {"double precision",
       {"'-0'", "0.1", "5e-324", "1.7976931348623157e308", "'NaN'", "'Infinity'", "'-Infinity'"}},
      {"numeric",
       {"0", "0.000", "-1.50", "'NaN'", "'Infinity'", "'-Infinity'", "power(10::numeric, 131071)::numeric",
        "('0.' || repeat('7', 16383))::numeric", "10000", "0.00001234"}},
      {"numeric(1000,0)", {"repeat('9', 1000)::numeric"}},
      {"numeric(10,2)", {"-99999999.99", "0.01"}},
      {"numeric(3,-2)", {"-99900", "100"}},
      {"numeric(2,5)", {"0.00099"}},
      {"money", {"'-92233720368547758.08'", "'92233720368547758.07'", "0"}},
      {"text", {"''", "'ä\n\t\\'", "repeat('🙂', 1000)", "'NULL'", "E'\\u0001'"}},
      {"varchar", {"' a '"}},
      {"varchar(5)", {"'äöüß🙂'", "'a    '"}},
      {"char(5)", {"'a'", "'äöüß🙂'", "''"}},
      {"bpchar", {"'a  '"}},
      {"\"char\"", {"'c'", "''"}},
      {"name", {"'n'"}},
      {"citext", {"'MiXeD'"}},
      {"bytea", {"''", "'\\x00ff5c27'"}},
      {"date",
       {"'4714-11-24 BC'", "'5874897-12-31'", "'infinity'", "'-infinity'", "'0001-12-31 BC'",
        "'2000-02-29'"}},
      {"time", {"'00:00:00'", "'24:00:00'", "'23:59:59.999999'"}},
      {"time(0)", {"'12:30:00'"}},
      {"timetz", {"'00:00:00+15:59'", "'24:00:00-15:59:59'", "'12:30:00.5+05:30'"}},
      {"timestamp",
       {"'4714-11-24 00:00:00 BC'", "'294276-12-31 23:59:59.999999'", "'infinity'", "'-infinity'",
        "'294247-01-10 04:00:54.775807'", "'2024-02-29 12:30:00.000001'"}},
      {"timestamptz",
       {"'4714-11-24 00:00:00+00 BC'", "'294276-12-31 23:59:59.999999+00'", "'infinity'", "'-infinity'",
        "'1969-12-31 23:59:59.999999+00'"}},
      {"timestamptz(3)", {"'2024-02-29 12:30:00.123+00'"}},
      {"interval",
       {"'-178000000 years'", "'178000000 years'", "'1 mon -1 day -00:00:00.000001'", "'24 hours'",
        "'1 day'"}},
      {"interval day to second(2)", {"'1 day 00:00:00.25'"}},
      {"uuid", {"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"}},
      {"json", {"'{\"a\" : 1, \"a\":\"\\u0000\"}'", "'null'", "'\"\\ud800\"'"}},
      {"jsonb", {"'{\"b\":1.50,\"a\":[1e400,null]}'", "'null'", "'12345678901234567890.10'"}},
      {"jsonpath", {"'$.a[*] ? (@ > 1)'"}},
      {"xml", {"'<?xml version=\"1.0\"?><a>ä</a>'", "''"}},
      {"inet", {"'10.0.0.1'", "'10.0.0.1/8'", "'::ffff:1.2.3.4'", "'::/0'"}},
      {"cidr", {"'10.0.0.0/8'", "'10.0.0.1/32'", "'2001:db8::/32'"}},
      {"macaddr", {"'08:00:2b:01:02:03'"}},
      {"macaddr8", {"'08:00:2b:01:02:03:04:05'"}},
      {"bit(3)", {"B'001'"}},
      {"bit varying(5)", {"B''", "B'00110'"}},
      {"point", {"'(1e-300,-0.1)'"}},
      {"line", {"'{1,-1,0.1}'"}},
      {"lseg", {"'[(0,0),(1,0.1)]'"}},
      {"box", {"'(1,1),(0,0)'"}},
      {"path", {"'[(0,0),(1,1)]'", "'((0,0),(1,1))'"}},
      {"polygon", {"'((0,0),(1,1),(2,0))'"}},
      {"circle", {"'<(0.1,0),5>'"}},
      {"tsvector", {"'fat:1A cat:2'", "''"}},
      {"tsquery", {"'fat & (rat | !cat)'"}},
      {"pg_lsn", {"'FFFFFFFF/FFFFFFFF'"}},
      {"int4range", {"'empty'", "'[1,10)'", "'(,)'"}},
      {"int8range", {"'[,5)'"}},
      {"numrange", {"'(0.10,1.5]'", "'[1.0,1.00]'"}},
      {"daterange", {"'[2024-01-01,infinity)'"}},
      {"tsrange", {"'[2024-01-01 00:00:00,2024-01-02 00:00:00)'"}},
      {"tstzrange", {"'[2024-01-01 00:00:00+00,)'"}},
      {"nummultirange", {"'{}'", "'{[1,2),(3.5,4]}'"}},
      {"\"odd schema\".\"Mood\"", {"'it''s ok'"}},
      {"public.pair", {"ROW(1, 'a \"quoted\", text')", "ROW(NULL, NULL)", "ROW(NULL, '')"}},
      {"public.shorter", {"'äöüß🙂'"}},
      {"public.span", {"'[1,5)'"}},
      {"public.numbers", {"'{1,NULL}'"}},
      {"hstore", {"'a=>NULL, \"b c\"=>\"1\\\"2\"'", "''"}},
      {"integer[]",
       {"'{}'", "'{1,NULL,-3}'", "'{{1,2},{3,4}}'", "'[-1:0]={1,2}'", "'[0:1][2:2]={{1},{NULL}}'"}},
      {"bigint[]", {"'{9223372036854775807}'"}},
      {"boolean[]", {"'{t,f,NULL}'"}},
      {"text[]",
       {"'{}'", "'{\"\",NULL,\"NULL\",\"a,b\",\"{}\",\"\\\\ \\\"\"}'", "ARRAY[E'line\\nbreak', 'ä']"}},
      {"char(3)[]", {"'{a,bcd}'"}},
      {"numeric[]", {"'{1.50,NaN,-Infinity,12345678901234567890.1}'"}},
      {"real[]", {"'{0.1,NaN,-0}'"}},
      {"double precision[]", {"'{0.1,Infinity,1e300}'"}},
      {"money[]", {"'{-1.25}'"}},
      {"date[]", {"'{infinity,0044-03-15 BC,5874897-12-31}'"}},
      {"timestamp[]", {"'{2024-01-01 12:00:00.5,-infinity}'"}},
      {"timestamptz[]",
       {"'{2024-01-01 12:00:00+00,0044-03-15 00:00:00+00 BC,294276-12-31 23:59:59.999999+00}'"}},
      {"interval[]", {"'{1 day,-00:00:01}'"}},
      {"bytea[]", {"ARRAY['\\x00ff'::bytea, '']"}},
      {"uuid[]", {"'{6f1c1f6e-0000-4000-8000-00000000000f}'"}},
      {"json[]", {"ARRAY['{\"a\": \"b\\\\c\"}'::json, 'null']"}},
      {"jsonb[]", {"ARRAY['[1, \"x\"]'::jsonb]"}},
      {"inet[]", {"'{10.0.0.1,10.0.0.0/8}'"}},
      {"int4range[]", {"'{\"[1,5)\",empty}'"}},
      {"\"odd schema\".\"Mood\"[]", {"'{sad,\"it''s ok\"}'"}},
      {"public.pair[]", {"ARRAY[ROW(1, 'a,\"b'), NULL]::public.pair[]"}},
      {"public.shorter[]", {"'{a,b}'"}},
  };
  return all;
}

/// Copies a table from one database to another through reader and destination.
class Copier {
 public:
  Copier(PostgresDatabase& from, PostgresDatabase& to)
      : from_(provider().connect(from.options(), {clock_, {}})),
        to_(provider().connect(to.options(), {clock_, {}})) {}

  WriteResult copy(const std::string& table, WriteMode mode, const std::string& into = "") {
    SourceSpec reading;
    reading.table = table;
    reading.strategy = Strategy::diff;
    const auto source = from_->open_source(reading);
    DestinationSpec writing;
    writing.table = into.empty() ? table : into;
    writing.incoming = *source->schema();
    const auto destination = to_->open_destination(writing);
    destination->prepare();
    source->open({});
    WriteResult all;
    for (bool caught_up = false; !caught_up;) {
      const Batch batch = source->next(100, 8u << 20);
      EXPECT_TRUE(batch.refusals.empty());
      const WriteResult result = destination->write(batch, mode, fence_);
      all.written += result.written;
      all.unchanged += result.unchanged;
      all.rejected.insert(all.rejected.end(), result.rejected.begin(), result.rejected.end());
      caught_up = batch.caught_up;
    }
    for (const Rejection& rejection : all.rejected)
      ADD_FAILURE() << rejection.field << ": " << rejection.reason;
    return all;
  }

 private:
  SystemClock clock_;
  TestFence fence_;
  std::unique_ptr<Connection> from_, to_;
};

void make_table(PostgresDatabase& database, const std::string& table, const TypedValues& typed) {
  database.run("CREATE TABLE " + table + " (id int PRIMARY KEY, v " + typed.type + ")");
  int id = 0;
  for (const char* value : typed.values)
    database.run("INSERT INTO " + table + " VALUES (" + std::to_string(++id) + ", " + value + ")");
  database.run("INSERT INTO " + table + " VALUES (0, NULL)");
}

/// The rows as the server itself writes them.
std::string dump(PostgresDatabase& database, const std::string& table) {
  return database.rows("SELECT id, v::text, pg_typeof(v)::text FROM " + table + " ORDER BY id");
}

TEST(PostgresRoundTrip, CarriesEveryTypeAtItsExtremesIntoATableOfTheSameType) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase from, to;
  from.run(kTypes);
  to.run(kTypes);
  Copier copier(from, to);
  int number = 0;
  for (const TypedValues& typed : all_types()) {
    SCOPED_TRACE(typed.type);
    const std::string table = "t" + std::to_string(++number);
    make_table(from, table, typed);
    const std::size_t rows = typed.values.size() + 1;
    // Straight into a new table; then again, which must find everything equal; then by way of the stage.
    EXPECT_EQ(copier.copy(table, WriteMode::append).written, rows);
    const std::string base =
        from.value("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '" + table +
                   "'::regclass AND attname = 'v'");
    const bool is_domain = base.starts_with("short") || base == "span" || base == "numbers";
    const std::string made =
        to.value("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '" + table +
                 "'::regclass AND attname = 'v'");
    if (!is_domain) {
      EXPECT_EQ(made, base);
    }
    const auto compare = [&] {
      const std::string as_text = "SELECT id, v::text FROM " + table + " ORDER BY id";
      if (is_domain) {
        EXPECT_EQ(to.rows(as_text), from.rows(as_text));
      } else {
        EXPECT_EQ(dump(to, table), dump(from, table));
      }
    };
    compare();
    EXPECT_EQ(copier.copy(table, WriteMode::upsert).unchanged, rows);
    to.run("UPDATE " + table + " SET v = NULL");
    copier.copy(table, WriteMode::upsert);
    compare();
    to.run("TRUNCATE " + table);
    EXPECT_EQ(copier.copy(table, WriteMode::upsert).written, rows);
    compare();
  }
}

TEST(PostgresRoundTrip, CarriesEveryTypeIntoText) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase from, to;
  from.run(kTypes);
  to.run(kTypes);
  Copier copier(from, to);
  int number = 0;
  for (const TypedValues& typed : all_types()) {
    if (std::string(typed.type).starts_with("bytea")) continue;
    SCOPED_TRACE(typed.type);
    const std::string table = "t" + std::to_string(++number);
    make_table(from, table, typed);
    to.run("CREATE TABLE " + table + " (id int PRIMARY KEY, v text)");
    EXPECT_EQ(copier.copy(table, WriteMode::append).written, typed.values.size() + 1);
    EXPECT_EQ(copier.copy(table, WriteMode::upsert).unchanged, typed.values.size() + 1);
  }
}

TEST(PostgresRoundTrip, SeesAChangeThatTheTypesOwnEqualityDoesNot) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  const std::vector<std::vector<const char*>> cases = {
      {"numeric", "1.0", "1.00"},
      {"numeric[]", "'{1.0}'", "'{1.00}'"},
      {"double precision", "'0'", "'-0'"},
      {"real", "'-0'", "'0'"},
      {"interval", "'1 day'", "'24 hours'"},
      {"citext", "'a'", "'A'"},
      {"text COLLATE public.folding", "'a'", "'A'"},
      {"jsonb", "'{\"a\":1.0}'", "'{\"a\":1.00}'"},
      {"json", "'{\"a\":1}'", "'{\"a\": 1}'"},
      {"xml", "'<a/>'", "'<b/>'"},
      {"point", "'(0,0)'", "'(0,1e-7)'"},
      {"public.pair", "ROW(NULL, '')", "ROW(NULL, NULL)"},
      {"integer[]", "'{1,2}'", "'[0:1]={1,2}'"},
      {"numrange", "'[1.0,2)'", "'[1.00,2)'"},
  };
  PostgresDatabase from, to;
  from.run(kTypes);
  to.run(kTypes);
  Copier copier(from, to);
  int number = 0;
  for (const auto& each : cases) {
    SCOPED_TRACE(each[0]);
    const std::string table = "t" + std::to_string(++number);
    for (PostgresDatabase* database : {&from, &to})
      database->run("CREATE TABLE " + table + " (id int PRIMARY KEY, v " + each[0] + ")");
    to.run("INSERT INTO " + table + " VALUES (1, " + each[1] + ")");
    from.run("INSERT INTO " + table + " VALUES (1, " + each[2] + ")");
    EXPECT_EQ(copier.copy(table, WriteMode::upsert).written, 1u);
    EXPECT_EQ(dump(to, table), dump(from, table));
    EXPECT_EQ(copier.copy(table, WriteMode::upsert).unchanged, 1u);
  }
}

TEST(PostgresRoundTrip, MakesTheTableWhereTheTypesOfTheSourceAreUnknown) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase from, to;
  from.run(kTypes);
  from.run(
      "CREATE TABLE t (id int PRIMARY KEY, m \"odd schema\".\"Mood\", p public.pair, h hstore, c citext, s "
      "public.shorter);"
      "INSERT INTO t VALUES (1, 'sad', ROW(1,'x'), 'a=>1', 'C', 'abc')");
  EXPECT_EQ(Copier(from, to).copy("t", WriteMode::append).written, 1u);
  EXPECT_EQ(to.rows("SELECT * FROM t"), "1|sad|(1,x)|\"a\"=>\"1\"|C|abc");
}

TEST(PostgresRoundTrip, ReadsViewsForeignAndPartitionedTablesAndWritesPartitionedOnes) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase from, to;
  from.run(
      "CREATE TABLE p (id int, region text, v int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);"
      "CREATE TABLE p_de PARTITION OF p FOR VALUES IN ('de'); CREATE TABLE p_fr PARTITION OF p FOR VALUES IN "
      "('fr');"
      "INSERT INTO p SELECT n, CASE n % 2 WHEN 0 THEN 'de' ELSE 'fr' END, n FROM generate_series(1, 10) AS n;"
      "CREATE VIEW w AS SELECT id, v * 2 AS doubled FROM p");
  to.run(
      "CREATE TABLE p (id int, region text, v int, PRIMARY KEY (region, id)) PARTITION BY LIST (region);"
      "CREATE TABLE p_de PARTITION OF p FOR VALUES IN ('de'); CREATE TABLE p_fr PARTITION OF p FOR VALUES IN "
      "('fr')");
  Copier copier(from, to);
  EXPECT_EQ(copier.copy("p", WriteMode::append).written, 10u);
  to.run("DELETE FROM p WHERE id < 4");
  EXPECT_EQ(copier.copy("p", WriteMode::upsert).written, 3u);
  EXPECT_EQ(to.rows("SELECT * FROM p ORDER BY id"), from.rows("SELECT * FROM p ORDER BY id"));

  SystemClock clock;
  const auto connection = provider().connect(from.options(), {clock, {}});
  SourceSpec view;
  view.table = "w";
  view.strategy = Strategy::diff;
  EXPECT_THROW(connection->open_source(view), Error) << "a view without a key was taken";
  view.key = {"id"};
  const auto source = connection->open_source(view);
  source->open({});
  EXPECT_EQ(source->next(100, 1u << 20).rows(), 10u);
  EXPECT_EQ(source->count(100), 10u);
}

TEST(PostgresRoundTrip, RefusesTextThatIsNotUtf8RowByRow) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database("ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
  database.run("CREATE TABLE t (id int PRIMARY KEY, a text, b text[])");
  database.run(
      "SET client_encoding = SQL_ASCII; INSERT INTO t VALUES (1, 'ok', '{ok}'), (2, E'\\xe4', NULL), (3, "
      "NULL, ARRAY[E'\\xff']), (4, 'ä', '{ä}')");
  SystemClock clock;
  const auto connection = provider().connect(database.options(), {clock, {}});
  SourceSpec spec;
  spec.table = "t";
  spec.strategy = Strategy::diff;
  const auto source = connection->open_source(spec);
  source->open({});
  const Batch batch = source->next(100, 1u << 20);
  ASSERT_EQ(batch.rows(), 4u);
  ASSERT_EQ(batch.refusals.size(), 2u);
  EXPECT_EQ(batch.refusals[static_cast<std::size_t>(batch.changes[1].refusal)].field, "a");
  EXPECT_EQ(batch.refusals[static_cast<std::size_t>(batch.changes[2].refusal)].field, "b");
  EXPECT_EQ(batch.changes[3].row[1].view(), "ä");
}

}  // namespace
}  // namespace syncflow::postgresql
