#include "store/sqlite_rows.h"
#include "store/sqlite_store.h"

namespace syncflow::sqlite_store {
namespace {

void observe_queue(Connection& connection, Time now, Observation& seen) {
  // Each count reads an index alone, and ends at the limit; of the oldest jobs each is one look-up.
  Query query(
      connection,
      "SELECT (SELECT count(*) FROM (SELECT 1 FROM data_sync_jobs WHERE status = 'pending' LIMIT ?1)), "
      "(SELECT count(*) FROM (SELECT 1 FROM data_sync_jobs WHERE status = 'processing' LIMIT ?1)), "
      "(SELECT count(*) FROM (SELECT 1 FROM sync_state WHERE waiting_at <= ?2 LIMIT ?1)), "
      "(SELECT created_at FROM data_sync_jobs WHERE status = 'pending' ORDER BY seq LIMIT 1), "
      "(SELECT min(waiting_at) FROM sync_state WHERE waiting_at <= ?2)");
  query.bind(Observation::kMostJobs, now).step();
  seen.pending_jobs = static_cast<std::size_t>(query.integer(0));
  seen.processing_jobs = static_cast<std::size_t>(query.integer(1));
  seen.due_syncs = static_cast<std::size_t>(query.integer(2));
  seen.oldest_pending = query.optional_time(3);
  seen.oldest_due = query.optional_time(4);
}

/// The newest run that ended is found in a step or two, since at most the newest ones are still going on.
constexpr std::string_view kSyncs =
    "SELECT s.id, s.name, s.team_id, s.source, s.destination, s.status, t.hold_kind IS NOT NULL, "
    "t.failed_polls, "
    "t.last_polled_at, t.queued_run_after IS NULL AND t.lease_until IS NULL AND t.failed_polls = 0 "
    "AND t.poll_trouble = '', "
    "r.status, r.started_at, r.finished_at, "
    "(SELECT count(*) FROM (SELECT 1 FROM sync_row_errors e WHERE e.sync_id = s.id LIMIT ?1)) "
    "FROM syncs s JOIN sync_state t ON t.sync_id = s.id LEFT JOIN sync_runs r ON r.seq = "
    "(SELECT seq FROM sync_runs WHERE sync_id = s.id AND status <> 'processing' ORDER BY seq DESC LIMIT 1) "
    "ORDER BY s.name, s.id";

Observation::SyncState read_state(const Query& query) {
  Observation::SyncState state;
  state.id = query.text(0);
  state.name = query.text(1);
  state.team_id = query.text(2);
  state.source = query.text(3);
  state.destination = query.text(4);
  state.status = sync_status_named(query.text(5)).value_or(SyncStatus::active);
  state.held = query.boolean(6);
  state.failed_polls = query.small(7);
  state.last_run = query.text(10);
  state.last_run_ended_at = query.optional_time(12);
  state.quarantined_rows = static_cast<std::size_t>(query.integer(13));
  // A run shows the source as it was when it began. A later look proves as much where it asked for no job: what
  // it found would still be queued, or be carried by a run that began after it.
  if (state.last_run == "completed") {
    state.up_to_date_at = query.time(11);
    const bool quiet = query.boolean(9);
    if (const auto polled = query.optional_time(8); polled && quiet)
      state.up_to_date_at = std::max(*state.up_to_date_at, *polled);
  }
  return state;
}

}  // namespace

Observation SqliteStore::observe() {
  return read([&](Connection& connection) {
    Observation seen;
    observe_queue(connection, clock_.now(), seen);
    Query syncs(connection, kSyncs);
    syncs.bind(Observation::kMostRows);
    while (syncs.step()) seen.syncs.push_back(read_state(syncs));
    return seen;
  });
}

}  // namespace syncflow::sqlite_store
