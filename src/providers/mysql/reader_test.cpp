#include "providers/mysql/reader.h"

#include <fmt/core.h>

#include "providers/mysql/row_query.h"
#include "providers/mysql/test_live.h"

namespace syncflow::mysql {
namespace {

using namespace std::chrono_literals;

class MysqlReader : public MysqlLive {
 protected:
  std::unique_ptr<Reader> open_reader(const SourceSpec& spec,
                                      const std::map<std::string, std::string>& more = {}) {
    Options options = testkit::mysql_options_of(database().target());
    for (const auto& [name, value] : more) options.set(name, value);
    return std::make_unique<Reader>(
        std::make_shared<Sessions>(parse_settings(options), Resources{clock_, {}}), spec);
  }

  /// How the server would run the query that stands for everything after a row: access type and what else it does.
  std::pair<std::string, std::string> plan_of(const SourceSpec& spec, const sql::RowQuery& query) {
    Catalog catalog(database().session());
    Reading reading;
    reading.table = catalog.at({database().name(), spec.table});
    reading.schema = open_reader(spec)->schema();
    for (const Field& field : reading.schema->fields) reading.columns.push_back(reading.table.at(field.name));
    if (!spec.cursor.empty()) reading.cursor = reading.schema->at(spec.cursor);
    const Query built = build_query(reading, query);
    Statement statement = database().session().prepare(
        (database().is_mariadb() ? "EXPLAIN " : "EXPLAIN FORMAT=TRADITIONAL ") + built.sql);
    bind_all(statement, built.parameters);
    statement.open();
    EXPECT_TRUE(statement.fetch());
    std::pair<std::string, std::string> plan;
    for (std::size_t i = 0; i < statement.columns().size(); ++i) {
      const Cell& cell = statement.cells()[i];
      const std::string text = cell.is_null() ? "" : text_of(statement.columns()[i], cell);
      if (statement.columns()[i].name == "type") plan.first = text;
      if (statement.columns()[i].name == "Extra") plan.second = text;
    }
    statement.close();
    return plan;
  }

