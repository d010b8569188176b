#include <fmt/format.h>

#include "core/failpoint.h"
#include "core/text.h"
#include "core/uuid.h"
#include "store/sqlite_rows.h"
#include "store/sqlite_store.h"

namespace syncflow::sqlite_store {
namespace {

constexpr std::array kStatuses{JobStatus::pending, JobStatus::processing, JobStatus::completed,
                               JobStatus::failed};

/// What a new job needs to know of its sync.
struct JobTarget {
  std::string sync_id, team_id, provider;
  std::optional<Time> backoff_until;
};

JobTarget find_target(Connection& connection, const std::string& sync_id) {
  Query query(connection,
              "SELECT s.id, s.team_id, s.provider, t.backoff_until FROM syncs s JOIN sync_state t ON "
              "t.sync_id = s.id "
              "WHERE s.id = ?1");
  query.bind(sync_id);
  if (!query.step())
    throw Error(ErrorKind::not_found, fmt::format("there is no sync with the id {}", sync_id));
  return {query.text(0), query.text(1), query.text(2), query.optional_time(3)};
}

/// One that is due, or waits for a retry. What somebody asked for at a later time stays for itself.
std::optional<Job> find_pending(Connection& connection, const JobTarget& target, Time now) {
  static const std::string sql = fmt::format(
      "SELECT seq, {} FROM data_sync_jobs WHERE sync_id = ?1 AND status = 'pending' AND +team_id = ?2 "
      "AND run_after <= ?3 ORDER BY seq LIMIT 1",
      kJobColumns);
  Query query(connection, sql);
  query.bind(target.sync_id, target.team_id, std::max(now, target.backoff_until.value_or(now)));
  if (!query.step()) return std::nullopt;
  return read_job(query);
}

void end_backoff(Connection& connection, const std::string& sync_id) {
  Query(connection,
        "UPDATE sync_state SET backoff_until = NULL WHERE sync_id = ?1 AND backoff_until IS NOT NULL")
      .bind(sync_id)
      .run();
}

Job insert_job(Connection& connection, const JobTarget& target, Job job) {
  job.id = random_uuid();
  job.sync_id = target.sync_id;
  job.team_id = target.team_id;
  job.provider = target.provider;
  Query(connection,
        "INSERT INTO data_sync_jobs(id, sync_id, team_id, provider, status, payload, created_at, updated_at, "
        "\"trigger\", run_after, priority, noticed) VALUES (?1, ?2, ?3, ?4, 'pending', ?5, ?6, ?6, ?7, ?8, "
        "?9, 1)")
      .bind(job.id, job.sync_id, job.team_id, job.provider, job.payload, job.created_at, name_of(job.trigger),
            job.run_after, job.priority)
      .run();
  return job;
}

/// True: `pending` was changed by what `wanted` asks for.
bool merge(Job& pending, const Job& wanted) {
  const bool resync = wanted.trigger == Trigger::resync && pending.trigger != Trigger::resync;
  const bool says_more = pending.payload == "{}" && wanted.payload != "{}";
  if (!resync && !says_more && wanted.priority <= pending.priority && wanted.run_after >= pending.run_after)
    return false;
  if (says_more) pending.payload = wanted.payload;
  if (resync) {
    pending.trigger = wanted.trigger;
    pending.payload = wanted.payload;
  }
  pending.priority = std::max(pending.priority, wanted.priority);
  pending.run_after = std::min(pending.run_after, wanted.run_after);
  pending.updated_at = wanted.updated_at;
  return true;
}

void save_merged(Connection& connection, const Job& job) {
  Query(connection,
        "UPDATE data_sync_jobs SET \"trigger\" = ?2, payload = ?3, priority = ?4, run_after = ?5, updated_at "
        "= ?6 "
        "WHERE id = ?1")
      .bind(job.id, name_of(job.trigger), job.payload, job.priority, job.run_after, job.updated_at)
      .run();
}

/// The rows of a page, found by index whatever the filters: each status has its run of the index in the order
/// of seq, so the newest of all statuses are among the newest of each.
std::string list_sql(const Page& page, const std::string& filter) {
  std::vector<std::string> parts;
  for (const JobStatus status : kStatuses) {
    if (!page.status.empty() && page.status != name_of(status)) continue;
    parts.push_back(
        fmt::format("SELECT seq FROM (SELECT seq FROM data_sync_jobs WHERE status = '{}' AND seq < ?1{} "
                    "ORDER BY seq DESC LIMIT ?2)",
                    name_of(status), filter));
  }
  return fmt::format("SELECT seq, {} FROM data_sync_jobs WHERE seq IN ({}) ORDER BY seq DESC LIMIT ?2",
                     kJobColumns, join(parts, " UNION ALL "));
}

}  // namespace

Store::Enqueued SqliteStore::enqueue(const std::string& sync_id, Trigger trigger, int priority,
                                     const std::string& payload) {
  const Enqueued enqueued = write([&](Connection& connection) -> Enqueued {
    const Time now = clock_.now();
    const JobTarget target = find_target(connection, sync_id);
    Job wanted;
    wanted.trigger = trigger;
    wanted.priority = priority;
    wanted.payload = payload;
    wanted.created_at = wanted.updated_at = now;
    wanted.run_after = priority > 0 ? now : std::max(now, target.backoff_until.value_or(now));
    if (priority > 0) end_backoff(connection, target.sync_id);
    if (trigger == Trigger::resync)
      Query(connection, "UPDATE sync_state SET starts_over = 1 WHERE sync_id = ?1")
          .bind(target.sync_id)
          .run();

    std::optional<Job> pending = find_pending(connection, target, now);
    if (pending && !merge(*pending, wanted)) return {*pending, false};
    if (pending) save_merged(connection, *pending);
    else wanted = insert_job(connection, target, wanted);
    const Job& job = pending ? *pending : wanted;
    note_pending(connection, job.sync_id, job.team_id, job.run_after, job.priority);
    return {job, !pending};
  });
  wake_waiters();
  return enqueued;
}

std::optional<Job> SqliteStore::find_job(const std::string& id) {
  return read([&](Connection& connection) { return sqlite_store::find_job(connection, id); });
}

Listed<Job> SqliteStore::list_jobs(const Page& page) {
  if (!page.status.empty() && !job_status_named(page.status))
    throw Error(
        ErrorKind::bad_config,
        fmt::format("\"{}\" is no status of a job: pending, processing, completed or failed", page.status));
  const std::string filter = page_filter(page);
  const std::string sql =
      filter.empty() && page.status.empty()
          ? fmt::format("SELECT seq, {} FROM data_sync_jobs WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2",
                        kJobColumns)
          : list_sql(page, filter);
  return read([&](Connection& connection) { return read_page<Job>(connection, sql, page, read_job); });
}

std::optional<Job> SqliteStore::retry_job(const std::string& id) {
  const auto retried = write([&](Connection& connection) -> std::optional<Job> {
    const Time now = clock_.now();
    const auto changed =
        Query(connection,
              "UPDATE data_sync_jobs SET status = 'pending', retry_count = 0, error = NULL, "
              "started_at = NULL, finished_at = NULL, run_id = NULL, run_after = ?2, updated_at = ?2, "
              "priority = max(priority, ?3), noticed = 0 WHERE id = ?1 AND status = 'failed'")
            .bind(id, now, kPersonPriority)
            .run();
    if (changed == 0) return std::nullopt;
    auto job = sqlite_store::find_job(connection, id);
    if (note_pending(connection, job->sync_id, job->team_id, now, job->priority)) {
      Query(connection, "UPDATE data_sync_jobs SET noticed = 1 WHERE id = ?1").bind(id).run();
      end_backoff(connection, job->sync_id);
    }
    return job;
  });
  if (retried) wake_waiters();
  return retried;
}

std::optional<Job> SqliteStore::cancel_job(const std::string& id) {
  return write([&](Connection& connection) -> std::optional<Job> {
    const auto changed =
        Query(connection,
              "UPDATE data_sync_jobs SET status = 'failed', error = 'cancelled: on request', "
              "finished_at = ?2, updated_at = ?2, noticed = 0 "
              "WHERE id = ?1 AND status IN ('pending', 'processing')")
            .bind(id, clock_.now())
            .run();
    if (changed == 0) return std::nullopt;
    auto job = sqlite_store::find_job(connection, id);
    recount_pending(connection, job->sync_id);
    return job;
  });
}

std::size_t SqliteStore::pending_jobs() {
  return read([](Connection& connection) {
    Query query(connection, "SELECT count(*) FROM data_sync_jobs WHERE status = 'pending'");
    query.step();
    return static_cast<std::size_t>(query.integer(0));
  });
}

}  // namespace syncflow::sqlite_store
