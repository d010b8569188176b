#include "providers/sqlite/provider.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.h"
#include "providers/sqlite/test_database.h"

namespace syncflow::sqlite {
namespace {

class SqliteDiscovery : public ::testing::Test {
 protected:
  TableInfo describe(const std::string& table) { return file_.connection().discover(table).at(0); }

  static std::vector<std::string> names(const TableInfo& info) {
    std::vector<std::string> names;
    for (const CursorCandidate& candidate : info.cursor_candidates) names.push_back(candidate.field);
    return names;
  }

  TestFile file_;
};

TEST_F(SqliteDiscovery, ListsTablesWithoutViewsAndSqlitesOwn) {
  file_.run("CREATE TABLE b (id INTEGER PRIMARY KEY AUTOINCREMENT)");
  file_.run("CREATE TABLE a (id INTEGER PRIMARY KEY) WITHOUT ROWID");
  file_.run("CREATE VIEW v AS SELECT * FROM a");
  file_.run("ANALYZE");
  const auto tables = file_.connection().discover();
  ASSERT_EQ(tables.size(), 2u);
  EXPECT_EQ(tables[0].schema.table, "a");
  EXPECT_EQ(tables[1].schema.table, "b");
  EXPECT_EQ(tables[0].schema.provider, "sqlite");
}

TEST_F(SqliteDiscovery, GivesATableOneNameHoweverItIsSpelled) {
  file_.run("CREATE TABLE items (id INTEGER PRIMARY KEY)");
  EXPECT_EQ(describe("Items").schema.table, "items");
}

TEST_F(SqliteDiscovery, OffersFieldsThatSayWhenARowWasLastChangedBestFirst) {
  file_.run(
      "CREATE TABLE t (id INTEGER PRIMARY KEY, created_at TIMESTAMP, birthday DATE, mtime INTEGER, "
      "last_modified TEXT,"
      " updatedAt DATETIME, updated_by TEXT, modified_on TIMESTAMP, deleted_at TIMESTAMP, updated BLOB)");
  EXPECT_EQ(names(describe("t")),
            (std::vector<std::string>{"updatedAt", "modified_on", "last_modified", "mtime"}));
}

TEST_F(SqliteDiscovery, AFieldIsOnlyOfferedIfItsValuesCanBeRead) {
  file_.run("CREATE TABLE t (id INTEGER PRIMARY KEY, updated_at TIMESTAMP, modified TEXT)");
  file_.run("INSERT INTO t VALUES (1, 1700000000, 'a while ago')");
  EXPECT_TRUE(names(describe("t")).empty());
}

TEST_F(SqliteDiscovery, SaysWhatAPersonShouldKnowOfACursorField) {
  file_.run("CREATE TABLE t (id INTEGER PRIMARY KEY, updated_at TIMESTAMP)");
  file_.run(
      "CREATE TRIGGER touch AFTER UPDATE ON t BEGIN UPDATE t SET updated_at = CURRENT_TIMESTAMP WHERE id = "
      "new.id; END");
  const auto candidate = describe("t").cursor_candidates.at(0);
  EXPECT_FALSE(candidate.indexed);
  EXPECT_EQ(candidate.note, "set by a trigger; no index: each poll reads the whole table");
  file_.run("CREATE INDEX some ON t (updated_at) WHERE id > 5");
  EXPECT_FALSE(describe("t").cursor_candidates.at(0).indexed) << "a partial index does not find every row";
  file_.run("CREATE INDEX every ON t (updated_at)");
  EXPECT_TRUE(describe("t").cursor_candidates.at(0).indexed);
}

TEST_F(SqliteDiscovery, WarnsOfValuesThatContradictTheirType) {
  file_.run("CREATE TABLE t (id INTEGER PRIMARY KEY, at TIMESTAMP, n INTEGER)");
  file_.run("INSERT INTO t VALUES (1, 1700000000, 1), (2, '2024-01-01 00:00:00', 'two')");
  const auto warnings = describe("t").warnings;
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_NE(warnings[0].find("at is declared TIMESTAMP, but in 1 of 2"), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[1].find("n is declared INTEGER"), std::string::npos) << warnings[1];
}

TEST_F(SqliteDiscovery, CountsSmallTablesAndEstimatesLargeOnes) {
  file_.run("CREATE TABLE small (id INTEGER PRIMARY KEY)");
  file_.run("INSERT INTO small VALUES (1), (7)");
  EXPECT_EQ(describe("small").row_estimate, 2);
  file_.run("CREATE TABLE large (id INTEGER PRIMARY KEY)");
  file_.run(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000) INSERT INTO large "
      "SELECT i FROM n");
  EXPECT_EQ(describe("large").row_estimate, 150'000);
}

TEST_F(SqliteDiscovery, ATableWithoutAKeySaysSo) {
  file_.run("CREATE TABLE t (a TEXT)");
  const auto info = describe("t");
  EXPECT_TRUE(info.schema.key.empty());
  ASSERT_EQ(info.warnings.size(), 1u);
  EXPECT_NE(info.warnings[0].find("key"), std::string::npos);
}

// --- options and rights ---

ErrorKind kind_of_connecting(const std::map<std::string, std::string>& given) {
  SystemClock clock;
  Options options;
  for (const auto& [name, value] : given) options.set(name, value);
  try {
    check_options(options, provider().options, "connection local");
    provider().connect(options, Resources{clock, {}});
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::bug;
}

TEST(SqliteProvider, TakesItsOptionsAndNothingElse) {
  EXPECT_EQ(kind_of_connecting({{"path", "data.db"}}), ErrorKind::bug) << "that is a good connection";
  EXPECT_EQ(kind_of_connecting(
                {{"path", "data.db"}, {"timezone", "+02:00"}, {"mode", "read_only"}, {"busy_timeout", "3"}}),
            ErrorKind::bug);
  for (const auto& bad :
       std::vector<std::map<std::string, std::string>>{{},
                                                       {{"path", ":memory:"}},
                                                       {{"path", "file:data.db?mode=ro"}},
                                                       {{"path", "data.db"}, {"timezone", "Europe/Berlin"}},
                                                       {{"path", "data.db"}, {"mode", "rw"}},
                                                       {{"path", "data.db"}, {"busy_timeout", "-1"}},
                                                       {{"path", "data.db"}, {"password", "x"}}})
    EXPECT_EQ(kind_of_connecting(bad), ErrorKind::bad_config);
}

TEST(SqliteProvider, ClaimsWhatItCan) {
  const Provider sqlite = provider();
  EXPECT_EQ(sqlite.id, "sqlite");
  EXPECT_TRUE(sqlite.can.source && sqlite.can.destination && sqlite.can.cursor && sqlite.can.diff &&
              sqlite.can.create_table);
  EXPECT_FALSE(sqlite.can.feed || sqlite.can.webhooks);
}

TEST(SqliteProvider, CheckSaysWhatWillNotWorkAndWhy) {
  TestFile wal;
  EXPECT_TRUE(wal.connection().check().warnings.empty());
  EXPECT_NE(wal.connection().check().system.find("SQLite 3"), std::string::npos);

  TestFile rollback("delete");
  ASSERT_EQ(rollback.connection().check().warnings.size(), 1u);
  EXPECT_NE(rollback.connection().check().warnings[0].find("journal_mode = WAL"), std::string::npos);

  Options read_only;
  read_only.set("mode", "read_only");
  TestFile watched("wal", read_only);
  ASSERT_EQ(watched.connection().check().warnings.size(), 1u);
  EXPECT_NE(watched.connection().check().warnings[0].find("overlap"), std::string::npos);

  SystemClock clock;
  Options missing;
  missing.set("path", wal.path() + ".missing");
  EXPECT_NE(
      provider().connect(missing, Resources{clock, {}})->check().warnings.at(0).find("does not exist yet"),
      std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(wal.path() + ".missing"));
}

}  // namespace
}  // namespace syncflow::sqlite
