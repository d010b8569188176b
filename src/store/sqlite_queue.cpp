#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/failpoint.h"
#include "core/uuid.h"
#include "store/sqlite_rows.h"
#include "store/sqlite_store.h"
#include "store/table_reports.h"

namespace syncflow::sqlite_store {
namespace {

/// How much news one claim takes in, so that a flood of inserted rows does not hold up the others.
constexpr int kNoticedPerClaim = 1000;

// --- news: pending jobs that other programs inserted, or that a person brought back ---

struct Unnoticed {
  std::int64_t seq = 0;
  std::string sync_id, team_id;
  Time run_after;
  int priority = 0;
};

std::vector<Unnoticed> find_unnoticed(Connection& connection) {
  Query query(
      connection,
      "SELECT seq, sync_id, team_id, run_after, priority FROM data_sync_jobs "
      "INDEXED BY data_sync_jobs_unnoticed WHERE status = 'pending' AND noticed = 0 ORDER BY seq LIMIT ?1");
  query.bind(kNoticedPerClaim);
  std::vector<Unnoticed> jobs;
  while (query.step())
    jobs.push_back({query.integer(0), query.text(1), query.text(2), query.time(3), query.small(4)});
  return jobs;
}

std::string why_unserved(Connection& connection, const Unnoticed& job) {
  Query query(connection, "SELECT name FROM syncs WHERE id = ?1");
  query.bind(job.sync_id);
  if (!query.step())
    return fmt::format("there is no sync with the id {}: add it to the config, or correct sync_id",
                       job.sync_id);
  return fmt::format("sync {} ({}) is not of team {}: correct team_id", job.sync_id, query.text(0),
                     job.team_id);
}

/// Why a job will wait although it is due; empty: it will not.
std::string why_it_waits(Connection& connection, const std::string& sync_id) {
  Query query(connection,
              "SELECT s.name, s.status, t.hold_reason FROM syncs s JOIN sync_state t ON t.sync_id = s.id "
              "WHERE s.id = ?1 AND (s.status <> 'active' OR t.hold_kind IS NOT NULL)");
  if (!query.bind(sync_id).step()) return "";
  if (query.is_null(2)) return fmt::format("waits: sync {} is {}", query.text(0), query.text(1));
  return fmt::format("waits: sync {} is held: {}", query.text(0), query.text(2));
}

void take_notice(Connection& connection, Time now) {
  for (const Unnoticed& job : find_unnoticed(connection)) {
    if (note_pending(connection, job.sync_id, job.team_id, job.run_after, job.priority)) {
      const std::string waits = why_it_waits(connection, job.sync_id);
      Query(connection,
            "UPDATE data_sync_jobs SET noticed = 1, error = coalesce(nullif(?2, ''), error) WHERE seq = ?1")
          .bind(job.seq, waits)
          .run();
      continue;
    }
    const std::string reason = why_unserved(connection, job);
    Query(connection,
          "UPDATE data_sync_jobs SET status = 'failed', error = ?2, finished_at = ?3, updated_at = ?3 WHERE "
          "seq = ?1")
        .bind(job.seq, reason, now)
        .run();
  }
}

// --- leases that ran out ---

/// Hands back what the sync's worker held. Returns how many jobs are pending again.
std::int64_t hand_back(Connection& connection, const std::string& sync_id, Time now,
                       const std::string& reason) {
  Query(connection,
        "UPDATE sync_runs SET status = 'failed', error = ?2, finished_at = ?3 "
        "WHERE id = (SELECT lease_run FROM sync_state WHERE sync_id = ?1) AND status = 'processing'")
      .bind(sync_id, reason, now)
      .run();
  // Also jobs in processing without a lease, which only another program can have made.
  const std::int64_t jobs =
      Query(connection,
            "UPDATE data_sync_jobs SET status = 'pending', run_id = NULL, started_at = NULL, "
            "updated_at = ?2, noticed = 0 WHERE sync_id = ?1 AND status = 'processing'")
          .bind(sync_id, now)
          .run();
  Query(connection,
        "UPDATE sync_state SET lease_owner = NULL, lease_run = NULL, lease_until = NULL WHERE sync_id = ?1")
      .bind(sync_id)
      .run();
  recount_pending(connection, sync_id);
  return jobs;
}

std::vector<std::string> ids_of(Query& query) {
  std::vector<std::string> ids;
  while (query.step()) ids.push_back(query.text(0));
  return ids;
}

void take_back_expired(Connection& connection, Time now) {
  std::vector<std::string> expired;
  {
    Query query(connection, "SELECT sync_id FROM sync_state WHERE lease_until <= ?1");
    expired = ids_of(query.bind(now));
  }
  for (const std::string& sync_id : expired)
    hand_back(connection, sync_id, now, "the worker was lost: its lease ran out");
}

// --- whose turn it is ---

/// The sync that is due longest of the team whose turn it is at this priority.
std::optional<std::string> next_in_turn(Connection& connection, int priority, Time now) {
  // Two look-ups: teams behind the one that was served last, then from the first one again.
  for (const char* sql : {"SELECT sync_id FROM sync_state INDEXED BY sync_state_by_turn WHERE "
                          "queued_priority = ?1 AND waiting_at <= ?2 "
                          "AND team_id > (SELECT team_id FROM queue_turns WHERE priority = ?1) ORDER BY "
                          "team_id, waiting_at LIMIT 1",
                          "SELECT sync_id FROM sync_state INDEXED BY sync_state_by_turn WHERE "
                          "queued_priority = ?1 AND waiting_at <= ?2 "
                          "ORDER BY team_id, waiting_at LIMIT 1"}) {
    Query query(connection, sql);
    if (query.bind(priority, now).step()) return query.text(0);
  }
  return std::nullopt;
}

std::optional<std::string> next_of_any(Connection& connection, Time now) {
  {
    Query query(connection, "SELECT 1 FROM sync_state WHERE waiting_at <= ?1 LIMIT 1");
    if (!query.bind(now).step()) return std::nullopt;
  }
  // The index as the order asks for it: passing over the few that wait for a retry beats sorting all that are due.
  Query query(connection,
              "SELECT queued_priority FROM sync_state INDEXED BY sync_state_by_turn WHERE waiting_at <= ?1 "
              "ORDER BY queued_priority DESC LIMIT 1");
  if (!query.bind(now).step()) return std::nullopt;
  return next_in_turn(connection, query.small(0), now);
}

std::optional<std::string> next_of_these(Connection& connection, const std::vector<std::string>& only,
                                         Time now) {
  std::optional<std::string> best;
  int best_priority = 0;
  Time best_since;
  for (const std::string& sync_id : only) {
    Query query(connection,
                "SELECT sync_id, queued_priority, waiting_at FROM sync_state WHERE sync_id = ?1 AND "
                "waiting_at <= ?2");
    if (!query.bind(sync_id, now).step()) continue;
    const int priority = query.small(1);
    const Time since = query.time(2);
    if (best && (priority < best_priority || (priority == best_priority && since >= best_since))) continue;
    best = query.text(0);
    best_priority = priority;
    best_since = since;
  }
  return best;
}

/// When the first of these syncs can be claimed.
std::optional<Time> first_of_these(Connection& connection, const std::vector<std::string>& only) {
  std::optional<Time> first;
  for (const std::string& sync_id : only) {
    Query query(connection, "SELECT coalesce(waiting_at, lease_until) FROM sync_state WHERE sync_id = ?1");
    if (!query.bind(sync_id).step() || query.is_null(0)) continue;
    if (const Time at = query.time(0); !first || at < *first) first = at;
  }
  return first;
}

// --- taking it ---

/// The sync, and the epoch of its last lease.
std::pair<Sync, std::int64_t> sync_and_epoch(Connection& connection, const std::string& sync_id) {
  static const std::string sql =
      fmt::format("SELECT t.epoch, {} FROM {} WHERE s.id = ?1", kSyncColumns, kSyncTables);
  Query query(connection, sql);
  if (!query.bind(sync_id).step())
    throw Error(ErrorKind::bug, fmt::format("sync {} has a state but no definition", sync_id));
  return {read_sync(query), query.integer(0)};
}

/// A job with its number in the table, by which it is changed: an update that looks for its rows by what it changes
/// notes them all first.
struct NumberedJob {
  std::int64_t seq = 0;
  Job job;
};

/// The most urgent first, then the oldest.
std::vector<NumberedJob> due_jobs(Connection& connection, const Sync& sync, Time now) {
  static const std::string sql = fmt::format(
      "SELECT seq, {} FROM data_sync_jobs WHERE sync_id = ?1 AND status = 'pending' AND +team_id = ?2 "
      "AND run_after <= ?3",
      kJobColumns);
  Query query(connection, sql);
  query.bind(sync.id, sync.team_id, now);
  std::vector<NumberedJob> jobs;
  while (query.step()) jobs.push_back({query.integer(0), read_job(query)});
  std::sort(jobs.begin(), jobs.end(), [](const NumberedJob& a, const NumberedJob& b) {
    return a.job.priority != b.job.priority ? a.job.priority > b.job.priority : a.seq < b.seq;
  });
  return jobs;
}

void take_job(Connection& connection, NumberedJob& taken, const Claim& claim, Time now) {
  Job& job = taken.job;
  job.status = JobStatus::processing;
  job.started_at = job.updated_at = now;
  if (job.provider.empty()) job.provider = claim.sync.provider;
  Query(connection,
        "UPDATE data_sync_jobs SET status = 'processing', run_id = ?2, started_at = ?3, updated_at = ?3, "
        "noticed = 0, provider = ?4 WHERE seq = ?1")
      .bind(taken.seq, claim.lease.run_id, now, job.provider)
      .run();
}

void grant_lease(Connection& connection, const Lease& lease, Time until) {
  static const std::string sql = fmt::format(
      "UPDATE sync_state SET epoch = ?2, lease_owner = ?3, lease_run = ?4, lease_until = ?5, "
      "lease_version = definition_version, backoff_until = NULL, {} WHERE sync_id = ?1",
      kPendingCounted);
  Query(connection, sql).bind(lease.sync_id, lease.epoch, lease.owner, lease.run_id, until).run();
}

void record_run(Connection& connection, const Claim& claim, const std::vector<NumberedJob>& jobs, Time now) {
  Query(connection,
        "INSERT INTO sync_runs(id, job_id, sync_id, team_id, attempt, status, started_at) "
        "VALUES (?1, ?2, ?3, ?4, ?5, 'processing', ?6)")
      .bind(claim.lease.run_id, jobs.front().job.id, claim.sync.id, claim.sync.team_id, claim.attempt, now)
      .run();
  const std::int64_t run = connection.database().last_insert_rowid();
  for (const NumberedJob& served : jobs)
    Query(connection, "INSERT INTO sync_run_jobs(job_seq, run_seq) VALUES (?1, ?2)")
        .bind(served.seq, run)
        .run();
}

void note_turn(Connection& connection, int priority, const std::string& team_id) {
  Query(connection,
        "INSERT INTO queue_turns(priority, team_id) VALUES (?1, ?2) "
        "ON CONFLICT (priority) DO UPDATE SET team_id = excluded.team_id WHERE team_id <> excluded.team_id")
      .bind(priority, team_id)
      .run();
}

/// Makes the claim one of this sync. False: the sync's state promised jobs that are not there any more.
bool take(Connection& connection, Claim& claim, const std::string& sync_id, const std::string& owner,
          Duration time) {
  const Time now = claim.sent_at;
  std::int64_t last_epoch = 0;
  std::tie(claim.sync, last_epoch) = sync_and_epoch(connection, sync_id);
  std::vector<NumberedJob> jobs = due_jobs(connection, claim.sync, now);
  if (jobs.empty()) {
    recount_pending(connection, sync_id);
    return false;
  }
  claim.lease = {claim.sync.id, random_uuid(), owner, last_epoch + 1};
  for (NumberedJob& due : jobs) {
    take_job(connection, due, claim, now);
    claim.attempt = std::max(claim.attempt, due.job.retry_count + 1);
  }
  grant_lease(connection, claim.lease, now + time);
  record_run(connection, claim, jobs, now);
  note_turn(connection, jobs.front().job.priority, claim.sync.team_id);
  for (NumberedJob& taken : jobs) claim.jobs.push_back(std::move(taken.job));
  return true;
}

std::optional<Claim> claim_next(Connection& connection, Clock& clock, const std::string& owner, Duration time,
                                const std::vector<std::string>& only) {
  Claim claim;
  claim.sent = clock.monotonic();
  claim.sent_at = clock.now();
  const Time now = claim.sent_at;
  take_notice(connection, now);
  take_back_expired(connection, now);
  // Each round without a claim corrects one sync's state, so this ends.
  for (;;) {
    const auto sync_id = only.empty() ? next_of_any(connection, now) : next_of_these(connection, only, now);
    if (!sync_id) return std::nullopt;
    if (take(connection, claim, *sync_id, owner, time)) return claim;
  }
}

// --- the end of a run ---

std::string_view run_status(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::completed: return "completed";
    case Outcome::Kind::give_back: return "yielded";
    case Outcome::Kind::failed:
    case Outcome::Kind::retry: break;
  }
  return "failed";
}

std::vector<std::int64_t> jobs_in_hand(Connection& connection, const Lease& lease) {
  Query query(connection,
              "SELECT seq FROM data_sync_jobs WHERE sync_id = ?1 AND status = 'processing' AND run_id = ?2");
  query.bind(lease.sync_id, lease.run_id);
  std::vector<std::int64_t> jobs;
  while (query.step()) jobs.push_back(query.integer(0));
  return jobs;
}

void end_jobs(Connection& connection, const Lease& lease, std::string_view status, const std::string& error,
              Time now) {
  for (const std::int64_t seq : jobs_in_hand(connection, lease))
    Query(connection,
          "UPDATE data_sync_jobs SET status = ?2, error = nullif(?3, ''), finished_at = ?4, updated_at = ?4 "
          "WHERE seq = ?1")
        .bind(seq, status, error, now)
        .run();
}

void return_jobs(Connection& connection, const Lease& lease, const Outcome& outcome, Time now) {
  const int used = outcome.kind == Outcome::Kind::retry ? 1 : 0;
  Query(connection,
        "UPDATE data_sync_jobs SET status = 'pending', noticed = 1, run_id = NULL, started_at = NULL, "
        "retry_count = retry_count + ?3, error = coalesce(nullif(?4, ''), error), run_after = ?5, updated_at "
        "= ?6, priority = CASE WHEN ?7 THEN min(priority, 0) ELSE priority END "
        "WHERE sync_id = ?1 AND status = 'processing' AND run_id = ?2")
      .bind(lease.sync_id, lease.run_id, used, outcome.error, now + outcome.wait, now, outcome.yields)
      .run();
}

void end_run(Connection& connection, const Lease& lease, const Outcome& outcome, Time now) {
  const std::string tables = to_json(outcome.tables);
  Query(connection,
        "UPDATE sync_runs SET status = ?2, strategy = ?3, error = ?4, finished_at = ?5, tables = ?6 WHERE id "
        "= ?1")
      .bind(lease.run_id, run_status(outcome.kind), outcome.strategy, outcome.error, now, tables)
      .run();
}

/// A sync that left the config stays held for that.
void hold_after_run(Connection& connection, const std::string& sync_id, const Hold& hold) {
  {
    Query query(connection, "SELECT 1 FROM sync_state WHERE sync_id = ?1 AND hold_kind = 'removed'");
    if (query.bind(sync_id).step()) return;
  }
  put_hold(connection, sync_id, hold);
}

bool has_jobs(Connection& connection, const Lease& lease) {
  Query query(
      connection,
      "SELECT 1 FROM data_sync_jobs WHERE sync_id = ?1 AND status = 'processing' AND run_id = ?2 LIMIT 1");
  return query.bind(lease.sync_id, lease.run_id).step();
}

/// Whether the sync is not as it was when the run claimed it.
bool was_changed(Connection& connection, const Lease& lease) {
  Query query(connection,
              "SELECT 1 FROM sync_state WHERE sync_id = ?1 AND lease_run = ?2 AND lease_version <> "
              "definition_version");
  return query.bind(lease.sync_id, lease.run_id).step();
}

void end_lease(Connection& connection, const Lease& lease, std::optional<Time> backoff_until) {
  static const std::string sql = fmt::format(
      "UPDATE sync_state SET lease_owner = NULL, lease_run = NULL, lease_until = NULL, backoff_until = ?2, "
      "{} WHERE sync_id = ?1",
      kPendingCounted);
  Query(connection, sql).bind(lease.sync_id, backoff_until).run();
}

void finish_run(Connection& connection, const Lease& lease, const Outcome& outcome, Time now) {
  require_lease(connection, lease, now);
  const bool over = outcome.kind == Outcome::Kind::completed || outcome.kind == Outcome::Kind::failed;
  if (over) end_jobs(connection, lease, run_status(outcome.kind), outcome.error, now);
  else return_jobs(connection, lease, outcome, now);
  failpoint("store.job_state");
  end_run(connection, lease, outcome, now);
  const bool backs_off = !over && outcome.wait > Duration::zero();
  end_lease(connection, lease, backs_off ? std::optional(now + outcome.wait) : std::nullopt);
  if (outcome.hold) hold_after_run(connection, lease.sync_id, *outcome.hold);
}

}  // namespace

