#include "drivers/libpq/session.h"

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "testkit/postgresql_database.h"

namespace syncflow::libpq {
namespace {

using namespace std::chrono_literals;
using testkit::PostgresDatabase;

/// What `act` throws: its kind and its message.
struct Thrown {
  std::optional<ErrorKind> kind;
  std::string message;
};
template <typename Act>
Thrown thrown_by(const Act& act) {
  try {
    act();
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  return {};
}

TEST(PostgresErrors, HaveAKindThatSaysWhatHappensNext) {
  const std::pair<const char*, ErrorKind> cases[] = {
      {"28P01", ErrorKind::unauthorized}, {"28000", ErrorKind::unauthorized},
      {"3D000", ErrorKind::not_found},    {"42P01", ErrorKind::not_found},
      {"3F000", ErrorKind::not_found},    {"42703", ErrorKind::bad_config},
      {"42501", ErrorKind::forbidden},    {"40P01", ErrorKind::conflict},
      {"40001", ErrorKind::conflict},     {"55P03", ErrorKind::conflict},
      {"53100", ErrorKind::unavailable},  {"53300", ErrorKind::unavailable},
      {"53400", ErrorKind::bad_config},   {"57P01", ErrorKind::unavailable},
      {"57P03", ErrorKind::unavailable},  {"57014", ErrorKind::unavailable},
      {"57P04", ErrorKind::not_found},    {"25006", ErrorKind::unavailable},
      {"08006", ErrorKind::unavailable},  {"42601", ErrorKind::bug},
      {"23505", ErrorKind::bad_config},   {"22003", ErrorKind::bad_config},
      {"XX000", ErrorKind::unavailable},  {"XX001", ErrorKind::bad_config},
  };
  for (const auto& [sqlstate, kind] : cases) EXPECT_EQ(kind_of(sqlstate), kind) << sqlstate;
}

TEST(PostgresErrors, DoNotRepeatValues) {
  EXPECT_EQ(without_values("22P02", "invalid input syntax for type integer: \"my \"secret\" value\""),
            "invalid input syntax for type integer: \"…\"");
  EXPECT_EQ(without_values("42703", "column \"a\" does not exist"), "column \"a\" does not exist");
}

TEST(PostgresErrors, AreFoundInVerboseMessages) {
  EXPECT_EQ(
      sqlstate_in(
          "connection to server at \"::1\", port 5432 failed: FATAL:  28P01: password authentication failed"),
      "28P01");
  EXPECT_EQ(sqlstate_in("could not connect: Connection refused"), "");
}

TEST(PostgresTarget, KnowsThisMachine) {
  for (const char* host : {"localhost", "127.0.0.1", "127.9.9.9", "::1", "/var/run/postgresql"})
    EXPECT_TRUE(is_loopback(host));
  for (const char* host : {"db.example.com", "10.0.0.1", "128.0.0.1", "localhost.example.com"})
    EXPECT_FALSE(is_loopback(host));
}

TEST(PostgresTarget, ChecksCertificatesUnlessOnThisMachineOrToldOtherwise) {
  Target target;
  target.host = "db.example.com";
  EXPECT_EQ(target.effective_tls(), Tls::verify);
  target.host = "127.0.0.1";
  EXPECT_EQ(target.effective_tls(), Tls::disable);
  target.tls = Tls::require;
  EXPECT_EQ(target.effective_tls(), Tls::require);
}

TEST(PostgresTarget, QuotesWhateverANameHolds) {
  EXPECT_EQ(quoted_name("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(literal("it's"), "'it''s'");
  EXPECT_THROW(literal(std::string_view("a\0b", 3)), Error);
}

TEST(PostgresSession, SpeaksUtf8AndUtcWhateverTheDatabaseSays) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  database.run("ALTER DATABASE " + database.name() + " SET timezone = 'America/New_York'");
  database.run("ALTER DATABASE " + database.name() + " SET datestyle = 'German'");
  database.run("ALTER DATABASE " + database.name() + " SET statement_timeout = '1s'");
  Session session(database.target(), {});
  const Rows rows =
      session.execute("SELECT '2024-07-01 12:00+02'::timestamptz, current_setting('statement_timeout'), 'ä'");
  EXPECT_EQ(rows.string(0, 0), "2024-07-01 10:00:00+00");
  EXPECT_EQ(rows.string(0, 1), "0");
  EXPECT_EQ(rows.string(0, 2), "ä");
}

TEST(PostgresSession, BindsWhatItIsGiven) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  Session session(database.target(), {});
  const Rows rows = session.query("SELECT $1::text, $2::int + 1, $3::text IS NULL",
                                  {"'; DROP TABLE x; --", "41", std::nullopt});
  EXPECT_EQ(rows.string(0, 0), "'; DROP TABLE x; --");
  EXPECT_EQ(rows.integer(0, 1), 42);
  EXPECT_TRUE(rows.boolean(0, 2));
}

TEST(PostgresSession, SaysWhyALoginFailed) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  Target target = database.target();
  target.database = "no_such_database";
  Thrown thrown = thrown_by([&] { Session(target, {}); });
  EXPECT_EQ(thrown.kind, ErrorKind::not_found);
  EXPECT_NE(thrown.message.find("no database \"no_such_database\""), std::string::npos) << thrown.message;

  target = database.target();
  target.user = "nobody_of_that_name";
  target.password = Secret("hunter2");
  thrown = thrown_by([&] { Session(target, {}); });
  EXPECT_EQ(thrown.kind, ErrorKind::unauthorized);
  EXPECT_NE(thrown.message.find("nobody_of_that_name"), std::string::npos) << thrown.message;
  EXPECT_EQ(thrown.message.find("hunter2"), std::string::npos) << thrown.message;

  target = database.target();
  target.port = 1;
  thrown = thrown_by([&] { Session(target, {}); });
  EXPECT_EQ(thrown.kind, ErrorKind::unavailable);
  EXPECT_NE(thrown.message.find("127.0.0.1:1/"), std::string::npos) << thrown.message;
}

TEST(PostgresSession, RefusesAServerWithoutTlsWhenTlsIsAskedFor) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  if (database.value("SHOW ssl") == "on") GTEST_SKIP() << "the test server offers TLS";
  for (const Tls tls : {Tls::require, Tls::verify}) {
    Target target = database.target();
    target.tls = tls;
    const Thrown thrown = thrown_by([&] { Session(target, {}); });
    EXPECT_EQ(thrown.kind, ErrorKind::bad_config) << thrown.message;
    EXPECT_NE(thrown.message.find("tls: disable"), std::string::npos) << thrown.message;
  }
}

TEST(PostgresSession, GivesUpAWaitWithinASecondOfAStopRequest) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  std::stop_source stop;
  Session session(database.target(), stop.get_token());
  auto waiting = std::async(std::launch::async,
                            [&] { return thrown_by([&] { session.execute("SELECT pg_sleep(60)"); }); });
  while (database.value("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'") == "0") {
  }
  const auto asked = std::chrono::steady_clock::now();
  stop.request_stop();
  EXPECT_EQ(waiting.get().kind, ErrorKind::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - asked, 1s);
  EXPECT_FALSE(session.usable());
}

