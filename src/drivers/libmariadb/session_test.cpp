#include "drivers/libmariadb/session.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <latch>
#include <thread>

#include "drivers/libmariadb/fake_server.h"
#include "drivers/libmariadb/statement.h"
#include "testkit/mysql_server.h"

namespace syncflow::mysql {
namespace {

using namespace std::chrono_literals;

TEST(MysqlVersions, AreReadFromWhatServersCallThemselves) {
  EXPECT_EQ(parse_version("9.7.4-2").text(), "MySQL 9.7.4");
  EXPECT_EQ(parse_version("8.0.36-0ubuntu0.22.04.1").text(), "MySQL 8.0.36");
  EXPECT_EQ(parse_version("10.11.19-MariaDB-0+deb12u1-log").text(), "MariaDB 10.11.19");
  EXPECT_EQ(parse_version("5.5.5-10.6.12-MariaDB").text(), "MariaDB 10.6.12");
  EXPECT_TRUE(parse_version("8.0.19").at_least(8, 0, 19));
  EXPECT_FALSE(parse_version("8.0.18").at_least(8, 0, 19));
  EXPECT_TRUE(parse_version("9.0.0").at_least(8, 0, 19));
}

TEST(MysqlLoopback, IsToldFromOtherHosts) {
  for (const char* host : {"localhost", "127.0.0.1", "127.1.2.3", "::1"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const char* host :
       {"db.example.com", "10.0.0.1", "localhost.example.com", "::2", "127.0.0.1.example.com"})
    EXPECT_FALSE(is_loopback(host)) << host;
}

TEST(MysqlIdentifiers, AreQuotedWithBackquotesDoubled) {
  EXPECT_EQ(quoted_name("a`; DROP TABLE b"), "`a``; DROP TABLE b`");
}

TEST(MysqlSession, NeverSendsAFileThatTheServerAsksFor) {
  std::string answer;
  FakeServer server([&](int socket) {
    send_packet(socket, 0, greeting());
    receive(socket);
    send_packet(socket, 2, kOk);
    receive(socket);  // the query
    send_packet(socket, 1, std::string("\xfb") + "/etc/passwd");
    answer = receive(socket);
    send_packet(socket, 3, kOk);
    receive(socket);
  });
  {
    Session session(server.target(), {});
    EXPECT_THROW(session.execute("SELECT 1"), Error);
  }
  // An empty packet ends the transfer: nothing of the file is in it.
  EXPECT_EQ(answer.substr(0, 3), std::string("\0\0\0", 3));
  EXPECT_EQ(answer.find("root"), std::string::npos);
}

TEST(MysqlSession, RefusesAServerWithoutTlsWhereTlsIsRequired) {
  FakeServer server([&](int socket) {
    send_packet(socket, 0, greeting());
    receive(socket);
    send_packet(socket, 2, kOk);
    receive(socket);
  });
  Target target = server.target();
  target.tls = Tls::require;
  const Error error = error_of([&] { Session session(target, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::bad_config);
  EXPECT_NE(std::string(error.what()).find("TLS"), std::string::npos) << error.what();
}

TEST(MysqlSession, RefusesToShowItsPasswordInPlainText) {
  std::promise<std::string> answer;
  FakeServer server([&](int socket) {
    send_packet(socket, 0, greeting());
    receive(socket);
    send_packet(socket, 2, std::string("\xfe") + std::string("mysql_clear_password\0", 21));
    answer.set_value(receive(socket));
  });
  const Error error = error_of([&] { Session session(server.target(), {}); });
  EXPECT_EQ(error.kind(), ErrorKind::bad_config) << error.what();
  EXPECT_EQ(answer.get_future().get().find("s3cret-word"), std::string::npos);
  EXPECT_EQ(std::string(error.what()).find("s3cret-word"), std::string::npos);
}

TEST(MysqlSession, StopsConnectingToAServerThatNeverSpeaks) {
  std::stop_source stop;
  std::latch accepted(1);
  FakeServer server([&](int socket) {
    accepted.count_down();
    receive(socket);
  });
  std::jthread stopper([&] {
    accepted.wait();
    stop.request_stop();
  });
  const auto begun = std::chrono::steady_clock::now();
  const Error error = error_of([&] { Session session(server.target(), stop.get_token()); });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled) << error.what();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s);
}

TEST(MysqlSession, StopsInTheMiddleOfATlsHandshake) {
  std::stop_source stop;
  std::latch in_handshake(1);
  FakeServer server([&](int socket) {
    send_packet(socket, 0, greeting(true));
    receive(socket);
    in_handshake.count_down();
    while (!receive(socket).empty()) {
    }
  });
  std::jthread stopper([&] {
    in_handshake.wait();
    stop.request_stop();
  });
  Target target = server.target();
  target.tls = Tls::verify;
  const auto begun = std::chrono::steady_clock::now();
  const Error error = error_of([&] { Session session(target, stop.get_token()); });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled) << error.what();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s);
}

#ifndef __SANITIZE_THREAD__  // the C library looks names up in a thread that ThreadSanitizer does not see begin
TEST(MysqlSession, SaysWhichHostHasNoAddress) {
  Target target;
  target.host = "no-such-host.invalid";
  target.tls = Tls::disable;
  const Error error = error_of([&] { Session session(target, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::unavailable);
  EXPECT_NE(std::string(error.what()).find("no-such-host.invalid"), std::string::npos) << error.what();
}
#endif

TEST(MysqlSession, DoesNotConnectOnceAskedToStop) {
  std::stop_source stop;
  stop.request_stop();
  Target target;
  target.host = "127.0.0.1";
  EXPECT_EQ(error_of([&] { Session session(target, stop.get_token()); }).kind(), ErrorKind::cancelled);
}

// ---------------------------------------------------------------------------------------------------------------

class MysqlSessionLive : public testkit::OnMysqlServers {};
SYNCFLOW_ON_MYSQL_SERVERS(MysqlSessionLive);

TEST_P(MysqlSessionLive, SaysThatThePasswordIsWrongWithoutRepeatingIt) {
  Target target = database().target();
  target.password = Secret("not-the-pass-word");
  const Error error = error_of([&] { Session session(target, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::unauthorized) << error.what();
  EXPECT_EQ(std::string(error.what()).find("not-the-pass-word"), std::string::npos);
}

TEST_P(MysqlSessionLive, SaysThatTheDatabaseIsUnknown) {
  Target target = database().target();
  target.database = "no_such_database";
  const Error error = error_of([&] { Session session(target, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::not_found) << error.what();
  EXPECT_NE(std::string(error.what()).find("no_such_database"), std::string::npos);
}

TEST_P(MysqlSessionLive, StopsAQueryWithinASecond) {
  std::stop_source stop;
  Session session(database().target(), stop.get_token());
  const std::string query = "SELECT SLEEP(30)";
  std::jthread stopper([&] {
    while (database().value(
               "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(3%'") ==
           "0")
      std::this_thread::yield();
    stop.request_stop();
  });
  const auto begun = std::chrono::steady_clock::now();
  const Error error = error_of([&] { session.rows(query); });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled) << error.what();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
  EXPECT_TRUE(session.is_broken());
}

TEST_P(MysqlSessionLive, GivesUpALongResultAtOnce) {
  database().run("CREATE TABLE seed (n INT PRIMARY KEY)");
  database().run("INSERT INTO seed VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)");
  Session session(database().target(), {});
  {
    Statement statement = session.prepare(
        "SELECT REPEAT('x', 1000) FROM seed a, seed b, seed c, seed d, seed e, seed f, seed g, seed h");
    statement.open();
    ASSERT_TRUE(statement.fetch());
    session.abandon();
  }
  EXPECT_TRUE(session.is_broken());
  EXPECT_EQ(error_of([&] { session.rows("SELECT 1"); }).kind(), ErrorKind::unavailable);
}

TEST_P(MysqlSessionLive, VerifiesTheServersCertificateByDefault) {
  Target target = database().target();
  target.tls = Target().tls;
  ASSERT_EQ(target.tls, Tls::verify);
  const Error error = error_of([&] { Session session(target, {}); });
  EXPECT_EQ(error.kind(), ErrorKind::bad_config) << error.what();
  EXPECT_NE(std::string(error.what()).find("tls"), std::string::npos) << error.what();
}

TEST_P(MysqlSessionLive, IsEncryptedWhereTlsIsRequired) {
  Target target = database().target();
  target.tls = Tls::require;
  if (database().is_mariadb()) {
    EXPECT_EQ(error_of([&] { Session session(target, {}); }).kind(), ErrorKind::bad_config);
    return;
  }
  Session session(target, {});
  EXPECT_FALSE(session.cipher().empty());
  EXPECT_EQ(session.rows("SELECT 1 + ?", {"1"})[0][0], "2");
}

TEST_P(MysqlSessionLive, CountsWhatAnUpsertInsertedChangedAndLeftAlone) {
  database().run("CREATE TABLE t (k INT PRIMARY KEY, v INT)");
  database().run("INSERT INTO t VALUES (1, 1), (2, 2)");
  const Outcome outcome = database().run(
      "INSERT INTO t VALUES (1, 1), (2, 20), (3, 3), (4, 4) ON DUPLICATE KEY UPDATE v = VALUES(v)");
  EXPECT_EQ(outcome.count("Records"), 4U);
  EXPECT_EQ(outcome.count("Duplicates"), 1U);
  EXPECT_EQ(outcome.affected - outcome.count("Duplicates"), 3U);
}

TEST_P(MysqlSessionLive, ReadsEveryKindOfCell) {
  const auto row = database().rows(
      "SELECT CAST(-5 AS SIGNED), CAST(18446744073709551615 AS UNSIGNED), CAST(0.1 AS DOUBLE), CAST(1.50 AS "
      "DECIMAL(5,2)), "
      "'héllo 😀', NULL, DATE '2024-02-29', CAST('2024-02-29 12:30:00.000001' AS DATETIME(6)), "
      "CAST('-838:59:59' AS TIME), "
      "'', REPEAT('x', 70000)");
  ASSERT_EQ(row.size(), 1U);
  EXPECT_EQ(row[0][0], "-5");
  EXPECT_EQ(row[0][1], "18446744073709551615");
  EXPECT_EQ(row[0][2], "0.1");
  EXPECT_EQ(row[0][3], "1.50");
  EXPECT_EQ(row[0][4], "héllo 😀");
  EXPECT_EQ(row[0][5], std::nullopt);
  EXPECT_EQ(row[0][6], "2024-02-29");
  EXPECT_EQ(row[0][7], "2024-02-29 12:30:00.000001");
  EXPECT_EQ(row[0][8], "-838:59:59.000000");
  EXPECT_EQ(row[0][9], "");
  EXPECT_EQ(row[0][10]->size(), 70000U);
}

TEST_P(MysqlSessionLive, ReadsAFloatAsExactlyTheNumberThatItIs) {
  database().run("CREATE TABLE f (k INT PRIMARY KEY, f FLOAT)");
  database().run("INSERT INTO f VALUES (1, 16777218), (2, 0.1)");
  Statement statement = database().session().prepare("SELECT f FROM f ORDER BY k");
  statement.open();
  ASSERT_TRUE(statement.fetch());
  EXPECT_EQ(real_of(statement.columns()[0], statement.cells()[0]), 16777218.0);
  ASSERT_TRUE(statement.fetch());
  EXPECT_EQ(real_of(statement.columns()[0], statement.cells()[0]), static_cast<double>(0.1F));
  EXPECT_FALSE(statement.fetch());
}

}  // namespace
}  // namespace syncflow::mysql
