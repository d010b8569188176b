// A login of the destination that may not do all that a sync needs: the program names the right and the GRANT, and
// goes on where it was once the GRANT was run.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "support/two_tables.h"
#include "support/url.h"

namespace syncflow::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class FewRights : public TwoTables, public ::testing::WithParamInterface<System> {
 protected:
  void SetUp() override {
    if (!is_set(variable_of(GetParam()))) GTEST_SKIP() << not_set(variable_of(GetParam()));
    begin(System::sqlite, GetParam());
    destination_->execute("CREATE TABLE tags (tag INTEGER NOT NULL PRIMARY KEY, note VARCHAR(100))");
    make_login();
    add_items(1, 50, "first");
    add_tags(1, 10);
  }
  void TearDown() override {
    TwoTables::TearDown();
    if (login_.empty()) return;
    if (is_postgresql()) destination_->execute("DROP OWNED BY " + login_);
    destination_->execute((is_postgresql() ? "DROP ROLE " : "DROP USER ") + account());
  }

  static bool is_postgresql() { return GetParam() == System::postgresql; }
  std::string account() const { return is_postgresql() ? login_ : "'" + login_ + "'@'%'"; }

  void grant(const std::string& rights, const std::string& place) const {
    destination_->execute(fmt::format("GRANT {} ON {} TO {}", rights, place, account()));
  }
  void revoke(const std::string& rights, const std::string& place) const {
    destination_->execute(fmt::format("REVOKE {} ON {} FROM {}", rights, place, account()));
  }

  /// Runs the GRANT that the complaint names.
  void mend(const std::string& said, const std::string& right, const std::string& table) {
    EXPECT_THAT(said, AllOf(HasSubstr("no right to " + right), HasSubstr(table)));
    destination_->execute(grant_in(said));
  }
  /// The program complains of the table, and does what it is for once the GRANT was run.
  void expect_mended_by_the_grant(const std::string& right, const std::string& table) {
    mend(complaint(), right, table);
    run_syncs();
    expect_equal();
    expect_quiet();
  }

 private:
  void make_login() {
    login_ = unique_name();
    destination_->execute(is_postgresql() ? "CREATE ROLE " + login_ + " LOGIN"
                                          : "CREATE USER " + account() + " IDENTIFIED BY 'few'");
    std::string url = destination_database_->address();
    url.replace(url.find("//") + 2, url.find('@') - url.find("//") - 2,
                login_ + (is_postgresql() ? "" : ":few"));
    there = fmt::format("{{provider: {}, url: \"{}\"}}", is_postgresql() ? "postgresql" : "mysql", url);
    configure();
  }

  static std::string grant_in(const std::string& said) {
    static const std::regex grant("GRANT [A-Z, ]+ ON .+? TO (\"[^\"]+\"|'[^']+'@'[^']+')");
    std::smatch found;
    EXPECT_TRUE(std::regex_search(said, found, grant)) << said;
    return found.str();
  }

  std::string login_;
};

TEST_P(FewRights, AllThatIsMissingIsNamedBeforeAnythingIsWritten) {
  grant("SELECT", "items");
  grant("SELECT, INSERT, UPDATE", "tags");
  mend(complaint(), "INSERT, UPDATE", "items");
  EXPECT_EQ(destination_->value("SELECT count(*) FROM items"), "0");
  expect_mended_by_the_grant("DELETE", "tags");
}

TEST_P(FewRights, ARightThatIsTakenAwayBetweenTwoRunsIsNamed) {
  grant("SELECT, INSERT, UPDATE", "items");
  grant("SELECT, INSERT, UPDATE, DELETE", "tags");
  run_syncs();
  add_items(100, 5, "second");
  rename_items("id < 10", "renamed");
  remove_tag(3);
  for (const char* right : {"INSERT", "UPDATE", "SELECT"}) {
    revoke(right, "items");
    mend(complaint(), right, "items");
  }
  revoke("DELETE", "tags");
  expect_mended_by_the_grant("DELETE", "tags");
}

TEST_P(FewRights, ATableThatMayNotBeMadeIsNamed) {
  grant("SELECT, INSERT, UPDATE", "items");
  destination_->execute("DROP TABLE tags");
  if (is_postgresql()) destination_->execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
  expect_mended_by_the_grant("create table", "tags");
}

INSTANTIATE_TEST_SUITE_P(Of, FewRights, ::testing::Values(System::postgresql, System::mariadb, System::mysql),
                         [](const auto& instance) { return name_of(instance.param); });

class FewRightsOfPostgresql : public FewRights {};

TEST_P(FewRightsOfPostgresql, ARightToMakeTemporaryTablesThatIsMissingIsNamed) {
  grant("SELECT, INSERT, UPDATE", "items");
  grant("SELECT, INSERT, UPDATE, DELETE", "tags");
  destination_->execute("REVOKE TEMPORARY ON DATABASE " + destination_->value("SELECT current_database()") +
                        " FROM PUBLIC");
  expect_mended_by_the_grant("make temporary tables", "items");
}

INSTANTIATE_TEST_SUITE_P(Of, FewRightsOfPostgresql, ::testing::Values(System::postgresql),
                         [](const auto& instance) { return name_of(instance.param); });

class FewRightsOfMysql : public FewRights {};

// MySQL hides from a login what it has no right on.
TEST_P(FewRightsOfMysql, ATableThatTheLoginCannotSeeIsNotTakenForMissing) {
  grant("SELECT, INSERT, UPDATE, DELETE", "tags");
  expect_mended_by_the_grant("create table", "items");
}

TEST_P(FewRightsOfMysql, ATableThatTheLoginCouldMakeButCannotSeeIsNamed) {
  grant("SELECT, INSERT, UPDATE, DELETE", "tags");
  grant("CREATE", "*");
  expect_mended_by_the_grant("SELECT, INSERT, UPDATE", "items");
}

INSTANTIATE_TEST_SUITE_P(Of, FewRightsOfMysql, ::testing::Values(System::mariadb, System::mysql),
                         [](const auto& instance) { return name_of(instance.param); });

}  // namespace
}  // namespace syncflow::tests
