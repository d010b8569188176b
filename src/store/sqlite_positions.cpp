#include <fmt/format.h>

#include <algorithm>

#include "core/failpoint.h"
#include "store/sqlite_rows.h"
#include "store/sqlite_store.h"

namespace syncflow::sqlite_store {
namespace {

constexpr int kRowsPerRead = 1000;
constexpr std::int64_t kForgottenAtOnce = 5000;

std::int64_t save_state(Connection& connection, const std::string& sync_id, const std::string& mapping,
                        const MappingState& state) {
  Query query(
      connection,
      "INSERT INTO sync_mappings(sync_id, mapping, position, fingerprint_data, fingerprint_shape, owned, "
      "appending, generation, outgrown_since, reconciled_at, reconciled, brake) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) "
      "ON CONFLICT (sync_id, mapping) DO UPDATE SET position = excluded.position, "
      "fingerprint_data = excluded.fingerprint_data, fingerprint_shape = excluded.fingerprint_shape, "
      "owned = excluded.owned, appending = excluded.appending, generation = excluded.generation, "
      "outgrown_since = excluded.outgrown_since, reconciled_at = excluded.reconciled_at, "
      "reconciled = excluded.reconciled, brake = excluded.brake RETURNING id");
  query
      .bind(sync_id, mapping, state.position.token, state.fingerprint_data, state.fingerprint_shape,
            state.owned, state.appending, state.generation, state.outgrown_since, state.reconciled_at,
            state.reconciled, static_cast<int>(state.brake))
      .step();
  return query.integer(0);
}

/// The mapping comes back under another id; what it has noted under the old one is swept later.
void forget_all(Connection& connection, const std::string& sync_id, const std::string& mapping) {
  Query(connection, "DELETE FROM sync_mappings WHERE sync_id = ?1 AND mapping = ?2")
      .bind(sync_id, mapping)
      .run();
  Query(connection, "DELETE FROM sync_row_errors WHERE sync_id = ?1 AND mapping = ?2")
      .bind(sync_id, mapping)
      .run();
}

void save_rows(Connection& connection, std::int64_t id, const BatchCommit& commit) {
  for (const RowHash& key : commit.forgotten_rows)
    Query(connection, "DELETE FROM sync_rows WHERE mapping_id = ?1 AND key_hash = ?2").bind(id, key).run();
  for (const RowState& row : commit.rows)
    Query(
        connection,
        "INSERT INTO sync_rows(mapping_id, key_hash, row_hash, key, generation) VALUES (?1, ?2, ?3, ?4, ?5) "
        "ON CONFLICT (mapping_id, key_hash) DO UPDATE SET row_hash = excluded.row_hash, key = excluded.key, "
        "generation = excluded.generation")
        .bind(id, row.key, row.row, row.key_json, row.generation)
        .run();
  if (commit.forget_rows_below_generation)
    Query(connection, "DELETE FROM sync_rows WHERE mapping_id = ?1 AND generation < ?2")
        .bind(id, *commit.forget_rows_below_generation)
        .run();
}

void save_keys(Connection& connection, std::int64_t id, const KeySetChange& change) {
  const int set = static_cast<int>(change.set);
  if (change.clear)
    Query(connection, "DELETE FROM sync_keys WHERE mapping_id = ?1 AND key_set = ?2").bind(id, set).run();
  for (const RowHash& key : change.added)
    Query(connection, "INSERT OR IGNORE INTO sync_keys(mapping_id, key_set, key_hash) VALUES (?1, ?2, ?3)")
        .bind(id, set, key)
        .run();
  for (const RowHash& key : change.removed)
    Query(connection, "DELETE FROM sync_keys WHERE mapping_id = ?1 AND key_set = ?2 AND key_hash = ?3")
        .bind(id, set, key)
        .run();
}

void add_figures(Connection& connection, const std::string& run_id, const Figures& figures) {
  Query query(connection,
              "UPDATE sync_runs SET read = read + ?2, written = written + ?3, deleted = deleted + ?4, "
              "unchanged = unchanged + ?5, filtered = filtered + ?6, collapsed = collapsed + ?7, "
              "quarantined = quarantined + ?8, bytes = bytes + ?9 WHERE id = ?1");
  query.bind(run_id, figures.read, figures.written, figures.deleted, figures.unchanged, figures.filtered,
             figures.collapsed, figures.quarantined, figures.bytes);
  if (query.run() != 1)
    throw Error(ErrorKind::bug, fmt::format("run {} holds the lease but is not in the store", run_id));
}

std::optional<std::int64_t> find_mapping_id(Connection& connection, const std::string& sync_id,
                                            const std::string& mapping) {
  Query query(connection, "SELECT id FROM sync_mappings WHERE sync_id = ?1 AND mapping = ?2");
  if (!query.bind(sync_id, mapping).step()) return std::nullopt;
  return query.integer(0);
}

/// Some row states above `after` in the order of their key hashes; empty: no more.
std::vector<RowState> next_rows(Connection& connection, std::int64_t id,
                                const std::optional<RowHash>& after) {
  Query query(
      connection,
      "SELECT key_hash, row_hash, key, generation FROM sync_rows WHERE mapping_id = ?1 AND key_hash > ?2 "
      "ORDER BY key_hash LIMIT ?3");
  query.bind(id);
  if (after) query.bind(*after);
  else query.bind("");  // any text is below any blob
  query.bind(kRowsPerRead);
  std::vector<RowState> rows;
  while (query.step()) rows.push_back({query.hash(0), query.hash(1), query.text(2), query.integer(3)});
  return rows;
}

/// From here on nothing noted of the sync's rows counts as applied: `each_row` looks at starts_over. What the destination
/// tables are to us is no matter of the position: ownership and generations stay, and which keys were written, so that
/// those that are gone at the source are still found.
void begin_reset(Connection& connection, const std::string& sync_id) {
  Query(connection, "UPDATE sync_state SET starts_over = 1 WHERE sync_id = ?1").bind(sync_id).run();
  Query(connection,
        "UPDATE sync_mappings SET position = '', appending = 0, reconciled_at = NULL WHERE sync_id = ?1")
      .bind(sync_id)
      .run();
}

/// Gives some of the mapping's rows, from a key on, a hash that no row has. The last key; empty: there are no more.
std::optional<RowHash> forget_hashes(Connection& connection, std::int64_t id, const RowHash& from) {
  std::optional<RowHash> last;
  {
    Query query(connection,
                "SELECT key_hash FROM sync_rows WHERE mapping_id = ?1 AND key_hash >= ?2 ORDER BY key_hash "
                "LIMIT 1 OFFSET ?3");
    if (query.bind(id, from, kForgottenAtOnce - 1).step()) last = query.hash(0);
  }
  constexpr RowHash kHighest{~std::uint64_t{0}, ~std::uint64_t{0}};
  Query(connection,
        "UPDATE sync_rows SET row_hash = zeroblob(16) WHERE mapping_id = ?1 AND key_hash BETWEEN ?2 AND ?3 "
        "AND row_hash <> zeroblob(16)")
      .bind(id, from, last.value_or(kHighest))
      .run();
  return last;
}

std::vector<std::int64_t> mappings_of(Connection& connection, const std::string& sync_id) {
  Query query(connection, "SELECT id FROM sync_mappings WHERE sync_id = ?1 ORDER BY id");
  query.bind(sync_id);
  std::vector<std::int64_t> ids;
  while (query.step()) ids.push_back(query.integer(0));
  return ids;
}

struct LeftMapping {
  std::int64_t id = 0;
  std::string name;
};

/// A mapping that is kept and is none of these.
std::optional<LeftMapping> find_left(Connection& connection, const std::string& sync_id,
                                     const std::vector<std::string>& mappings) {
  Query query(connection, "SELECT id, mapping FROM sync_mappings WHERE sync_id = ?1 ORDER BY id");
  query.bind(sync_id);
  while (query.step()) {
    LeftMapping kept{query.integer(0), query.text(1)};
    if (std::find(mappings.begin(), mappings.end(), kept.name) == mappings.end()) return kept;
  }
  return std::nullopt;
}

/// The mapping itself goes last: as long as it is there, the rest is found.
void forget_some(Connection& connection, const std::string& sync_id, const LeftMapping& left) {
  const std::int64_t rows = Query(connection,
                                  "DELETE FROM sync_rows WHERE mapping_id = ?1 AND key_hash IN "
                                  "(SELECT key_hash FROM sync_rows WHERE mapping_id = ?1 LIMIT ?2)")
                                .bind(left.id, kForgottenAtOnce)
                                .run();
  const std::int64_t keys = Query(connection,
                                  "DELETE FROM sync_keys WHERE mapping_id = ?1 AND (key_set, key_hash) IN "
                                  "(SELECT key_set, key_hash FROM sync_keys WHERE mapping_id = ?1 LIMIT ?2)")
                                .bind(left.id, kForgottenAtOnce)
                                .run();
  const std::int64_t refused =
      Query(connection,
            "DELETE FROM sync_row_errors WHERE seq IN "
            "(SELECT seq FROM sync_row_errors WHERE sync_id = ?1 AND mapping = ?2 LIMIT ?3)")
          .bind(sync_id, left.name, kForgottenAtOnce)
          .run();
  if (std::max({rows, keys, refused}) < kForgottenAtOnce)
    Query(connection, "DELETE FROM sync_mappings WHERE id = ?1").bind(left.id).run();
}

}  // namespace

std::optional<MappingState> SqliteStore::find_mapping(const std::string& sync_id,
                                                      const std::string& mapping) {
  return read([&](Connection& connection) -> std::optional<MappingState> {
    Query query(
        connection,
        "SELECT position, fingerprint_data, fingerprint_shape, owned, appending, generation, outgrown_since, "
        "reconciled_at, reconciled, brake FROM sync_mappings WHERE sync_id = ?1 AND mapping = ?2");
    if (!query.bind(sync_id, mapping).step()) return std::nullopt;
    return MappingState{{query.text(0)},        query.text(1),
                        query.text(2),          query.boolean(3),
                        query.boolean(4),       query.integer(5),
                        query.optional_time(6), query.optional_time(7),
                        query.text(8),          static_cast<Brake>(query.small(9))};
  });
}

void SqliteStore::each_row(const std::string& sync_id, const std::string& mapping,
                           const std::function<void(const RowState&)>& each) {
  std::optional<std::int64_t> id;
  bool starts_over = false;
  read([&](Connection& connection) {
    Query query(connection,
                "SELECT m.id, t.starts_over FROM sync_mappings m JOIN sync_state t ON t.sync_id = m.sync_id "
                "WHERE m.sync_id = ?1 AND m.mapping = ?2");
    if (!query.bind(sync_id, mapping).step()) return;
    id = query.integer(0);
    starts_over = query.boolean(1);
  });
  if (!id) return;
  // In pieces: no read transaction is open while `each` works, which would keep the WAL from being emptied.
  std::optional<RowHash> after;
  for (;;) {
    auto rows = read([&](Connection& connection) { return next_rows(connection, *id, after); });
    for (RowState& row : rows) {
      if (starts_over) row.row = {};
      each(row);
    }
    if (rows.size() < kRowsPerRead) return;
    after = rows.back().key;
  }
}

std::vector<bool> SqliteStore::has_keys(const std::string& sync_id, const std::string& mapping, KeySet set,
                                        const std::vector<RowHash>& keys) {
  return read([&](Connection& connection) {
    std::vector<bool> has(keys.size(), false);
    const auto id = find_mapping_id(connection, sync_id, mapping);
    for (std::size_t i = 0; id && i < keys.size(); ++i) {
      Query query(connection,
                  "SELECT 1 FROM sync_keys WHERE mapping_id = ?1 AND key_set = ?2 AND key_hash = ?3");
      has[i] = query.bind(*id, static_cast<int>(set), keys[i]).step();
    }
    return has;
  });
}

void SqliteStore::commit_batch(const Lease& lease, const BatchCommit& commit) {
  check_sum(commit);
  write([&](Connection& connection) {
    const Time now = clock_.now();
    require_lease(connection, lease, now);
    if (commit.clear_all_rows) forget_all(connection, lease.sync_id, commit.mapping);
    const std::int64_t id = save_state(connection, lease.sync_id, commit.mapping, commit.state);
    failpoint("store.position");
    save_rows(connection, id, commit);
    for (const KeySetChange& change : commit.key_sets) save_keys(connection, id, change);
    failpoint("store.rows");
    update_quarantine(connection, lease.sync_id, commit, now);
    failpoint("store.quarantine");
    add_figures(connection, lease.run_id, commit.figures);
  });
}

bool SqliteStore::commit_look(const std::string& sync_id, const std::string& mapping, const Position& before,
                              const Position& after) {
  return write([&](Connection& connection) {
    Query query(
        connection,
        "UPDATE sync_mappings SET position = ?4 WHERE sync_id = ?1 AND mapping = ?2 AND position = ?3 "
        "AND (SELECT lease_until FROM sync_state WHERE sync_id = ?1) IS NULL");
    return query.bind(sync_id, mapping, before.token, after.token).run() == 1;
  });
}

bool SqliteStore::forget_mappings_but(const Lease& lease, const std::vector<std::string>& mappings) {
  // Nearly always there is none: that takes no writer's turn.
  const auto left =
      read([&](Connection& connection) { return find_left(connection, lease.sync_id, mappings); });
  if (!left) return false;
  write([&](Connection& connection) {
    require_lease(connection, lease, clock_.now());
    forget_some(connection, lease.sync_id, *left);
  });
  return true;
}

void SqliteStore::reset_sync(const std::string& sync_id) {
  write([&](Connection& connection) {
    begin_reset(connection, sync_id);
    // The epoch moves but the lease stays until its time is over: what its holder is writing to the destination
    // must be at an end before another may begin.
    Query(connection, "UPDATE sync_state SET epoch = epoch + 1 WHERE sync_id = ?1").bind(sync_id).run();
  });
}

// What is noted may be millions of rows, and all other writes wait for one that goes over all of them.
void SqliteStore::reset_sync(const Lease& lease, std::stop_token stop) {
  const auto write_held = [&](auto work) {
    return write([&](Connection& connection) {
      require_lease(connection, lease, clock_.now());
      return work(connection);
    });
  };
  write_held([&](Connection& connection) { begin_reset(connection, lease.sync_id); });
  const auto mappings = read([&](Connection& connection) { return mappings_of(connection, lease.sync_id); });
  for (const std::int64_t id : mappings)
    for (std::optional<RowHash> from = RowHash{}; from;) {
      from = write_held([&](Connection& connection) { return forget_hashes(connection, id, *from); });
      if (from && stop.stop_requested()) throw Error(ErrorKind::cancelled, kResetStopped);
    }
  write_held([&](Connection& connection) {
    Query(connection, "UPDATE sync_state SET starts_over = 0 WHERE sync_id = ?1").bind(lease.sync_id).run();
  });
}

}  // namespace syncflow::sqlite_store
