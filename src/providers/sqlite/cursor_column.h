#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "core/arena.h"
#include "core/clock.h"
#include "drivers/sqlite/database.h"
#include "providers/sqlite/catalog.h"
#include "providers/sqlite/codec.h"
#include "providers/sqlite/query.h"
#include "sql/table_reader.h"

namespace syncflow::sqlite {

/// The last-modified field of a table: how its values are compared, and which rows to read by it.
///
/// Times are texts here, and people spell one instant in many ways: with a blank or a T, with or without
/// fractions, Z or an offset. As texts these do not sort as times do, so they are compared by the SQL function
/// `syncflow_instant` (install_functions), which gives every spelling of an instant the same text:
/// `2024-02-29T12:30:00.000001000`, in UTC. That is also the exact text that positions hold. So that an index on
/// the field still finds the rows, each condition also bounds the raw texts, as widely as any spelling needs.
///
/// Whole numbers and floating-point numbers ascend, and are compared as they are.
class CursorColumn {
 public:
  /// Looks at some values to learn how coarse they are and whether they bear offsets.
  /// Throws Error(bad_config) for a field that can be neither.
  CursorColumn(Database& database, const Table& table, std::size_t column, std::chrono::minutes naive_offset);

  sql::CursorKind kind() const { return kind_; }
  /// Whether there are or may be rows without a usable value.
  bool nullable() const { return nullable_; }

  /// Sorts rows by the cursor.
  std::string order() const;
  /// Adds conditions, joined by AND, to `where`.
  void restrict(const sql::RowQuery& query, Sql& where) const;
  /// (cursor, key) > pair; `key_above` adds "key > pair.second".
  void above(const std::string& exact, const std::string& keys, const std::vector<Stored>& key,
             Sql& where) const;

  /// The exact text of a raw cell; empty: it is none that can be sorted by.
  std::string exact(const Stored& raw) const;
  std::string text(Time time) const;
  Value at(Time time) const;
  Value value(const std::string& exact, Arena& arena) const;
  /// The highest value that is visible, as exact text; empty: none.
  std::string highest(Database& database) const;

 private:
  /// Which ends of what a usable value can be no other condition sets.
  struct Ends {
    bool lower = true, upper = true;
  };
  bool has_improper(Database& database) const;
  void look_at_newest(Database& database, const std::string& field, const std::string& by);
  void add_proper(Ends ends, Sql& where) const;
  void add_none(Sql& where) const;
  void add_from(const std::string& exact, Sql& where) const;
  void add_to(const std::string& exact, Sql& where) const;
  void compare(const char* comparison, const std::string& exact, Sql& where) const;
  void look_at(const Stored& sample);
  std::int64_t floored(Time time) const;

  std::string table_;
  std::string name_;  ///< quoted
  ColumnType type_;
  sql::CursorKind kind_;
  bool nullable_ = true;
  std::chrono::minutes naive_offset_;
  std::chrono::microseconds unit_ = std::chrono::seconds(1);  ///< stamps are cut to this
  bool has_offsets_ = false;
  char separator_ = ' ';
  mutable Arena at_arena_;  ///< what `at` gave out lives as long as this
};

/// Makes `syncflow_instant` known to a connection, and the collation that sorts decimal texts by size
/// ("syncflow_decimal").
void install_functions(Database& database, std::chrono::minutes naive_offset);

}  // namespace syncflow::sqlite
