#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "core/failpoint.h"
#include "core/uuid.h"
#include "drivers/sqlite/database.h"
#include "store/migrations.h"
#include "testkit/store_contract.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;

/// A folder of its own for each test.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(std::filesystem::temp_directory_path() / ("syncflow-store-" + random_uuid())) {
    std::filesystem::create_directory(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;  // a test that fails must not fail twice
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string file() const { return path_ / "store.db"; }

 private:
  std::filesystem::path path_;
};

class SqliteHarness : public StoreHarness {
 public:
  std::unique_ptr<Store> open(Clock& clock) override { return open_sqlite_store(folder_.file(), clock); }
  void execute(const std::string& sql) override {
    sqlite::Database(folder_.file(), sqlite::OpenMode::read_write, 10s).execute(sql);
  }

 private:
  TemporaryFolder folder_;
};

SYNCFLOW_STORE_CONTRACT(Sqlite, StoreCase{"Sqlite", [] { return std::make_unique<SqliteHarness>(); }});

class SqliteStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<Store> open() { return open_sqlite_store(folder_.file(), clock_); }
  sqlite::Database database() { return sqlite::Database(folder_.file(), sqlite::OpenMode::create, 10s); }
  std::string first_value(const std::string& sql) {
    sqlite::Database file = database();
    sqlite::Statement statement = file.prepare(sql);
    return statement.step() ? statement.string(0) : "no row";
  }
  /// The file as a program of the time before left it.
  void make_file_of_version(int version) {
    database().execute("PRAGMA application_id = 0x53594e46");
    for (const Migration& migration : migrations::sqlite())
      if (migration.number <= version) database().execute(std::string(migration.sql));
    database().execute("PRAGMA user_version = " + std::to_string(version));
  }
  /// Whether SQLite refuses what another program does to the tables.
  bool refuses(const std::string& sql) {
    return error_of([&] { database().execute(sql); }).has_value();
  }
  /// What opening the store says; empty: it opens.
  std::string refusal() {
    try {
      open();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config);
      return error.what();
    }
    return "";
  }
  static std::vector<Sync> syncs(int count) {
    std::vector<Sync> syncs;
    for (int i = 0; i < count; ++i) {
      Sync sync;
      sync.name = "sync " + std::to_string(i);
      sync.id = url_uuid(sync.name);
      sync.provider = "postgresql";
      sync.schedule = "every 1 minute";
      sync.definition = "{}";
      syncs.push_back(sync);
    }
    return syncs;
  }
  static BatchCommit batch_to(const std::string& position) {
    BatchCommit commit;
    commit.mapping = "orders";
    commit.state.position.token = position;
    commit.figures.read = commit.figures.written = 1;
    return commit;
  }

  TemporaryFolder folder_;
  FakeClock clock_{FakeClock::Sleep::waits};
};

TEST_F(SqliteStoreTest, MakesTheFileWithAWriteAheadLogThatIsSynced) {
  open();
  EXPECT_EQ(first_value("PRAGMA journal_mode"), "wal");
  EXPECT_EQ(first_value("PRAGMA user_version"), std::to_string(migrations::sqlite().back().number));
  EXPECT_EQ(first_value("PRAGMA integrity_check"), "ok");
  open();
}

TEST_F(SqliteStoreTest, RefusesASchemaThatANewerProgramMade) {
  open();
  database().execute("PRAGMA user_version = 9999");
  const std::string reason = refusal();
  EXPECT_NE(reason.find(folder_.file()), std::string::npos) << reason;
  EXPECT_NE(reason.find("9999"), std::string::npos) << reason;
  EXPECT_NE(reason.find("newer"), std::string::npos) << reason;
}

TEST_F(SqliteStoreTest, LeavesTheDatabaseOfAnotherProgramAlone) {
  database().execute("CREATE TABLE customers (id INTEGER PRIMARY KEY)");
  EXPECT_NE(refusal().find("another program"), std::string::npos);
  EXPECT_EQ(first_value("PRAGMA journal_mode"), "delete");
  EXPECT_EQ(first_value("SELECT count(*) FROM sqlite_master"), "1");
}