std::optional<Claim> SqliteStore::claim(const std::string& owner, Duration lease,
                                        const std::vector<std::string>& only) {
  return write([&](Connection& connection) { return claim_next(connection, clock_, owner, lease, only); });
}

std::optional<Time> SqliteStore::next_job(const std::vector<std::string>& only) {
  return read([&](Connection& connection) -> std::optional<Time> {
    {
      Query query(connection,
                  "SELECT 1 FROM data_sync_jobs INDEXED BY data_sync_jobs_unnoticed "
                  "WHERE status = 'pending' AND noticed = 0 LIMIT 1");
      if (query.step()) return clock_.now();
    }
    if (!only.empty()) return first_of_these(connection, only);
    Query query(
        connection,
        "SELECT min(at) FROM (SELECT min(waiting_at) AS at FROM sync_state WHERE waiting_at IS NOT NULL "
        "UNION ALL SELECT min(lease_until) FROM sync_state WHERE lease_until IS NOT NULL)");
    query.step();
    return query.optional_time(0);
  });
}

bool SqliteStore::heartbeat(const Lease& lease, Duration time) {
  return write([&](Connection& connection) {
    const Time now = clock_.now();
    require_lease(connection, lease, now);
    if (!has_jobs(connection, lease))
      throw Error(ErrorKind::cancelled,
                  fmt::format("sync {}: every job of run {} was cancelled", lease.sync_id, lease.run_id));
    Query(connection, "UPDATE sync_state SET lease_until = ?2 WHERE sync_id = ?1")
        .bind(lease.sync_id, now + time)
        .run();
    return !was_changed(connection, lease);
  });
}

