#include "store/sqlite_store.h"

#include <fmt/format.h>

#include "store/migrations.h"
#include "store/sqlite_rows.h"

namespace syncflow {
namespace sqlite_store {
namespace {

/// In the file's header: what tells a store from another program's database. "SYNF"
constexpr int kApplicationId = 0x53594e46;
/// Pages of the WAL before they are copied into the database file: 16 MiB. A copy costs two syncs.
constexpr int kCheckpointPages = 4096;
constexpr int kWalAttempts = 100;
constexpr int kSweptAtOnce = 1000;
/// Of what mappings have noted: each step is a transaction that the other writers wait for.
constexpr std::int64_t kNotesSweptAtOnce = 5000;
constexpr int kSweepSteps = 20;
/// How soon a job is seen that another process inserted.
constexpr Duration kLookInterval = std::chrono::seconds(1);

std::int64_t number(Connection& connection, std::string_view sql) {
  Query query(connection, sql);
  query.step();
  return query.integer(0);
}

std::string set_version(int version) {
  return fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};", kApplicationId, version);
}

void check_file(Connection& connection) {
  const std::string& file = connection.database().file();
  const auto version = number(connection, "PRAGMA user_version");
  const int newest = migrations::sqlite().back().number;
  const bool ours = number(connection, "PRAGMA application_id") == kApplicationId;
  if (!ours && (version != 0 || number(connection, "SELECT count(*) FROM sqlite_master") != 0))
    throw Error(ErrorKind::bad_config,
                fmt::format("{} is a SQLite file of another program, not a store of syncflow: "
                            "give the store a file of its own",
                            file));
  if (version > newest)
    throw Error(
        ErrorKind::bad_config,
        fmt::format("the store {} has schema version {}, which a newer syncflow made; this program knows {}: "
                    "use the newer program, or another store",
                    file, version, newest));
}

/// All of it in one transaction: two processes that start at once take turns, the second finds nothing to do.
void migrate(Connection& connection) {
  const auto version = number(connection, "PRAGMA user_version");
  for (const Migration& migration : migrations::sqlite()) {
    if (migration.number <= version) continue;
    connection.database().execute(std::string(migration.sql));
    connection.database().execute(set_version(migration.number));
  }
}

/// The journal mode that results, or empty when another program had the file in hand.
std::string try_wal(sqlite::Database& database) {
  try {
    sqlite::Statement statement = database.prepare("PRAGMA journal_mode = WAL");
    return statement.step() ? statement.string(0) : "unknown";
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::conflict) throw;
    return "";
  }
}

void use_wal(Connection& connection) {
  std::string mode = try_wal(connection.database());
  // The change of mode does not wait for locks as everything else does; a transaction that needs the file for
  // itself waits until the other program has done what we were about to do.
  for (int attempt = 0; mode.empty() && attempt < kWalAttempts; ++attempt) {
    sqlite::Transaction(connection.database(), "BEGIN EXCLUSIVE").commit();
    mode = try_wal(connection.database());
  }
  if (mode != "wal")
    throw Error(
        ErrorKind::bad_config,
        fmt::format(
            "the store {} cannot use a write-ahead log (its journal mode is \"{}\"): put it on a local "
            "disk, and close it in other programs",
            connection.database().file(), mode));
  connection.database().execute(fmt::format("PRAGMA wal_autocheckpoint = {}; PRAGMA journal_size_limit = {}",
                                            kCheckpointPages, 4 * kCheckpointPages * 4096));
}

/// How a sync's last run ended says whether what is known of its rows can be trusted, however long ago that was.
constexpr std::string_view kNotTheLast =
    "AND seq < (SELECT max(later.seq) FROM sync_runs later WHERE later.sync_id = sync_runs.sync_id) ";

std::int64_t delete_some(Connection& connection, std::string_view table, std::string_view condition,
                         Time before) {
  const std::string sql = fmt::format(
      "DELETE FROM {0} WHERE seq IN (SELECT seq FROM {0} WHERE finished_at < ?1 "
      "AND +status IN ('completed', 'failed', 'yielded') {1}ORDER BY finished_at LIMIT {2})",
      table, condition, kSweptAtOnce);
  return Query(connection, sql).bind(before).run();
}

/// Deletes some of what a deleted mapping has noted. False: nothing is left to be swept.
bool sweep_notes(Connection& connection) {
  std::int64_t mapping = 0;
  {
    Query query(connection, "SELECT id FROM sync_mappings WHERE sync_id IS NULL LIMIT 1");
    if (!query.step()) return false;
    mapping = query.integer(0);
  }
  std::int64_t left = kNotesSweptAtOnce;
  left -= Query(connection,
                "DELETE FROM sync_rows WHERE mapping_id = ?1 AND key_hash IN "
                "(SELECT key_hash FROM sync_rows WHERE mapping_id = ?1 LIMIT ?2)")
              .bind(mapping, left)
              .run();
  for (const KeySet set : {KeySet::written, KeySet::held})
    left -= Query(connection,
                  "DELETE FROM sync_keys WHERE mapping_id = ?1 AND key_set = ?2 AND key_hash IN "
                  "(SELECT key_hash FROM sync_keys WHERE mapping_id = ?1 AND key_set = ?2 LIMIT ?3)")
                .bind(mapping, static_cast<int>(set), left)
                .run();
  if (left > 0) Query(connection, "DELETE FROM sync_mappings WHERE id = ?1").bind(mapping).run();
  return true;
}

}  // namespace