TEST_F(SqliteStoreTest, RefusesAFileThatIsNoDatabase) {
  std::ofstream(folder_.file()) << std::string(5000, 'x');
  EXPECT_NE(refusal(), "");
  EXPECT_EQ(error_of([&] { open_sqlite_store(":memory:", clock_); }), ErrorKind::bad_config);
}

TEST_F(SqliteStoreTest, PrintsTheSqlThatMakesAStore) {
  database().execute(sqlite_store_schema());
  const auto store = open();
  store->apply_syncs(syncs(1));
  EXPECT_TRUE(store->find_sync_named("sync 0"));
  EXPECT_EQ(first_value("PRAGMA user_version"), std::to_string(migrations::sqlite().back().number));
}

TEST_F(SqliteStoreTest, KeepsWhatWasNotedWhenItsTablesAreMadeAnew) {
  make_file_of_version(3);
  database().execute(
      "INSERT INTO syncs VALUES ('s', 'orders', 't', 'active', 'p', 'a', 'b', 'every 1 minute', '{}');"
      "INSERT INTO sync_mappings VALUES (7, 's', 'orders', 'p1', 'd', 's', 1, 0, 3, NULL, NULL, 'fine', 1);"
      "INSERT INTO sync_rows VALUES (7, x'00112233445566778899aabbccddeeff', zeroblob(16), '[1]', 3);"
      "INSERT INTO sync_keys VALUES (7, 1, x'00112233445566778899aabbccddeeff')");
  const auto store = open();
  const auto state = store->find_mapping("s", "orders");
  ASSERT_TRUE(state);
  EXPECT_EQ(state->position.token, "p1");
  EXPECT_EQ(state->reconciled, "fine");
  EXPECT_EQ(state->brake, Brake::held);
  EXPECT_EQ(first_value("SELECT key FROM sync_rows WHERE mapping_id = 7"), "[1]");
  EXPECT_EQ(first_value("SELECT key_set FROM sync_keys WHERE mapping_id = 7"), "1");
  EXPECT_EQ(first_value("PRAGMA foreign_key_check"), "no row");
  EXPECT_EQ(first_value("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteStoreTest, KeepsJobsAndTheirChecksWhenTheseAreWrittenAnew) {
  make_file_of_version(4);
  database().execute(
      "INSERT INTO data_sync_jobs(sync_id, created_at) VALUES ('x', '2024-01-01T00:00:00.123456Z');"
      "CREATE VIEW of_others AS SELECT id, status FROM data_sync_jobs");
  open();
  EXPECT_EQ(first_value("SELECT created_at FROM data_sync_jobs"), "2024-01-01T00:00:00.123456Z");
  EXPECT_EQ(first_value("SELECT status FROM of_others"), "pending");
  for (const char* status : {"pending", "processing", "completed", "failed"})
    EXPECT_FALSE(refuses(std::string("UPDATE data_sync_jobs SET status = '") + status + "'")) << status;
  EXPECT_TRUE(refuses("UPDATE data_sync_jobs SET status = 'paused'"));
  const std::string run =
      "INSERT INTO sync_runs(id, job_id, sync_id, team_id, attempt, status, started_at) VALUES (";
  for (const char* status : {"processing", "completed", "failed", "yielded"})
    EXPECT_FALSE(refuses(run + "'" + status + "', 'j', 'x', 't', 1, '" + status + "', '2024')")) << status;
  EXPECT_TRUE(refuses(run + "'r', 'j', 'x', 't', 1, 'pending', '2024')"));
  EXPECT_EQ(first_value("PRAGMA integrity_check"), "ok");
}

TEST_F(SqliteStoreTest, ChangesAJobWithoutACheckOfWhatStays) {
  open();
  sqlite::Database file = database();
  for (const char* sql : {"UPDATE data_sync_jobs SET status = 'completed', error = NULL WHERE seq = 1",
                          "UPDATE sync_runs SET status = 'completed' WHERE seq = 1"}) {
    sqlite::Statement statement = file.prepare(std::string("EXPLAIN ") + sql);
    std::string program;
    while (statement.step()) program += statement.string(1) + " " + statement.string(5) + "\n";
    EXPECT_EQ(program.find("strftime"), std::string::npos) << program;
    EXPECT_EQ(program.find("OpenEphemeral"), std::string::npos) << program;
  }
}

TEST_F(SqliteStoreTest, LeavesNothingOfAMigrationThatFails) {
  // A view in the way of one of the later tables, in a file that is ours but has no schema yet.
  database().execute("PRAGMA application_id = 0x53594e46; CREATE VIEW sync_row_errors AS SELECT 1");
  EXPECT_NE(refusal(), "");
  EXPECT_EQ(first_value("SELECT count(*) FROM sqlite_master"), "1");
  EXPECT_EQ(first_value("PRAGMA user_version"), "0");
  database().execute("DROP VIEW sync_row_errors");
  EXPECT_EQ(refusal(), "");
}

TEST_F(SqliteStoreTest, IsMadeOnceByProgramsThatStartTogether) {
  for (int round = 0; round < 10; ++round) {
    TemporaryFolder folder;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        try {
          open_sqlite_store(folder.file(), clock_)->ping();
        } catch (const Error& error) {
          ADD_FAILURE() << error.what();
        }
      });
    for (std::thread& thread : threads) thread.join();
  }
}

