#include <gtest/gtest.h>

#include "core/error.h"
#include "providers/postgresql/provider.h"
#include "testkit/postgresql_database.h"

namespace syncflow::postgresql {
namespace {

/// Looks that share the sessions of a pool.
class PostgresqlSessionPool : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testkit::has_postgresql()) GTEST_SKIP() << "SYNCFLOW_TEST_POSTGRESQL_URL is not set";
    database_ = std::make_unique<testkit::PostgresDatabase>();
    for (const char* table : {"orders", "people"})
      database_->run(std::string("CREATE TABLE ") + table +
                     " (id bigint PRIMARY KEY, note text, updated_at timestamptz NOT NULL DEFAULT now());"
                     "INSERT INTO " +
                     table +
                     " SELECT g, repeat('x', 1000), now() - interval '1 h' FROM generate_series(1, 2000) g");
    pool_ = std::make_unique<SessionPool>("the test's database", SessionPool::Limits{}, clock_);
  }
  void TearDown() override {
    pool_.reset();
    database_.reset();
  }

  std::unique_ptr<Connection> connect(std::stop_token stop = {}) {
    return provider().connect(database_->options(), {clock_, std::move(stop), pool_.get()});
  }
  static SourceSpec reading(const std::string& table) {
    SourceSpec spec;
    spec.table = table;
    spec.cursor = "updated_at";
    return spec;
  }
  Position load(const std::string& table) {
    const auto source = connect()->open_source(reading(table));
    source->open({});
    for (;;)
      if (const Batch batch = source->next(1000, 8u << 20); batch.caught_up) return batch.resume;
  }
  std::string readers() {
    return database_->value(
        "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE datname = "
        "current_database() AND "
        "application_name = 'syncflow reader'");
  }

  SystemClock clock_;
  std::unique_ptr<testkit::PostgresDatabase> database_;
  std::unique_ptr<SessionPool> pool_;
};

TEST_F(PostgresqlSessionPool, OneSessionServesOneLookAfterTheOther) {
  const Position orders = load("orders"), people = load("people");
  const std::string first = readers();
  for (int i = 0; i < 5; ++i) {
    connect()->open_source(reading("orders"))->has_changes(orders);
    connect()->open_source(reading("people"))->has_changes(people);
    connect()->discover("people");
  }
  EXPECT_EQ(readers(), first);
  EXPECT_EQ(pool_->open(), 1U);
}

TEST_F(PostgresqlSessionPool, ASessionThatTheServerEndedIsReplaced) {
  const Position orders = load("orders");
  database_->run(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND "
      "application_name = 'syncflow reader'");
  EXPECT_NO_THROW(connect()->open_source(reading("orders"))->has_changes(orders));
  EXPECT_EQ(pool_->open(), 1U);
}

TEST_F(PostgresqlSessionPool, ARowStreamThatWasLeftTakesItsSessionAlong) {
  {
    const auto source = connect()->open_source(reading("orders"));
    source->open({});
    source->next(1, 1);
  }
  EXPECT_EQ(pool_->open(), 0U) << "rows are still on their way on it";
  EXPECT_EQ(connect()->open_source(reading("people"))->count(5000), 2000U);
}

TEST_F(PostgresqlSessionPool, AStopOfOneLookIsNotOneOfTheNext) {
  std::stop_source stop;
  connect(stop.get_token())->open_source(reading("orders"))->count(1);
  stop.request_stop();
  EXPECT_EQ(connect()->open_source(reading("orders"))->count(5000), 2000U);
  EXPECT_EQ(pool_->open(), 1U);
}

TEST_F(PostgresqlSessionPool, SeesWhatWasCommittedSinceTheLastLook) {
  const Position orders = load("orders");
  database_->run("INSERT INTO orders VALUES (9999, 'new', now())");
  EXPECT_NE(connect()->open_source(reading("orders"))->has_changes(orders).changed, Changed::no);
}

TEST_F(PostgresqlSessionPool, ReadsWithinMaxConnections) {
  SessionPool::Limits limits;
  limits.most_open = 1;
  pool_ = std::make_unique<SessionPool>("the test's database", limits, clock_);
  std::stop_source stop;
  const auto source = connect()->open_source(reading("orders"));
  std::jthread stopper([&] { stop.request_stop(); });
  try {
    connect(stop.get_token())->open_source(reading("people"));
    FAIL() << "a second session was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
}

}  // namespace
}  // namespace syncflow::postgresql