SqliteStore::SqliteStore(const std::string& file, Clock& clock)
    : file_(file), clock_(clock), writer_(file), readers_(file) {
  writer_.use_alone([](Connection& connection) {
    {
      // One snapshot for all that is asked: another program may be making the store at this moment.
      sqlite::Transaction snapshot(connection.database(), "BEGIN");
      check_file(connection);
      snapshot.commit();
    }
    use_wal(connection);
  });
  write([](Connection& connection) {
    check_file(connection);
    migrate(connection);
  });
}

void SqliteStore::ping() {
  read([](Connection& connection) {
    return number(connection, "SELECT count(*) FROM (SELECT 1 FROM syncs LIMIT 1)");
  });
}

bool SqliteStore::sweep(Duration age) {
  const Time before = clock_.now() - age;
  const auto delete_all = [&](std::string_view table, std::string_view condition) {
    std::int64_t deleted = kSweptAtOnce;
    while (deleted == kSweptAtOnce)
      deleted =
          write([&](Connection& connection) { return delete_some(connection, table, condition, before); });
  };
  delete_all("data_sync_jobs", "");
  delete_all("sync_runs", kNotTheLast);
  for (int step = 0; step < kSweepSteps; ++step)
    if (!write(sweep_notes)) return false;
  return true;
}

void SqliteStore::wait_for_jobs(Duration timeout, std::stop_token stop,
                                const std::vector<std::string>& only) {
  // A stop source for each wait: whatever ends it (a job asked for here, the caller's stop) ends the clock's sleep.
  std::stop_source woken;
  const std::stop_callback on_stop(stop, [&] { woken.request_stop(); });
  {
    const std::lock_guard lock(waiters_mutex_);
    waiters_.insert(&woken);
  }
  struct Leaves {
    SqliteStore& store;
    std::stop_source& woken;
    ~Leaves() {
      const std::lock_guard lock(store.waiters_mutex_);
      store.waiters_.erase(&woken);
    }
  } leaves{*this, woken};

  const Time until = clock_.now() + timeout;
  while (!woken.stop_requested()) {
    const Time now = clock_.now();
    const std::optional<Time> next = next_job(only);
    if (now >= until || (next && *next <= now)) return;
    Duration wait = std::min(until - now, kLookInterval);
    if (next) wait = std::min(wait, *next - now);
    clock_.sleep(wait, woken.get_token());
  }
}

void SqliteStore::wake_waiters() {
  const std::lock_guard lock(waiters_mutex_);
  for (std::stop_source* waiter : waiters_) waiter->request_stop();
}

}  // namespace sqlite_store

std::unique_ptr<Store> open_sqlite_store(const std::string& file, Clock& clock) {
  if (file.empty() || file == ":memory:")
    throw Error(ErrorKind::bad_config, "a SQLite store needs a file: give one like sqlite:syncflow.db");
  return std::make_unique<sqlite_store::SqliteStore>(file, clock);
}

std::string sqlite_store_schema() {
  std::string sql = "BEGIN;\n";
  for (const Migration& migration : migrations::sqlite())
    sql += fmt::format("-- {}\n{}\n", migration.name, migration.sql);
  sql += sqlite_store::set_version(migrations::sqlite().back().number) + "\nCOMMIT;\n";
  return sql;
}

}  // namespace syncflow
