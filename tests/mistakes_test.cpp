// A person's mistakes: each ends in a sentence that names the thing, the place and what to do, and loses nothing.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/text.h"
#include "support/two_tables.h"
#include "support/url.h"

namespace syncflow::tests {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class Mistakes : public TwoTables {
 protected:
  void expect_to_go_on() {
    run_syncs();
    expect_equal();
    expect_quiet();
  }
};

TEST_F(Mistakes, AMissingTableIsNamedWithTheNearestOne) {
  begin(System::sqlite, System::sqlite);
  add_items(1, 3, "row");
  source_->execute("ALTER TABLE items RENAME TO itmes");
  EXPECT_THAT(complaint(), HasSubstr("itmes"));
  source_->execute("ALTER TABLE itmes RENAME TO items");
  expect_to_go_on();
}

TEST_F(Mistakes, AWrongPasswordIsToldWithoutShowingIt) {
  if (!is_set(kMariadbUrl)) GTEST_SKIP() << not_set(kMariadbUrl);
  begin(System::sqlite, System::mariadb);
  add_items(1, 3, "row");
  const std::string good = destination_database_->address();
  const auto at = good.find("test:test@");
  ASSERT_NE(at, std::string::npos);
  std::string bad = good;
  bad.replace(at, 10, "test:wr0ngSecret@");
  environment["THERE"] = bad;
  there = R"({provider: mysql, url: "${THERE}"})";
  configure();
  EXPECT_THAT(complaint(), AllOf(HasSubstr("password"), Not(HasSubstr("wr0ngSecret"))));
  environment["THERE"] = good;
  expect_to_go_on();
}

TEST_F(Mistakes, AMissingRightToReadIsNamed) {
  if (!is_set(kPostgresqlUrl)) GTEST_SKIP() << not_set(kPostgresqlUrl);
  begin(System::postgresql, System::sqlite);
  add_items(1, 3, "row");
  const std::string role = unique_name();
  source_->execute("CREATE ROLE " + role + " LOGIN; GRANT SELECT ON tags TO " + role);
  std::string url = source_database_->address();
  url.replace(url.find("postgres@"), 9, role + "@");
  here = fmt::format("{{provider: postgresql, url: \"{}\"}}", url);
  configure();
  EXPECT_THAT(complaint(), AllOf(HasSubstr("GRANT SELECT"), HasSubstr("items")));
  source_->execute("GRANT SELECT ON items TO " + role);
  expect_to_go_on();
  source_->execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

// What stands between two systems may be dropped at either.
class Dropped : public Mistakes, public ::testing::WithParamInterface<std::pair<System, System>> {
 protected:
  void SetUp() override {
    const auto [from, to] = GetParam();
    for (const System system : {from, to})
      if (const char* variable = variable_of(system); variable && !is_set(variable))
        GTEST_SKIP() << not_set(variable);
    begin(from, to);
    add_items(1, 50, "first");
    // Longer ago than any poll would look back by itself.
    source_->execute("UPDATE items SET updated_at = '2024-01-01 00:00:00' WHERE id <= 40");
    add_tags(1, 10);
    run_syncs();
  }

  static auto is_gone(const std::string& table) {
    return AllOf(HasSubstr("destination table " + table + " of connection there is gone"),
                 HasSubstr("put it back, and go on with `syncflow resume all`"));
  }

  static std::string count(Session& session, const std::string& table) {
    return session.value("SELECT count(*) FROM " + table);
  }
};

TEST_P(Dropped, AColumnOfTheSourceIsNamed) {
  source_->execute("ALTER TABLE items RENAME COLUMN amount TO total");
  source_->execute(
      "INSERT INTO items(id, name, total, updated_at) SELECT 1000, 'second', 1, updated_at FROM items WHERE "
      "id = 50");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("items"), HasSubstr("amount")));
  EXPECT_EQ(count(*destination_, "items"), "50");
  source_->execute("ALTER TABLE items RENAME COLUMN total TO amount");
  expect_to_go_on();
}