  Replica read_all(const SourceSpec& spec, const std::map<std::string, std::string>& more = {}) {
    Replica replica(spec.strategy == Strategy::diff);
    read_on(*connect(more)->open_source(spec), {}, replica);
    return replica;
  }
};
SYNCFLOW_ON_MYSQL_SERVERS(MysqlReader);

TEST_P(MysqlReader, WalksIndexesInSteadOfSorting) {
  database().run(
      "CREATE TABLE big (a INT, b VARCHAR(20), n INT, u DATETIME(6), PRIMARY KEY (a, b), KEY (u))");
  database().run("INSERT INTO big VALUES (0, 'x', 0, '2024-01-01')");
  for (int step = 1; step < 20'000; step *= 2)
    database().run(
        fmt::format("INSERT INTO big SELECT a + {0}, b, n, u + INTERVAL {0} SECOND FROM big", step));
  database().run("ANALYZE TABLE big");
  const SourceSpec spec = reading("big", "u");

  sql::RowQuery by_cursor;
  by_cursor.order = sql::RowQuery::Order::cursor;
  by_cursor.cursors = sql::RowQuery::Cursors::proper;
  for (const char* from : {"2024-01-01 00:00:10.000000", "2024-01-01 05:00:00.000000"}) {
    by_cursor.above = {from, Key{{"7", "x"}}};
    const auto [type, extra] = plan_of(spec, by_cursor);
    EXPECT_EQ(type, "range") << from;
    EXPECT_EQ(extra.find("filesort"), std::string::npos) << extra;
  }
  sql::RowQuery by_key;
  by_key.order = sql::RowQuery::Order::key;
  by_key.key_above = Key{{"3", "x"}};
  const auto [type, extra] = plan_of(spec, by_key);
  EXPECT_EQ(type, "range");
  EXPECT_EQ(extra.find("filesort"), std::string::npos) << extra;

  sql::RowQuery looking;
  looking.cursors = sql::RowQuery::Cursors::proper;
  looking.above = {"2024-01-01 00:00:10.000000", Key{{"7", "x"}}};
  looking.limit = 1;
  EXPECT_EQ(plan_of(spec, looking).first, "range");
  sql::RowQuery without;
  without.cursors = sql::RowQuery::Cursors::none;
  without.limit = 1;
  const std::string access = plan_of(spec, without).first;
  EXPECT_TRUE(access == "ref_or_null" || access == "range") << access;
}

TEST_P(MysqlReader, UsesTheIndexOfATextKeyInAnotherCharacterSet) {
  database().run("CREATE TABLE words (w VARCHAR(50) CHARACTER SET latin1 PRIMARY KEY, n INT)");
  for (int i = 0; i < 200; ++i) database().run(fmt::format("INSERT INTO words VALUES ('ä{}', {})", i, i));
  database().run("ANALYZE TABLE words");
  sql::RowQuery by_key;
  by_key.order = sql::RowQuery::Order::key;
  by_key.key_above = Key{{"ä15"}};
  EXPECT_EQ(plan_of(reading("words"), by_key).first, "range");
  const auto source = connect()->open_source(reading("words"));
  EXPECT_EQ(source->fetch({Key{{"ä15"}}}).rows(), 1U);
  EXPECT_EQ(source->fetch({Key{{"Ä15"}}}).rows(), 0U)
      << "a key that only the collation takes for another is another key";
}

TEST_P(MysqlReader, HandsOutZeroAndPartialDatesInTheServersOwnWords) {
  database().run("SET SESSION sql_mode = 'ALLOW_INVALID_DATES'");
  database().run("CREATE TABLE odd (id INT PRIMARY KEY, d DATE, dt DATETIME(3), ts TIMESTAMP NULL)");
  database().run(
      "INSERT INTO odd VALUES (1, '0000-00-00', '0000-00-00', '0000-00-00'), (2, '2024-00-00', '2024-01-00 "
      "10:00:00.5', NULL), "
      "(3, '2024-02-30', '2024-02-30 00:00:00', NULL)");
  const Replica replica = read_all(reading("odd"));
  EXPECT_EQ(testkit::show(replica.rows().at(Key{{"1"}})),
            testkit::show({"1", "0000-00-00", "0000-00-00 00:00:00.000", "0000-00-00 00:00:00"}));
  EXPECT_EQ(testkit::show(replica.rows().at(Key{{"2"}})),
            testkit::show({"2", "2024-00-00", "2024-01-00 10:00:00.500", std::nullopt}));
  EXPECT_EQ(testkit::show(replica.rows().at(Key{{"3"}})),
            testkit::show({"3", "2024-02-30", "2024-02-30 00:00:00.000", std::nullopt}));
}

TEST_P(MysqlReader, ARowWithAZeroDateInTheCursorIsFoundThoughTheColumnIsNotNull) {
  database().run("SET SESSION sql_mode = ''");
  database().run("CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(20), u DATETIME NOT NULL, KEY (u))");
  database().run("INSERT INTO items VALUES (1, 'a', '2024-01-01'), (2, 'zero', '0000-00-00')");
  const auto connection = connect();
  const auto source = connection->open_source(reading("items", "u"));
  Replica replica;
  Position end = read_on(*source, {}, replica);
  EXPECT_EQ(replica.rows().size(), 2U);
  database().run("INSERT INTO items VALUES (3, 'zero later', '0000-00-00')");
  EXPECT_NE(source->has_changes(end).changed, Changed::no);
  end = read_on(*source, end, replica);
  database().run("UPDATE items SET name = 'zero changed' WHERE id = 2");
  read_on(*source, end, replica);
  EXPECT_EQ(replica.rows().size(), 3U);
  EXPECT_EQ(replica.rows().at(Key{{"2"}}).at(1), "zero changed");
}

TEST_P(MysqlReader, ACursorToTheSecondMissesNothingInItsSecond) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(20), u DATETIME NOT NULL, KEY (u))");
  const auto connection = connect();
  const auto source = connection->open_source(reading("items", "u"));
  Replica replica;
  Position end = read_on(*source, {}, replica);
  for (int i = 0; i < 5; ++i) {
    // Two changes of one row, most likely in one second, with a read between them.
    database().run(fmt::format("REPLACE INTO items VALUES (1, 'version {}', UTC_TIMESTAMP())", i));
    database().run(fmt::format("INSERT INTO items VALUES ({}, 'x', UTC_TIMESTAMP())", 100 + i));
    end = read_on(*source, end, replica);
    EXPECT_EQ(replica.rows().at(Key{{"1"}}).at(1), fmt::format("version {}", i));
  }
  EXPECT_EQ(replica.rows().size(), 6U);
}

TEST_P(MysqlReader, ANumberThatGrowsCanBeTheCursor) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, version BIGINT UNSIGNED NOT NULL, KEY (version))");
  database().run("INSERT INTO items VALUES (1, 18446744073709551610), (2, 5)");
  const auto connection = connect();
  const auto source = connection->open_source(reading("items", "version"));
  Replica replica;
  Position end = read_on(*source, {}, replica);
  EXPECT_EQ(source->has_changes(end).changed, Changed::no);
  database().run("UPDATE items SET version = 18446744073709551615 WHERE id = 2");
  EXPECT_NE(source->has_changes(end).changed, Changed::no);
  read_on(*source, end, replica);
  EXPECT_EQ(replica.rows().at(Key{{"2"}}).at(1), "18446744073709551615");
}

