// Ends that take no writes. A replica is a source like any other; as a destination it is refused with a sentence. One
// that takes no writes for a while, because another server takes over, is waited for.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <optional>
#include <string>

#include "support/mysql_server.h"
#include "support/postgresql_server.h"
#include "support/two_tables.h"

namespace syncflow::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ReadOnlyEnd : public TwoTables {
 protected:
  void fill() {
    add_items(1, 100, "first");
    add_tags(1, 20);
  }

  /// `run`, `check` and `validate` say it, and nothing is written.
  void expect_refused(const std::string& sentence) {
    max_retries = 0;
    configure();
    EXPECT_THAT(complaint(), HasSubstr(sentence));
    EXPECT_EQ(destination_->value("SELECT count(*) FROM items"), "0");
    const Finished checked = run({"check", "there", "--json"});
    EXPECT_EQ(checked.exit, Exit{1}) << checked;
    EXPECT_THAT(checked.err, AllOf(HasSubstr("is the destination of sync all"), HasSubstr(sentence)))
        << checked;
    const Finished validated = run({"validate", "--online", "--json"});
    EXPECT_EQ(validated.exit, Exit{2}) << validated;
    EXPECT_THAT(validated.out, HasSubstr(sentence)) << validated;
  }

  void expect_to_go_on() {
    run_syncs();
    expect_equal();
    expect_quiet();
  }

  /// The run waits until writes are taken, and does the rest by itself.
  void expect_to_wait(Process& process, const std::string& sentence,
                      const std::function<void()>& take_writes) {
    process.wait_for_line(sentence);
    take_writes();
    EXPECT_EQ(process.wait(), Exit{0}) << process.story();
    EXPECT_THAT(process.err(), HasSubstr("A sync will be tried again.")) << process.story();
    expect_equal();
    expect_quiet();
  }
};

// --- PostgreSQL ---

class ReadOnlyPostgresql : public ReadOnlyEnd {
 protected:
  void SetUp() override {
    if (!PostgresqlServer::obstacle().empty()) GTEST_SKIP() << PostgresqlServer::obstacle();
    std::filesystem::permissions(folder(), std::filesystem::perms(0711));
    primary_.emplace(folder() / "primary");
  }

  void TearDown() override {
    TwoTables::TearDown();
    // Before their servers go.
    source_.reset();
    destination_.reset();
    source_database_.reset();
    destination_database_.reset();
  }

  void begin_with_destination() {
    source_database_ = make_database(System::sqlite, folder(), "source.db");
    destination_database_ = primary_->make_database();
    make_tables(System::sqlite);
    destination_->execute("CREATE TABLE tags (tag integer PRIMARY KEY, note varchar(100))");
    fill();
  }

  void begin_with_source() {
    source_database_ = primary_->make_database();
    destination_database_ = make_database(System::sqlite, folder(), "destination.db");
    make_tables(System::postgresql);
    fill();
  }

  void add_standby() { standby_.emplace(folder() / "standby", *primary_); }

  /// The same database there, by another login if one is named.
  std::string at_standby(Session& at_primary, const std::string& user = "postgres") const {
    std::string url = standby_->url(at_primary.value("SELECT current_database()"));
    url.replace(url.find("//") + 2, url.find('@') - url.find("//") - 2, user);
    return fmt::format("{{provider: postgresql, url: \"{}\"}}", url);
  }

  std::optional<PostgresqlServer> primary_, standby_;
};

TEST_F(ReadOnlyPostgresql, AStandbyIsASource) {
  begin_with_source();
  add_standby();
  here = at_standby(*source_);
  configure();
  for (int round = 1; round <= 2; ++round) {
    change(round);
    standby_->catch_up_with(*primary_);
    expect_to_go_on();
  }
  const Finished checked = run({"check", "here", "--json"});
  EXPECT_EQ(checked.exit, Exit{0}) << checked;
  EXPECT_THAT(checked.out,
              AllOf(HasSubstr("read a replica"), HasSubstr("it can be a source, not a destination")));
  const Finished verified = run({"verify", "--sync", "all"});
  EXPECT_EQ(verified.exit, Exit{0}) << verified;
}

TEST_F(ReadOnlyPostgresql, AStandbyIsASourceForALoginThatMayOnlyRead) {
  begin_with_source();
  source_->execute("CREATE ROLE reader LOGIN; GRANT SELECT ON items TO reader");
  add_standby();
  here = at_standby(*source_, "reader");
  max_retries = 0;
  configure();
  EXPECT_THAT(complaint(),
              AllOf(HasSubstr("tags"), HasSubstr("GRANT SELECT ON"), HasSubstr("TO \"reader\"")));
  source_->execute("GRANT SELECT ON tags TO reader");
  standby_->catch_up_with(*primary_);
  expect_to_go_on();
}

TEST_F(ReadOnlyPostgresql, AStandbyIsNoDestination) {
  begin_with_destination();
  add_standby();
  there = at_standby(*destination_);
  expect_refused("is a replica and takes no writes: give the address of the primary");
  there.clear();
  configure();
  expect_to_go_on();
}