TEST_P(Dropped, AColumnOfTheDestinationIsNamed) {
  destination_->execute("ALTER TABLE items DROP COLUMN amount");
  add_items(100, 5, "second");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("items"), HasSubstr("has no field"), HasSubstr("amount")));
  destination_->execute("ALTER TABLE items ADD COLUMN amount INTEGER");
  expect_to_go_on();
}

TEST_P(Dropped, ATableOfTheSourceTakesNoRowFromTheDestination) {
  source_->execute("ALTER TABLE tags RENAME TO away");
  add_items(100, 5, "second");
  EXPECT_THAT(complaint(), HasSubstr("tags"));
  EXPECT_EQ(count(*destination_, "tags"), "10");
  EXPECT_EQ(count(*destination_, "items"), "55");
  EXPECT_THAT(complaint(), HasSubstr("tags"));
  EXPECT_EQ(count(*destination_, "tags"), "10");
  source_->execute("ALTER TABLE away RENAME TO tags");
  remove_tag(3);
  expect_to_go_on();
}

TEST_P(Dropped, ATableOfTheDestinationThatIsPutBackGoesOnWithIt) {
  destination_->execute("ALTER TABLE items RENAME TO away");
  add_items(100, 5, "second");
  EXPECT_THAT(complaint(), is_gone("items"));
  EXPECT_EQ(count(*destination_, "away"), "50");
  destination_->execute("ALTER TABLE away RENAME TO items");
  rename_items("id < 5", "renamed");
  expect_to_go_on();
}

TEST_P(Dropped, ATableOfTheDestinationThatComesBackEmptyIsFilled) {
  destination_->execute("DROP TABLE items");
  add_items(100, 5, "second");
  EXPECT_THAT(complaint(), is_gone("items"));
  destination_->execute(
      "CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(100), amount INTEGER)");
  expect_to_go_on();
}

TEST_P(Dropped, ATableOfTheDestinationThatStaysAwayIsMadeAnewAndFilled) {
  destination_->execute("DROP TABLE items; DROP TABLE tags");
  add_items(100, 5, "second");
  add_tags(100, 5);
  remove_tag(3);
  EXPECT_THAT(complaint(), is_gone("items"));
  expect_to_go_on();
  // Who asks for everything anew is not told that it is gone.
  destination_->execute("DROP TABLE items; DROP TABLE tags");
  const Finished resync = run({"resync", "--sync", "all"});
  EXPECT_EQ(resync.exit, (Exit{0, 0})) << resync;
  expect_equal();
}

INSTANTIATE_TEST_SUITE_P(Between, Dropped,
                         ::testing::Values(std::pair(System::sqlite, System::sqlite),
                                           std::pair(System::postgresql, System::mariadb),
                                           std::pair(System::mysql, System::postgresql)),
                         [](const auto& instance) {
                           return std::string(name_of(instance.param.first)) + "_to_" +
                                  name_of(instance.param.second);
                         });

