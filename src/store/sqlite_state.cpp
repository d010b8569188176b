#include <fmt/format.h>

#include <map>

#include "core/failpoint.h"
#include "store/sqlite_rows.h"
#include "store/sqlite_store.h"
#include "store/state.h"

namespace syncflow::sqlite_store {
namespace {

std::string columns_of(const StateTable& table) {
  std::string list;
  for (const StateColumn& column : table.columns)
    list += (list.empty() ? "" : ", ") + sqlite::quoted_name(column.name);
  return list;
}

std::string select_of(const StateTable& table) {
  if (table.name == "sync_run_jobs")
    return "SELECT j.id, r.id FROM sync_run_jobs rj JOIN data_sync_jobs j ON j.seq = rj.job_seq "
           "JOIN sync_runs r ON r.seq = rj.run_seq ORDER BY rj.job_seq, rj.run_seq";
  // What mappings without a sync have noted waits to be swept.
  static const std::map<std::string_view, std::string_view> rest = {
      {"syncs", "ORDER BY id"},
      {"sync_state", "ORDER BY sync_id"},
      {"data_sync_jobs", "ORDER BY seq"},
      {"sync_runs", "ORDER BY seq"},
      {"sync_mappings", "WHERE sync_id IS NOT NULL ORDER BY id"},
      {"sync_rows",
       "WHERE mapping_id IN (SELECT id FROM sync_mappings WHERE sync_id IS NOT NULL) ORDER BY mapping_id, "
       "key_hash"},
      {"sync_keys",
       "WHERE mapping_id IN (SELECT id FROM sync_mappings WHERE sync_id IS NOT NULL) "
       "ORDER BY mapping_id, key_set, key_hash"},
      {"sync_row_errors", "ORDER BY seq"}};
  return fmt::format("SELECT {} FROM {} {}", columns_of(table), table.name, rest.at(table.name));
}

std::string insert_of(const StateTable& table) {
  if (table.name == "sync_run_jobs")
    return "INSERT INTO sync_run_jobs(job_seq, run_seq) SELECT j.seq, r.seq FROM data_sync_jobs j, sync_runs "
           "r "
           "WHERE j.id = ?1 AND r.id = ?2";
  std::string values;
  for (std::size_t i = 1; i <= table.columns.size(); ++i)
    values += fmt::format("{}?{}", i == 1 ? "" : ", ", i);
  return fmt::format("INSERT INTO {}({}) VALUES ({})", table.name, columns_of(table), values);
}

StateCell read_cell(const Query& query, int column, StateKind kind) {
  if (query.is_null(column)) return std::monostate();
  switch (kind) {
    case StateKind::number:
    case StateKind::mapping:
    case StateKind::flag: return query.integer(column);
    case StateKind::time: return std::int64_t{query.time(column).time_since_epoch().count()};
    case StateKind::hash: return hash_text(query.hash(column));
    case StateKind::id:
    case StateKind::text:
    case StateKind::bytes: return query.text(column);
  }
  throw Error(ErrorKind::bug, "a kind of state without a form");
}

void bind_cell(Query& query, const StateCell& cell, StateKind kind, std::int64_t mappings_before) {
  if (std::holds_alternative<std::monostate>(cell)) {
    query.bind(std::nullopt);
  } else if (const auto* number = std::get_if<std::int64_t>(&cell)) {
    if (kind == StateKind::time) query.bind(Time(std::chrono::microseconds(*number)));
    else query.bind(kind == StateKind::mapping ? *number + mappings_before : *number);
  } else {
    const std::string& text = std::get<std::string>(cell);
    if (kind == StateKind::hash) query.bind(hash_from_text(text));
    else query.bind(text);
  }
}

/// What is exported while somebody works on it would be neither as it was before nor as it is after.
void require_rest(Connection& connection, Time now) {
  Query query(connection,
              "SELECT s.name, t.lease_owner FROM sync_state t JOIN syncs s ON s.id = t.sync_id "
              "WHERE t.lease_until > ?1 LIMIT 1");
  if (!query.bind(now).step()) return;
  throw Error(ErrorKind::conflict,
              fmt::format("sync {} is being run by worker {}", query.text(0), query.text(1)));
}

/// Makes room for an imported sync, unless something is kept for it here.
void replace_sync(Connection& connection, const std::string& id) {
  {
    Query query(
        connection,
        "SELECT name FROM syncs WHERE id = ?1 AND (EXISTS (SELECT 1 FROM sync_mappings WHERE sync_id = ?1) "
        "OR EXISTS (SELECT 1 FROM sync_runs WHERE sync_id = ?1))");
    if (query.bind(id).step()) throw Error(ErrorKind::conflict, state_is_kept(query.text(0)));
  }
  Query(connection, "DELETE FROM syncs WHERE id = ?1").bind(id).run();
}

}  // namespace

void SqliteStore::export_state(const std::function<void(const StateRow&)>& each) {
  read([&](Connection& connection) {
    const sqlite::Transaction snapshot(connection.database(), "BEGIN");
    const Time now = clock_.now();
    require_rest(connection, now);
    for (const StateTable& table : state_tables()) {
      const std::string sql = select_of(table);
      Query query(connection, sql);
      StateRow row{&table, {}};
      while (query.step()) {
        row.cells.clear();
        for (std::size_t i = 0; i < table.columns.size(); ++i)
          row.cells.push_back(read_cell(query, static_cast<int>(i), table.columns[i].kind));
        settle(row, now);
        each(row);
      }
    }
  });
}

// On a connection of its own: `next` cannot be asked twice, as the writer's work may be.
void SqliteStore::import_state(const std::function<std::optional<StateRow>()>& next) {
  Connection connection(file_, Connection::Use::write);
  sqlite::Transaction transaction(connection.database());
  std::int64_t mappings_before = 0;
  {
    Query query(connection, "SELECT coalesce(max(id), 0) FROM sync_mappings");
    query.step();
    mappings_before = query.integer(0);
  }
  std::map<const StateTable*, std::string> inserts;
  for (const StateTable& table : state_tables()) inserts[&table] = insert_of(table);
  while (const std::optional<StateRow> row = next()) {
    if (row->table->name == "syncs") replace_sync(connection, std::get<std::string>(row->cells.at(0)));
    Query query(connection, inserts.at(row->table));
    for (std::size_t i = 0; i < row->cells.size(); ++i)
      bind_cell(query, row->cells[i], row->table->columns[i].kind, mappings_before);
    query.run();
    failpoint("state.row");
  }
  failpoint("state.before_commit");
  transaction.commit();
  wake_waiters();
}

}  // namespace syncflow::sqlite_store
