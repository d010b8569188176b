// What a sync by a last-modified field cannot see, deleted rows above all: reconciliation finds them, whatever the two
// systems' collations, also when it dies on its way; `verify` tells what differs, and `--repair` mends it.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "core/text.h"
#include "support/two_tables.h"

namespace syncflow::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
namespace json = boost::json;

/// How the destination sorts and compares the key, other than the source, and where it notes deletes.
struct Keys {
  const char* word;
  const char* stamp;
};

Keys keys_of(System system) {
  switch (system) {
    case System::sqlite: return {"TEXT COLLATE NOCASE NOT NULL", "TIMESTAMPTZ"};
    case System::postgresql: return {"text COLLATE \"C\" NOT NULL", "timestamptz"};
    case System::mariadb:
    case System::mysql: return {"VARCHAR(100) COLLATE utf8mb4_unicode_ci NOT NULL", "TIMESTAMP(6) NULL"};
  }
  return {"", ""};
}

/// Words with their meanings, sorted by the rules of English at their source, a PostgreSQL.
class Words : public Scenario {
 protected:
  static constexpr int kOfEach = 50;
  static constexpr int kWords = 8 * kOfEach;

  /// Whether the servers are there. Else the test is to be skipped.
  static const char* lacking(System to) {
    for (const System system : {System::postgresql, to})
      if (const char* variable = variable_of(system); variable && !is_set(variable)) return variable;
    return nullptr;
  }

  void begin(System to, const std::string& deletes) {
    deletes_ = deletes;
    source_database_ = make_database(System::postgresql, folder(), "");
    destination_database_ = make_database(to, folder(), "destination.db");
    source_ = source_database_->log_in();
    destination_ = destination_database_->log_in();
    source_->execute(
        "CREATE TABLE words (word text COLLATE \"en-x-icu\" PRIMARY KEY, meaning text, updated_at "
        "timestamptz);"
        "CREATE INDEX ON words (updated_at, word)");
    // Those of the zoo were last changed long ago.
    source_->execute(fmt::format(
        "INSERT INTO words SELECT w || n, 'meaning ' || n, CASE w WHEN 'zoo' THEN '2024-01-01' ELSE "
        "clock_timestamp() END FROM generate_series(1, {}) n, unnest(ARRAY['-dash', 'Apple', 'banana', "
        "'Cherry', 'zoo', 'Äther', '_under', 'éclair']) w",
        kOfEach));
    destination_->execute(
        fmt::format("CREATE TABLE words (word {} PRIMARY KEY, meaning VARCHAR(100), deleted_at {});"
                    "CREATE VIEW living AS SELECT word, meaning FROM words WHERE deleted_at IS NULL",
                    keys_of(to).word, keys_of(to).stamp));
    configure();
  }

  void configure() const {
    write_config(fmt::format(R"(version: 1
store: sqlite:store.db
connections:
  here: {}
  there: {}
syncs:
  - name: words
    source: here
    destination: there
    batch: {{size: 40}}
    tables:
      - {{source: words, destination: words, strategy: cursor, cursor: updated_at, deletes: {},
          fields: {{word: word, meaning: meaning}}}}
)",
                             source_database_->connection(), destination_database_->connection(), deletes_));
  }

  /// Deletes three words at the source, of which no stamp tells.
  void delete_words(int number) {
    source_->execute(
        fmt::format("DELETE FROM words WHERE word IN ('Apple{0}', 'Äther{0}', '-dash{0}')", number));
  }
  /// The next run compares both sides' keys.
  void make_due() const {
    log_in_to_sqlite((folder() / "store.db").string())
        ->execute("UPDATE sync_mappings SET reconciled_at = NULL");
  }
  Report reconcile(int code = 0) {
    make_due();
    const std::vector<Report> reports = run_syncs({}, code);
    return reports.empty() ? Report{} : reports.front();
  }
  void expect_equal() {
    EXPECT_EQ(difference(canonical(*source_database_, *source_, "words", kColumns, 1),
                         canonical(*destination_database_, *destination_, "living", kColumns, 1)),
              "");
  }
  std::string living() { return destination_->value("SELECT count(*) FROM living"); }

  /// What `verify --json` printed.
  json::object verify(int code, const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"verify", "--sync", "words", "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = run(arguments);
    EXPECT_EQ(finished.exit, (Exit{code, 0})) << finished;
    return json::parse(finished.out).as_object();
  }
  static std::int64_t count(const json::object& found, const char* what) {
    return found.at("tables").at(0).at(what).as_int64();
  }
  /// `differs ["banana1"] meaning`
  static std::vector<std::string> differences(const json::object& found) {
    std::vector<std::string> lines;
    for (const json::value& row : found.at("tables").at(0).at("differences").as_array()) {
      lines.push_back(std::string(row.at("kind").as_string()) + " " + json::serialize(row.at("key")));
      if (!row.as_object().contains("fields")) continue;
      for (const json::value& field : row.at("fields").as_array())
        lines.back() += " " + std::string(field.as_string());
    }
    return lines;
  }
  /// A row that differs, one that is missing, one too many; and one that changed at the source without a new stamp.
  void spoil() {
    destination_->execute("UPDATE words SET meaning = 'spoiled' WHERE word = 'banana1'");
    destination_->execute("DELETE FROM words WHERE word = 'Cherry2'");
    destination_->execute("INSERT INTO words (word, meaning) VALUES ('extra', 'of nobody')");
    source_->execute("UPDATE words SET meaning = NULL WHERE word = 'zoo3'");
  }
  static auto what_was_spoiled() {
    return UnorderedElementsAre(R"(differs ["banana1"] meaning)", R"(differs ["zoo3"] meaning)",
                                R"(missing ["Cherry2"])", R"(surplus ["extra"])");
  }

  const std::vector<Column> kColumns = {{"word"}, {"meaning"}};
  std::string deletes_;
  std::unique_ptr<Database> source_database_, destination_database_;
  std::unique_ptr<Session> source_, destination_;
};

