// A real table on its way through every database: the package index of a Debian release, from PostgreSQL to
// MySQL to MariaDB to SQLite to another PostgreSQL, while it is being changed.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <iterator>

#include "core/text.h"
#include "support/database.h"
#include "support/program.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::SizeIs;

const std::vector<Column> kPackages = {{"name"},           {"version"},  {"architecture"}, {"maintainer"},
                                       {"section"},        {"priority"}, {"multi_arch"},   {"homepage"},
                                       {"installed_size"}, {"size"},     {"sha256", true}, {"description"}};
constexpr std::size_t kPackagesKey = 2;  // a release has a few packages in two versions
const std::vector<Column> kMaintainers = {{"name"}, {"packages"}, {"total_size"}, {"mean_size"}};
constexpr std::size_t kMaintainersKey = 1;

// Every table of the chain has a last-modified field of its own, set by its own server. MySQL and MariaDB tell
// names apart by their bytes, as the others do: two maintainers differ in a capital letter only.

constexpr const char* kPostgresqlTables = R"(
  CREATE TABLE packages (
    name text, version text, architecture text NOT NULL, maintainer text NOT NULL, section text, priority text,
    multi_arch text, homepage text, installed_size bigint, size bigint, sha256 bytea, description text,
    changed_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (name, version));
  CREATE INDEX packages_by_change ON packages(changed_at, name, version);
  CREATE TABLE maintainers (
    name text PRIMARY KEY, packages integer, total_size bigint, mean_size numeric(20,4),
    changed_at timestamptz NOT NULL DEFAULT now());
  CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN new.changed_at := now(); RETURN new; END';
  CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON packages FOR EACH ROW EXECUTE FUNCTION stamp();
  CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON maintainers FOR EACH ROW EXECUTE FUNCTION stamp())";

constexpr const char* kMysqlTables = R"(
  CREATE TABLE packages (
    name VARCHAR(100), version VARCHAR(100), architecture VARCHAR(20) NOT NULL, maintainer VARCHAR(250) NOT NULL,
    section VARCHAR(100), priority VARCHAR(100), multi_arch VARCHAR(20), homepage TEXT, installed_size BIGINT,
    size BIGINT, sha256 VARBINARY(32), description MEDIUMTEXT,
    changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (name, version), INDEX packages_by_change (changed_at, name, version))
    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
  CREATE TABLE maintainers (
    name VARCHAR(250) PRIMARY KEY, packages INTEGER, total_size BIGINT, mean_size DECIMAL(20,4),
    changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6))
    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin)";

constexpr const char* kSqliteTables = R"(
  CREATE TABLE packages (
    name TEXT NOT NULL, version TEXT NOT NULL, architecture TEXT NOT NULL, maintainer TEXT NOT NULL, section TEXT,
    priority TEXT, multi_arch TEXT, homepage TEXT, installed_size INTEGER, size INTEGER, sha256 BLOB,
    description TEXT, changed_at TIMESTAMP, PRIMARY KEY (name, version));
  CREATE INDEX packages_by_change ON packages(changed_at, name, version);
  CREATE TABLE maintainers (
    name TEXT NOT NULL PRIMARY KEY, packages INTEGER, total_size INTEGER, mean_size DECIMAL_TEXT(20,4),
    changed_at TIMESTAMP);
  CREATE TRIGGER stamp_new_packages AFTER INSERT ON packages BEGIN
    UPDATE packages SET changed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE rowid = new.rowid;
  END;
  CREATE TRIGGER stamp_packages AFTER UPDATE ON packages WHEN new.changed_at IS old.changed_at BEGIN
    UPDATE packages SET changed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE rowid = new.rowid;
  END;
  CREATE TRIGGER stamp_new_maintainers AFTER INSERT ON maintainers BEGIN
    UPDATE maintainers SET changed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE rowid = new.rowid;
  END;
  CREATE TRIGGER stamp_maintainers AFTER UPDATE ON maintainers WHEN new.changed_at IS old.changed_at BEGIN
    UPDATE maintainers SET changed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE rowid = new.rowid;
  END)";

constexpr const char* kMaintainersOf = R"(
  INSERT INTO maintainers SELECT maintainer, count(*), sum(size), avg(size) FROM packages GROUP BY maintainer)";

/// One place of the chain.
struct Link {
  std::string name;
  std::unique_ptr<Database> database;
  std::unique_ptr<Session> session;
};

/// Changes the head of the chain until it is told to stop. Each round is one transaction, some of them long
/// in coming; what is stamped early and committed late must not be lost.
class Writer {
 public:
  explicit Writer(Database& head) : session_(head.log_in()), late_(head.log_in()) {
    thread_ = std::thread([this] { write(); });
  }
  ~Writer() {
    if (thread_.joinable()) finish();
  }

