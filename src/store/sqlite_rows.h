#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/page_cursor.h"
#include "store/sqlite_connection.h"
#include "store/store.h"

namespace syncflow::sqlite_store {

/// What the sources of the SQLite store share: rows to structs, pages, and the rules of leases and the queue.

/// For `SELECT 0, {kSyncColumns} FROM {kSyncTables}`; what is read begins in the second column everywhere.
inline constexpr std::string_view kSyncColumns =
    "s.id, s.name, s.team_id, s.status, s.provider, s.source, s.destination, s.schedule, s.definition, "
    "t.hold_kind, t.hold_reason, t.hold_since, t.last_polled_at, t.next_run_at, t.failed_polls, "
    "CASE t.poll_trouble WHEN '' THEN t.message ELSE t.poll_trouble END, t.starts_over";
inline constexpr std::string_view kSyncTables = "syncs s JOIN sync_state t ON t.sync_id = s.id";
Sync read_sync(const Query& query);

/// For `SELECT seq, {kJobColumns} FROM data_sync_jobs`.
inline constexpr std::string_view kJobColumns =
    "id, sync_id, team_id, provider, status, payload, error, retry_count, created_at, updated_at, "
    "started_at, "
    "finished_at, \"trigger\", run_after, priority";
Job read_job(const Query& query);
std::optional<Job> find_job(Connection& connection, const std::string& id);

/// What a commit changes in the quarantine of its mapping.
void update_quarantine(Connection& connection, const std::string& sync_id, const BatchCommit& commit,
                       Time now);

/// Throws Error(lease_lost) unless the lease is the sync's and has time left at `now`.
void require_lease(Connection& connection, const Lease& lease, Time now);

/// Counts one more pending job into the sync's state. False: there is no such sync of this team.
bool note_pending(Connection& connection, const std::string& sync_id, const std::string& team_id,
                  Time run_after, int priority);
/// For `UPDATE sync_state SET … WHERE sync_id = ?1`: reads anew from the jobs what the sync's state says about pending
/// ones.
inline constexpr std::string_view kPendingCounted =
    "(queued_run_after, queued_priority) = (SELECT min(run_after), coalesce(max(priority), 0) FROM "
    "data_sync_jobs j WHERE j.sync_id = ?1 AND j.status = 'pending' AND +j.team_id = sync_state.team_id)";
void recount_pending(Connection& connection, const std::string& sync_id);

void put_hold(Connection& connection, const std::string& sync_id, const Hold& hold);

/// ` AND sync_id = ?3 AND team_id = ?4`, as far as the page asks for it.
std::string page_filter(const Page& page);
/// Runs `sql` for a page of what is listed newest first: `SELECT seq, … WHERE seq < ?1 {page_filter} ORDER BY
/// seq DESC LIMIT ?2`. The cursor of the next page is the last item's seq.
template <typename T>
Listed<T> read_page(Connection& connection, const std::string& sql, const Page& page,
                    T (*read_row)(const Query&));

/// Binds ?1 to ?4 for `read_page`; the limit is one row more than the page, to see whether there is a next.
void bind_page(Query& query, const Page& page, std::int64_t below, std::size_t limit);

template <typename T>
Listed<T> read_page(Connection& connection, const std::string& sql, const Page& page,
                    T (*read_row)(const Query&)) {
  const std::size_t limit = std::max<std::size_t>(page.limit, 1);
  Query query(connection, sql);
  bind_page(query, page, seq_below(page), limit + 1);
  Listed<T> listed;
  std::int64_t last = 0;
  while (query.step()) {
    if (listed.items.size() == limit) {
      listed.next = std::to_string(last);
      break;
    }
    listed.items.push_back(read_row(query));
    last = query.integer(0);
  }
  return listed;
}

}  // namespace syncflow::sqlite_store
