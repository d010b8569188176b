#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/batch.h"
#include "core/clock.h"

namespace syncflow {

/// All that a store keeps, in a form that every store can give and take: rows of tables that both have.

enum class StateKind {
  id,       ///< text, in lower case where the store wants that
  text,     ///< UTF-8
  bytes,    ///< any
  hash,     ///< text: 32 hex digits, the high ones first
  number,   ///< 64 bits
  mapping,  ///< number of a mapping, which `import_state` may change
  flag,     ///< 0 or 1
  time,     ///< microseconds since 1970-01-01T00:00:00Z
};

struct StateColumn {
  std::string_view name;
  StateKind kind;
};

struct StateTable {
  std::string_view name;
  std::vector<StateColumn> columns;

  /// Where the column stands. It must be one.
  std::size_t at(std::string_view column) const;
};

/// In the order in which they are exported and imported: what others refer to comes first.
const std::vector<StateTable>& state_tables();
/// Null: there is none of that name.
const StateTable* state_table_named(std::string_view name);

/// Null, a number, or text and bytes.
using StateCell = std::variant<std::monostate, std::int64_t, std::string>;

struct StateRow {
  const StateTable* table = nullptr;  ///< of `state_tables`
  std::vector<StateCell> cells;       ///< in the order of its columns

  StateCell& cell(std::string_view column) { return cells[table->at(column)]; }
};

/// The hold that an export puts on syncs, so that no two stores work on the same tables.
inline constexpr std::string_view kMovedHold = "moved";

/// What a row must be like in another store, where nobody works on it yet: jobs that were in somebody's hands are
/// pending again, their runs have failed, epochs are new, and nothing is held because it moves.
void settle(StateRow& row, Time now);

/// Why a sync cannot be imported: the store keeps something for it.
std::string state_is_kept(const std::string& sync);

std::string hash_text(const RowHash& hash);
/// Throws Error(bad_config) when it is not 32 hex digits.
RowHash hash_from_text(std::string_view text);

}  // namespace syncflow
