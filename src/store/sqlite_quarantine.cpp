#include <fmt/format.h>

#include "core/uuid.h"
#include "store/sqlite_rows.h"
#include "store/sqlite_store.h"

namespace syncflow::sqlite_store {
namespace {

constexpr std::string_view kEntryColumns =
    "id, sync_id, mapping, \"table\", key, field, reason, attempts, first_seen_at, last_seen_at, "
    "row_hash";

QuarantinedRow read_entry(const Query& query) {
  QuarantinedRow row;
  row.id = query.text(1);
  row.sync_id = query.text(2);
  row.mapping = query.text(3);
  row.table = query.text(4);
  row.key = Key::from_json(query.text(5));
  row.field = query.text(6);
  row.reason = query.text(7);
  row.attempts = query.small(8);
  row.first_seen_at = query.time(9);
  row.last_seen_at = query.time(10);
  row.row_hash = query.hash(11);
  return row;
}

void clear(Connection& connection, const std::string& sync_id, const BatchCommit& commit) {
  {
    // A healthy mapping has no entries, and the keys of its batches need no look-up each.
    Query any(connection, "SELECT 1 FROM sync_row_errors WHERE sync_id = ?1 AND mapping = ?2 LIMIT 1");
    if (!any.bind(sync_id, commit.mapping).step()) return;
  }
  for (const Key& cleared : commit.cleared) {
    const std::string key = cleared.to_json();
    Query(connection, "DELETE FROM sync_row_errors WHERE sync_id = ?1 AND mapping = ?2 AND key = ?3")
        .bind(sync_id, commit.mapping, key)
        .run();
  }
}

void enter(Connection& connection, const std::string& sync_id, const std::string& mapping,
           const QuarantinedRow& row, Time now) {
  const std::string id = random_uuid();
  const std::string key = row.key.to_json();
  Query(connection,
        "INSERT INTO sync_row_errors(id, sync_id, team_id, mapping, \"table\", key, field, reason, attempts, "
        "first_seen_at, last_seen_at, row_hash) "
        "SELECT ?1, sync_id, team_id, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?8, ?9 FROM sync_state WHERE sync_id = ?2 "
        "ON CONFLICT (sync_id, mapping, key) DO UPDATE SET field = excluded.field, reason = excluded.reason, "
        "\"table\" = excluded.\"table\", attempts = attempts + 1, last_seen_at = excluded.last_seen_at, "
        "row_hash = excluded.row_hash")
      .bind(id, sync_id, mapping, row.table, key, row.field, row.reason, now, row.row_hash)
      .run();
}

}  // namespace

void update_quarantine(Connection& connection, const std::string& sync_id, const BatchCommit& commit,
                       Time now) {
  if (!commit.cleared.empty()) clear(connection, sync_id, commit);
  for (const QuarantinedRow& row : commit.quarantined) enter(connection, sync_id, commit.mapping, row, now);
}

Listed<QuarantinedRow> SqliteStore::list_quarantine(const Page& page) {
  const std::string sql =
      fmt::format("SELECT seq, {} FROM sync_row_errors WHERE seq < ?1{} ORDER BY seq DESC LIMIT ?2",
                  kEntryColumns, page_filter(page));
  return read(
      [&](Connection& connection) { return read_page<QuarantinedRow>(connection, sql, page, read_entry); });
}

std::vector<QuarantinedRow> SqliteStore::quarantine_of(const std::string& sync_id, const std::string& mapping,
                                                       std::size_t limit) {
  static const std::string sql = fmt::format(
      "SELECT seq, {} FROM sync_row_errors WHERE sync_id = ?1 AND mapping = ?2 ORDER BY last_seen_at, seq "
      "LIMIT ?3",
      kEntryColumns);
  return read([&](Connection& connection) {
    Query query(connection, sql);
    query.bind(sync_id, mapping, limit);
    std::vector<QuarantinedRow> rows;
    while (query.step()) rows.push_back(read_entry(query));
    return rows;
  });
}

std::size_t SqliteStore::count_quarantine(const std::string& sync_id) {
  return read([&](Connection& connection) {
    Query query(connection, "SELECT count(*) FROM sync_row_errors WHERE sync_id = ?1");
    query.bind(sync_id).step();
    return static_cast<std::size_t>(query.integer(0));
  });
}

}  // namespace syncflow::sqlite_store
