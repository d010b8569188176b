#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "providers/postgresql/open_transactions.h"
#include "providers/postgresql/provider.h"
#include "testkit/postgresql_database.h"
#include "testkit/rows.h"

namespace syncflow::postgresql {
namespace {

using namespace std::chrono_literals;
using testkit::PostgresDatabase;
using testkit::Replica;

constexpr const char* kTable =
    "CREATE TABLE orders (id bigint PRIMARY KEY, note text, updated_at timestamptz DEFAULT now());"
    "CREATE INDEX ON orders (updated_at, id)";

/// A table that is read by strategy cursor, poll after poll, as a login with or without pg_read_all_stats.
class LateCommits : public ::testing::TestWithParam<sql::Visibility> {
 protected:
  void SetUp() override {
    if (!testkit::has_postgresql()) GTEST_SKIP() << "SYNCFLOW_TEST_POSTGRESQL_URL is not set";
    database_ = std::make_unique<PostgresDatabase>();
    database_->run(kTable);
    role_ = database_->create_role("reader");
    database_->run("GRANT SELECT ON orders TO " + role_);
    if (GetParam() == sql::Visibility::exact) database_->run("GRANT pg_read_all_stats TO " + role_);
    connection_ = provider().connect(database_->options(role_), {clock_, {}, &sessions_});
  }

  /// A source of its own for each poll, as each run has.
  std::unique_ptr<Source> open_source(std::optional<Duration> overlap = {}) {
    SourceSpec spec;
    spec.table = "orders";
    spec.cursor = "updated_at";
    spec.overlap = overlap;
    return connection_->open_source(spec);
  }

  /// Reads to the end; how many changes were handed out.
  std::size_t poll(std::optional<Duration> overlap = {}) {
    const auto source = open_source(overlap);
    source->open(position_);
    const std::size_t before = replica_.changes();
    for (bool caught_up = false; !caught_up;) {
      const Batch batch = source->next(1000, 8u << 20);
      replica_.apply(batch);
      position_ = batch.resume;
      caught_up = batch.caught_up;
    }
    return replica_.changes() - before;
  }

  bool was_read(int id) const { return replica_.rows().count(Key{{std::to_string(id)}}) > 0; }

