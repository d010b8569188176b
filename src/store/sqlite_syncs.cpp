#include <fmt/format.h>

#include <set>

#include "store/page_cursor.h"
#include "store/sqlite_rows.h"
#include "store/sqlite_store.h"

namespace syncflow::sqlite_store {
namespace {

constexpr const char* kRemoved = "removed";

std::string select_syncs(std::string_view where) {
  return fmt::format("SELECT 0, {} FROM {} {}", kSyncColumns, kSyncTables, where);
}

std::optional<Sync> load_sync(Connection& connection, const std::string& id) {
  static const std::string sql = select_syncs("WHERE s.id = ?1");
  Query query(connection, sql);
  if (!query.bind(id).step()) return std::nullopt;
  return read_sync(query);
}

bool same_definition(const Sync& a, const Sync& b) {
  return a.name == b.name && a.team_id == b.team_id && a.status == b.status && a.provider == b.provider &&
         a.source == b.source && a.destination == b.destination && a.schedule == b.schedule &&
         a.definition == b.definition;
}

void save_definition(Connection& connection, const Sync& sync) {
  Query(connection,
        "INSERT INTO syncs(id, name, team_id, status, provider, source, destination, schedule, definition) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
        "team_id = excluded.team_id, status = excluded.status, provider = excluded.provider, "
        "source = excluded.source, destination = excluded.destination, schedule = excluded.schedule, "
        "definition = excluded.definition")
      .bind(sync.id, sync.name, sync.team_id, name_of(sync.status), sync.provider, sync.source,
            sync.destination, sync.schedule, sync.definition)
      .run();
  // What was changed is looked at now, not when the old schedule would have had its turn.
  Query(connection,
        "INSERT INTO sync_state(sync_id, team_id, active) VALUES (?1, ?2, ?3) ON CONFLICT (sync_id) DO "
        "UPDATE SET "
        "team_id = excluded.team_id, active = excluded.active, next_run_at = NULL, "
        "definition_version = definition_version + 1")
      .bind(sync.id, sync.team_id, sync.status == SyncStatus::active)
      .run();
}

void move_to_team(Connection& connection, const Sync& sync) {
  Query(connection, "UPDATE sync_runs SET team_id = ?2 WHERE sync_id = ?1").bind(sync.id, sync.team_id).run();
  Query(connection, "UPDATE sync_row_errors SET team_id = ?2 WHERE sync_id = ?1")
      .bind(sync.id, sync.team_id)
      .run();
  // Its pending jobs are now another team's: the next claim says so.
  Query(connection, "UPDATE data_sync_jobs SET noticed = 0 WHERE sync_id = ?1 AND status = 'pending'")
      .bind(sync.id)
      .run();
  recount_pending(connection, sync.id);
}

bool drop_hold(Connection& connection, const std::string& sync_id, std::string_view only_kind) {
  Query query(
      connection,
      "UPDATE sync_state SET hold_kind = NULL, hold_reason = NULL, hold_since = NULL, next_run_at = NULL "
      "WHERE sync_id = ?1 AND hold_kind IS NOT NULL AND (?2 = '' OR hold_kind = ?2)");
  return query.bind(sync_id, only_kind).run() > 0;
}

/// Returns the id as the store writes it.
std::string apply_sync(Connection& connection, const Sync& sync) {
  const std::optional<Sync> before = load_sync(connection, sync.id);
  if (!before || !same_definition(*before, sync)) save_definition(connection, sync);
  if (before && before->team_id != sync.team_id) move_to_team(connection, sync);
  if (before && before->hold && before->hold->kind == kRemoved) drop_hold(connection, sync.id, kRemoved);
  return before ? before->id : sync.id;
}

void hold_removed(Connection& connection, const std::set<std::string>& kept, Time now) {
  std::vector<std::pair<std::string, std::string>> removed;
  {
    Query query(connection,
                "SELECT s.id, s.name FROM syncs s JOIN sync_state t ON t.sync_id = s.id "
                "WHERE t.hold_kind IS NULL OR t.hold_kind <> 'removed'");
    while (query.step())
      if (!kept.contains(query.text(0))) removed.emplace_back(query.text(0), query.text(1));
  }
  for (const auto& [id, name] : removed) {
    put_hold(connection, id,
             {kRemoved,
              fmt::format("sync {} is no longer in the config: put it back, or drop what is kept for it with "
                          "`syncflow forget {}`",
                          name, name),
              now});
    Query(connection, "UPDATE sync_state SET definition_version = definition_version + 1 WHERE sync_id = ?1")
        .bind(id)
        .run();
  }
}

}  // namespace

void put_hold(Connection& connection, const std::string& sync_id, const Hold& hold) {
  Query(connection,
        "UPDATE sync_state SET hold_kind = ?2, hold_reason = ?3, hold_since = ?4 WHERE sync_id = ?1")
      .bind(sync_id, hold.kind, hold.reason, hold.since)
      .run();
}

void SqliteStore::apply_syncs(const std::vector<Sync>& from_file) {
  write([&](Connection& connection) {
    std::set<std::string> kept;
    for (const Sync& sync : from_file) kept.insert(apply_sync(connection, sync));
    hold_removed(connection, kept, clock_.now());
  });
  forget_looks();
  wake_waiters();
}

Listed<Sync> SqliteStore::list_syncs(const Page& page) {
  const Key after = sync_behind(page);
  static const std::string all =
      select_syncs("WHERE (s.name, s.id) > (?1, ?2) ORDER BY s.name, s.id LIMIT ?3");
  static const std::string of_team =
      select_syncs("WHERE s.team_id = ?4 AND (s.name, s.id) > (?1, ?2) ORDER BY s.name, s.id LIMIT ?3");
  const std::size_t limit = std::max<std::size_t>(page.limit, 1);
  return read([&](Connection& connection) {
    Query query(connection, page.team_id.empty() ? all : of_team);
    query.bind(after.parts[0], after.parts[1], limit + 1);
    if (!page.team_id.empty()) query.bind(page.team_id);
    Listed<Sync> listed;
    while (query.step()) {
      if (listed.items.size() == limit) {
        listed.next = cursor_behind(listed.items.back());
        break;
      }
      listed.items.push_back(read_sync(query));
    }
    return listed;
  });
}

std::optional<Sync> SqliteStore::find_sync(const std::string& id) {
  return read([&](Connection& connection) { return load_sync(connection, id); });
}

std::optional<Sync> SqliteStore::find_sync_named(const std::string& name) {
  static const std::string sql =
      select_syncs("WHERE s.name = ?1 ORDER BY t.hold_kind IS 'removed', s.team_id <> ?2, s.id LIMIT 2");
  return read([&](Connection& connection) -> std::optional<Sync> {
    Query query(connection, sql);
    if (!query.bind(name, kDefaultTeam).step()) return std::nullopt;
    const Sync found = read_sync(query);
    if (found.team_id == kDefaultTeam || !query.step()) return found;
    const Sync second = read_sync(query);
    const bool found_removed = found.hold && found.hold->kind == kRemoved;
    const bool second_removed = second.hold && second.hold->kind == kRemoved;
    if (second_removed && !found_removed) return found;
    throw Error(ErrorKind::bad_config,
                fmt::format("several syncs are named {}: {} of team {} and {} of team {}; give the id", name,
                            found.id, found.team_id, second.id, second.team_id));
  });
}

std::vector<Sync> SqliteStore::due_syncs(std::size_t limit) {
  // Two halves, for an index each: most syncs have no job, and those whose job waits for its time are few.
  static const std::string sql = select_syncs(
      "WHERE t.sync_id IN (SELECT sync_id FROM (SELECT sync_id FROM sync_state WHERE poll_at <= ?1 "
      "AND queued_run_after IS NULL ORDER BY poll_at LIMIT ?2) UNION ALL SELECT sync_id FROM (SELECT sync_id "
      "FROM sync_state WHERE queued_run_after > ?1 AND +poll_at <= ?1 ORDER BY +poll_at LIMIT ?2)) "
      "ORDER BY +t.poll_at LIMIT ?2");
  return read([&](Connection& connection) {
    Query query(connection, sql);
    query.bind(clock_.now(), limit);
    std::vector<Sync> syncs;
    while (query.step()) syncs.push_back(read_sync(query));
    return syncs;
  });
}

std::vector<Sync> SqliteStore::take_due_syncs(std::size_t limit, Duration look) {
  const std::lock_guard lock(looks_mutex_);
  const Time now = clock_.now();
  std::erase_if(looks_, [now](const auto& taken) { return taken.second <= now; });
  std::vector<Sync> syncs = due_syncs(limit + looks_.size());
  std::erase_if(syncs, [this](const Sync& sync) { return looks_.contains(sync.id); });
  if (syncs.size() > limit) syncs.resize(limit);
  for (const Sync& sync : syncs) looks_[sync.id] = now + look;
  return syncs;
}

void SqliteStore::forget_looks(const std::string& sync_id) {
  const std::lock_guard lock(looks_mutex_);
  if (sync_id.empty()) looks_.clear();
  else looks_.erase(sync_id);
}

std::optional<Time> SqliteStore::next_due() {
  return read([&](Connection& connection) -> std::optional<Time> {
    Query query(
        connection,
        "SELECT min(poll_at) FROM (SELECT min(poll_at) AS poll_at FROM sync_state WHERE poll_at IS NOT NULL "
        "AND queued_run_after IS NULL UNION ALL SELECT min(+poll_at) FROM sync_state "
        "WHERE queued_run_after > ?1 AND poll_at IS NOT NULL)");
    query.bind(clock_.now()).step();
    if (query.is_null(0)) return std::nullopt;
    if (query.text(0).empty()) return clock_.now();  // never looked at
    return query.time(0);
  });
}

void SqliteStore::polled(const std::string& sync_id, Time at, Time next, int failed_polls,
                         const std::string& trouble) {
  note_looks({{sync_id, at, next, failed_polls, trouble}});
}

void SqliteStore::note_looks(const std::vector<LookNote>& notes) {
  write([&](Connection& connection) {
    for (const LookNote& note : notes)
      Query(connection,
            "UPDATE sync_state SET last_polled_at = coalesce(?2, last_polled_at), next_run_at = ?3, "
            "failed_polls = ?4, poll_trouble = ?5 WHERE sync_id = ?1")
          .bind(note.sync_id, note.at, note.next, note.failed_polls, note.trouble)
          .run();
  });
  for (const LookNote& note : notes) forget_looks(note.sync_id);
}

void SqliteStore::set_message(const std::string& sync_id, const std::string& message) {
  write([&](Connection& connection) {
    Query(connection, "UPDATE sync_state SET message = ?2, poll_trouble = '' WHERE sync_id = ?1")
        .bind(sync_id, message)
        .run();
  });
}

void SqliteStore::set_hold(const std::string& sync_id, const Hold& hold) {
  write([&](Connection& connection) { put_hold(connection, sync_id, hold); });
}

bool SqliteStore::lift_hold(const std::string& sync_id) {
  const bool lifted = write([&](Connection& connection) {
    Query(connection,
          "UPDATE sync_mappings SET brake = 2 WHERE sync_id = ?1 AND brake = 1 AND EXISTS "
          "(SELECT 1 FROM sync_state s WHERE s.sync_id = ?1 AND s.hold_kind = 'brake')")
        .bind(sync_id)
        .run();
    return drop_hold(connection, sync_id, "");
  });
  if (lifted) {
    forget_looks(sync_id);
    wake_waiters();
  }
  return lifted;
}

bool SqliteStore::forget_sync(const std::string& sync_id) {
  return write([&](Connection& connection) {
    Query(connection, "DELETE FROM data_sync_jobs WHERE sync_id = ?1").bind(sync_id).run();
    // All the rest refers to the sync and goes with it, but what its mappings have noted: that is swept later.
    return Query(connection, "DELETE FROM syncs WHERE id = ?1").bind(sync_id).run() > 0;
  });
}

}  // namespace syncflow::sqlite_store
