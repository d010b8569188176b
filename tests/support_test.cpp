#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "support/database.h"
#include "support/program.h"

namespace syncflow::tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ScenarioSupport : public Scenario {
 protected:
  Process shell(const std::string& script) {
    return Process({{"sh", "-c", script}, folder(), "shell", {{"GIVEN", "by us"}}});
  }

  /// What the tables of every system must look like.
  void expect_canonical(Database& database, const std::string& bytes_type, const std::string& bytes) {
    const auto session = database.log_in();
    session->execute("CREATE TABLE things (a VARCHAR(20) NOT NULL, b INTEGER, c " + bytes_type +
                     ");"
                     "INSERT INTO things VALUES ('z', NULL, NULL), ('Ä', 1, " +
                     bytes + "), ('Z', -2, NULL)");
    EXPECT_THAT(canonical(database, *session, "things", {{"a"}, {"b"}, {"c", true}}, 1),
                ElementsAre("Z\t-2\t\\N", "z\t\\N\t\\N", "Ä\t1\t00ff"));
    EXPECT_EQ(session->value("SELECT count(*) FROM things"), "3");
    EXPECT_THROW(session->execute("SELECT nothing FROM nowhere"), std::runtime_error);
    EXPECT_EQ(database.log_in()->value("SELECT max(b) FROM things"), "1");
  }
};

TEST_F(ScenarioSupport, CollectsWhatAProcessWritesAndHowItEnds) {
  Process process = shell("echo one; echo two=2 >&2; echo $GIVEN; exit 7");
  EXPECT_EQ(process.wait(), (Exit{7, 0}));
  EXPECT_EQ(process.out(), "one\nby us\n");
  EXPECT_EQ(process.wait_for_line("wo="), "two=2");
  EXPECT_THROW(process.wait_for_line("three"), std::runtime_error);
}

TEST_F(ScenarioSupport, SendsSignalsAndTellsWhatWasKilled) {
  Process process = shell("trap 'echo asked; exit 0' TERM; echo ready; while :; do read x </dev/zero; done");
  process.wait_for_line("ready");
  process.signal(SIGKILL);
  EXPECT_EQ(process.wait(), (Exit{-1, SIGKILL}));
  EXPECT_THAT(process.story(), HasSubstr("killed by signal 9"));
}

TEST_F(ScenarioSupport, SaysWhatAProcessWroteWhenItIsTooSlow) {
  Process process = shell("echo the reason >&2; exec sleep 60");
  process.wait_for_line("the reason");
  try {
    process.wait(std::chrono::seconds(0));
    FAIL() << "it did not give up";
  } catch (const std::runtime_error& problem) {
    EXPECT_THAT(problem.what(), HasSubstr("the reason"));
  }
}

TEST_F(ScenarioSupport, ReadsTheSameTableFromSqlite) {
  const auto database = make_sqlite_database(folder(), "things.db");
  expect_canonical(*database, "BLOB", "x'00ff'");
}

TEST_F(ScenarioSupport, ReadsTheSameTableFromPostgresql) {
  if (!is_set(kPostgresqlUrl)) GTEST_SKIP() << not_set(kPostgresqlUrl);
  const auto database = make_postgresql_database();
  expect_canonical(*database, "bytea", "'\\x00ff'");
}

TEST_F(ScenarioSupport, ReadsTheSameTableFromMariadb) {
  if (!is_set(kMariadbUrl)) GTEST_SKIP() << not_set(kMariadbUrl);
  const auto database = make_mysql_database(Flavour::mariadb);
  expect_canonical(*database, "VARBINARY(9)", "x'00ff'");
}

TEST_F(ScenarioSupport, ReadsTheSameTableFromMysql) {
  if (!is_set(kMysqlUrl)) GTEST_SKIP() << not_set(kMysqlUrl);
  const auto database = make_mysql_database(Flavour::mysql);
  expect_canonical(*database, "VARBINARY(9)", "x'00ff'");
}

TEST(Difference, NamesTheFirstRowThatDiffers) {
  EXPECT_EQ(difference({"a", "b"}, {"a", "b"}), "");
  EXPECT_THAT(difference({"a", "b"}, {"a", "c"}), HasSubstr("number 2:\nexpected: b\nis there: c"));
  EXPECT_THAT(difference({"a", "b"}, {"a"}), HasSubstr("2 rows were expected, 1 are there"));
}

}  // namespace
}  // namespace syncflow::tests
