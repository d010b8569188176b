#include <fmt/core.h>

#include <future>

#include "providers/mysql/test_live.h"

namespace syncflow::mysql {
namespace {

using namespace std::chrono_literals;

/// What other sessions do while a table is read.
class MysqlLateCommits : public MysqlLive {
 protected:
  void SetUp() override {
    MysqlLive::SetUp();
    if (IsSkipped()) return;
    sessions_ = &pool_;
    database().run(
        "CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(50), "
        "updated_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), KEY "
        "(updated_at))");
    database().run("INSERT INTO items VALUES (1, 'long ago', '2024-01-01 00:00:00')");
  }

  /// Rows stamped by the writer long before they are committed: no overlap by the clock would reach them.
  static std::string insert_stamped_earlier(int id, int minutes) {
    return fmt::format("INSERT INTO items VALUES ({}, 'late', NOW(6) - INTERVAL {} MINUTE)", id, minutes);
  }

  void expect_in_step(const Replica& replica) {
    const auto there = rows("SELECT CAST(id AS CHAR) FROM items");
    EXPECT_EQ(replica.rows().size(), there.size());
    for (const auto& row : there)
      EXPECT_TRUE(replica.rows().count(Key{{*row[0]}})) << "row " << *row[0] << " is missing";
  }

  /// Waits until that many statements of other sessions are in that state.
  void wait_for_state(const std::string& state) {
    while (database().value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE '" + state +
                            "'") == "0")
      std::this_thread::yield();
  }

  SessionPool pool_{"the test's database", {}, clock_};

