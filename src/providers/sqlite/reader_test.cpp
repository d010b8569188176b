#include "providers/sqlite/reader.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "providers/sqlite/test_database.h"
#include "testkit/fake_clock.h"

namespace syncflow::sqlite {
namespace {

using namespace std::chrono_literals;
using testkit::Replica;
using Order = sql::RowQuery::Order;

class SqliteReader : public ::testing::Test {
 protected:
  std::unique_ptr<Reader> open(const std::string& table, const std::string& cursor = "",
                               bool read_only = false) {
    SourceSpec spec;
    spec.table = table;
    spec.strategy = cursor.empty() ? Strategy::diff : Strategy::cursor;
    spec.cursor = cursor;
    Settings settings;
    settings.path = file_.path();
    settings.read_only = read_only;
    settings.busy_timeout = 2s;
    return std::make_unique<Reader>(spec, settings, Resources{clock_, {}});
  }

  ErrorKind kind_of_opening(const std::string& table, const std::string& cursor = "") {
    try {
      open(table, cursor);
    } catch (const Error& error) {
      last_error_ = error.what();
      return error.kind();
    }
    return ErrorKind::bug;
  }

  /// The first field of every row, in the order that they come, `chunk` rows at a time.
  std::vector<std::string> read(Reader& reader, const sql::RowQuery& query, std::size_t chunk = 3) {
    const auto stream = reader.select(query);
    std::vector<std::string> first;
    for (bool more = true; more;) {
      Batch batch(reader.schema());
      more = stream->read(batch, chunk, SIZE_MAX);
      EXPECT_LE(batch.rows(), chunk);
      for (const Change& change : batch.changes) first.push_back(to_text(change.row[0]));
    }
    return first;
  }

  std::vector<std::string> read_by(Reader& reader, Order order) {
    sql::RowQuery query;
    query.order = order;
    return read(reader, query);
  }

