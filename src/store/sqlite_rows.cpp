#include "store/sqlite_rows.h"

#include <fmt/format.h>

namespace syncflow::sqlite_store {

Sync read_sync(const Query& query) {
  Sync sync;
  sync.id = query.text(1);
  sync.name = query.text(2);
  sync.team_id = query.text(3);
  sync.status = sync_status_named(query.text(4)).value();
  sync.provider = query.text(5);
  sync.source = query.text(6);
  sync.destination = query.text(7);
  sync.schedule = query.text(8);
  sync.definition = query.text(9);
  if (!query.is_null(10)) sync.hold = Hold{query.text(10), query.text(11), query.time(12)};
  sync.last_polled_at = query.optional_time(13);
  sync.next_run_at = query.optional_time(14);
  sync.failed_polls = query.small(15);
  sync.message = query.text(16);
  sync.starts_over = query.boolean(17);
  return sync;
}

Job read_job(const Query& query) {
  Job job;
  job.id = query.text(1);
  job.sync_id = query.text(2);
  job.team_id = query.text(3);
  job.provider = query.text(4);
  job.status = job_status_named(query.text(5)).value();
  job.payload = query.text(6);
  job.error = query.text(7);
  job.retry_count = query.small(8);
  job.created_at = query.time(9);
  job.updated_at = query.time(10);
  job.started_at = query.optional_time(11);
  job.finished_at = query.optional_time(12);
  // Other programs may name triggers of their own.
  job.trigger = trigger_named(query.text(13)).value_or(Trigger::external);
  job.run_after = query.time(14);
  job.priority = query.small(15);
  return job;
}

std::optional<Job> find_job(Connection& connection, const std::string& id) {
  static const std::string sql = fmt::format("SELECT seq, {} FROM data_sync_jobs WHERE id = ?1", kJobColumns);
  Query query(connection, sql);
  query.bind(id);
  if (!query.step()) return std::nullopt;
  return read_job(query);
}

void require_lease(Connection& connection, const Lease& lease, Time now) {
  Query query(
      connection,
      "SELECT 1 FROM sync_state WHERE sync_id = ?1 AND epoch = ?2 AND lease_run = ?3 AND lease_until > ?4");
  query.bind(lease.sync_id, lease.epoch, lease.run_id, now);
  if (query.step()) return;
  throw Error(
      ErrorKind::lease_lost,
      fmt::format("sync {}: run {} (epoch {}, worker {}) no longer holds the lease: its time ran out, or "
                  "the sync was taken over, reset or forgotten",
                  lease.sync_id, lease.run_id, lease.epoch, lease.owner));
}

bool note_pending(Connection& connection, const std::string& sync_id, const std::string& team_id,
                  Time run_after, int priority) {
  Query query(connection,
              "UPDATE sync_state SET queued_priority = CASE WHEN queued_run_after IS NULL THEN ?4 "
              "ELSE max(queued_priority, ?4) END, queued_run_after = min(coalesce(queued_run_after, ?3), ?3) "
              "WHERE sync_id = ?1 AND team_id = ?2");
  return query.bind(sync_id, team_id, run_after, priority).run() == 1;
}

void recount_pending(Connection& connection, const std::string& sync_id) {
  static const std::string sql = fmt::format("UPDATE sync_state SET {} WHERE sync_id = ?1", kPendingCounted);
  Query(connection, sql).bind(sync_id).run();
}

std::string page_filter(const Page& page) {
  // The plus keeps the planner from the index by team: a sync's rows are the fewer.
  if (!page.sync_id.empty() && !page.team_id.empty()) return " AND sync_id = ?3 AND +team_id = ?4";
  if (!page.sync_id.empty()) return " AND sync_id = ?3";
  if (!page.team_id.empty()) return " AND team_id = ?4";
  return "";
}

void bind_page(Query& query, const Page& page, std::int64_t below, std::size_t limit) {
  query.bind(below, limit);
  if (!page.team_id.empty()) query.bind(page.sync_id, page.team_id);
  else if (!page.sync_id.empty()) query.bind(page.sync_id);
}

}  // namespace syncflow::sqlite_store
