#include <fmt/core.h>

#include "core/text.h"
#include "providers/mysql/test_live.h"

namespace syncflow::mysql {
namespace {

class MysqlDiscovery : public MysqlLive {};
SYNCFLOW_ON_MYSQL_SERVERS(MysqlDiscovery);

TEST_P(MysqlDiscovery, CheckSaysWhoWeAreAndWhatWeSee) {
  const Access access = connect()->check();
  EXPECT_EQ(access.system.substr(0, 7), database().is_mariadb() ? "MariaDB" : "MySQL 9");
  EXPECT_EQ(access.user, "test@%");
  EXPECT_TRUE(access.warnings.empty()) << join(access.warnings, "\n");
  EXPECT_NE(join(access.can, "\n").find("every open transaction"), std::string::npos);
}

TEST_P(MysqlDiscovery, CheckNamesTheGrantThatLetsLateCommitsBeSeen) {
  const Target user = database().with_user({"SELECT ON {db}.*"});
  const Access access = connect_as(user)->check();
  ASSERT_EQ(access.warnings.size(), 1U);
  EXPECT_NE(access.warnings[0].find("GRANT PROCESS ON *.* TO " + user.user + "@%"), std::string::npos)
      << access.warnings[0];
}

TEST_P(MysqlDiscovery, AWrongPasswordIsTheUsersToMend) {
  Target target = database().target();
  target.password = Secret("wr0ng");
  EXPECT_EQ(kind_of_throwing([&] { connect_as(target)->check(); }, "password is wrong"),
            ErrorKind::unauthorized);
}

TEST_P(MysqlDiscovery, TellsTypesKeysEstimatesAndCursorFieldsBestFirst) {
  database().run(
      "CREATE TABLE orders (nr BIGINT UNSIGNED AUTO_INCREMENT, shop CHAR(3) NOT NULL, total DECIMAL(12,2), "
      "note TEXT, "
      "placed DATETIME NOT NULL, modified DATETIME(3) NULL, "
      "updated_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), "
      "half DECIMAL(12,2) AS (total / 2), PRIMARY KEY (nr), UNIQUE (shop, placed), KEY (placed), KEY "
      "(updated_at, nr))");
  for (int i = 0; i < 50; ++i)
    database().run(fmt::format(
        "INSERT INTO orders (shop, total, placed) VALUES ('x', 1, '2024-01-01' + INTERVAL {} DAY)", i));
  database().run("ANALYZE TABLE orders");
  const auto tables = connect()->discover("orders");
  ASSERT_EQ(tables.size(), 1U);
  const TableInfo& table = tables[0];
  EXPECT_EQ(table.schema.key, std::vector<std::size_t>{0});
  EXPECT_EQ(table.schema.fields[0].type, Type::uint64);
  EXPECT_EQ(table.schema.fields[1].length, 3U);
  EXPECT_EQ(table.schema.fields[2].precision, 12);
  EXPECT_EQ(table.schema.fields[2].scale, 2);
  EXPECT_EQ(table.schema.fields[5].precision, 3);
  EXPECT_TRUE(table.schema.fields[7].generated);
  EXPECT_NEAR(static_cast<double>(table.row_estimate), 50, 25);
  ASSERT_EQ(table.cursor_candidates.size(), 3U);
  EXPECT_EQ(table.cursor_candidates[0].field, "updated_at");
  EXPECT_TRUE(table.cursor_candidates[0].indexed);
  EXPECT_NE(table.cursor_candidates[0].note.find("ON UPDATE"), std::string::npos);
  EXPECT_EQ(table.cursor_candidates[1].field, "modified");
  EXPECT_FALSE(table.cursor_candidates[1].indexed);
  EXPECT_NE(table.cursor_candidates[1].note.find("ADD INDEX"), std::string::npos);
  EXPECT_EQ(table.cursor_candidates[2].field, "placed");
  EXPECT_TRUE(table.cursor_candidates[2].indexed);
}

TEST_P(MysqlDiscovery, ATableHasOneNameHoweverItIsSpelled) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY)");
  const auto name_of = [&](const std::string& spelled) {
    return connect()->discover(spelled).at(0).schema.table;
  };
  EXPECT_EQ(name_of("items"), "items");
  EXPECT_EQ(name_of(database().target().database + ".items"), "items");
}

TEST_P(MysqlDiscovery, ATableWithoutAPrimaryKeyHasTheUniqueIndexThatTellsItsRowsApart) {
  database().run(
      "CREATE TABLE a (x INT NOT NULL, y INT NOT NULL, z INT, w VARCHAR(20) NOT NULL, UNIQUE (z), UNIQUE "
      "(w(3)), UNIQUE (x, y))");
  database().run("CREATE TABLE b (x INT)");
  const auto tables = connect()->discover();
  ASSERT_EQ(tables.size(), 2U);
  EXPECT_EQ(tables[0].schema.key, (std::vector<std::size_t>{0, 1}));
  EXPECT_TRUE(tables[1].schema.key.empty());
}

TEST_P(MysqlDiscovery, TheMissingRightToReadIsNamed) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, secret INT)");
  const auto writer = connect_as(database().with_user({"INSERT ON {db}.*"}));
  const auto source = writer->open_source(reading("items"));
  EXPECT_EQ(kind_of_throwing([&] { source->count(1); }, "GRANT SELECT"), ErrorKind::forbidden);
}

TEST_P(MysqlDiscovery, ATableThatWasDroppedSinceIsGone) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY)");
  const auto connection = connect();
  const auto source = connection->open_source(reading("items"));
  database().run("DROP TABLE items");
  EXPECT_EQ(kind_of_throwing([&] { source->count(1); }, "items"), ErrorKind::not_found);
}

}  // namespace
}  // namespace syncflow::mysql
