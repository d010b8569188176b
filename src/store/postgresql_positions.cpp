#include <fmt/format.h>

#include "core/failpoint.h"
#include "core/uuid.h"
#include "store/postgresql_store.h"

namespace syncflow::postgresql_store {
namespace {

constexpr int kRowsPerRead = 5000;
constexpr int kForgottenAtOnce = 5000;

void add_state(Call& call, const MappingState& state) {
  call.bytes(state.position.token)
      .text(state.fingerprint_data)
      .text(state.fingerprint_shape)
      .boolean(state.owned)
      .boolean(state.appending)
      .number(state.generation)
      .time(state.outgrown_since)
      .time(state.reconciled_at)
      .text(state.reconciled)
      .number(static_cast<int>(state.brake));
}

void add_rows(Call& call, const BatchCommit& commit) {
  call.boolean(commit.clear_all_rows);
  call.array(commit.forgotten_rows, append_hash);
  call.array(commit.rows, [](std::string& out, const RowState& row) { append_hash(out, row.key); });
  call.array(commit.rows, [](std::string& out, const RowState& row) { append_hash(out, row.row); });
  call.array(commit.rows, [](std::string& out, const RowState& row) { append_number(out, row.generation); });
  call.array(commit.rows, [](std::string& out, const RowState& row) { append_bytes(out, row.key_json); });
  if (commit.forget_rows_below_generation) call.number(*commit.forget_rows_below_generation);
  else call.null();
}

void add_quarantine(Call& call, const BatchCommit& commit) {
  using Row = QuarantinedRow;
  call.array(commit.cleared, [](std::string& out, const Key& key) { append_bytes(out, key.to_json()); });
  call.array(commit.quarantined, [](std::string& out, const Row&) { append_text(out, random_uuid()); });
  call.array(commit.quarantined, [](std::string& out, const Row& row) { append_text(out, row.table); });
  call.array(commit.quarantined,
             [](std::string& out, const Row& row) { append_bytes(out, row.key.to_json()); });
  call.array(commit.quarantined, [](std::string& out, const Row& row) { append_text(out, row.field); });
  call.array(commit.quarantined, [](std::string& out, const Row& row) { append_text(out, row.reason); });
  call.array(commit.quarantined, [](std::string& out, const Row& row) { append_hash(out, row.row_hash); });
}

/// Keys of the changes' sets, and for each the number of its change.
void add_keys_of_sets(Call& call, const std::vector<KeySetChange>& changes,
                      std::vector<RowHash> KeySetChange::*keys) {
  std::vector<RowHash> all;
  std::vector<std::int64_t> numbers;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const std::vector<RowHash>& of_change = changes[i].*keys;
    all.insert(all.end(), of_change.begin(), of_change.end());
    numbers.insert(numbers.end(), of_change.size(), static_cast<std::int64_t>(i) + 1);
  }
  call.array(all, append_hash);
  call.array(numbers, append_number);
}

void add_key_sets(Call& call, const std::vector<KeySetChange>& changes) {
  using Change = KeySetChange;
  call.array(changes, [](std::string& out, const Change& change) {
    append_number(out, static_cast<int>(change.set));
  });
  call.array(changes, [](std::string& out, const Change& change) { out += change.clear ? "t" : "f"; });
  add_keys_of_sets(call, changes, &Change::added);
  add_keys_of_sets(call, changes, &Change::removed);
}

void add_figures(Call& call, const Figures& figures) {
  std::vector<std::int64_t> numbers;
  for (const NamedFigure& figure : kFigures) numbers.push_back(figures.*figure.count);
  numbers.push_back(figures.bytes);
  call.array(numbers, append_number);
}

std::string parameters(int count) {
  std::string list;
  for (int i = 1; i <= count; ++i) list += fmt::format("{}${}", i == 1 ? "" : ", ", i);
  return list;
}

}  // namespace

std::optional<MappingState> PostgresqlStore::find_mapping(const std::string& sync_id,
                                                          const std::string& mapping) {
  const libpq::Rows rows =
      run(Call("SELECT position, fingerprint_data, fingerprint_shape, owned, appending, generation, "
               "syncflow_us(outgrown_since), syncflow_us(reconciled_at), reconciled, brake FROM "
               "sync_mappings WHERE sync_id = $1 AND mapping = $2")
              .id(sync_id)
              .text(mapping));
  if (rows.size() == 0) return std::nullopt;
  return MappingState{{read_bytes(rows, 0, 0)},
                      rows.string(0, 1),
                      rows.string(0, 2),
                      rows.boolean(0, 3),
                      rows.boolean(0, 4),
                      rows.integer(0, 5),
                      read_optional_time(rows, 0, 6),
                      read_optional_time(rows, 0, 7),
                      rows.string(0, 8),
                      static_cast<Brake>(rows.integer(0, 9))};
}