TEST_P(MysqlReader, ADayCanBeTheCursor) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, day DATE NOT NULL, KEY (day))");
  database().run("INSERT INTO items VALUES (1, '2024-01-01'), (2, UTC_DATE())");
  const auto connection = connect();
  const auto source = connection->open_source(reading("items", "day"));
  Replica replica;
  const Position end = read_on(*source, {}, replica);
  database().run("INSERT INTO items VALUES (3, UTC_DATE())");
  read_on(*source, end, replica);
  EXPECT_EQ(replica.rows().size(), 3U);
}

TEST_P(MysqlReader, TimesAreTheSameWhateverZonesServerAndHostAreIn) {
  database().run(
      "CREATE TABLE items (id INT PRIMARY KEY, ts TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), dt "
      "DATETIME(6), KEY (ts))");
  const auto connection = connect();
  const auto source = connection->open_source(reading("items", "ts"));
  Replica replica;
  Position end = read_on(*source, {}, replica);
  Session writer(database().target(), {});
  int id = 0;
  for (const char* zone : {"-12:00", "+00:00", "+13:00", "+05:30"}) {
    writer.execute(fmt::format("SET SESSION time_zone = '{}'", zone));
    writer.execute(fmt::format("INSERT INTO items (id, dt) VALUES ({}, '2017-03-12 02:30:00')", ++id));
    EXPECT_NE(source->has_changes(end).changed, Changed::no) << zone;
    end = read_on(*source, end, replica);
    EXPECT_EQ(replica.rows().size(), static_cast<std::size_t>(id));
  }
  const auto stamps = rows("SELECT CAST(ts AS CHAR) FROM items ORDER BY id");
  for (int i = 1; i <= id; ++i) {
    const auto& row = replica.rows().at(Key{{std::to_string(i)}});
    std::string stamp = *stamps[static_cast<std::size_t>(i - 1)][0];
    stamp[10] = 'T';
    EXPECT_EQ(row.at(1).value().substr(0, 19), stamp.substr(0, 19));
    EXPECT_EQ(row.at(2), "2017-03-12T02:30:00");
  }
}

TEST_P(MysqlReader, ADatetimeCursorIsReadInTheConnectionsZone) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, dt DATETIME(6) NOT NULL, KEY (dt))");
  const auto connection = connect({{"timezone", "-08:00"}});
  const auto source = connection->open_source(reading("items", "dt"));
  Replica replica;
  Position end = read_on(*source, {}, replica);
  for (int id = 1; id <= 3; ++id) {
    // What an application in that zone writes.
    database().run(fmt::format("INSERT INTO items VALUES ({}, UTC_TIMESTAMP(6) - INTERVAL 8 HOUR)", id));
    EXPECT_NE(source->has_changes(end).changed, Changed::no);
    end = read_on(*source, end, replica);
    EXPECT_EQ(replica.rows().size(), static_cast<std::size_t>(id));
    EXPECT_EQ(source->has_changes(end).changed, Changed::no);
  }
}