TEST(PostgresSession, GivesUpAServerThatStaysSilent) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  Session session(database.target(), {});
  session.set_patience(200ms);
  EXPECT_EQ(thrown_by([&] { session.execute("SELECT pg_sleep(60)"); }).kind, ErrorKind::unavailable);
  EXPECT_EQ(thrown_by([&] { session.execute("SELECT 1"); }).kind, ErrorKind::unavailable);
}

TEST(PostgresSession, RepeatsWhatTheServerSaidBeforeItHungUp) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  Session session(database.target(), {});
  database.run("SELECT pg_terminate_backend(" + session.execute("SELECT pg_backend_pid()").string(0, 0) +
               ", 10000)");
  const Thrown thrown = thrown_by([&] { session.execute("SELECT 1"); });
  EXPECT_EQ(thrown.kind, ErrorKind::unavailable);
  EXPECT_NE(thrown.message.find("57P01"), std::string::npos) << thrown.message;
}

TEST(PostgresSession, KeepsRowsOutOfItsErrors) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  Session session(database.target(), {});
  session.execute(
      "CREATE TABLE t (id int PRIMARY KEY, email text UNIQUE); INSERT INTO t VALUES (1, 'ann@example.com')");
  const Answer answer = session.attempt("INSERT INTO t VALUES (2, 'ann@example.com')");
  ASSERT_TRUE(answer.refused);
  EXPECT_TRUE(answer.refused->is("23505"));
  EXPECT_EQ(answer.refused->constraint, "t_email_key");
  EXPECT_EQ(answer.refused->sentence().find("example.com"), std::string::npos) << answer.refused->sentence();
  EXPECT_EQ(session.attempt("SELECT 'ann@example.com'::int").refused->sentence().find("example.com"),
            std::string::npos);
}

