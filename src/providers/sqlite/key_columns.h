#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/batch.h"
#include "drivers/sqlite/database.h"
#include "providers/sqlite/catalog.h"
#include "providers/sqlite/codec.h"

namespace syncflow::sqlite {

/// The key of a table that is read: how its columns sort, and how a canonical key finds its row again.
class KeyColumns {
 public:
  /// `columns`: indexes into Table::columns. Looks at some rows to learn how the key's values are spelled.
  /// Throws Error(bad_config) for a type that cannot be a key, and for rows whose key is NULL.
  KeyColumns(Database& database, const Table& table, const std::vector<std::size_t>& columns,
             std::chrono::minutes naive_offset);

  std::size_t size() const { return parts_.size(); }
  /// `"a", "b"`: in the columns' own collations, or as `compare(Value, Value)` orders them. `prefix`: "t." or so.
  std::string list(bool canonical = false, const std::string& prefix = "") const;
  /// `"a" DESC, "b" DESC`
  std::string list_backwards(bool canonical) const;
  /// `"a" = ? AND …`: exactly, whatever the collation.
  std::string equals(const std::string& prefix, const std::vector<std::string>& operands) const;

  /// What the columns hold for this key. Bytes in `arena`. Throws Error(position_lost) when it cannot be theirs.
  std::vector<Stored> encode(const Schema& schema, const Key& key, Arena& arena) const;

  /// Reads one cell of the key. Throws Error(bad_config) when it could not be found again by what is read:
  /// NULL, not of the declared type, or spelled unlike the others.
  Value decode(std::size_t part, const Stored& stored, Arena& arena) const;

 private:
  std::vector<std::string> names(bool canonical, const std::string& prefix) const;

  struct Part {
    std::string name;
    ColumnType type;
    std::string collation;
    Spelling spelling;
  };
  std::string table_;
  std::vector<Part> parts_;
};

}  // namespace syncflow::sqlite