TEST_P(MysqlReader, KeysAreScannedInTheOrderOfTheirBytesWhateverTheCollation) {
  database().run("CREATE TABLE words (w VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY)");
  const std::vector<std::string> words = {"B", "a", "C", "ö", "Z", "z_", "é", "10", "9", "a!", "日本"};
  for (const std::string& word : words) database().run("INSERT INTO words VALUES ('" + word + "')");
  const auto source = connect()->open_source(reading("words"));
  std::vector<std::string> scanned;
  std::optional<Key> after;
  for (bool caught_up = false; !caught_up;) {
    const Batch page = source->scan_keys(after, 3);
    for (const Change& change : page.changes) {
      after = key_of(page.schema(), change);
      scanned.push_back(after->parts[0]);
    }
    caught_up = page.caught_up;
  }
  std::vector<std::string> sorted = words;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(scanned, sorted);
}

TEST_P(MysqlReader, KeysOfEveryKindAreReadFetchedAndScanned) {
  std::vector<std::pair<std::string, std::vector<std::string>>> kinds = {
      {"BIGINT UNSIGNED", {"0", "18446744073709551615", "9223372036854775808"}},
      {"DECIMAL(40,10)", {"1.0000000001", "123456789012345678901234567890.0000000001", "-5"}},
      {"DATE", {"'2024-02-29'", "'0001-01-01'"}},
      {"DATETIME(6)", {"'2024-02-29 12:30:00.000001'", "'2024-02-29 12:30:00'"}},
      {"TIMESTAMP(3)", {"'2024-02-29 12:30:00.001'", "'2024-02-29 12:30:00'"}},
      {"TIME(2)", {"'12:30:00.25'", "'00:00:00'"}},
      {"YEAR", {"2024", "1999"}},
      {"BIT(40)", {"b'1'", "b'1111111111111111111111111111111111111111'"}},
      {"BINARY(3)", {"x'010000'", "x'ff0001'"}},
      {"VARBINARY(10)", {"x''", "x'00'", "x'0000'"}},
      {"ENUM('z','a','m')", {"'z'", "'a'", "'m'"}},
      {"CHAR(5)", {"'a'", "'b'"}},
      {"DOUBLE", {"0.1", "-2.5"}},
      {"FLOAT", {"0.1", "16777216"}},
  };
  if (database().is_mariadb()) {
    kinds.push_back(
        {"UUID", {"'00000000-0000-0000-0000-000000000002'", "'10000000-0000-0000-0000-000000000001'"}});
    kinds.push_back({"INET6", {"'::1'", "'2001:db8::1'", "'10::1'"}});
  }
  int number = 0;
  for (const auto& [type, values] : kinds) {
    SCOPED_TRACE(type);
    const std::string table = fmt::format("k{}", ++number);
    database().run(fmt::format("CREATE TABLE {} (k {} NOT NULL PRIMARY KEY, n INT)", table, type));
    for (const std::string& value : values)
      database().run(fmt::format("INSERT INTO {} VALUES ({}, 1)", table, value));
    const auto source = connect()->open_source(reading(table));
    source->open({});
    std::vector<Key> keys;
    Position position;
    for (bool caught_up = false; !caught_up;) {
      // A new statement for each row.
      source->open(position);
      const Batch batch = source->next(1, 1 << 20);
      for (const Change& change : batch.changes) {
        EXPECT_LT(change.refusal, 0);
        keys.push_back(key_of(batch.schema(), change));
      }
      position = batch.resume;
      caught_up = batch.caught_up;
    }
    EXPECT_EQ(keys.size(), values.size());
    EXPECT_EQ(source->fetch(keys).rows(), values.size());
    Arena arena;
    std::optional<Key> after;
    std::vector<Value> scanned;
    for (bool caught_up = false; !caught_up;) {
      const Batch page = source->scan_keys(after, 1);
      for (const Change& change : page.changes) {
        scanned.push_back(change.row[0].copied_to(arena));
        after = key_of(page.schema(), change);
      }
      caught_up = page.caught_up;
    }
    EXPECT_EQ(scanned.size(), values.size());
    for (std::size_t i = 1; i < scanned.size(); ++i) EXPECT_TRUE(compare(scanned[i - 1], scanned[i]) < 0);
  }
}

