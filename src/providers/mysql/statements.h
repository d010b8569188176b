#pragma once

#include <string>
#include <vector>

#include "providers/mysql/target_table.h"

namespace syncflow::mysql {

/// The SQL that writes one table. Parameters are the fields of a row in the order of `fields`, row after row; of a key
/// its columns in key order, once more for each column whose collation folds.
class Statements {
 public:
  /// `now`: for columns whose clock is not UTC.
  Statements(const TargetTable& table, const Zone& zone, Time now);

  /// Rows that are new, or fail.
  std::string insert(const std::vector<std::size_t>& fields, std::size_t rows) const;
  /// Rows that are new or change those with their key; equal ones are left alone. Where a row would change another than
  /// its own, by way of a unique index or a collation, it fails with error 1242.
  std::string upsert(const std::vector<std::size_t>& fields, std::size_t rows) const;
  /// Of one row: these fields, then its key. Empty when there is nothing to set.
  std::string update(const std::vector<std::size_t>& fields) const;
  /// Of one row, by its key: sets the stamp.
  std::string set_stamp() const;
  /// Of one row: the new key, then the old.
  std::string rename() const;
  /// Deletes rows by key, or marks them.
  std::string remove(std::size_t rows) const;
  /// The rows with that key; locks them.
  std::string find() const;
  /// The key of the row that the table takes for this key, exactly or not: texts as they are stored.
  std::string find_folded() const;
  /// Deletes, or marks, up to `rows` rows.
  std::string remove_any(std::size_t rows) const;

 private:
  std::string name(std::size_t field) const { return quoted_name(table_.column(field).name); }
  /// The value that the table has, and the one that would be inserted.
  std::string old_value(const std::string& column) const;
  std::string new_value(const std::string& column) const;
  std::string same(std::size_t field, const std::string& given) const;
  std::string exact(const ColumnInfo& column, const std::string& expression) const;
  std::string key_mark(std::size_t part) const;
  std::string one_key() const;
  std::string keys(std::size_t rows) const;
  std::string values(std::size_t fields, std::size_t rows) const;
  std::string assignments(const std::vector<std::size_t>& fields) const;

  const TargetTable& table_;
  std::string mark_now_;
  std::string stamp_now_;
};

}  // namespace syncflow::mysql