TEST(PostgresSession, PreparesAStatementOnceAndTakesItsRefusalForAValue) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  Session session(database.target(), {});
  const Answer unknown = session.attempt_prepared("SELECT no_such_function()", {});
  ASSERT_TRUE(unknown.refused) << "when it is parsed";
  EXPECT_TRUE(unknown.refused->is("42883"));
  for (const char* number : {"1", "2"})
    EXPECT_EQ(session.query_prepared("SELECT $1::int + 1", {number}).integer(0, 0), *number - '0' + 1);
  const std::string prepared = "SELECT count(*), min(name) FROM pg_prepared_statements";
  const Rows names = session.execute(prepared);
  EXPECT_EQ(names.integer(0, 0), 1);
  // By its text it has the same name in every session, whatever that prepared before.
  Session other(database.target(), {});
  other.query_prepared("SELECT 7");
  other.query_prepared("SELECT $1::int + 1", {"3"});
  const Rows statement =
      other.query("SELECT statement FROM pg_prepared_statements WHERE name = $1", {names.string(0, 1)});
  ASSERT_EQ(statement.size(), 1);
  EXPECT_EQ(statement.text(0, 0), "SELECT $1::int + 1");
}

TEST(PostgresSession, CopiesInAndOutMoreThanAnyBufferHolds) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  Session session(database.target(), {});
  session.execute("CREATE TABLE t (id int PRIMARY KEY, note text)");
  ASSERT_FALSE(session.begin_copy_in("COPY t FROM STDIN").refused);
  const std::string note(10'000, 'x');
  for (int id = 0; id < 2'000; ++id) session.put_copied(std::to_string(id) + "\t" + note + "\n");
  const Answer copied = session.end_copy_in();
  ASSERT_FALSE(copied.refused);
  EXPECT_EQ(copied.rows.affected(), 2'000u);

  session.begin_copy_out("COPY (SELECT id, note FROM t ORDER BY id) TO STDOUT");
  std::string_view row;
  int rows = 0;
  while (session.next_copied(row)) {
    EXPECT_EQ(row, std::to_string(rows) + "\t" + note + "\n");
    ++rows;
  }
  EXPECT_EQ(rows, 2'000);
  EXPECT_FALSE(session.in_transaction());
}

TEST(PostgresSession, SaysWhyACopyWasRefusedAndGoesOn) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  Session session(database.target(), {});
  session.execute("CREATE TABLE t (id int PRIMARY KEY)");
  ASSERT_FALSE(session.begin_copy_in("COPY t FROM STDIN").refused);
  session.put_copied("1\n1\n");
  EXPECT_TRUE(session.end_copy_in().refused->is("23505"));
  EXPECT_TRUE(session.begin_copy_in("COPY missing FROM STDIN").refused->is("42P01"));
  EXPECT_EQ(thrown_by([&] { session.begin_copy_out("COPY missing TO STDOUT"); }).kind, ErrorKind::not_found);
  EXPECT_EQ(session.execute("SELECT 7").string(0, 0), "7");
}

}  // namespace
}  // namespace syncflow::libpq
