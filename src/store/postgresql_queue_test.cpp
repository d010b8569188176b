// What the PostgreSQL store's queue does beside the contract: sessions that are kept, ids of tables that were there
// before.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.h"
#include "core/error.h"
#include "core/uuid.h"
#include "store/postgresql.h"
#include "store/postgresql_sessions.h"
#include "testkit/postgresql_database.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;

class PostgresqlQueue : public ::testing::Test {
 protected:
  void SetUp() override {
    SYNCFLOW_NEEDS_POSTGRESQL();
    database_ = std::make_unique<PostgresDatabase>();
  }
  std::unique_ptr<Store> open() {
    const libpq::Target& target = database_->target();
    const std::string login =
        target.password.empty() ? target.user : target.user + ":" + target.password.reveal();
    return open_postgresql_store(
        fmt::format("postgresql://{}@{}:{}/{}", login, target.host, target.port, target.database), clock_);
  }
  static Sync sync(const std::string& name) {
    Sync sync;
    sync.name = name;
    sync.id = url_uuid(name);
    sync.provider = "postgresql";
    sync.schedule = "every 1 minute";
    sync.definition = "{}";
    return sync;
  }

  std::unique_ptr<PostgresDatabase> database_;
  SystemClock clock_;
};

TEST_F(PostgresqlQueue, BeatsThoughAllOtherSessionsWait) {
  const auto store = open();
  store->apply_syncs({sync("a"), sync("b")});
  store->enqueue(sync("a").id, Trigger::manual);
  const auto claim = store->claim("worker", 30s);
  ASSERT_TRUE(claim);
  const auto blocker = database_->connect();
  blocker->execute(
      fmt::format("BEGIN; SELECT FROM sync_state WHERE sync_id = '{}' FOR UPDATE", sync("b").id));
  std::vector<std::thread> others;
  for (std::size_t i = 0; i < postgresql_store::kMostSessions; ++i)
    others.emplace_back([&] { EXPECT_NO_THROW(store->enqueue(sync("b").id, Trigger::manual)); });
  const std::string waiting = std::to_string(postgresql_store::kMostSessions);
  const auto until = std::chrono::steady_clock::now() + 15s;
  while (database_->value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                          "wait_event_type = 'Lock'") != waiting &&
         std::chrono::steady_clock::now() < until) {
  }
  const auto began = std::chrono::steady_clock::now();
  std::thread lets_go([&] {
    // Whatever becomes of the heartbeat, the others go on.
    EXPECT_TRUE(store->heartbeat(claim->lease, 60s));
    EXPECT_FALSE(store->is_to_end(claim->lease));
  });
  while (database_->value(
             fmt::format("SELECT lease_until > clock_timestamp() + interval '45 seconds' FROM sync_state "
                         "WHERE sync_id = '{}'",
                         sync("a").id)) != "t" &&
         std::chrono::steady_clock::now() - began < 5s) {
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s) << "the heartbeat waits behind the others";
  blocker->execute("ROLLBACK");
  lets_go.join();
  for (std::thread& other : others) other.join();
}

/// A table as another program made it, whose ids are texts.
constexpr const char* kTextTable =
    "CREATE TABLE data_sync_jobs (id text PRIMARY KEY, sync_id text NOT NULL, team_id text, provider text, "
    "status text "
    "NOT NULL DEFAULT 'pending', payload json, error text, retry_count int NOT NULL DEFAULT 0, created_at "
    "timestamptz "
    "DEFAULT now(), updated_at timestamptz DEFAULT now(), started_at timestamptz, finished_at timestamptz)";
constexpr const char* kTeam = "6f1c1f6e-0000-4000-8000-00000000000a";
constexpr const char* kShouted = "6F1C1F6E-0000-4000-8000-00000000000A";