TEST_F(SqliteStoreTest, RefusesAnInsertedJobWhoseTimeIsNone) {
  open();
  for (const char* time :
       {"tomorrow", "now", "2024-13-01T00:00:00Z", "1700000000", "2024-01-01T00:00:00.abcdefZ"}) {
    const std::string sql =
        std::string("INSERT INTO data_sync_jobs(sync_id, run_after) VALUES ('x', '") + time + "')";
    EXPECT_TRUE(error_of([&] { database().execute(sql); })) << time;
  }
  EXPECT_EQ(first_value("SELECT count(*) FROM data_sync_jobs"), "0");
}

TEST_F(SqliteStoreTest, RefusesAnInsertedJobThatWouldKeepOthersFromTheirTurn) {
  const auto store = open();
  sqlite::Database file = database();
  // A time that is a number, and priorities that no claim would find.
  for (const char* bad :
       {"run_after) VALUES ('a', 0", "created_at) VALUES ('a', 99999", "priority) VALUES ('a', 1.5",
        "priority) VALUES ('a', 'high'", "priority) VALUES ('a', 99999999999"})
    EXPECT_THROW(file.execute(std::string("INSERT INTO data_sync_jobs(sync_id, ") + bad + ")"), Error) << bad;
  file.execute("INSERT INTO data_sync_jobs(sync_id, priority) VALUES ('a', '7')");
  EXPECT_THROW(file.execute("UPDATE data_sync_jobs SET priority = 1.5"), Error);
}

TEST_F(SqliteStoreTest, LooksAtATimeThatAnotherProgramChanges) {
  open();
  database().execute(
      "INSERT INTO data_sync_jobs(sync_id, created_at) VALUES ('x', '2024-01-01T00:00:00.123456Z')");
  for (const std::string column : {"created_at", "updated_at", "run_after", "started_at", "finished_at"})
    for (const std::string time : {"tomorrow", "now", "2024-13-01T00:00:00Z", "1700000000"})
      EXPECT_TRUE(refuses("UPDATE data_sync_jobs SET " + column + " = '" + time + "'")) << column << time;
  database().execute("UPDATE data_sync_jobs SET status = 'failed'");
  EXPECT_EQ(first_value("SELECT created_at FROM data_sync_jobs"), "2024-01-01T00:00:00.123456Z");

  database().execute(
      "UPDATE data_sync_jobs SET updated_at = '2024-01-01T02:00:00+02:00', started_at = "
      "'2024-01-01T02:00:00+02:00'");
  EXPECT_EQ(first_value("SELECT updated_at FROM data_sync_jobs"), "2024-01-01T00:00:00.000000Z");
  EXPECT_EQ(first_value("SELECT started_at FROM data_sync_jobs"), "2024-01-01T00:00:00.000000Z");
  database().execute("UPDATE data_sync_jobs SET finished_at = '2023-02-29 12:00:00'");
  EXPECT_EQ(first_value("SELECT finished_at FROM data_sync_jobs"), "2023-03-01T12:00:00.000000Z");
}

