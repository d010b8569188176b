#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/schema.h"
#include "core/value.h"
#include "engine/cast.h"
#include "engine/definition.h"

namespace syncflow {

/// How one destination field comes from source fields: one of the transforms of docs/mapping.md, or a constant.
class Transform {
 public:
  /// Throws Error(bad_config) that names the transform and what does not fit: an unknown field, a type
  /// that it does not take, a param that cannot be read.
  Transform(const FieldMapping& mapping, const Schema& source);

  /// Name, type and limits of what comes out.
  const Field& outgoing() const { return outgoing_; }

  /// The new cell, from all cells of a source row. Bytes that are not the row's go into `arena`.
  Cell apply(std::span<const Value> row, Arena& arena) const;

 private:
  Field outgoing_;
  std::vector<std::size_t> from_;
  std::function<Cell(std::span<const Value> cells, Arena&)> run_;
  std::shared_ptr<Arena> literals_;
  mutable std::vector<Value> cells_;  // what `run_` is given; not worth an allocation a row
};

/// What can be said of a field mapping without knowing the table: that the transform exists, its params are
/// there and are read, and it is given as many fields as it takes. Throws Error(bad_config).
void check_transform(const FieldMapping& mapping);

/// Which of `fields` carries a field of the key: one that only renames it, else one that casts it.
/// Throws Error(bad_config) when it is not mapped, or only by way of what could make two keys one.
std::size_t key_carrier(const std::string& key, const std::vector<FieldMapping>& fields);

}  // namespace syncflow
