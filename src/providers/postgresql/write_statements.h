#pragma once

#include <string>
#include <vector>

#include "providers/postgresql/target_table.h"

namespace syncflow::postgresql {

/// The rows of the stage with a number from `first` up to, not including, `end`.
struct StageRange {
  std::size_t first = 0;
  std::size_t end = 0;
  std::size_t rows() const { return end - first; }
};

/// The statements that take rows from the stage into the table. The stage is a temporary table with a
/// number `n`, a column `c0`, `c1`, … for each written column, and `o0`, … for the key that a row had before.
class WriteStatements {
 public:
  explicit WriteStatements(const TargetTable& target) : target_(target) {}

  /// CREATE TEMPORARY TABLE; emptied by the server at the end of each transaction.
  std::string create_stage() const;
  /// COPY … FROM STDIN into the stage; `old_keys`: with the columns o0, ….
  std::string copy_into_stage(bool old_keys) const;
  /// COPY … FROM STDIN straight into the table.
  std::string copy_into_table() const;

  /// Inserts rows, and updates those that differ. `present`: which columns have a value at all.
  /// Its tag, or the one number it selects, says how many were written.
  std::string upsert(const StageRange& range, const std::vector<bool>& present) const;
  std::string remove(const StageRange& range) const;
  std::string mark_removed(const StageRange& range) const;

  /// One row's way to another key: takes it there unless a row is there already.
  std::string move_key(std::size_t n) const;
  /// The row under the old key, once its place is taken.
  std::string remove_old_key(std::size_t n) const;
  std::string mark_old_key(std::size_t n) const;

  /// Some `rows` of the whole table, for emptying it piece by piece.
  std::string remove_some(std::size_t rows) const;
  std::string mark_some_removed(std::size_t rows) const;

  /// The numbers of rows whose key is equal for the table, but not the same, to another's in the stage or table.
  std::string folded_keys(const StageRange& range) const;
  /// Whether one staged value can become its column's type.
  std::string cast_of(std::size_t n, std::size_t column) const;

 private:
  std::string staged(std::size_t column) const;
  std::string within(const StageRange& range) const;
  std::string key_list() const;
  std::string match_key(const std::string& table_alias, const char* stage_prefix) const;
  std::string match_removed_key() const;
  std::string differences(const std::vector<std::size_t>& columns, const std::string& left,
                          const std::vector<std::string>& right) const;
  std::string assignments(const std::vector<std::size_t>& columns,
                          const std::vector<std::string>& values) const;
  std::string insert_head(const std::vector<std::size_t>& columns) const;
  std::string upsert_by_conflict(const StageRange& range, const std::vector<std::size_t>& columns) const;
  std::string upsert_by_update(const StageRange& range, const std::vector<std::size_t>& columns) const;
  std::string marks() const;

  const TargetTable& target_;
};

}  // namespace syncflow::postgresql