std::string name_of_case(const ::testing::TestParamInfo<std::pair<System, const char*>>& instance) {
  return std::string(name_of(instance.param.first)) + "_" + instance.param.second;
}

class DeletedRows : public Words, public ::testing::WithParamInterface<std::pair<System, const char*>> {
 protected:
  void SetUp() override {
    const auto [to, deletes] = GetParam();
    if (const char* variable = lacking(to)) GTEST_SKIP() << not_set(variable);
    begin(to, deletes);
    const std::vector<Report> reports = run_syncs();
    ASSERT_EQ(reports.size(), 1u);
    ASSERT_EQ(reports.front().figures.written, kWords) << reports.front();
    expect_equal();
  }
};

TEST_P(DeletedRows, AreFoundByComparingKeysWhereverTheProgramDied) {
  int round = 0;
  for (const char* point : {"reconcile.listed", "reconcile.confirmed", "pipeline.after_write",
                            "pipeline.before_commit", "reconcile.before_done"}) {
    SCOPED_TRACE(point);
    ++round;
    delete_words(round);
    destination_->execute(fmt::format("DELETE FROM words WHERE word = 'zoo{}'", round));
    make_due();
    environment["SYNCFLOW_FAILPOINT"] = std::string(point) + "=die";
    const Finished died = run({"run", "--json"});
    EXPECT_EQ(died.exit.signal, SIGKILL) << "it never came there\n" << died;
    environment.erase("SYNCFLOW_FAILPOINT");
    run_syncs();
    expect_equal();
    if (HasFailure()) return;
  }
  EXPECT_TRUE(reconcile().figures.nothing_done()) << "what was found once is found no more";
  const std::string marked = destination_->value("SELECT count(*) FROM words WHERE deleted_at IS NOT NULL");
  EXPECT_EQ(marked, deletes_ == "soft" ? std::to_string(3 * round) : "0");
  EXPECT_EQ(count(verify(0), "equal"), kWords - 3 * round);
}

TEST_P(DeletedRows, AreLeftAloneUntilAPersonSaysSoWhenTheyAreMany) {
  source_->execute("DELETE FROM words WHERE word ~ '^(Apple|Äther|-dash)'");
  const Report held = reconcile(1);
  EXPECT_EQ(held.status, "failed");
  EXPECT_THAT(held.error, AllOf(HasSubstr(fmt::format("{} of {} rows", 3 * kOfEach, kWords)),
                                HasSubstr("syncflow resume words")));
  EXPECT_EQ(living(), std::to_string(kWords));
  run_syncs({}, 1);
  EXPECT_EQ(living(), std::to_string(kWords)) << "running it again is no word of a person";
  EXPECT_EQ(count(verify(3), "surplus"), 3 * kOfEach);

  EXPECT_EQ(run({"resume", "words"}).exit, (Exit{0, 0}));
  const std::vector<Report> reports = run_syncs();
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports.front().figures.deleted, 3 * kOfEach) << reports.front();
  expect_equal();
  verify(0);
}