TEST_P(MysqlReader, AKeyThatSeveralRowsMayShareIsRefused) {
  database().run(
      "CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(20) NOT NULL, code CHAR(3), UNIQUE (code), "
      "UNIQUE (name(5)))");
  SourceSpec spec = reading("items");
  spec.key = {"name"};
  EXPECT_EQ(kind_of_throwing([&] { connect()->open_source(spec); }, "name"), ErrorKind::bad_config);
  spec.key = {"code"};
  EXPECT_EQ(kind_of_throwing([&] { connect()->open_source(spec); }, "NOT NULL"), ErrorKind::bad_config);
  spec.key = {"id", "name"};
  EXPECT_NO_THROW(connect()->open_source(spec));
}

TEST_P(MysqlReader, ATableOfAnotherDatabaseIsReadByItsFullName) {
  testkit::ScratchMysql other(server());
  other.run("CREATE TABLE far (id INT PRIMARY KEY)");
  other.run("INSERT INTO far VALUES (1)");
  EXPECT_EQ(read_all(reading(other.name() + ".far")).rows().size(), 1U);
  database().run("CREATE TABLE `a.b` (id INT PRIMARY KEY)");
  EXPECT_EQ(read_all(reading("a.b")).rows().size(), 0U);
}

TEST_P(MysqlReader, AViewIsReadByTheKeyThatIsNamed) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(20))");
  database().run("INSERT INTO items VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  database().run("CREATE VIEW seen AS SELECT id, UPPER(name) AS name FROM items WHERE id > 1");
  SourceSpec spec = reading("seen");
  spec.key = {"id"};
  const Replica replica = read_all(spec);
  EXPECT_EQ(replica.rows().size(), 2U);
  EXPECT_EQ(replica.rows().at(Key{{"2"}}).at(1), "B");
  spec.key.clear();
  EXPECT_EQ(kind_of_throwing([&] { connect()->open_source(spec); }, "primary key"), ErrorKind::bad_config);
}

TEST_P(MysqlReader, TextThatIsNotUtf8IsARefusalOfItsRow) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET binary)");
  database().run("INSERT INTO items VALUES (1, x'ff'), (2, 'ok')");
  // Bytes that were never checked, under a character set that says what they were meant to be.
  database().run("ALTER TABLE items MODIFY v VARBINARY(20)");
  EXPECT_EQ(read_all(reading("items")).rows().at(Key{{"1"}}).at(1), "ff");
}

TEST_P(MysqlReader, GoesOnAfterTheServerHasEndedItsIdleSession) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY)");
  database().run("INSERT INTO items VALUES (1)");
  const auto connection = connect();
  const auto source = connection->open_source(reading("items"));
  EXPECT_EQ(source->count(10), 1U);
  for (const auto& row :
       rows("SELECT CAST(ID AS CHAR) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() "
            "AND ID <> CONNECTION_ID()"))
    database().run("KILL " + *row[0]);
  // A session is asked whether it still lives only when it was idle for half a second.
  clock_.sleep(600ms, {});
  EXPECT_EQ(source->count(10), 1U);
}

TEST_P(MysqlReader, AllConnectionsInUseIsSaidOnceTheWaitIsOver) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY)");
  const auto connection = connect({{"max_connections", "2"}});
  const auto first = connection->open_source(reading("items"));
  {
    const auto second = connection->open_source(reading("items"));
    std::jthread stopper([&] { stop_.request_stop(); });
    EXPECT_EQ(kind_of_throwing([&] { connection->open_source(reading("items")); }, "stop"),
              ErrorKind::cancelled);
  }
}

}  // namespace
}  // namespace syncflow::mysql
