#include "engine/table_plan.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "engine/retry_policy.h"
#include "engine/table_spelling.h"
#include "engine/unicode.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostDiffRows = 10'000;
constexpr std::size_t kManyDiffRows = 1'000;
/// How long a sync that outgrew the rule goes on.
constexpr auto kGrace = std::chrono::hours(7 * 24);

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const CursorCandidate* best_candidate(const TableInfo& table, const std::vector<std::string>& copied) {
  for (const CursorCandidate& candidate : table.cursor_candidates)
    if (!contains(copied, candidate.field)) return &candidate;
  return nullptr;
}

const CursorCandidate* find_candidate(const TableInfo& table, const std::string& field) {
  for (const CursorCandidate& candidate : table.cursor_candidates)
    if (candidate.field == field) return &candidate;
  return nullptr;
}

void use_cursor(TablePlan& plan, const std::string& field, const std::vector<std::string>& copied) {
  plan.source.strategy = Strategy::cursor;
  plan.source.cursor = field;
  const CursorCandidate* candidate = find_candidate(plan.table, field);
  if (candidate && !candidate->indexed)
    plan.warnings.push_back(
        fmt::format("table {}: the cursor field {} has no index, so each look reads the whole table; "
                    "create an index on ({}, {})",
                    plan.source.table, field, field, join(plan.source.key, ", ")));
  if (contains(copied, field))
    plan.warnings.push_back(
        fmt::format("table {}: {} is written by another sync with copied values, so rows arrive late "
                    "under old stamps and can be missed; give that sync a \"stamp\" field and read by it",
                    plan.source.table, field));
}

std::vector<std::string> key_of_table(const TableMapping& mapping, const TableInfo& table) {
  if (!mapping.key.empty()) {
    for (const std::string& name : mapping.key) table.schema.at(name);
    return mapping.key;
  }
  std::vector<std::string> key;
  for (const std::size_t index : table.schema.key) key.push_back(table.schema.fields[index].name);
  if (key.empty())
    throw Error(ErrorKind::bad_config,
                fmt::format("table {} has no primary key; name the fields that identify a row under \"key:\"",
                            mapping.source));
  return key;
}

/// Whether `written`, as a mapping into the same system spells it, is the table that `read` was found to be.
bool is_same_table(const std::string& written, const std::string& read, const TableInfo& found,
                   Connection& connection) {
  if (written == read) return true;
  const TableSpelling spelling(written);
  if (!spelling.may_be(TableSpelling(read)) && !spelling.may_be(TableSpelling(found.schema.table)))
    return false;
  try {
    const std::vector<TableInfo> other = connection.discover(written);
    return !other.empty() && other.front().schema.table == found.schema.table;
  } catch (const Error& error) {
    // The table itself was found by this login just now, so what is not to be found is another one.
    if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::forbidden &&
        error.kind() != ErrorKind::bad_config)
      throw;
    return false;
  }
}

/// Whether a mapping into a table of that schema fills the field with what it read elsewhere.
bool copies_into(const TableMapping& mapping, const Schema& schema, const std::string& name) {
  const auto is_it = [&](const std::string& spelled) {
    return spelled == name || (!schema.find(spelled) && to_lower(spelled) == to_lower(name));
  };
  if (is_it(mapping.stamp) || (mapping.deletes == Deletes::soft && is_it(mapping.soft_delete))) return false;
  // Without fields, every field goes under its own name: all of the table's may be among them.
  return mapping.fields.empty() || std::any_of(mapping.fields.begin(), mapping.fields.end(),
                                               [&](const FieldMapping& field) { return is_it(field.to); });
}

std::string field_to_add(const TablePlan& plan) {
  return fmt::format(
      "add a last-modified field, for example a timestamp updated_at that is set on every insert and "
      "update, index it, and name it under \"cursor:\" of table {}",
      plan.source.table);
}

}  // namespace

std::vector<std::string> copied_fields(const Config& config, const std::string& connection_name,
                                       const std::string& table, const TableInfo& found,
                                       Connection& connection) {
  const std::vector<std::string> here = config.same_system(connection_name);
  std::vector<std::string> fields;
  for (const SyncDefinition& sync : config.syncs) {
    if (std::find(here.begin(), here.end(), sync.destination) == here.end()) continue;
    for (const TableMapping& mapping : sync.tables) {
      if (!is_same_table(mapping.destination, table, found, connection)) continue;
      for (const Field& field : found.schema.fields)
        if (copies_into(mapping, found.schema, field.name)) fields.push_back(field.name);
    }
  }
  return fields;
}