  void finish() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
    if (failure_) std::rethrow_exception(failure_);
  }
  int rounds() const { return rounds_; }

 private:
  static constexpr auto kPause = 250ms;
  static constexpr int kLateRounds = 12;  // how long a transaction of `late_` stays open

  void write() {
    try {
      while (!told_to_stop()) round();
      if (rounds_ % kLateRounds != 0) late_->execute("COMMIT");
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  bool told_to_stop() {
    std::unique_lock lock(mutex_);
    return wake_.wait_for(lock, kPause, [this] { return stopping_; });
  }

  void round() {
    if (rounds_ % kLateRounds == 0) {
      if (rounds_ > 0) late_->execute("COMMIT");
      // now() of its trigger is the time of this BEGIN.
      late_->execute(
          fmt::format("BEGIN; UPDATE packages SET homepage = 'https://example.org/late/{0}' WHERE name = "
                      "'late' AND version = '0';"
                      "INSERT INTO packages(name, version, architecture, maintainer) VALUES ('late-{0}', "
                      "'1', 'all', 'Late')",
                      rounds_));
    }
    session_->execute("BEGIN;" + changes(rounds_) + "COMMIT");
    ++rounds_;
  }

  /// Of every kind and all over the tables: new rows, new texts, nulls, and rows of the small table that go.
  static std::string changes(int round) {
    return fmt::format(
        "UPDATE packages SET description = description || E'\\n\\u00e4\\U0001F9C1 {0}', size = size + 1"
        " WHERE name IN (SELECT name FROM packages TABLESAMPLE BERNOULLI (0.03)) AND maintainer <> 'Late';"
        "UPDATE packages SET homepage = CASE WHEN homepage IS NULL THEN 'https://example.org/{0}' END"
        " WHERE name IN (SELECT name FROM packages TABLESAMPLE BERNOULLI (0.01)) AND maintainer <> 'Late';"
        "INSERT INTO packages SELECT name, version || '+new{0}', architecture, maintainer, section, priority,"
        " multi_arch, homepage, installed_size, size, sha256, description FROM packages TABLESAMPLE "
        "BERNOULLI (0.01)"
        " WHERE version NOT LIKE '%+new%';"
        "INSERT INTO maintainers VALUES ('Round {0} <r{0}@example.org>', {0}, 0, 0.0001);"
        "UPDATE maintainers SET packages = packages + 1, mean_size = mean_size * 1.01"
        " WHERE name IN (SELECT name FROM maintainers TABLESAMPLE BERNOULLI (0.3));"
        "DELETE FROM maintainers WHERE name IN (SELECT name FROM maintainers TABLESAMPLE BERNOULLI (0.1));",
        round);
  }

  const std::unique_ptr<Session> session_, late_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::atomic<int> rounds_ = 0;
  std::exception_ptr failure_;
  std::thread thread_;  // last: it uses all of the above
};

class Chain : public Scenario {
 protected:
  void add_link(const std::string& name, std::unique_ptr<Database> database, const char* tables) {
    auto session = database->log_in();
    session->execute(tables);
    links_.push_back({name, std::move(database), std::move(session)});
  }

  Link& head() { return links_.front(); }
  Link& tail() { return links_.back(); }

  /// Fills the head with the index of the release, as script/package-index fetches it.
  void load_package_index() {
    Process fetch({{SYNCFLOW_ROOT "/script/package-index", folder()}, folder(), "package-index", {}});
    ASSERT_EQ(fetch.wait(300s), Exit{0}) << fetch.story();
    std::ifstream table(folder() / "packages.tsv", std::ios::binary);
    const std::string lines((std::istreambuf_iterator<char>(table)), {});
    rows_ = static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n'));
    ASSERT_GT(rows_, 50'000u) << "that is no release of Debian";
    copy_into_postgresql(*head().session, "packages (" + join(names_of(kPackages), ", ") + ")", lines);
    head().session->execute(kMaintainersOf);
    head().session->execute(
        "INSERT INTO packages(name, version, architecture, maintainer) VALUES ('late', '0', 'all', 'Late')");
  }

  void write_config_of_all() {
    std::string yaml = "version: 1\nstore: sqlite:store.db\nconnections:\n";
    for (const Link& link : links_) yaml += fmt::format("  {}: {}\n", link.name, link.database->connection());
    yaml += "syncs:\n";
    for (std::size_t i = 0; i + 1 < links_.size(); ++i)
      yaml += fmt::format(R"(  - name: {0}
    source: {0}
    destination: {1}
    schedule: every 1 second
    tables:
      - {{source: packages, destination: packages, strategy: cursor, cursor: changed_at, fields: {2}}}
      - {{source: maintainers, destination: maintainers, strategy: diff, deletes: hard, fields: {3}}}
)",
                          links_[i].name, links_[i + 1].name, fields_of(kPackages), fields_of(kMaintainers));
    write_config(yaml);
  }

  static std::size_t packages_in(Link& link) {
    return std::stoul(link.session->value("SELECT count(*) FROM packages"));
  }

  /// The service alone must carry all there was at its start, and then a row through every link.
  void serve_while_the_head_changes() {
    Service service = serve();
    {
      Writer writer(*head().database);
      service.process.wait_until(
          "the last table has all that the first one had", [this] { return packages_in(tail()) > rows_; },
          400s);
      writer.finish();
      EXPECT_GT(writer.rounds(), 10) << "the head hardly changed meanwhile";
    }
    head().session->execute(
        "INSERT INTO packages(name, version, architecture, maintainer) VALUES ('last', '1', 'all', 'M')");
    service.process.wait_until("the row that came last is in the last table", [this] {
      return tail().session->value("SELECT count(*) FROM packages WHERE name = 'last'") == "1";
    });
    EXPECT_EQ(service.stop(), Exit{0}) << service.process.story();
  }

  void bring_up_to_date_in_order() {
    for (std::size_t i = 0; i + 1 < links_.size(); ++i) {
      const std::vector<Report> reports = run_syncs({"--sync", links_[i].name});
      ASSERT_THAT(reports, SizeIs(1));
      EXPECT_EQ(reports.front().status, "completed") << reports.front();
      EXPECT_EQ(reports.front().figures.quarantined, 0) << reports.front();
    }
  }

  void expect_all_equal() {
    const auto packages = canonical(*head().database, *head().session, "packages", kPackages, kPackagesKey);
    const auto maintainers =
        canonical(*head().database, *head().session, "maintainers", kMaintainers, kMaintainersKey);
    EXPECT_GT(packages.size(), rows_);
    for (std::size_t i = 1; i < links_.size(); ++i) {
      SCOPED_TRACE("in " + links_[i].name);
      EXPECT_EQ(difference(packages, canonical(*links_[i].database, *links_[i].session, "packages", kPackages,
                                               kPackagesKey)),
                "");
      EXPECT_EQ(difference(maintainers, canonical(*links_[i].database, *links_[i].session, "maintainers",
                                                  kMaintainers, kMaintainersKey)),
                "");
    }
  }

  void expect_nothing_left_to_do() {
    const std::vector<Report> reports = run_syncs();
    EXPECT_THAT(reports, SizeIs(links_.size() - 1));
    for (const Report& report : reports) EXPECT_TRUE(report.figures.nothing_done()) << report;
  }

 private:
  static std::vector<std::string> names_of(const std::vector<Column>& columns) {
    std::vector<std::string> names;
    for (const Column& column : columns) names.push_back(column.name);
    return names;
  }
  static std::string fields_of(const std::vector<Column>& columns) {
    std::vector<std::string> fields;
    for (const std::string& name : names_of(columns)) fields.push_back(name + ": " + name);
    return "{" + join(fields, ", ") + "}";
  }

  std::vector<Link> links_;
  std::size_t rows_ = 0;  ///< of the index
};

TEST_F(Chain, KeepsThePackageIndexEqualInEveryDatabaseWhileItChanges) {
  if (!is_set(kPostgresqlUrl)) GTEST_SKIP() << not_set(kPostgresqlUrl);
  if (!is_set(kMariadbUrl)) GTEST_SKIP() << not_set(kMariadbUrl);
  add_link("first", make_postgresql_database(), kPostgresqlTables);
  if (is_set(kMysqlUrl)) add_link("mysql", make_mysql_database(Flavour::mysql), kMysqlTables);
  add_link("mariadb", make_mysql_database(Flavour::mariadb), kMysqlTables);
  add_link("sqlite", make_sqlite_database(folder(), "packages.db"), kSqliteTables);
  add_link("last", make_postgresql_database(), kPostgresqlTables);
  ASSERT_NO_FATAL_FAILURE(load_package_index());
  write_config_of_all();

  ASSERT_NO_FATAL_FAILURE(serve_while_the_head_changes());
  ASSERT_NO_FATAL_FAILURE(bring_up_to_date_in_order());
  expect_all_equal();
  expect_nothing_left_to_do();
  if (!is_set(kMysqlUrl) && !HasFailure())
    GTEST_SKIP() << not_set(kMysqlUrl) << "; the chain held without MySQL";
}

}  // namespace
}  // namespace syncflow::tests