  std::unique_ptr<Session> open_session() {
    auto session = std::make_unique<Session>(database().target(), std::stop_token());
    session->execute("SET SESSION time_zone = '+00:00'");
    return session;
  }
};
SYNCFLOW_ON_MYSQL_SERVERS(MysqlLateCommits);

TEST_P(MysqlLateCommits, RowsOfATransactionThatOnlyReadAtFirstAreFound) {
  const auto connection = connect();
  const auto source = connection->open_source(reading("items", "updated_at"));
  Replica replica;
  Position end = read_on(*source, {}, replica);
  const auto writer = open_session();
  writer->execute("START TRANSACTION");
  writer->execute("SELECT COUNT(*) FROM items");
  end = read_on(*source, end, replica);
  // Stamped by what the application noted when its transaction began.
  writer->execute("INSERT INTO items VALUES (2, 'late', NOW(6))");
  for (int poll = 0; poll < 3; ++poll) {
    database().run(fmt::format("INSERT INTO items (id, name) VALUES ({}, 'in time')", 10 + poll));
    end = read_on(*source, end, replica);
  }
  writer->execute("COMMIT");
  EXPECT_NE(source->has_changes(end).changed, Changed::no);
  read_on(*source, end, replica);
  expect_in_step(replica);
}

TEST_P(MysqlLateCommits, AStatementOfBytesThatHidesTheListIsWaitedFor) {
  const auto connection = connect();
  const auto source = connection->open_source(reading("items", "updated_at"));
  Replica replica;
  const Position end = read_on(*source, {}, replica);
  const auto writer = open_session();
  writer->execute("START TRANSACTION");
  writer->execute("INSERT INTO items (id, name) VALUES (2, 'late')");
  // MySQL has no way to list this statement, and lists no other one beside it.
  auto slow = std::async(std::launch::async, [&] {
    writer->execute("DO _binary'\xff\xfe', '\xF0\x9F\x90\xA2', SLEEP(0.7)");
    writer->execute("COMMIT");
  });
  try {
    wait_for_state("User sleep");
  } catch (const Error& error) {
    // MySQL cannot list the process either: the statement is at work.
    EXPECT_EQ(error.kind(), ErrorKind::conflict) << error.what();
  }
  read_on(*source, end, replica);
  slow.get();
  read_on(*source, end, replica);
  expect_in_step(replica);
}

TEST_P(MysqlLateCommits, APreparedXaTransactionIsWaitedFor) {
  const auto connection = connect();
  const auto source = connection->open_source(reading("items", "updated_at"));
  Replica replica;
  Position end = read_on(*source, {}, replica);
  const std::string xid = "'" + database().name() + "'";
  {
    const auto writer = open_session();
    writer->execute("XA START " + xid);
    writer->execute("INSERT INTO items (id, name) VALUES (2, 'two-phase')");
    end = read_on(*source, end, replica);
    writer->execute("XA END " + xid);
    writer->execute("XA PREPARE " + xid);
  }
  // Its session is gone, the transaction is not.
  for (int poll = 0; poll < 3; ++poll) {
    database().run(fmt::format("INSERT INTO items (id, name) VALUES ({}, 'in time')", 10 + poll));
    end = read_on(*source, end, replica);
  }
  const auto committer = open_session();
  committer->execute("XA COMMIT " + xid);
  EXPECT_NE(source->has_changes(end).changed, Changed::no);
  read_on(*source, end, replica);
  expect_in_step(replica);
}

TEST_P(MysqlLateCommits, AStatementThatWaitsForItsTableIsWaitedFor) {
  const auto connection = connect();
  SourceSpec spec = reading("items", "updated_at");
  // No overlap by the clock: what is found is found by seeing the statement.
  spec.overlap = 0s;
  database().run("CREATE TABLE other (id INT PRIMARY KEY)");
  const auto source = connection->open_source(spec);
  Replica replica;
  Position end = read_on(*source, {}, replica);

  const auto blocker = open_session();
  blocker->execute("LOCK TABLES other WRITE");
  const auto writer = open_session();
  auto written = std::async(std::launch::async, [&] {
    // NOW() is fixed before the wait.
    writer->execute("INSERT INTO items (id, name) SELECT 2, CONCAT('waited ', COUNT(*)) FROM other");
  });
  wait_for_state("Waiting for%");
  // Statements that have only just begun are left to the overlap, which is nothing here.
  while (database().value(
             "SELECT MAX(TIME) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for%'") < "2")
    std::this_thread::yield();
  end = read_on(*source, end, replica);
  database().run("INSERT INTO items (id, name) VALUES (3, 'in time')");
  end = read_on(*source, end, replica);
  blocker->execute("UNLOCK TABLES");
  written.get();
  EXPECT_NE(source->has_changes(end).changed, Changed::no);
  read_on(*source, end, replica);
  expect_in_step(replica);
}

TEST_P(MysqlLateCommits, WithoutTheRightProcessTheClockDecidesAndTheWordsSaySo) {
  const auto connection = connect_as(database().with_user({"SELECT ON {db}.*"}));
  const auto source = connection->open_source(reading("items", "updated_at"));
  EXPECT_NE(source->method().find("cannot be seen"), std::string::npos) << source->method();
  Replica replica;
  Position end = read_on(*source, {}, replica);
  const auto writer = open_session();
  writer->execute("START TRANSACTION");
  writer->execute(insert_stamped_earlier(2, 0));
  database().run("INSERT INTO items (id, name) VALUES (3, 'in time')");
  end = read_on(*source, end, replica);
  writer->execute("COMMIT");
  read_on(*source, end, replica);
  expect_in_step(replica);
}

TEST_P(MysqlLateCommits, WithTheRightProcessEveryOpenTransactionIsSeen) {
  const auto connection = connect_as(database().with_user({"SELECT ON {db}.*", "PROCESS ON *.*"}));
  const auto source = connection->open_source(reading("items", "updated_at"));
  EXPECT_NE(source->method().find("every open transaction is visible"), std::string::npos)
      << source->method();
  Replica replica;
  Position end = read_on(*source, {}, replica);
  const auto writer = open_session();
  writer->execute("START TRANSACTION");
  writer->execute("INSERT INTO items (id, name) VALUES (2, 'late')");
  end = read_on(*source, end, replica);
  writer->execute("COMMIT");
  EXPECT_NE(source->has_changes(end).changed, Changed::no);
  read_on(*source, end, replica);
  expect_in_step(replica);
}

TEST_P(MysqlLateCommits, AReadOnlyTransactionHoldsNothingBack) {
  const auto connection = connect();
  const auto source = connection->open_source(reading("items", "updated_at"));
  const auto reader = open_session();
  reader->execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
  Replica replica;
  const Position end = read_on(*source, {}, replica);
  // The server shows the transactions of all its databases: only the reader's is judged.
  EXPECT_EQ(end.token.find(fmt::format("\"{}@", reader->id())), std::string::npos) << end.token;
}

}  // namespace
}  // namespace syncflow::mysql
