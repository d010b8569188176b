#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "core/uuid.h"
#include "store/migrations.h"
#include "store/postgresql.h"
#include "testkit/postgresql_database.h"
#include "testkit/store_contract.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;

std::string url_of(const libpq::Target& target, const std::string& query = "") {
  const std::string login =
      target.password.empty() ? target.user : target.user + ":" + target.password.reveal();
  return fmt::format("postgresql://{}@{}:{}/{}{}", login, target.host, target.port, target.database, query);
}

class PostgresqlHarness : public StoreHarness {
 public:
  std::unique_ptr<Store> open(Clock& clock) override {
    return open_postgresql_store(url_of(database_.target()), clock, StoreTime::clock);
  }
  void execute(const std::string& sql) override { database_.run(sql); }

 private:
  PostgresDatabase database_;
};

SYNCFLOW_STORE_CONTRACT(Postgresql, StoreCase{"Postgresql", []() -> std::unique_ptr<StoreHarness> {
                                                if (!has_postgresql()) return nullptr;
                                                return std::make_unique<PostgresqlHarness>();
                                              }});

class PostgresqlStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SYNCFLOW_NEEDS_POSTGRESQL();
    database_ = std::make_unique<PostgresDatabase>();
  }
  std::string url(const std::string& query = "") { return url_of(database_->target(), query); }
  std::unique_ptr<Store> open(const std::string& query = "") {
    return open_postgresql_store(url(query), clock_);
  }
  /// What opening the store says; empty: it opens.
  std::string refusal(ErrorKind kind = ErrorKind::bad_config) {
    try {
      open();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      return error.what();
    }
    return "";
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

TEST_F(PostgresqlStoreTest, RefusesASchemaThatANewerProgramMade) {
  open();
  database_->run("INSERT INTO syncflow_migrations(number, name) VALUES (9999, 'later')");
  const std::string reason = refusal();
  EXPECT_NE(reason.find("9999"), std::string::npos) << reason;
  EXPECT_NE(reason.find("newer"), std::string::npos) << reason;
}

TEST_F(PostgresqlStoreTest, TakesOverFromSqliteAndGivesBack) {
  const std::string folder = "/tmp/syncflow-" + random_uuid();
  std::filesystem::create_directories(folder);
  FakeClock clock(FakeClock::Sleep::waits);
  const auto first = open_sqlite_store(folder + "/first.db", clock);
  fill_with_everything(*first, clock, {sync("orders"), sync("people")});
  const auto between = open_postgresql_store(url(), clock, StoreTime::clock);
  import(*between, exported(*first));
  const auto last = open_sqlite_store(folder + "/last.db", clock);
  import(*last, exported(*between));
  EXPECT_EQ(comparable(exported(*last)), comparable(exported(*first)));
  std::filesystem::remove_all(folder);
}

TEST_F(PostgresqlStoreTest, LeavesTablesOfAnotherProgramAlone) {
  database_->run("CREATE TABLE sync_runs (id int)");
  EXPECT_NE(refusal().find("sync_runs"), std::string::npos);
  EXPECT_EQ(database_->value("SELECT count(*) FROM pg_class WHERE relname = 'syncflow_migrations'"), "0");
}

TEST_F(PostgresqlStoreTest, WorksInTheSchemaThatIsNamed) {
  database_->run("CREATE SCHEMA \"of ours\"; CREATE SCHEMA theirs");
  open("?schema=of%20ours")->apply_syncs({sync("a")});
  open("?options=-csearch_path%3Dtheirs")->apply_syncs({sync("b")});
  EXPECT_EQ(database_->value("SELECT name FROM \"of ours\".sync_definitions"), "a");
  EXPECT_EQ(database_->value("SELECT name FROM theirs.sync_definitions"), "b");
  EXPECT_EQ(database_->value("SELECT to_regclass('public.sync_definitions') IS NULL"), "t");
}

TEST_F(PostgresqlStoreTest, PrintsTheSchemaThatItMakes) {
  database_->run(postgresql_store_schema());
  const std::string objects =
      "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relnamespace = "
      "'public'::regnamespace";
  const std::string printed = database_->value(objects);
  open();
  EXPECT_EQ(database_->value(objects), printed);
}

TEST_F(PostgresqlStoreTest, MakesItsSchemaOnceWhenManyProcessesStart) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([this] { EXPECT_NO_THROW(open()->apply_syncs({sync("a")})); });
  for (std::thread& thread : threads) thread.join();
}

