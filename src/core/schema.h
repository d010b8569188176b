#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/value.h"

namespace syncflow {

/// One column of a table, property of a page, field of a document.
struct Field {
  std::string name;
  Type type = Type::text;
  bool nullable = true;
  /// The provider's own name of the type, as one would write it in its DDL: "numeric(10,2)".
  std::string native;
  /// decimal: digits in all and after the point; text and bytes: longest length in characters or
  /// bytes; times: digits of the second. Empty: not limited or not known.
  std::optional<int> precision;
  std::optional<int> scale;
  std::optional<std::size_t> length;
  /// The vendor's stable id where there is one (PostgreSQL attnum), so that a rename is followed.
  std::string id;
  /// Computed by the system: can be read, not written.
  bool generated = false;

  bool operator==(const Field&) const = default;
};

/// The fields of a table in their order, and which of them are the key.
struct Schema {
  std::string provider;  ///< whose `Field::native` these are; empty after a transform changed them
  std::string table;
  std::vector<Field> fields;
  std::vector<std::size_t> key;  ///< indexes into `fields`, in key order

  std::optional<std::size_t> find(std::string_view name) const;
  /// Throws Error(bad_config) that names the field, the table and the nearest name there is.
  std::size_t at(std::string_view name) const;

  bool operator==(const Schema&) const = default;
};

}  // namespace syncflow
