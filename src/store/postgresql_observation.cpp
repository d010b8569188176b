#include "store/postgresql_store.h"

namespace syncflow::postgresql_store {
namespace {

/// Each count reads an index alone, and ends at the limit; of the oldest each is one look-up.
constexpr const char* kQueue =
    "SELECT (SELECT count(*) FROM (SELECT FROM data_sync_jobs WHERE status = 'pending' LIMIT $1) n), "
    "(SELECT count(*) FROM (SELECT FROM data_sync_jobs WHERE status = 'processing' LIMIT $1) n), "
    "(SELECT count(*) FROM (SELECT FROM sync_state WHERE waiting_at <= t.now LIMIT $1) n), "
    "(SELECT syncflow_us(created_at) FROM data_sync_jobs WHERE status = 'pending' ORDER BY seq LIMIT 1), "
    "(SELECT syncflow_us(min(waiting_at)) FROM sync_state WHERE waiting_at <= t.now) "
    "FROM (SELECT coalesce($2::timestamptz, clock_timestamp()) AS now) t";

/// The newest run that ended is found in a step or two, since at most the newest ones are still going on.
constexpr const char* kSyncs =
    "SELECT d.id, d.name, d.team_id, d.source, d.destination, d.status, t.hold_kind IS NOT NULL, "
    "t.failed_polls, syncflow_us(t.last_polled_at), t.queued_run_after IS NULL AND t.lease_until IS NULL AND "
    "t.failed_polls = 0 AND t.poll_trouble = '', r.status, syncflow_us(r.started_at), "
    "syncflow_us(r.finished_at), "
    "(SELECT count(*) FROM (SELECT FROM sync_row_errors e WHERE e.sync_id = d.id LIMIT $1) n) "
    "FROM sync_definitions d JOIN sync_state t ON t.sync_id = d.id LEFT JOIN LATERAL (SELECT * FROM "
    "sync_runs "
    "WHERE sync_id = d.id AND status <> 'processing' ORDER BY seq DESC LIMIT 1) r ON true "
    "ORDER BY d.name, d.id";

std::size_t count(const libpq::Rows& rows, int row, int column) {
  return static_cast<std::size_t>(rows.integer(row, column));
}

Observation::SyncState read_state(const libpq::Rows& rows, int row) {
  Observation::SyncState state;
  state.id = rows.string(row, 0);
  state.name = rows.string(row, 1);
  state.team_id = rows.string(row, 2);
  state.source = rows.string(row, 3);
  state.destination = rows.string(row, 4);
  state.status = sync_status_named(rows.string(row, 5)).value_or(SyncStatus::active);
  state.held = rows.boolean(row, 6);
  state.failed_polls = static_cast<int>(rows.integer(row, 7));
  state.last_run = rows.is_null(row, 10) ? "" : rows.string(row, 10);
  state.last_run_ended_at = read_optional_time(rows, row, 12);
  state.quarantined_rows = count(rows, row, 13);
  state.note_up_to_date(read_optional_time(rows, row, 11), read_optional_time(rows, row, 8),
                        rows.boolean(row, 9));
  return state;
}

}  // namespace

Observation PostgresqlStore::observe() {
  Observation seen;
  Call queue(kQueue);
  queue.number(static_cast<std::int64_t>(Observation::kMostJobs));
  const libpq::Rows figures = run(now(queue));
  seen.pending_jobs = count(figures, 0, 0);
  seen.processing_jobs = count(figures, 0, 1);
  seen.due_syncs = count(figures, 0, 2);
  seen.oldest_pending = read_optional_time(figures, 0, 3);
  seen.oldest_due = read_optional_time(figures, 0, 4);
  const libpq::Rows rows = run(Call(kSyncs).number(static_cast<std::int64_t>(Observation::kMostRows)));
  for (int row = 0; row < rows.size(); ++row) seen.syncs.push_back(read_state(rows, row));
  return seen;
}

}  // namespace syncflow::postgresql_store