TEST_F(SqliteStoreTest, FillsInWhatAnInsertedJobLeavesOut) {
  const auto store = open();
  database().execute(
      "INSERT INTO data_sync_jobs(sync_id, payload, status, created_at, run_after, team_id, retry_count, "
      "provider) "
      "VALUES ('x', NULL, NULL, NULL, NULL, NULL, NULL, NULL)");
  const Listed<Job> jobs = store->list_jobs({});
  ASSERT_EQ(jobs.items.size(), 1u);
  EXPECT_TRUE(is_uuid(jobs.items[0].id));
  EXPECT_EQ(jobs.items[0].team_id, kDefaultTeam);
  EXPECT_EQ(jobs.items[0].status, JobStatus::pending);
  EXPECT_EQ(jobs.items[0].payload, "{}");
}

TEST_F(SqliteStoreTest, TakesAJobThatNamesNoTeamForTheSyncs) {
  const auto store = open();
  std::vector<Sync> one = syncs(1);
  one.front().team_id = "6f1c0000-0000-4000-8000-000000000001";
  store->apply_syncs(one);
  database().execute(
      "INSERT INTO data_sync_jobs(id, sync_id, provider, status, payload, retry_count, created_at, "
      "updated_at, "
      "run_after) VALUES "
      "('aaaaaaaa-0000-4000-8000-000000000001', '" +
      one.front().id +
      "', 'sqlite', 'pending', '{}', 0, '2020-01-01 00:00:00', '2020-01-01 00:00:00', '2020-01-01 "
      "00:00:00')");
  const auto claim = store->claim("worker", 30s);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->jobs.at(0).team_id, one.front().team_id);
}

TEST_F(SqliteStoreTest, LooksAtASyncBesideAJobOfItForAFarDate) {
  const auto store = open();
  store->apply_syncs(syncs(1));
  database().execute("INSERT INTO data_sync_jobs(sync_id, run_after) VALUES ('" + syncs(1).front().id +
                     "', '2999-01-01T00:00:00Z')");
  EXPECT_FALSE(store->claim("worker", 30s));
  EXPECT_EQ(store->due_syncs(10).size(), 1u);
  const auto asked = store->enqueue(syncs(1).front().id, Trigger::schedule);
  EXPECT_TRUE(asked.created) << "the far job must stay where it is";
  EXPECT_EQ(store->due_syncs(10).size(), 0u);
  const auto claim = store->claim("worker", 30s);
  ASSERT_TRUE(claim);
  EXPECT_FALSE(store->is_to_end(claim->lease));
  store->cancel_job(asked.job.id);
  EXPECT_TRUE(store->is_to_end(claim->lease));
}

TEST_F(SqliteStoreTest, SaysWhyAnInsertedJobWaits) {
  const auto store = open();
  std::vector<Sync> one = syncs(1);
  one.front().status = SyncStatus::paused;
  store->apply_syncs(one);
  database().execute("INSERT INTO data_sync_jobs(sync_id) VALUES ('" + one.front().id + "')");
  EXPECT_FALSE(store->claim("worker", 30s));
  const Job job = store->list_jobs({}).items.at(0);
  EXPECT_EQ(job.status, JobStatus::pending);
  EXPECT_EQ(job.error, "waits: sync " + one.front().name + " is paused");
}

TEST_F(SqliteStoreTest, FindsJobsAndSyncsByIdInAnyCase) {
  const auto store = open();
  store->apply_syncs(syncs(1));
  std::string shouted = syncs(1).front().id;
  std::transform(shouted.begin(), shouted.end(), shouted.begin(), [](char c) { return std::toupper(c); });
  database().execute(
      "INSERT INTO data_sync_jobs(id, sync_id, run_after) VALUES "
      "('AAAAAAAA-0000-4000-8000-000000000001', '" +
      shouted + "', '2020-01-01T00:00:00Z')");
  const auto claim = store->claim("worker", 30s);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->jobs.size(), 1u);
  EXPECT_TRUE(store->find_job("aaaaaaaa-0000-4000-8000-000000000001"));
  EXPECT_TRUE(store->find_sync(shouted));
}

