#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/schema.h"
#include "core/value.h"

namespace syncflow {

/// What became of one cell, or why nothing could.
struct Cell {
  Value value;
  std::string refusal;  ///< empty: `value` holds

  static Cell of(Value value) { return {value, {}}; }
  static Cell refused(std::string why) { return {Value::null(), std::move(why)}; }
  bool ok() const { return refusal.empty(); }
};

/// The type that a config names: `boolean int64 uint64 float64 decimal text bytes date time timestamp
/// timestamp_tz uuid json array`. Throws Error(bad_config) naming the nearest.
Type type_named(std::string_view name);

/// Whether values of `from` can be cast to `to` at all (docs/mapping.md has the table).
bool can_cast(Type from, Type to);

/// The same value in another type, exact, or refused. Null and absent stay what they are.
///
/// Exact: the number, the instant, the text is the same. A double counts as the shortest decimal that reads
/// back as it, so 0.1 casts to decimal 0.1 and back. Without a zone means UTC. Bytes go into `arena`; what
/// needs none shares those of `value`.
Cell cast(const Value& value, Type to, Arena& arena);

/// The field that holds every value of `from` cast to `to`.
Field cast_field(const Field& from, Type to);

}  // namespace syncflow