class RefusedRows : public Scenario, public ::testing::WithParamInterface<System> {
 protected:
  void SetUp() override {
    const char* variable = variable_of(GetParam());
    if (variable && !is_set(variable)) GTEST_SKIP() << not_set(variable);
    source_database_ = make_sqlite_database(folder().string(), "source.db");
    destination_database_ = make_database(GetParam(), folder(), "destination.db");
    source_ = source_database_->log_in();
    destination_ = destination_database_->log_in();
    source_->execute(
        "CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, name TEXT, email TEXT, age INTEGER, "
        "updated_at "
        "TIMESTAMP)");
    write_config(fmt::format(R"(version: 1
connections:
  here: {}
  there: {}
syncs:
  - name: all
    source: here
    destination: there
    tables:
      - {{source: people, destination: people, strategy: cursor, cursor: updated_at,
          fields: {{id: id, name: name, email: email, age: age}}}}
)",
                             source_database_->connection(), destination_database_->connection()));
  }

  void add(int id, const std::string& name, const std::string& email, int age) {
    source_->execute(
        fmt::format("INSERT INTO people VALUES ({}, {}, '{}', {}, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))", id,
                    name, email, age));
  }
  void make_strict_table() {
    // SQLite holds longer texts than VARCHAR says.
    const char* length = GetParam() == System::sqlite ? " CHECK (length(name) <= 10)" : "";
    destination_->execute(
        fmt::format("CREATE TABLE people (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(10) NOT NULL{}, email "
                    "VARCHAR(50) UNIQUE, age INTEGER CHECK (age >= 0))",
                    length));
  }
  void lift_constraints() {
    destination_->execute(
        "CREATE TABLE wider (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(100), email VARCHAR(50), age "
        "INTEGER);"
        "INSERT INTO wider SELECT * FROM people; DROP TABLE people; ALTER TABLE wider RENAME TO people");
  }

  /// Field and reason by key.
  std::map<std::string, std::string> quarantined() {
    std::map<std::string, std::string> rows;
    for (const std::string& line : split(run({"quarantine", "--json"}).out, '\n')) {
      if (line.empty()) continue;
      const boost::json::object row = boost::json::parse(line).as_object();
      rows[boost::json::serialize(row.at("key"))] =
          fmt::format("{}: {}", row.at("field").is_null() ? "" : row.at("field").as_string().c_str(),
                      row.at("reason").as_string().c_str());
    }
    return rows;
  }

  std::vector<std::string> people(Database& database, Session& session) {
    return canonical(database, session, "people", {{"id"}, {"name"}, {"email"}, {"age"}}, 1);
  }

  std::unique_ptr<Database> source_database_, destination_database_;
  std::unique_ptr<Session> source_, destination_;
};

TEST_P(RefusedRows, WaitInQuarantineUntilTheConstraintIsGone) {
  make_strict_table();
  add(1, "'good'", "one@example.com", 30);
  add(2, "NULL", "two@example.com", 30);
  add(3, "'twin'", "one@example.com", 30);
  add(4, "'unborn'", "four@example.com", -1);
  add(5, "'much longer than ten'", "five@example.com", 30);
  add(6, "'good too'", "six@example.com", 30);
  const std::vector<Report> reports = run_syncs({}, 4);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports.front().figures.written, 2);
  EXPECT_EQ(reports.front().figures.quarantined, 4);
  EXPECT_THAT(people(*destination_database_, *destination_),
              ::testing::ElementsAre("1\tgood\tone@example.com\t30", "6\tgood too\tsix@example.com\t30"));

  const std::map<std::string, std::string> rows = quarantined();
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_THAT(rows.at(R"(["2"])"), ContainsRegex("^name: .*(null|NULL)"));
  EXPECT_THAT(rows.at(R"(["3"])"), ContainsRegex("unique|UNIQUE|Duplicate"));
  EXPECT_THAT(rows.at(R"(["4"])"), ContainsRegex("CHECK|[Cc]heck|CONSTRAINT"));
  EXPECT_THAT(rows.at(R"(["5"])"), ContainsRegex("too long|characters|CHECK"));

  lift_constraints();
  run_syncs();
  EXPECT_EQ(difference(people(*source_database_, *source_), people(*destination_database_, *destination_)),
            "");
  EXPECT_TRUE(quarantined().empty());
  for (const Report& report : run_syncs()) EXPECT_TRUE(report.figures.nothing_done()) << report;
}

INSTANTIATE_TEST_SUITE_P(Of, RefusedRows,
                         ::testing::Values(System::sqlite, System::postgresql, System::mariadb,
                                           System::mysql),
                         [](const auto& instance) { return name_of(instance.param); });

}  // namespace
}  // namespace syncflow::tests