TEST_F(SqliteStoreTest, FindsItsWayByIndex) {
  open();
  const std::vector<std::pair<std::string, std::string>> plans{
      {"SELECT 1 FROM sync_state WHERE poll_at <= '2' AND queued_run_after IS NULL ORDER BY poll_at LIMIT 5",
       "sync_state_to_poll (poll_at<?)"},
      {"SELECT min(poll_at) FROM sync_state WHERE poll_at IS NOT NULL AND queued_run_after IS NULL",
       "sync_state_to_poll"},
      {"SELECT min(+poll_at) FROM sync_state WHERE queued_run_after > '2' AND poll_at IS NOT NULL",
       "sync_state_to_poll_early (queued_run_after>?)"},
      {"SELECT min(waiting_at) FROM sync_state WHERE waiting_at IS NOT NULL", "sync_state_waiting"},
      {"SELECT min(lease_until) FROM sync_state WHERE lease_until IS NOT NULL", "sync_state_leased"},
      {"SELECT 1 FROM data_sync_jobs INDEXED BY data_sync_jobs_unnoticed WHERE status = 'pending' AND "
       "noticed = 0 "
       "ORDER BY seq LIMIT 9",
       "data_sync_jobs_unnoticed"},
      {"SELECT sync_id FROM sync_state INDEXED BY sync_state_by_turn WHERE queued_priority = 1 AND "
       "waiting_at <= '2' "
       "AND team_id > 'x' ORDER BY team_id, waiting_at LIMIT 1",
       "sync_state_by_turn (queued_priority=? AND team_id>?)"},
      {"SELECT queued_priority FROM sync_state INDEXED BY sync_state_by_turn WHERE waiting_at <= '2' "
       "ORDER BY queued_priority DESC LIMIT 1",
       "sync_state_by_turn"},
      {"SELECT seq FROM data_sync_jobs WHERE status = 'failed' AND seq < 9 AND sync_id = 'x' AND +team_id = "
       "'y' "
       "ORDER BY seq DESC LIMIT 5",
       "data_sync_jobs_by_sync (sync_id=? AND status=? AND rowid<?)"},
      {"SELECT seq FROM data_sync_jobs WHERE status = 'failed' AND seq < 9 AND team_id = 'x' ORDER BY seq "
       "DESC LIMIT 5",
       "data_sync_jobs_by_team (team_id=? AND status=? AND rowid<?)"},
      {"SELECT seq FROM data_sync_jobs WHERE finished_at < '2' AND +status IN ('completed', 'failed') "
       "ORDER BY finished_at LIMIT 5",
       "data_sync_jobs_finished"},
      {"SELECT seq FROM sync_runs WHERE seq < 9 AND sync_id = 'x' ORDER BY seq DESC LIMIT 5",
       "sync_runs_by_sync"},
      {"SELECT seq FROM sync_row_errors WHERE seq < 9 AND team_id = 'x' ORDER BY seq DESC LIMIT 5",
       "sync_row_errors_by_team"}};
  sqlite::Database file = database();
  for (const auto& [sql, index] : plans) {
    sqlite::Statement statement = file.prepare("EXPLAIN QUERY PLAN " + sql);
    std::string plan;
    while (statement.step()) plan += statement.string(3) + "\n";
    EXPECT_NE(plan.find(index), std::string::npos) << sql << ":\n" << plan;
    EXPECT_EQ(plan.find("TEMP B-TREE"), std::string::npos) << sql << ":\n" << plan;
  }
}