  TestFile file_{"delete"};
  testkit::FakeClock clock_;
  std::string last_error_;
};

// --- transactions ---

TEST_F(SqliteReader, AWriterThatIsAtWorkIsSeenAndForgottenOnceItCommitted) {
  file_.run("CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP)");
  const auto reader = open("t", "at");
  EXPECT_EQ(reader->visibility(), sql::Visibility::horizon);
  EXPECT_TRUE(reader->mark().open.empty());
  const auto writer = file_.open_session();
  writer->run("BEGIN IMMEDIATE");
  EXPECT_EQ(reader->mark().open, std::set<std::string>{"writer"});
  EXPECT_EQ(reader->open_now(), std::set<std::string>{"writer"});
  writer->run("COMMIT");
  EXPECT_TRUE(reader->open_now().empty());
  EXPECT_EQ(reader->mark().at, clock_.now());
}

TEST_F(SqliteReader, AReadOnlyConnectionTakesNoLockAndSeesNothingOfWriters) {
  file_.run("CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP)");
  const auto reader = open("t", "at", true);
  EXPECT_EQ(reader->visibility(), sql::Visibility::none);
  const auto writer = file_.open_session();
  writer->run("BEGIN IMMEDIATE");
  EXPECT_TRUE(reader->mark().open.empty());
}

TEST_F(SqliteReader, AWriterCanCommitWhileAStreamIsHalfRead) {
  file_.run("CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP)");
  file_.run(
      "INSERT INTO t VALUES (1, '2024-01-01'), (2, '2024-01-02'), (3, '2024-01-03'), (4, '2024-01-04')");
  const auto reader = open("t", "at");
  for (const Order order : {Order::key, Order::cursor, Order::canonical, Order::none}) {
    sql::RowQuery query;
    query.order = order;
    const auto stream = reader->select(query);
    Batch batch(reader->schema());
    ASSERT_TRUE(stream->read(batch, 2, SIZE_MAX));
    // In rollback mode a reader in a transaction would make this fail.
    Database writer(file_.path(), OpenMode::read_write, 0ms);
    EXPECT_NO_THROW(writer.execute("UPDATE t SET at = at WHERE id = 1"));
    while (stream->read(batch, 100, SIZE_MAX)) {
    }
    EXPECT_EQ(batch.rows(), 4u);
  }
}

TEST_F(SqliteReader, TheFileIsKnownAgainAfterWritesAndVacuumButAnotherFileIsNot) {
  file_.run("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  const std::string before = open("t")->identity();
  file_.run("INSERT INTO t VALUES (1)");
  file_.run("VACUUM");
  EXPECT_EQ(open("t")->identity(), before);
  std::filesystem::copy_file(file_.path(), file_.path() + ".copy");
  std::filesystem::rename(file_.path() + ".copy", file_.path());
  EXPECT_NE(open("t")->identity(), before);
}

TEST_F(SqliteReader, AStopRequestEndsAStatementThatRunsLong) {
  std::stop_source stop;
  Database database(file_.path(), OpenMode::read_write, 1s, stop.get_token());
  stop.request_stop();
  try {
    database.prepare("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
        .step();
    FAIL() << "the statement came to an end";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
}

// --- tables and keys ---

TEST_F(SqliteReader, TablesOfEveryBuildAreRead) {
  file_.run("CREATE TABLE plain (a TEXT, b INTEGER, PRIMARY KEY (b, a))");
  file_.run("CREATE TABLE bare (a TEXT, b INTEGER, PRIMARY KEY (b, a)) WITHOUT ROWID");
  file_.run("CREATE TABLE strict_one (a TEXT, b INT, c ANY, PRIMARY KEY (b, a)) STRICT");
  file_.run("CREATE TABLE computed (a TEXT, b INTEGER, twice AS (b * 2), PRIMARY KEY (b, a))");
  for (const std::string table : {"plain", "bare", "strict_one", "computed"}) {
    for (int b = 1; b <= 4; ++b)
      file_.run(fmt::format("INSERT INTO {} (a, b) VALUES ('x{}', {})", table, 9 - b, b));
    const auto reader = open(table);
    EXPECT_EQ(reader->schema()->key, (std::vector<std::size_t>{1, 0})) << table;
    EXPECT_EQ(read_by(*reader, Order::key), (std::vector<std::string>{"x8", "x7", "x6", "x5"})) << table;
  }
  const Schema computed = *open("computed")->schema();
  ASSERT_EQ(computed.fields.size(), 3u);
  EXPECT_TRUE(computed.fields[2].generated);
}

TEST_F(SqliteReader, WithoutAPrimaryKeyAUniqueIndexOnColumnsThatAreNotNullIsTheKey) {
  file_.run("CREATE TABLE t (a TEXT, b TEXT NOT NULL, c TEXT NOT NULL)");
  file_.run("CREATE UNIQUE INDEX on_a ON t (a)");
  file_.run("CREATE UNIQUE INDEX some_of_c ON t (c) WHERE c > ''");
  EXPECT_TRUE(open("t")->schema()->key.empty());
  file_.run("CREATE UNIQUE INDEX on_b ON t (b)");
  EXPECT_EQ(open("t")->schema()->key, std::vector<std::size_t>{1});
}

TEST_F(SqliteReader, OnlyAutoincrementMakesAKeyThatAscends) {
  file_.run("CREATE TABLE plain (id INTEGER PRIMARY KEY, at TIMESTAMP)");
  file_.run("CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, at TIMESTAMP)");
  EXPECT_FALSE(open("plain", "at")->key_ascends());
  EXPECT_TRUE(open("counted", "at")->key_ascends());
  file_.run("INSERT INTO counted VALUES (7, NULL)");
  EXPECT_EQ(open("counted", "at")->mark().top_key, Key{{"7"}});
}

TEST_F(SqliteReader, AKeyThatIsNullIsRefusedBeforeItIsLost) {
  file_.run("CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT)");
  file_.run("INSERT INTO t VALUES (NULL, 'x')");
  EXPECT_EQ(kind_of_opening("t"), ErrorKind::bad_config);
  EXPECT_NE(last_error_.find("NULL"), std::string::npos) << last_error_;
}

TEST_F(SqliteReader, AKeyWithoutAKindIsRefusedByName) {
  file_.run("CREATE TABLE t (id PRIMARY KEY, v TEXT)");
  EXPECT_EQ(kind_of_opening("t"), ErrorKind::bad_config);
  EXPECT_NE(last_error_.find("id"), std::string::npos) << last_error_;
}

TEST_F(SqliteReader, KeysAreFoundAgainHoweverTheyAreSpelled) {
  struct Example {
    const char* declared;
    std::vector<std::string> literals;
  };
  const std::vector<Example> examples = {
      {"UUID",
       {"'6F1C1F6E-0000-4000-8000-00000000000A'", "'6F1C1F6E-0000-4000-8000-00000000000B'",
        "'00000000-0000-4000-8000-000000000001'"}},
      {"UUID", {"x'6f1c1f6e00004000800000000000000a'", "x'6f1c1f6e00004000800000000000000b'"}},
      {"DATETIME", {"'2024-01-01 00:00:00'", "'2024-01-01 00:00:01'", "'2023-01-01 00:00:00'"}},
      {"TIMESTAMP", {"'2024-01-01T00:00:00.500Z'", "'2024-01-01T00:00:01.000Z'"}},
      {"DECIMAL(10,2)", {"1.5", "10", "2.25", "-3"}},
      {"DECIMAL_TEXT", {"'10'", "'9'", "'-1.5'", "'1.25'"}},
      {"REAL", {"1.5", "10", "-2.25"}},
      {"BOOLEAN", {"0", "1"}},
      {"TEXT COLLATE NOCASE", {"'b'", "'A'", "'C'", "'a b'"}},
      {"BLOB", {"x'01'", "x''", "x'0102'", "x'ff'"}},
      {"DATE", {"'2024-01-01'", "'1999-12-31'"}},
      {"TIME", {"'12:30'", "'00:00'"}},
  };
  int number = 0;
  for (const Example& example : examples) {
    SCOPED_TRACE(example.declared);
    const std::string table = fmt::format("t{}", number++);
    file_.run(
        fmt::format("CREATE TABLE {} (id {} PRIMARY KEY NOT NULL, n INTEGER)", table, example.declared));
    for (const std::string& literal : example.literals)
      file_.run(fmt::format("INSERT INTO {} VALUES ({}, 1)", table, literal));
    const auto reader = open(table);
    const Schema& schema = *reader->schema();

    // In canonical order, page by page, each page from the key before.
    sql::RowQuery page;
    page.order = Order::canonical;
    page.keys_only = true;
    page.limit = 1;
    std::vector<Value> values;
    std::vector<Key> keys;
    Arena arena;
    for (std::size_t i = 0; i <= example.literals.size(); ++i) {
      Batch batch(reader->schema());
      reader->select(page)->read(batch, 10, SIZE_MAX);
      if (batch.changes.empty()) break;
      values.push_back(batch.changes[0].row[0].copied_to(arena));
      keys.push_back(key_of(schema, batch.changes[0]));
      page.key_above = keys.back();
    }
    ASSERT_EQ(keys.size(), example.literals.size());
    for (std::size_t i = 1; i < values.size(); ++i)
      EXPECT_TRUE(compare(values[i - 1], values[i]) < 0) << keys[i].to_json();

    sql::RowQuery lookup;
    lookup.keys = keys;
    EXPECT_EQ(read(*reader, lookup).size(), keys.size());
    EXPECT_EQ(read_by(*reader, Order::key).size(), keys.size());
  }
}

TEST_F(SqliteReader, KeysThatAreSpelledInTwoWaysAreRefusedBecauseTheyCannotBeFoundAgain) {
  file_.run("CREATE TABLE t (id UUID PRIMARY KEY NOT NULL)");
  file_.run(
      "INSERT INTO t VALUES ('6f1c1f6e-0000-4000-8000-00000000000a'), "
      "('6F1C1F6E-0000-4000-8000-00000000000B')");
  const auto reader = open("t");
  EXPECT_THROW(read_by(*reader, Order::key), Error);
}

TEST_F(SqliteReader, AKeyIsLookedUpExactlyWhateverTheCollation) {
  file_.run("CREATE TABLE t (id TEXT COLLATE NOCASE PRIMARY KEY NOT NULL)");
  file_.run("INSERT INTO t VALUES ('Abc')");
  const auto reader = open("t");
  sql::RowQuery query;
  query.keys = {Key{{"abc"}}};
  EXPECT_TRUE(read(*reader, query).empty());
  query.keys = {Key{{"Abc"}}};
  EXPECT_EQ(read(*reader, query).size(), 1u);
}

// --- reading in order ---

TEST_F(SqliteReader, RowsComeByCursorAndKeyAndGoOnBehindAnyOfThem) {
  file_.run("CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP)");
  file_.run(
      "INSERT INTO t VALUES (5, '2024-01-01 10:00:00'), (1, '2024-01-01T10:00:00Z'), (9, "
      "'2024-01-01T08:59:59'),"
      " (2, '2024-01-01 11:00:00'), (7, '2024-01-01T12:00:00+02:00')");
  const auto reader = open("t", "at");
  EXPECT_EQ(read_by(*reader, Order::cursor), (std::vector<std::string>{"9", "1", "5", "7", "2"}));
  sql::RowQuery rest;
  rest.order = Order::cursor;
  rest.above = {"2024-01-01T10:00:00.000000000", Key{{"1"}}};
  EXPECT_EQ(read(*reader, rest), (std::vector<std::string>{"5", "7", "2"}));
  rest.cursor_to = "2024-01-01T10:30:00.000000000";
  EXPECT_EQ(read(*reader, rest), (std::vector<std::string>{"5", "7"}));
  EXPECT_EQ(reader->count(rest, 10), 2u);
  EXPECT_TRUE(reader->exists(rest));
}

TEST_F(SqliteReader, NumbersThatAscendAreReadByThem) {
  for (const char* index : {"CREATE INDEX by_version ON t (version)", "DROP INDEX by_version"}) {
    file_.run("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, version INTEGER)");
    file_.run("INSERT OR IGNORE INTO t VALUES (1, 30), (2, 10), (3, 20), (4, 20), (5, 20), (6, NULL)");
    file_.run(index);
    const auto reader = open("t", "version");
    EXPECT_EQ(reader->mark().top_cursor, "30");
    sql::RowQuery query;
    query.order = Order::cursor;
    query.cursors = sql::RowQuery::Cursors::proper;
    EXPECT_EQ(read(*reader, query, 2), (std::vector<std::string>{"2", "3", "4", "5", "1"}));
    query.above = {"20", Key{{"4"}}};
    EXPECT_EQ(read(*reader, query, 1), (std::vector<std::string>{"5", "1"}));
  }
}

TEST_F(SqliteReader, ARowThatChangesWhileAListIsReadComesAsItIsUnderItsOldPlace) {
  file_.run("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, at TIMESTAMP)");
  for (int id = 1; id <= 6; ++id)
    file_.run(fmt::format("INSERT INTO t VALUES ({0}, 'old', '2024-01-0{0}')", id));
  const auto reader = open("t", "at");
  sql::RowQuery query;
  query.order = Order::cursor;
  const auto stream = reader->select(query);
  Batch batch(reader->schema());
  ASSERT_TRUE(stream->read(batch, 2, SIZE_MAX));
  file_.run("DELETE FROM t WHERE id = 3");
  file_.run("UPDATE t SET name = 'new', at = '2025-01-01 00:00:00' WHERE id = 4");
  Batch rest(reader->schema());
  ASSERT_TRUE(stream->read(rest, 1, SIZE_MAX));
  EXPECT_EQ(to_text(rest.changes[0].row[1]), "new");
  EXPECT_EQ(stream->last_cursor(), "2024-01-04T00:00:00.000000000")
      << "a restart behind it would skip what lies between";
  while (stream->read(rest, 10, SIZE_MAX)) {
  }
  EXPECT_EQ(rest.rows(), 3u);
}

TEST_F(SqliteReader, ListsThatAreCutOffGoOn) {
  constexpr int kRows = 200'500;
  file_.run("CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP)");
  file_.run(
      fmt::format("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
                  "INSERT INTO t SELECT i, '2024-01-01 00:00:00' FROM n",
                  kRows));
  const auto reader = open("t", "at");
  sql::RowQuery query;
  query.order = Order::cursor;
  const auto stream = reader->select(query);
  std::size_t rows = 0;
  std::int64_t last = 0;
  for (bool more = true; more;) {
    Batch batch(reader->schema());
    more = stream->read(batch, 20'000, SIZE_MAX);
    rows += batch.rows();
    for (const Change& change : batch.changes) {
      ASSERT_EQ(change.row[0].as_int64(), last + 1);
      last = change.row[0].as_int64();
    }
  }
  EXPECT_EQ(rows, static_cast<std::size_t>(kRows));
}

TEST_F(SqliteReader, ARefusedRowNamesItsKeyItsFieldAndTheReason) {
  file_.run("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, price DECIMAL(4,2))");
  file_.run("INSERT INTO t VALUES (1, 'ok', 1), (2, CAST(x'6fff' AS TEXT), 123.456), (3, 'ok', 3)");
  const auto reader = open("t");
  Batch batch(reader->schema());
  reader->select({})->read(batch, 10, SIZE_MAX);
  ASSERT_EQ(batch.rows(), 3u);
  ASSERT_EQ(batch.refusals.size(), 1u);
  EXPECT_EQ(batch.changes[1].refusal, 0);
  EXPECT_EQ(key_of(*reader->schema(), batch.changes[1]), Key{{"2"}});
  EXPECT_EQ(batch.refusals[0].field, "name");
  EXPECT_NE(batch.refusals[0].reason.find("6fff"), std::string::npos) << batch.refusals[0].reason;
}

// --- what cannot be opened ---

TEST_F(SqliteReader, AMissingFileTableOrFieldAndAFileThatIsNoDatabaseAreToldApart) {
  EXPECT_EQ(kind_of_opening("t"), ErrorKind::not_found);
  file_.run("CREATE TABLE t (id INTEGER PRIMARY KEY)");
  EXPECT_EQ(kind_of_opening("t", "at"), ErrorKind::bad_config);
  file_.run("CREATE VIEW v AS SELECT * FROM t");
  EXPECT_EQ(kind_of_opening("v"), ErrorKind::not_found);

  Options options;
  options.set("path", file_.path() + ".missing");
  const auto missing = provider().connect(options, Resources{clock_, {}});
  try {
    missing->discover();
    FAIL() << "a missing file was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
    EXPECT_NE(std::string(error.what()).find(".missing"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(std::filesystem::exists(file_.path() + ".missing"));

  FILE* text = fopen((file_.path() + ".missing").c_str(), "w");
  for (int i = 0; i < 1000; ++i) fputs("this is no database\n", text);
  fclose(text);
  try {
    missing->check();
    FAIL() << "a text file was taken for a database";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config) << error.what();
  }
}

}  // namespace
}  // namespace syncflow::sqlite