/// Tables as users of the seed have them.
constexpr const char* kStatuses[] = {"completed", "failed", "processing", "pending"};
constexpr const char* kSeedTables[] = {
    "CREATE TABLE data_sync_jobs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), sync_id uuid NOT NULL, "
    "provider text "
    "NOT NULL, status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', "
    "'completed', "
    "'failed')), payload json, error text, retry_count int NOT NULL DEFAULT 0, created_at timestamptz "
    "DEFAULT now(), "
    "updated_at timestamptz DEFAULT now(), started_at timestamptz, finished_at timestamptz)",
    "CREATE TYPE job_status AS ENUM ('pending', 'processing', 'completed', 'failed'); CREATE TABLE "
    "data_sync_jobs (id "
    "text PRIMARY KEY, sync_id text NOT NULL, provider varchar NOT NULL, status job_status NOT NULL, payload "
    "jsonb "
    "NOT NULL DEFAULT '{}', error text, retry_count smallint, created_at timestamp, updated_at timestamp, "
    "started_at "
    "timestamp, finished_at timestamp); CREATE VIEW open_jobs AS SELECT id, status FROM data_sync_jobs WHERE "
    "status IN "
    "('pending', 'processing')"};

TEST_F(PostgresqlStoreTest, UpgradesATableOfTheSeedInPlace) {
  const std::string a = sync("a").id;
  for (const char* table : kSeedTables) {
    database_ = std::make_unique<PostgresDatabase>();
    database_->run(table);
    for (int i = 0; i < 4; ++i)
      database_->run(fmt::format(
          "INSERT INTO data_sync_jobs(id, sync_id, provider, status, payload, created_at, error) VALUES "
          "('aaaaaaaa-0000-4000-8000-00000000000{}', '{}', 'postgresql', '{}', '{{}}', '2024-01-0{} "
          "00:00:00', 'e{}')",
          i, a, kStatuses[i], i + 1, i));
    const std::string over =
        "SELECT id, sync_id, provider, status, payload, error, created_at FROM data_sync_jobs WHERE status "
        "IN "
        "('completed', 'failed') ORDER BY 1";
    const std::string before = database_->rows(over);
    const auto store = open();
    EXPECT_EQ(database_->rows(over), before);
    store->apply_syncs({sync("a")});
    database_->run(
        fmt::format("INSERT INTO data_sync_jobs(id, sync_id, status) VALUES "
                    "('aaaaaaaa-0000-4000-8000-000000000009', '{}', 'pending')",
                    a));
    const auto claim = store->claim("worker", 30s);
    ASSERT_TRUE(claim);
    ASSERT_EQ(claim->jobs.size(), 3u) << "in hand, waiting, and new";
    EXPECT_EQ(claim->jobs[0].id, "aaaaaaaa-0000-4000-8000-000000000002");
    store->finish(claim->lease, {});
    EXPECT_EQ(store->find_job("aaaaaaaa-0000-4000-8000-000000000009")->status, JobStatus::completed);
    EXPECT_EQ(store->find_job("aaaaaaaa-0000-4000-8000-000000000001")->error, "e1");
    EXPECT_TRUE(store->enqueue(a, Trigger::manual).created);
    EXPECT_EQ(store->list_jobs({}).items.size(), 6u);
  }
}

TEST_F(PostgresqlStoreTest, SaysWhichColumnItCannotUseAndChangesNothing) {
  database_->run("CREATE TABLE data_sync_jobs (id bigint PRIMARY KEY, sync_id uuid, status text)");
  const std::string reason = refusal();
  EXPECT_NE(reason.find("column id"), std::string::npos) << reason;
  EXPECT_EQ(
      database_->value("SELECT count(*) FROM information_schema.columns WHERE table_name = 'data_sync_jobs'"),
      "3");
}