TEST_F(SqliteStoreTest, LeavesNothingOfACommitThatFailsBetweenItsParts) {
  const auto store = open();
  store->apply_syncs(syncs(1));
  store->enqueue(syncs(1).front().id, Trigger::manual);
  const Claim claim = *store->claim("worker", 30s);
  store->commit_batch(claim.lease, batch_to("p1"));
  for (const char* point : {"store.position", "store.rows", "store.quarantine"}) {
    arm_failpoints(std::string(point) + "=fail");
    EXPECT_EQ(error_of([&] { store->commit_batch(claim.lease, batch_to("p2")); }), ErrorKind::unavailable)
        << point;
    EXPECT_EQ(store->find_mapping(claim.sync.id, "orders")->position.token, "p1") << point;
    EXPECT_EQ(store->find_run(claim.lease.run_id)->figures.read, 1) << point;
  }
  arm_failpoints("store.job_state=fail");
  EXPECT_EQ(error_of([&] { store->finish(claim.lease, {}); }), ErrorKind::unavailable);
  EXPECT_EQ(store->find_job(claim.jobs.front().id)->status, JobStatus::processing);
  arm_failpoints("");
  store->finish(claim.lease, {});
}

// --- a process that dies ---

/// Commits as fast as it can on several threads and says after each what is now durable, until it is killed.
[[noreturn]] void commit_until_killed(const std::string& file, int acknowledge,
                                      const std::vector<Sync>& syncs) {
  SystemClock clock;
  const auto store = open_sqlite_store(file, clock);
  store->release_all();
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < syncs.size(); ++i)
    threads.emplace_back([&, i] {
      store->enqueue(syncs[i].id, Trigger::manual);
      const Claim claim = *store->claim("doomed", 60s, {syncs[i].id});
      std::int64_t done = 0;
      if (const auto state = store->find_mapping(syncs[i].id, "orders")) done = state->generation;
      for (;;) {
        BatchCommit commit;
        commit.mapping = "orders";
        commit.state.generation = ++done;
        commit.rows.push_back({{static_cast<std::uint64_t>(done), 0}, {}, "", 0});
        store->commit_batch(claim.lease, commit);
        const std::array<std::int64_t, 2> message{static_cast<std::int64_t>(i), done};
        if (write(acknowledge, message.data(), sizeof message) != sizeof message) _exit(1);
      }
    });
  for (std::thread& thread : threads) thread.join();
  _exit(0);
}

/// Kills a committing process after some acknowledged commits; returns the last one of each sync.
std::vector<std::int64_t> kill_after(int acknowledged_commits, const std::string& file,
                                     const std::vector<Sync>& syncs) {
  std::array<int, 2> channel{};
  if (pipe2(channel.data(), O_CLOEXEC) != 0) throw Error(ErrorKind::unavailable, "no pipe");
  const pid_t child = fork();
  if (child == 0) commit_until_killed(file, channel[1], syncs);
  close(channel[1]);
  std::vector<std::int64_t> last(syncs.size());
  std::array<std::int64_t, 2> message{};
  const auto next = [&] { return read(channel[0], message.data(), sizeof message) == sizeof message; };
  for (int i = 0; i < acknowledged_commits && next(); ++i)
    last.at(static_cast<std::size_t>(message[0])) = message[1];
  kill(child, SIGKILL);
  while (next()) last.at(static_cast<std::size_t>(message[0])) = message[1];
  close(channel[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "it was to die by the signal, not by itself";
  return last;
}

TEST_F(SqliteStoreTest, KeepsEveryAcknowledgedCommitOfAProcessThatIsKilled) {
  const auto all = syncs(3);
  open()->apply_syncs(all);
  for (int round = 0; round < 5; ++round) {
    const auto last = kill_after(20 + 17 * round, folder_.file(), all);
    const auto store = open();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto state = store->find_mapping(all[i].id, "orders");
      const std::int64_t kept = state ? state->generation : 0;
      EXPECT_GE(kept, last[i]) << "an acknowledged commit was lost";
      EXPECT_LE(kept, last[i] + 1) << "more than the one commit in flight";
      std::int64_t rows = 0;
      store->each_row(all[i].id, "orders", [&](const RowState&) { ++rows; });
      EXPECT_EQ(rows, kept) << "half a commit was kept";
    }
  }
  EXPECT_EQ(first_value("PRAGMA integrity_check"), "ok");
  SystemClock now;
  const auto store = open_sqlite_store(folder_.file(), now);
  EXPECT_EQ(store->release_all(), all.size()) << "the next process goes on at once";
  EXPECT_TRUE(store->claim("next", 30s));
}

}  // namespace
}  // namespace syncflow::testkit