  SystemClock clock_;
  std::unique_ptr<PostgresDatabase> database_;
  std::string role_;
  SessionPool sessions_{"the test's database", {}, clock_};
  std::unique_ptr<Connection> connection_;
  Replica replica_;
  Position position_;
};

TEST_P(LateCommits, AreFoundHoweverLateTheyAre) {
  const auto writer = database_->connect();
  writer->execute("BEGIN; INSERT INTO orders VALUES (1, 'late', now() - interval '2 hours')");
  // A stamp two hours old stands for a transaction that has been open for two hours: only the horizon, not
  // the time, may decide when its row is looked for. An exact start would be of now, so it is told apart.
  if (GetParam() == sql::Visibility::exact)
    writer->execute("UPDATE orders SET updated_at = now() WHERE id = 1");
  for (int id = 10; id < 13; ++id) {
    database_->run("INSERT INTO orders VALUES (" + std::to_string(id) + ", 'in time')");
    poll();
    EXPECT_TRUE(was_read(id));
  }
  EXPECT_FALSE(was_read(1));
  writer->execute("COMMIT");
  EXPECT_NE(open_source()->has_changes(position_).changed, Changed::no);
  poll();
  EXPECT_TRUE(was_read(1));
}

TEST_P(LateCommits, OfTransactionsThatHadOnlyReadSoFarAreFound) {
  const auto writer = database_->connect();
  // now() is fixed here; the first write comes three polls later.
  writer->execute("BEGIN; SELECT count(*) FROM orders");
  for (int id = 10; id < 13; ++id) {
    database_->run("INSERT INTO orders VALUES (" + std::to_string(id) + ", 'in time')");
    poll();
  }
  writer->execute("INSERT INTO orders VALUES (1, 'late')");
  poll();
  writer->execute("COMMIT");
  poll();
  EXPECT_TRUE(was_read(1));
}

TEST_P(LateCommits, OfTransactionsPreparedForATwoPhaseCommitAreFound) {
  poll();
  const auto writer = database_->connect();
  writer->execute("BEGIN; INSERT INTO orders VALUES (1, 'late')");
  poll();
  writer->execute("PREPARE TRANSACTION '" + database_->name() + "'");
  for (int id = 10; id < 13; ++id) {
    database_->run("INSERT INTO orders VALUES (" + std::to_string(id) + ", 'in time')");
    poll();
    EXPECT_FALSE(was_read(1));
  }
  database_->run("COMMIT PREPARED '" + database_->name() + "'");
  EXPECT_NE(open_source()->has_changes(position_).changed, Changed::no);
  poll();
  EXPECT_TRUE(was_read(1));
}

TEST_P(LateCommits, AreToldInTheMethodAsTheyAreFound) {
  const std::string method = open_source()->method();
  const bool exact = GetParam() == sql::Visibility::exact;
  EXPECT_EQ(method.find("however late") != std::string::npos, exact) << method;
  const Access access = connection_->check();
  std::string warnings;
  for (const std::string& warning : access.warnings) warnings += warning + "\n";
  EXPECT_EQ(warnings.find("GRANT pg_read_all_stats TO \"" + role_ + "\"") == std::string::npos, exact)
      << warnings;
}

TEST_P(LateCommits, DoNotWaitForReadersOfOurOwn) {
  database_->run("INSERT INTO orders SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) AS n");
  const auto reading = open_source();
  reading->open({});
  reading->next(1, 8u << 20);  // its COPY is under way and stays so
  const auto session = database_->connect(role_);
  sql::Mark mark;
  OpenTransactions(*session).look(*session, mark);
  EXPECT_TRUE(mark.open.empty());
}

TEST_P(LateCommits, BearNamesThatAreNeverUsedAgain) {
  const auto session = database_->connect(role_);
  const auto writer = database_->connect();
  const OpenTransactions transactions(*session);
  const auto look = [&] {
    sql::Mark mark;
    transactions.look(*session, mark);
    EXPECT_EQ(mark.oldest_start.has_value(), GetParam() == sql::Visibility::exact && !mark.open.empty());
    return mark.open;
  };
  std::set<std::string> seen;
  for (int i = 0; i < 5; ++i) {
    writer->execute("BEGIN");
    const auto begun = look();
    EXPECT_EQ(begun.size(), 1u) << "a transaction that has not written yet is open too";
    writer->execute("INSERT INTO orders VALUES (" + std::to_string(i) + ")");
    const auto open = look();
    EXPECT_EQ(open.size(), 2u);
    EXPECT_TRUE(std::includes(open.begin(), open.end(), begun.begin(), begun.end())) << "it changed its name";
    for (const std::string& name : open) EXPECT_TRUE(seen.insert(name).second) << name << " came twice";
    EXPECT_EQ(look(), open);
    writer->execute("COMMIT");
    EXPECT_TRUE(look().empty());
  }
}

TEST_P(LateCommits, OfOtherDatabasesAreNotWaitedFor) {
  PostgresDatabase other;
  const auto writer = other.connect();
  writer->execute("CREATE TABLE t (id int); BEGIN; INSERT INTO t VALUES (1)");
  const auto session = database_->connect(role_);
  sql::Mark mark;
  OpenTransactions(*session).look(*session, mark);
  EXPECT_TRUE(mark.open.empty());
}

TEST_P(LateCommits, LeaveRowsStampedInfinityOutOfThePosition) {
  database_->run(
      "INSERT INTO orders VALUES (1, 'never ends', 'infinity'), (2, 'before all', '-infinity'), (3, "
      "'ordinary', now())");
  poll();
  for (const int id : {1, 2, 3}) EXPECT_TRUE(was_read(id)) << id;
  database_->run(
      "INSERT INTO orders VALUES (4, 'later', now()), (5, 'before all, later', '-infinity'), (6, 'never "
      "ends, "
      "later', 'infinity')");
  EXPECT_NE(open_source()->has_changes(position_).changed, Changed::no);
  poll();
  for (const int id : {4, 5, 6}) EXPECT_TRUE(was_read(id)) << id;
}

INSTANTIATE_TEST_SUITE_P(Live, LateCommits,
                         ::testing::Values(sql::Visibility::exact, sql::Visibility::horizon),
                         [](const auto& tested) {
                           return tested.param == sql::Visibility::exact ? "Exact" : "Horizon";
                         });

TEST(PostgresOpenTransactions, AreLookedAtAnewWhenOneIsPreparedUnderTheLook) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  database.run(kTable);
  const auto session = database.connect();
  const OpenTransactions transactions(*session);
  ASSERT_EQ(transactions.visibility(), sql::Visibility::exact);
  const auto writer = database.connect();
  writer->execute("BEGIN; INSERT INTO orders VALUES (1); PREPARE TRANSACTION '" + database.name() + "'");
  sql::Mark mark;
  try {
    transactions.look(*session, mark);
    ADD_FAILURE() << "a transaction without a known start was overlooked";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::conflict);
  }
  EXPECT_EQ(OpenTransactions(*session).visibility(), sql::Visibility::horizon);
  database.run("ROLLBACK PREPARED '" + database.name() + "'");
}

TEST(PostgresCursor, OfAGrowingNumberWaitsForTransactionsThatTookALowerOne) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  database.run("CREATE TABLE events (id bigint PRIMARY KEY, version bigserial)");
  SystemClock clock;
  const auto connection = provider().connect(database.options(), {clock, {}});
  SourceSpec spec;
  spec.table = "events";
  spec.cursor = "version";
  Replica replica;
  Position position;
  const auto poll = [&] {
    const auto source = connection->open_source(spec);
    source->open(position);
    for (bool caught_up = false; !caught_up;) {
      const Batch batch = source->next(1000, 8u << 20);
      replica.apply(batch);
      position = batch.resume;
      caught_up = batch.caught_up;
    }
  };
  const auto writer = database.connect();
  writer->execute("BEGIN; INSERT INTO events VALUES (1)");
  database.run("INSERT INTO events VALUES (2)");
  poll();
  database.run("INSERT INTO events VALUES (3)");
  poll();
  EXPECT_EQ(replica.rows().size(), 2u);
  writer->execute("COMMIT");
  EXPECT_NE(connection->open_source(spec)->has_changes(position).changed, Changed::no);
  poll();
  EXPECT_EQ(replica.rows().size(), 3u);
}

}  // namespace
}  // namespace syncflow::postgresql