bool SqliteStore::is_to_end(const Lease& lease) {
  return read(
      [&](Connection& connection) { return !has_jobs(connection, lease) || was_changed(connection, lease); });
}

void SqliteStore::finish(const Lease& lease, const Outcome& outcome) {
  write([&](Connection& connection) { finish_run(connection, lease, outcome, clock_.now()); });
  wake_waiters();
}

std::optional<Claim> SqliteStore::finish_and_claim(const Lease& lease, const Outcome& outcome,
                                                   Duration next_lease) {
  auto next = write([&](Connection& connection) {
    finish_run(connection, lease, outcome, clock_.now());
    return claim_next(connection, clock_, lease.owner, next_lease, {});
  });
  wake_waiters();
  return next;
}

std::size_t SqliteStore::release_all() {
  const auto released = write([&](Connection& connection) {
    const Time now = clock_.now();
    std::vector<std::string> held;
    {
      Query query(connection,
                  "SELECT sync_id FROM sync_state WHERE lease_run IS NOT NULL "
                  "UNION SELECT sync_id FROM data_sync_jobs WHERE status = 'processing'");
      held = ids_of(query);
    }
    std::int64_t jobs = 0;
    for (const std::string& sync_id : held)
      jobs += hand_back(connection, sync_id, now, "the process that worked on it ended");
    // What other programs did to pending jobs meanwhile is looked at anew.
    Query(connection, "UPDATE data_sync_jobs SET noticed = 0 WHERE status = 'pending' AND noticed = 1").run();
    return static_cast<std::size_t>(jobs);
  });
  wake_waiters();
  return released;
}

}  // namespace syncflow::sqlite_store
