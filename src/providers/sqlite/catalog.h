#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/schema.h"
#include "drivers/sqlite/database.h"
#include "providers/sqlite/types.h"

namespace syncflow::sqlite {

struct Column {
  std::string name;
  std::string declared;  ///< as in CREATE TABLE
  ColumnType type;
  bool not_null = false;  ///< also of a rowid
  bool generated = false;
  bool has_default = false;
  std::string collation = "BINARY";
};

struct Index {
  std::string name;
  bool unique = false;
  bool partial = false;
  bool primary = false;
  std::vector<std::size_t> columns;  ///< indexes into Table::columns; empty when it is on an expression
  std::vector<std::string> collations;
};

/// A table as its database describes it.
struct Table {
  std::string name;
  std::vector<Column> columns;
  std::vector<std::size_t> primary_key;  ///< in key order; empty: none
  std::vector<Index> indexes;            ///< the primary key's is among them, except a rowid's
  bool has_rowid = true;
  bool rowid_is_key = false;  ///< INTEGER PRIMARY KEY
  bool autoincrement = false;
  std::vector<std::string> triggers;  ///< their SQL

  std::optional<std::size_t> find(std::string_view column) const;
  /// As SQLite compares names.
  std::optional<std::size_t> find_any_case(std::string_view column) const;
  std::vector<std::string> column_names() const;
  /// All columns as fields; `key` as `natural_key` gives it.
  Schema schema() const;
  Field field(std::size_t column) const;
  /// The primary key, else the best unique index on columns that are not null; empty: none.
  std::vector<std::size_t> natural_key() const;
  /// Whether an index begins with this column.
  bool is_indexed(std::size_t column) const;
};

/// The names of the ordinary tables, in order.
std::vector<std::string> table_names(Database& database);
/// Empty: there is none of this name.
std::optional<Table> find_table(Database& database, const std::string& name);
/// Throws Error(not_found), naming the nearest.
Table table_at(Database& database, const std::string& name);

}  // namespace syncflow::sqlite
