#include <fmt/format.h>

#include <map>

#include "core/failpoint.h"
#include "store/postgresql_store.h"
#include "store/state.h"

namespace syncflow::postgresql_store {
namespace {

using namespace std::chrono_literals;

constexpr int kRowsPerFetch = 5000;
constexpr std::size_t kBytesPerMessage = 1 << 16;
/// Of a table of millions of rows: one statement may take as long as that.
constexpr auto kPatienceForAll = 1h;
/// Header of COPY in binary format, and its end: PostgreSQL's documentation of COPY, "Binary Format".
constexpr std::string_view kCopyHeader{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
constexpr std::string_view kCopyEnd{"\377\377", 2};

std::string_view name_here(const StateTable& table) {
  return table.name == "syncs" ? "sync_definitions" : table.name;
}

std::string columns_of(const StateTable& table) {
  std::string list;
  for (const StateColumn& column : table.columns)
    list += (list.empty() ? "" : ", ") + libpq::quoted_name(column.name);
  return list;
}

// --- out of the store ---

std::string selected(const StateTable& table, const StateColumn& column) {
  const std::string name = libpq::quoted_name(column.name);
  // The table may be older than us, with types and states of its own: whatever those are, such a job is over.
  if (table.name == "data_sync_jobs" && column.name == "status")
    return "CASE WHEN status::text IN ('pending', 'processing', 'completed') THEN status::text ELSE 'failed' "
           "END";
  switch (column.kind) {
    case StateKind::time: return fmt::format("syncflow_us({})", name);
    case StateKind::flag: return name + "::integer";
    case StateKind::id:
    case StateKind::text: return name + "::text";
    case StateKind::hash: return fmt::format("replace({}::text, '-', '')", name);
    case StateKind::bytes:
    case StateKind::number:
    case StateKind::mapping: return name;
  }
  throw Error(ErrorKind::bug, "a kind of state without a form");
}

std::string select_of(const StateTable& table) {
  if (table.name == "sync_run_jobs")
    return "SELECT j.id::text, r.id FROM sync_run_jobs rj JOIN data_sync_jobs j ON j.seq = rj.job_seq "
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
  std::string list;
  for (const StateColumn& column : table.columns)
    list += (list.empty() ? "" : ", ") + selected(table, column);
  return fmt::format("SELECT {} FROM {} {}", list, name_here(table), rest.at(table.name));
}

StateCell read_cell(const libpq::Rows& rows, int row, int column, StateKind kind) {
  if (rows.is_null(row, column)) return std::monostate();
  switch (kind) {
    case StateKind::number:
    case StateKind::mapping:
    case StateKind::flag:
    case StateKind::time: return rows.integer(row, column);
    case StateKind::bytes: return read_bytes(rows, row, column);
    case StateKind::hash:
    case StateKind::id:
    case StateKind::text: return rows.string(row, column);
  }
  throw Error(ErrorKind::bug, "a kind of state without a form");
}

void require_rest(libpq::Session& session, Time now) {
  const libpq::Rows rows = session.query(
      "SELECT d.name, t.lease_owner FROM sync_state t JOIN sync_definitions d ON d.id = t.sync_id "
      "WHERE t.lease_until > $1::timestamptz LIMIT 1",
      {to_rfc3339(now)});
  if (rows.size() == 0) return;
  throw Error(ErrorKind::conflict,
              fmt::format("sync {} is being run by worker {}", rows.text(0, 0), rows.text(0, 1)));
}

void export_table(libpq::Session& session, const StateTable& table, Time now,
                  const std::function<void(const StateRow&)>& each) {
  session.execute(fmt::format("DECLARE syncflow_export NO SCROLL CURSOR FOR {}", select_of(table)));
  StateRow state{&table, {}};
  for (;;) {
    const libpq::Rows rows = session.execute(fmt::format("FETCH {} FROM syncflow_export", kRowsPerFetch));
    for (int row = 0; row < rows.size(); ++row) {
      state.cells.clear();
      for (std::size_t i = 0; i < table.columns.size(); ++i)
        state.cells.push_back(read_cell(rows, row, static_cast<int>(i), table.columns[i].kind));
      settle(state, now);
      each(state);
    }
    if (rows.size() < kRowsPerFetch) break;
  }
  session.execute("CLOSE syncflow_export");
}

// --- into the store ---

void append_big_endian(std::string& out, std::uint32_t number, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out += static_cast<char>(number >> static_cast<unsigned>(shift) & 0xff);
}

/// From the texts of the staging table to the columns' types.
std::string converted(const StateTable& table, const StateColumn& column, std::size_t number) {
  const std::string value = fmt::format("c{}", number);
  // The jobs' columns keep the types that they had before us: see migrations/postgresql/0001_spine.sql.
  static constexpr std::string_view kOfTheirs[] = {"id", "sync_id", "team_id", "status", "payload"};
  if (table.name == "data_sync_jobs")
    for (const std::string_view name : kOfTheirs)
      if (column.name == name) return fmt::format("syncflow_{}({})", name, value);
  switch (column.kind) {
    case StateKind::id:
    case StateKind::text:
    case StateKind::bytes: return value;
    case StateKind::hash: return value + "::uuid";
    case StateKind::flag: return value + "::integer::boolean";
    case StateKind::number: return value + "::bigint";
    case StateKind::mapping:
      return fmt::format("{}::bigint + current_setting('syncflow.mappings_before')::bigint", value);
    case StateKind::time:
      return fmt::format("'epoch'::timestamptz + {}::bigint * interval '1 microsecond'", value);
  }
  throw Error(ErrorKind::bug, "a kind of state without a form");
}

/// One table on its way into the store: its rows stream into a staging table of texts, and from there in one statement
/// to where they belong.
class Import {
 public:
  Import(libpq::Session& session, const StateTable& table) : session_(session), table_(table) {
    std::string columns = "place bigint GENERATED ALWAYS AS IDENTITY";
    std::string copied;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      columns += fmt::format(", c{} {}", i, table.columns[i].kind == StateKind::bytes ? "bytea" : "text");
      copied += fmt::format("{}c{}", i == 0 ? "" : ", ", i);
    }
    staging_ = fmt::format("pg_temp.{}", libpq::quoted_name("import_" + std::string(table.name)));
    session_.execute(fmt::format("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP", staging_, columns));
    if (const auto refused =
            session_.begin_copy_in(fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", staging_, copied))
                .refused)
      throw to_error(session_, *refused);
    out_ = kCopyHeader;
  }

  void add(const StateRow& row) {
    append_big_endian(out_, static_cast<std::uint32_t>(row.cells.size()), 2);
    for (std::size_t i = 0; i < row.cells.size(); ++i) add(row.cells[i], table_.columns[i].kind);
    if (out_.size() >= kBytesPerMessage) send();
  }

  void finish() {
    out_ += kCopyEnd;
    send();
    if (const auto refused = session_.end_copy_in().refused) throw to_error(session_, *refused);
    session_.execute("ANALYZE " + staging_);
    if (table_.name == "syncs") replace_syncs();
    const libpq::Answer answer = session_.attempt(insert());
    if (answer.refused) throw to_error(session_, *answer.refused);
    session_.execute("DROP TABLE " + staging_);
  }

 private:
  void add(const StateCell& cell, StateKind kind) {
    if (std::holds_alternative<std::monostate>(cell)) {
      append_big_endian(out_, 0xffffffff, 4);
      return;
    }
    std::string text;
    if (const auto* number = std::get_if<std::int64_t>(&cell)) text = std::to_string(*number);
    else if (kind == StateKind::bytes) text = std::get<std::string>(cell);
    else
      text = kind == StateKind::id ? id_text(std::get<std::string>(cell))
                                   : plain_text(std::get<std::string>(cell));
    append_big_endian(out_, static_cast<std::uint32_t>(text.size()), 4);
    out_ += text;
  }

  void send() {
    session_.put_copied(out_);
    out_.clear();
  }

  void replace_syncs() {
    const libpq::Rows kept = session_.execute(fmt::format(
        "SELECT d.name FROM {} i JOIN sync_definitions d ON d.id = i.c0 WHERE EXISTS (SELECT FROM "
        "sync_mappings m "
        "WHERE m.sync_id = d.id) OR EXISTS (SELECT FROM sync_runs r WHERE r.sync_id = d.id) LIMIT 1",
        staging_));
    if (kept.size() > 0) throw Error(ErrorKind::conflict, state_is_kept(kept.string(0, 0)));
    session_.execute(fmt::format("DELETE FROM sync_definitions d USING {} i WHERE d.id = i.c0", staging_));
  }

  std::string insert() const {
    if (table_.name == "sync_run_jobs")
      return fmt::format(
          "INSERT INTO sync_run_jobs(job_seq, run_seq) SELECT j.seq, r.seq FROM {} i "
          "JOIN data_sync_jobs j ON j.id = syncflow_id(i.c0) JOIN sync_runs r ON r.id = i.c1",
          staging_);
    std::string values;
    for (std::size_t i = 0; i < table_.columns.size(); ++i)
      values += (i == 0 ? "" : ", ") + converted(table_, table_.columns[i], i);
    return fmt::format("INSERT INTO {}({}) SELECT {} FROM {} ORDER BY place", name_here(table_),
                       columns_of(table_), values, staging_);
  }

  libpq::Session& session_;
  const StateTable& table_;
  std::string staging_;
  std::string out_;
};

}  // namespace

void PostgresqlStore::export_state(const std::function<void(const StateRow&)>& each) {
  const auto session = connect(sessions_.place());
  session->set_patience(kPatienceForAll);
  session->execute(
      "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0; "
      "SET LOCAL idle_in_transaction_session_timeout = 0");
  const Time now = clock().now();
  require_rest(*session, now);
  for (const StateTable& table : state_tables()) export_table(*session, table, now, each);
  session->execute("COMMIT");
}

void PostgresqlStore::import_state(const std::function<std::optional<StateRow>()>& next) {
  const auto session = connect(sessions_.place());
  session->set_patience(kPatienceForAll);
  // The syncs are locked against whoever works on this store: none of those that come in may be begun before they are in.
  session->execute(
      "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; "
      "LOCK TABLE sync_definitions, sync_state IN SHARE ROW EXCLUSIVE MODE; "
      "SELECT set_config('syncflow.mappings_before', coalesce(max(id), 0)::text, true) FROM sync_mappings");
  std::optional<Import> import;
  const StateTable* table = nullptr;
  while (const std::optional<StateRow> row = next()) {
    if (row->table != table) {
      if (import) import->finish();
      table = row->table;
      import.emplace(*session, *table);
    }
    import->add(*row);
    failpoint("state.row");
  }
  if (import) import->finish();
  failpoint("state.before_commit");
  session->execute(
      "SELECT setval(pg_get_serial_sequence('sync_mappings', 'id'), max(id)) FROM sync_mappings HAVING "
      "max(id) > 0; "
      "SELECT pg_notify(syncflow_channel(), ''); COMMIT");
  wake_waiters();
}

}  // namespace syncflow::postgresql_store