TEST_F(ReadOnlyPostgresql, ADestinationThatIsAReplicaForAWhileIsWaitedFor) {
  begin_with_destination();
  run_syncs();
  change(1);
  Process process = start_and_freeze("destination.before_commit");
  source_.reset();
  destination_.reset();
  primary_->demote();
  process.signal(SIGCONT);
  source_ = source_database_->log_in();
  destination_ = destination_database_->log_in();
  expect_to_wait(process, "is a replica and takes no writes", [&] { primary_->promote(); });
}

class ReadOnlyDatabase : public ReadOnlyEnd {};

TEST_F(ReadOnlyDatabase, OfPostgresqlIsNoDestination) {
  if (!is_set(kPostgresqlUrl)) GTEST_SKIP() << not_set(kPostgresqlUrl);
  begin(System::sqlite, System::postgresql);
  fill();
  const std::string database = destination_->value("SELECT current_database()");
  destination_->execute("ALTER DATABASE " + database + " SET default_transaction_read_only = on");
  expect_refused("default_transaction_read_only is on");
  destination_->execute("ALTER DATABASE " + database + " RESET default_transaction_read_only");
  expect_to_go_on();
}

// --- MySQL and MariaDB ---

class ReadOnlyMysql : public ReadOnlyEnd, public ::testing::WithParamInterface<Flavour> {
 protected:
  void SetUp() override {
    const std::string reason = MysqlServer::obstacle(GetParam());
    if (!reason.empty()) GTEST_SKIP() << reason;
    std::filesystem::permissions(folder(), std::filesystem::perms(0711));
    server_.emplace(GetParam(), folder() / "server");
    source_database_ = make_database(System::sqlite, folder(), "source.db");
    destination_database_ = server_->make_database();
    make_tables(System::sqlite);
    // Everything on the database, and no right of the server's administrators.
    destination_->execute(
        fmt::format("CREATE USER plain IDENTIFIED BY 'plain'; GRANT ALL PRIVILEGES ON {}.* TO plain",
                    destination_->value("SELECT DATABASE()")));
    std::string url = destination_database_->address();
    url.replace(url.find("//") + 2, url.find('@') - url.find("//") - 2, "plain:plain");
    plain_ = fmt::format("{{provider: mysql, url: \"{}\"}}", url);
    fill();
  }

  void TearDown() override {
    TwoTables::TearDown();
    // Before its server goes.
    destination_.reset();
    destination_database_.reset();
  }

  /// Writes as a user without rights of administrators, or as one who has them all.
  void write_as_plain() {
    there = plain_;
    configure();
  }
  void write_as_administrator() {
    there.clear();
    configure();
  }

  void forbid_writes(const char* variable) const {
    destination_->execute(fmt::format("SET GLOBAL {} = ON", variable));
  }
  /// Whichever variable forbade them: MySQL turns `super_read_only` off with this one.
  void allow_writes() const { destination_->execute("SET GLOBAL read_only = OFF"); }

  /// A run that finds writes forbidden when it begins to write waits until they are allowed.
  void expect_to_wait_while_forbidden_by(const char* variable) {
    run_syncs();
    change(1);
    Process process = start_and_freeze("pipeline.before_write");
    forbid_writes(variable);
    process.signal(SIGCONT);
    expect_to_wait(process, "read-only", [this] { allow_writes(); });
  }

  static constexpr const char* kRefusal = "the server is read-only, as replicas are: connect to the primary";
  std::optional<MysqlServer> server_;
  std::string plain_;
};

TEST_P(ReadOnlyMysql, ADestinationIsRefusedUnlessTheLoginMayWriteAllTheSame) {
  write_as_plain();
  forbid_writes("read_only");
  expect_refused(kRefusal);
  write_as_administrator();
  expect_to_go_on();
  allow_writes();
  write_as_plain();
  change(1);
  expect_to_go_on();
}

TEST_P(ReadOnlyMysql, ADestinationThatIsReadOnlyForAWhileIsWaitedFor) {
  write_as_plain();
  expect_to_wait_while_forbidden_by("read_only");
}

INSTANTIATE_TEST_SUITE_P(Of, ReadOnlyMysql, ::testing::Values(Flavour::mariadb, Flavour::mysql),
                         [](const auto& instance) { return name_of(instance.param); });

/// What MySQL's replicas are in a group, and MariaDB does not have: read-only to administrators too.
class SuperReadOnlyMysql : public ReadOnlyMysql {};

TEST_P(SuperReadOnlyMysql, ADestinationIsRefusedWhateverTheLogin) {
  forbid_writes("super_read_only");
  write_as_plain();
  expect_refused(kRefusal);
  write_as_administrator();
  expect_refused(kRefusal);
  allow_writes();
  expect_to_go_on();
}

TEST_P(SuperReadOnlyMysql, ADestinationThatIsReadOnlyForAWhileIsWaitedFor) {
  write_as_administrator();
  expect_to_wait_while_forbidden_by("super_read_only");
}

INSTANTIATE_TEST_SUITE_P(Of, SuperReadOnlyMysql, ::testing::Values(Flavour::mysql),
                         [](const auto& instance) { return name_of(instance.param); });

}  // namespace
}  // namespace syncflow::tests