TablePlan plan_table(const Config& config, const SyncDefinition& sync, const TableMapping& mapping,
                     const Capabilities& can, Connection& connection) {
  TablePlan plan;
  std::vector<TableInfo> found = connection.discover(mapping.source);
  if (found.empty()) throw Error(ErrorKind::not_found, fmt::format("there is no table {}", mapping.source));
  plan.table = std::move(found.front());
  plan.source.table = mapping.source;
  plan.source.key = key_of_table(mapping, plan.table);
  plan.source.overlap = mapping.overlap;

  if (mapping.strategy == WantedStrategy::feed)
    throw Error(ErrorKind::bad_config, "not supported yet: strategy feed");
  if (mapping.strategy == WantedStrategy::diff) {
    plan.source.strategy = Strategy::diff;
    return plan;
  }
  const std::vector<std::string> copied =
      copied_fields(config, sync.source, mapping.source, plan.table, connection);
  if (mapping.strategy == WantedStrategy::cursor || !mapping.cursor.empty()) {
    const CursorCandidate* best = best_candidate(plan.table, copied);
    if (mapping.cursor.empty() && !best)
      throw HoldError(kHoldTableSize, fmt::format("table {} has no field to read changes by: {}",
                                                  mapping.source, field_to_add(plan)));
    if (!mapping.cursor.empty()) plan.table.schema.at(mapping.cursor);
    use_cursor(plan, mapping.cursor.empty() ? best->field : mapping.cursor, copied);
    return plan;
  }
  const CursorCandidate* best = best_candidate(plan.table, copied);
  if (best && can.cursor) use_cursor(plan, best->field, copied);
  else plan.source.strategy = Strategy::diff;
  return plan;
}

std::string apply_size_rule(const TablePlan& plan, Source& source, MappingState& state, Time now) {
  if (plan.source.strategy != Strategy::diff) {
    state.outgrown_since.reset();
    return "";
  }
  const std::size_t rows = source.count(kMostDiffRows + 1);
  const bool is_new = state.position.empty();
  if (rows > kMostDiffRows) {
    if (is_new)
      throw HoldError(kHoldTableSize,
                      fmt::format("table {} has more than {} rows and no field to read changes by: {}",
                                  plan.source.table, kMostDiffRows, field_to_add(plan)));
    if (!state.outgrown_since) state.outgrown_since = now;
    if (now - *state.outgrown_since > kGrace)
      throw HoldError(
          kHoldTableSize,
          fmt::format("table {} outgrew {} rows on {}, and is still compared whole: {}", plan.source.table,
                      kMostDiffRows, to_rfc3339(*state.outgrown_since), field_to_add(plan)));
    return fmt::format(
        "table {} has outgrown {} rows; the sync is looked at a tenth as often until {} and then holds: {}",
        plan.source.table, kMostDiffRows, to_rfc3339(*state.outgrown_since + kGrace), field_to_add(plan));
  }
  state.outgrown_since.reset();
  if (rows >= kManyDiffRows)
    return fmt::format(
        "table {} has {} rows and is compared whole at each look; with more than {} it would need a "
        "last-modified field",
        plan.source.table, rows, kMostDiffRows);
  return "";
}

bool is_reconciliation_due(const TableMapping& mapping, Strategy strategy, const MappingState& state,
                           Time now) {
  if (mapping.deletes == Deletes::ignore) return false;
  if (strategy == Strategy::diff) return !state.reconciled_at;
  if (strategy != Strategy::cursor) return false;
  return !state.reconciled_at || now >= *state.reconciled_at + parse_schedule(mapping.reconcile);
}

DestinationSpec destination_spec(const TableMapping& mapping, const Schema& incoming) {
  DestinationSpec spec;
  spec.table = mapping.destination;
  spec.incoming = incoming;
  spec.create = mapping.create;
  spec.existing = mapping.existing;
  spec.deletes = mapping.deletes;
  spec.soft_delete = mapping.soft_delete;
  spec.stamp = mapping.stamp;
  return spec;
}

}  // namespace syncflow