TEST_F(PostgresqlStoreTest, OpensATableThatCameLaterToWhoWorksOnTheOthers) {
  database_->run(
      "CREATE TABLE syncflow_migrations (number integer PRIMARY KEY, name text NOT NULL, applied_at "
      "timestamptz NOT NULL DEFAULT now())");
  for (const Migration& migration : migrations::postgresql()) {
    if (migration.number == 8) break;
    database_->run(std::string(migration.sql));
    database_->run(fmt::format("INSERT INTO syncflow_migrations(number, name) VALUES ({}, '{}')",
                               migration.number, migration.name));
  }
  const std::string worker = database_->create_role("worker");
  database_->run("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + worker);
  const auto store = open();
  store->apply_syncs({sync("a")});
  store->set_hold(sync("a").id, {"forbidden", "grant SELECT", clock_.now()});
  const auto session = database_->connect(worker);
  const std::string lift = fmt::format("SELECT syncflow_lift_hold_once('call', '{}')", sync("a").id);
  EXPECT_TRUE(session->execute(lift).boolean(0, 0));
  EXPECT_TRUE(session->execute(lift).boolean(0, 0)) << "the same call";
  session->execute("DELETE FROM syncflow_calls");
}

TEST_F(PostgresqlStoreTest, ForgetsCallsThatAreNotTriedAnyMore) {
  const auto store = open();
  store->apply_syncs({sync("a")});
  database_->run("INSERT INTO syncflow_calls VALUES ('of yesterday', now() - interval '25 hours')");
  ASSERT_TRUE(store->forget_sync(sync("a").id));
  store->sweep(30 * 24h);
  EXPECT_EQ(database_->value("SELECT count(*) FROM syncflow_calls"), "1");
  EXPECT_EQ(database_->value("SELECT count(*) FROM syncflow_calls WHERE call_id = 'of yesterday'"), "0");
}

TEST_F(PostgresqlStoreTest, LetsOneOfTwoProcessesLookAtASync) {
  const auto one = open(), two = open();
  one->apply_syncs({sync("a"), sync("b")});
  EXPECT_EQ(one->take_due_syncs(1, 1min).size(), 1u);
  EXPECT_EQ(two->take_due_syncs(10, 1min).size(), 1u);
  EXPECT_EQ(one->take_due_syncs(10, 1min).size(), 0u);
}

TEST_F(PostgresqlStoreTest, WritesNothingWhenTheSameFileIsAppliedAgain) {
  const auto store = open();
  store->apply_syncs({sync("a"), sync("b")});
  const std::string versions =
      "SELECT d.xmin, t.xmin FROM sync_definitions d JOIN sync_state t ON t.sync_id = d.id";
  const std::string before = database_->rows(versions);
  store->apply_syncs({sync("b"), sync("a")});
  EXPECT_EQ(database_->rows(versions), before);
}

TEST_F(PostgresqlStoreTest, TellsTheServersTime) {
  const auto store = open();
  const auto server = [&] {
    return Time(std::chrono::microseconds(
        std::stoll(database_->value("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"))));
  };
  const Time before = server();
  const Time told = store->clock().now();
  const Time after = server();
  EXPECT_GE(told, before - 1s);
  EXPECT_LE(told, after + 1s);
}

TEST_F(PostgresqlStoreTest, GoesOnAfterItsConnectionsWereCut) {
  const auto store = open();
  store->apply_syncs({sync("a")});
  database_->run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
      "pg_backend_pid()");
  const auto asked = store->enqueue(sync("a").id, Trigger::manual);
  EXPECT_TRUE(asked.created);
  database_->run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
      "pg_backend_pid()");
  EXPECT_TRUE(store->claim("worker", 30s));
}

TEST_F(PostgresqlStoreTest, IsTriedAgainWhenItsServerTakesNoWritesForAWhile) {
  const auto store = open();
  store->apply_syncs({sync("a")});
  // As when another server takes over: its sessions end, and new ones may only read.
  database_->run("ALTER DATABASE " + database_->name() + " SET default_transaction_read_only = on");
  database_->run(
      "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND "
      "pid <> pg_backend_pid()");
  try {
    store->enqueue(sync("a").id, Trigger::manual);
    ADD_FAILURE() << "a job was asked for";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unavailable) << error.what();
    EXPECT_NE(std::string(error.what()).find("25006"), std::string::npos) << error.what();
  }
  database_->run("ALTER DATABASE " + database_->name() + " RESET default_transaction_read_only");
  EXPECT_TRUE(store->enqueue(sync("a").id, Trigger::manual).created);
}

TEST_F(PostgresqlStoreTest, TakesSecondsForASilenceTimeout) {
  open("?silence_timeout=2")->apply_syncs({sync("a")});
  EXPECT_NO_THROW(check_postgresql_store(url("?silence_timeout=2")));
  for (const char* wrong : {"0", "-1", "soon", "2s"})
    EXPECT_THROW(check_postgresql_store(url(std::string("?silence_timeout=") + wrong)), Error) << wrong;
}

/// The functions when their answer was lost, and the same call comes again.
TEST_F(PostgresqlStoreTest, FindsWhatAFirstTryDid) {
  const auto store = open();
  const std::string id = sync("a").id;
  store->apply_syncs({sync("a")});
  const std::string job = "aaaaaaaa-0000-4000-8000-000000000001";
  const auto enqueue = [&](const char* again) {
    return database_->value(fmt::format(
        "SELECT created || (job).id FROM syncflow_enqueue('{}', '{}', 'manual', 0, '{{}}', NULL, {})", id,
        job, again));
  };
  EXPECT_EQ(enqueue("false"), "true" + job);
  EXPECT_EQ(enqueue("true"), "true" + job);
  const auto claim = [&](const char* again) {
    return database_->value(fmt::format(
        "SELECT epoch || (job).id FROM syncflow_claim('w', 'run', 30000000, '{{}}', NULL, {})", again));
  };
  EXPECT_EQ(claim("false"), "1" + job);
  EXPECT_EQ(claim("true"), "1" + job);
  const auto finish = [&](const char* again) {
    database_->run(
        fmt::format("SELECT syncflow_finish('{}', 'run', 'w', 1, 'call', 'retry', 'no', 0, '', '[]', NULL, "
                    "NULL, NULL, NULL, {})",
                    id, again));
  };
  finish("false");
  finish("true");
  EXPECT_EQ(store->find_job(job)->retry_count, 1);
  EXPECT_THROW(finish("false"), Error);
}

}  // namespace
}  // namespace syncflow::testkit