void PostgresqlStore::each_row(const std::string& sync_id, const std::string& mapping,
                               const std::function<void(const RowState&)>& each) {
  const libpq::Rows found =
      run(Call("SELECT m.id, t.starts_over FROM sync_mappings m JOIN sync_state t ON t.sync_id = m.sync_id "
               "WHERE m.sync_id = $1 AND m.mapping = $2")
              .id(sync_id)
              .text(mapping));
  if (found.size() == 0) return;
  const bool starts_over = found.boolean(0, 1);
  // In pieces: no transaction is open while `each` works, which would keep dead rows alive.
  std::optional<RowHash> after;
  for (;;) {
    Call call(
        after ? "SELECT key_hash, row_hash, key, generation FROM sync_rows WHERE mapping_id = $1 AND "
                "key_hash > $3 ORDER BY key_hash LIMIT $2"
              : "SELECT key_hash, row_hash, key, generation FROM sync_rows WHERE mapping_id = $1 ORDER BY "
                "key_hash LIMIT $2");
    call.number(found.integer(0, 0)).number(kRowsPerRead);
    if (after) call.hash(*after);
    const libpq::Rows rows = run(call);
    for (int row = 0; row < rows.size(); ++row)
      each({read_hash(rows, row, 0), starts_over ? RowHash{} : read_hash(rows, row, 1),
            read_bytes(rows, row, 2), rows.integer(row, 3)});
    if (rows.size() < kRowsPerRead) return;
    after = read_hash(rows, rows.size() - 1, 0);
  }
}

void PostgresqlStore::commit_batch(const Lease& lease, const BatchCommit& commit) {
  check_sum(commit);
  for (const char* name : {"store.position", "store.rows", "store.quarantine"}) failpoint(name);
  static const std::string sql = fmt::format("SELECT syncflow_commit({})", parameters(39));
  Call call(sql);
  call.lease(lease).id(random_uuid()).text(commit.mapping);
  add_state(call, commit.state);
  add_rows(call, commit);
  add_quarantine(call, commit);
  add_key_sets(call, commit.key_sets);
  add_figures(call, commit.figures);
  run(now(call).again(), Retry::told);
}

std::vector<bool> PostgresqlStore::has_keys(const std::string& sync_id, const std::string& mapping,
                                            KeySet set, const std::vector<RowHash>& keys) {
  Call call(
      "SELECT n.place FROM sync_mappings m, unnest($4::uuid[]) WITH ORDINALITY AS n(key_hash, place) WHERE "
      "m.sync_id = $1 AND m.mapping = $2 AND EXISTS (SELECT FROM sync_keys k WHERE k.mapping_id = m.id AND "
      "k.key_set = $3::integer AND k.key_hash = n.key_hash)");
  call.id(sync_id).text(mapping).number(static_cast<int>(set)).array(keys, append_hash);
  const libpq::Rows found = run(call);
  std::vector<bool> has(keys.size(), false);
  for (int row = 0; row < found.size(); ++row)
    has[static_cast<std::size_t>(found.integer(row, 0)) - 1] = true;
  return has;
}

bool PostgresqlStore::commit_look(const std::string& sync_id, const std::string& mapping,
                                  const Position& before, const Position& after) {
  Call call("SELECT syncflow_commit_look($1, $2, $3, $4, $5)");
  call.id(sync_id).text(mapping).bytes(before.token).bytes(after.token).again();
  return run(call, Retry::told).boolean(0, 0);
}

bool PostgresqlStore::forget_mappings_but(const Lease& lease, const std::vector<std::string>& mappings) {
  Call call("SELECT syncflow_forget_mappings_but($1, $2, $3, $4, $5, $6, $7)");
  call.lease(lease).array(mappings, append_text).number(kForgottenAtOnce);
  return run(now(call)).boolean(0, 0);
}

void PostgresqlStore::reset_sync(const std::string& sync_id) {
  run(Call("SELECT syncflow_reset_sync($1)").id(sync_id));
}

void PostgresqlStore::reset_sync(const Lease& lease, std::stop_token stop) {
  Call begin("SELECT syncflow_begin_held_reset($1, $2, $3, $4, $5)");
  run(now(begin.lease(lease)));
  const libpq::Rows mappings =
      run(Call("SELECT id FROM sync_mappings WHERE sync_id = $1 ORDER BY id").id(lease.sync_id));
  for (int row = 0; row < mappings.size(); ++row)
    for (std::optional<RowHash> from = RowHash{}; from;) {
      Call some("SELECT syncflow_forget_hashes($1, $2, $3, $4, $5, $6, $7, $8)");
      some.lease(lease).number(mappings.integer(row, 0)).hash(*from).number(kForgottenAtOnce);
      from = read_optional_hash(run(now(some)), 0, 0);
      if (from && stop.stop_requested()) throw Error(ErrorKind::cancelled, kResetStopped);
    }
  Call end("SELECT syncflow_end_reset($1, $2, $3, $4, $5)");
  run(now(end.lease(lease)));
}

}  // namespace syncflow::postgresql_store
