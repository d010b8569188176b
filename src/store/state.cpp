#include "store/state.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/text.h"

namespace syncflow {
namespace {

using Kind = StateKind;

void set_null(StateRow& row, std::initializer_list<std::string_view> columns) {
  for (const std::string_view column : columns) row.cell(column) = std::monostate();
}

bool is_text(StateRow& row, std::string_view column, std::string_view text) {
  const auto* found = std::get_if<std::string>(&row.cell(column));
  return found != nullptr && *found == text;
}

}  // namespace

std::size_t StateTable::at(std::string_view column) const {
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const StateColumn& c) { return c.name == column; });
  if (found == columns.end())
    throw Error(ErrorKind::bug, fmt::format("the state has no column {} in {}", column, name));
  return static_cast<std::size_t>(found - columns.begin());
}

const std::vector<StateTable>& state_tables() {
  static const std::vector<StateTable> tables = {
      {"syncs",
       {{"id", Kind::id},
        {"name", Kind::text},
        {"team_id", Kind::id},
        {"status", Kind::text},
        {"provider", Kind::text},
        {"source", Kind::text},
        {"destination", Kind::text},
        {"schedule", Kind::text},
        {"definition", Kind::text}}},
      {"sync_state",
       {{"sync_id", Kind::id},
        {"team_id", Kind::id},
        {"active", Kind::flag},
        {"hold_kind", Kind::text},
        {"hold_reason", Kind::text},
        {"hold_since", Kind::time},
        {"last_polled_at", Kind::time},
        {"next_run_at", Kind::time},
        {"failed_polls", Kind::number},
        {"message", Kind::text},
        {"poll_trouble", Kind::text},
        {"starts_over", Kind::flag},
        {"epoch", Kind::number},
        {"backoff_until", Kind::time}}},
      {"data_sync_jobs",
       {{"id", Kind::id},
        {"sync_id", Kind::id},
        {"team_id", Kind::id},
        {"provider", Kind::text},
        {"status", Kind::text},
        {"payload", Kind::text},
        {"error", Kind::text},
        {"retry_count", Kind::number},
        {"created_at", Kind::time},
        {"updated_at", Kind::time},
        {"started_at", Kind::time},
        {"finished_at", Kind::time},
        {"trigger", Kind::text},
        {"run_after", Kind::time},
        {"priority", Kind::number},
        {"run_id", Kind::id}}},
      {"sync_runs",
       {{"id", Kind::id},
        {"job_id", Kind::id},
        {"sync_id", Kind::id},
        {"team_id", Kind::id},
        {"attempt", Kind::number},
        {"status", Kind::text},
        {"strategy", Kind::text},
        {"read", Kind::number},
        {"written", Kind::number},
        {"deleted", Kind::number},
        {"unchanged", Kind::number},
        {"filtered", Kind::number},
        {"collapsed", Kind::number},
        {"quarantined", Kind::number},
        {"bytes", Kind::number},
        {"started_at", Kind::time},
        {"finished_at", Kind::time},
        {"error", Kind::text},
        {"tables", Kind::text}}},
      {"sync_run_jobs", {{"job_id", Kind::id}, {"run_id", Kind::id}}},
      {"sync_mappings",
       {{"id", Kind::mapping},
        {"sync_id", Kind::id},
        {"mapping", Kind::text},
        {"position", Kind::bytes},
        {"fingerprint_data", Kind::text},
        {"fingerprint_shape", Kind::text},
        {"owned", Kind::flag},
        {"appending", Kind::flag},
        {"generation", Kind::number},
        {"outgrown_since", Kind::time},
        {"reconciled_at", Kind::time},
        {"reconciled", Kind::text},
        {"brake", Kind::number}}},
      {"sync_rows",
       {{"mapping_id", Kind::mapping},
        {"key_hash", Kind::hash},
        {"row_hash", Kind::hash},
        {"generation", Kind::number},
        {"key", Kind::bytes}}},
      {"sync_keys", {{"mapping_id", Kind::mapping}, {"key_set", Kind::number}, {"key_hash", Kind::hash}}},
      {"sync_row_errors",
       {{"id", Kind::id},
        {"sync_id", Kind::id},
        {"team_id", Kind::id},
        {"mapping", Kind::text},
        {"table", Kind::text},
        {"key", Kind::bytes},
        {"field", Kind::text},
        {"reason", Kind::text},
        {"row_hash", Kind::hash},
        {"attempts", Kind::number},
        {"first_seen_at", Kind::time},
        {"last_seen_at", Kind::time}}},
  };
  return tables;
}

const StateTable* state_table_named(std::string_view name) {
  for (const StateTable& table : state_tables())
    if (table.name == name) return &table;
  return nullptr;
}

void settle(StateRow& row, Time now) {
  if (row.table->name == "sync_state") {
    if (is_text(row, "hold_kind", kMovedHold)) set_null(row, {"hold_kind", "hold_reason", "hold_since"});
    std::get<std::int64_t>(row.cell("epoch")) += 1;
  } else if (row.table->name == "data_sync_jobs" && is_text(row, "status", "processing")) {
    row.cell("status") = "pending";
    set_null(row, {"started_at", "run_id"});
  } else if (row.table->name == "sync_runs" && is_text(row, "status", "processing")) {
    row.cell("status") = "failed";
    row.cell("error") = "the worker was lost before the state of the store was exported";
    row.cell("finished_at") = std::int64_t{now.time_since_epoch().count()};
  }
}

std::string state_is_kept(const std::string& sync) {
  return fmt::format(
      "the store already keeps positions or runs of sync {}: import into a store that does not, or take the "
      "sync out of "
      "the config and drop what is kept for it with `syncflow forget {}`",
      sync, sync);
}

std::string hash_text(const RowHash& hash) { return fmt::format("{:016x}{:016x}", hash.high, hash.low); }

RowHash hash_from_text(std::string_view text) {
  RowHash hash;
  const auto half = [&](std::size_t from, std::uint64_t& into) {
    const char* end = text.data() + from + 16;
    return std::from_chars(text.data() + from, end, into, 16).ptr == end;
  };
  if (text.size() == 32 && half(0, hash.high) && half(16, hash.low)) return hash;
  throw Error(ErrorKind::bad_config, fmt::format("\"{}\" is not a hash of 32 hex digits", shortened(text)));
}

}  // namespace syncflow