INSTANTIATE_TEST_SUITE_P(At, DeletedRows,
                         ::testing::Values(std::pair(System::mariadb, "hard"),
                                           std::pair(System::mariadb, "soft"),
                                           std::pair(System::sqlite, "hard"),
                                           std::pair(System::sqlite, "soft")),
                         name_of_case);

class VerifiedWords : public Words, public ::testing::WithParamInterface<std::pair<System, const char*>> {
 protected:
  void SetUp() override {
    const auto [to, deletes] = GetParam();
    if (const char* variable = lacking(to)) GTEST_SKIP() << not_set(variable);
    begin(to, deletes);
    run_syncs();
    expect_equal();
  }
};

TEST_P(VerifiedWords, AreToldByKeyAndFieldWhereTheyDiffer) {
  EXPECT_EQ(count(verify(0), "equal"), kWords);
  spoil();
  const json::object found = verify(3);
  EXPECT_FALSE(found.at("equal").as_bool());
  EXPECT_THAT(differences(found), what_was_spoiled());
  EXPECT_EQ(count(found, "equal"), kWords - 3);
  EXPECT_EQ(count(found, "at_source"), kWords);
  EXPECT_EQ(count(found, "at_destination"), kWords);

  const Finished told = run({"verify", "--sync", "words"});
  EXPECT_EQ(told.exit, (Exit{3, 0})) << told;
  EXPECT_THAT(told.out,
              AllOf(HasSubstr("words: the sides differ"), HasSubstr(R"(differs ["banana1"]: meaning)"),
                    HasSubstr(R"(missing ["Cherry2"])"), HasSubstr(R"(surplus ["extra"])")));
  EXPECT_EQ(destination_->value("SELECT meaning FROM words WHERE word = 'banana1'"), "spoiled")
      << "telling changes nothing";
}

TEST_P(VerifiedWords, AreMendedByARepair) {
  spoil();
  const json::object repaired = verify(0, {"--repair"});
  EXPECT_TRUE(repaired.at("equal").as_bool());
  EXPECT_EQ(repaired.at("repair").at("status").as_string(), "completed");
  EXPECT_EQ(repaired.at("repair").at("written").as_int64(), 3);
  EXPECT_EQ(repaired.at("repair").at("deleted").as_int64(), 1);
  expect_equal();
  EXPECT_EQ(count(verify(0), "equal"), kWords);
}

TEST_P(VerifiedWords, AreMendedByTheServiceThatRuns) {
  spoil();
  Service service = serve();
  EXPECT_TRUE(verify(0, {"--repair"}).at("equal").as_bool());
  expect_equal();
  EXPECT_EQ(service.stop(), Exit{0}) << service.process.story();
}

TEST_P(VerifiedWords, ThatTheNextRunCarriesAreNoDifference) {
  source_->execute("INSERT INTO words VALUES ('new', 'carried next', clock_timestamp())");
  source_->execute("UPDATE words SET meaning = 'new', updated_at = clock_timestamp() WHERE word = 'Apple4'");
  const json::object found = verify(0);
  EXPECT_EQ(count(found, "waiting"), 2);
  EXPECT_EQ(count(found, "equal"), kWords - 1);
  run_syncs();
  EXPECT_EQ(count(verify(0), "equal"), kWords + 1);
}

TEST_P(VerifiedWords, CannotBeComparedWithoutBothSides) {
  EXPECT_EQ(run({"verify", "--sync", "wodrs"}).exit, (Exit{2, 0})) << "no such sync";
  source_->execute("ALTER TABLE words RENAME TO away");
  EXPECT_EQ(run({"verify", "--sync", "words"}).exit, (Exit{1, 0}));
  source_->execute("ALTER TABLE away RENAME TO words");
  verify(0);
}

INSTANTIATE_TEST_SUITE_P(At, VerifiedWords,
                         ::testing::Values(std::pair(System::postgresql, "hard"),
                                           std::pair(System::postgresql, "soft"),
                                           std::pair(System::mariadb, "hard"),
                                           std::pair(System::mysql, "hard"),
                                           std::pair(System::sqlite, "soft")),
                         name_of_case);

}  // namespace
}  // namespace syncflow::tests
