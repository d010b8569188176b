#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/sqlite/database.h"
#include "provider/destination.h"
#include "providers/sqlite/catalog.h"

namespace syncflow::sqlite {

/// The table that a mapping writes, matched with what comes in.
struct WriteTarget {
  std::string table;  ///< main."name"
  struct Column {
    std::string name;  ///< quoted
    ColumnType type;
    std::string field;  ///< as the incoming schema names it
    std::string collation;
  };
  std::vector<Column> columns;         ///< one for each incoming field
  std::vector<std::size_t> key;        ///< indexes into `columns`
  std::vector<std::string> key_folds;  ///< for each part of the key: the collation of its unique index
  std::optional<std::string> mark;     ///< the soft-delete field, quoted
  std::optional<std::string> stamp;
  /// Fields of the table that nothing comes in for, so that writing some of a row needs care.
  bool has_other_columns = false;
  bool has_triggers = false;

  /// Whether two keys that differ can be one to the unique index.
  bool folds_keys() const;
  bool is_key(std::size_t column) const;
};

/// The statement that makes a table for what comes in: the widest types, the key as primary key.
std::string create_statement(const DestinationSpec& spec);

/// Matches what comes in with the table that is there. Adds what a person should know to `warnings`.
/// Throws Error(bad_config) for missing or generated fields, and for a key that has no unique index.
WriteTarget match_target(const DestinationSpec& spec, const Table& table, std::vector<std::string>& warnings);

}  // namespace syncflow::sqlite