TEST_F(PostgresqlQueue, ServesJobsWhoseTeamIsWrittenInCapitals) {
  database_->run(kTextTable);
  Sync of_team = sync("a");
  of_team.team_id = kTeam;
  const auto insert = [&](const std::string& id) {
    database_->run(fmt::format("INSERT INTO data_sync_jobs(id, sync_id, team_id) VALUES ('{}', '{}', '{}')",
                               id, of_team.id, kShouted));
  };
  insert("from before");
  const auto store = open();
  store->apply_syncs({of_team});
  insert("from now on");
  auto claim = store->claim("worker", 30s);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->jobs.size(), 2u);
  store->finish(claim->lease, {});
  EXPECT_EQ(store->pending_jobs(), 0u);

  // Whose team is corrected while it waits.
  database_->run(fmt::format(
      "INSERT INTO data_sync_jobs(id, sync_id, run_after) VALUES ('for later', '{}', '2999-01-01')",
      of_team.id));
  EXPECT_FALSE(store->claim("worker", 30s));
  database_->run(fmt::format(
      "UPDATE data_sync_jobs SET team_id = '{}', run_after = now() WHERE id = 'for later'", kShouted));
  claim = store->claim("worker", 30s);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->jobs.front().id, "for later");
}

TEST_F(PostgresqlQueue, ServesJobsWhoseTimesHaveNoEnd) {
  const auto store = open();
  store->apply_syncs({sync("a")});
  database_->run(
      fmt::format("INSERT INTO data_sync_jobs(sync_id, run_after, created_at) VALUES ('{0}', '-infinity', "
                  "'-infinity'), ('{0}', 'infinity', 'infinity')",
                  sync("a").id));
  const auto claim = store->claim("worker", 30s);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->jobs.size(), 1u);
  store->finish(claim->lease, {});
  EXPECT_EQ(store->next_job(), from_rfc3339("9999-12-31T23:59:59Z")) << "the other one waits for ever";
}

TEST_F(PostgresqlQueue, EndsARunThoughAStrangerHoldsTheJobThatIsNext) {
  const auto store = open();
  store->apply_syncs({sync("a"), sync("b")});
  store->enqueue(sync("a").id, Trigger::manual);
  const auto claim = store->claim("worker", 60s);
  ASSERT_TRUE(claim);
  store->enqueue(sync("b").id, Trigger::manual);
  const auto stranger = database_->connect();
  stranger->execute("BEGIN; UPDATE data_sync_jobs SET payload = '{}' WHERE status = 'pending'");
  EXPECT_FALSE(store->finish_and_claim(claim->lease, {}, 60s));
  EXPECT_EQ(store->find_job(claim->jobs.front().id)->status, JobStatus::completed);
  stranger->execute("ROLLBACK");
  EXPECT_TRUE(store->claim("worker", 60s));
}

TEST_F(PostgresqlQueue, FindsAJobByIndexWhateverIsAskedFor) {
  for (const char* made : {"", kTextTable}) {
    database_ = std::make_unique<PostgresDatabase>();
    if (*made != 0) database_->run(made);
    const auto store = open();
    store->apply_syncs({sync("a")});
    const Job job = store->enqueue(sync("a").id, Trigger::manual).job;
    EXPECT_EQ(store->find_job(job.id)->sync_id, sync("a").id);
    for (const char* none : {"x", "", "0b8f0000-0000-4000-8000-000000000000", "%", "NULL"})
      EXPECT_FALSE(store->find_job(none)) << none;
    // Read in the order of the index, of a thousand rows none but the one.
    database_->run(
        "INSERT INTO data_sync_jobs(id, sync_id, status) SELECT gen_random_uuid(), gen_random_uuid(), "
        "'completed' FROM "
        "generate_series(1, 1000); ANALYZE data_sync_jobs");
    for (const std::string& asked : {std::string("x"), job.id}) {
      const std::string scans =
          "SELECT coalesce(seq_scan, 0) FROM pg_stat_xact_user_tables WHERE relname = 'data_sync_jobs'";
      database_->run("BEGIN");
      const std::string before = database_->value(scans);
      database_->run("SELECT * FROM syncflow_find_job('" + asked + "')");
      EXPECT_EQ(database_->value(scans), before) << made << asked;
      database_->run("ROLLBACK");
    }
  }
}

}  // namespace
}  // namespace syncflow::testkit
