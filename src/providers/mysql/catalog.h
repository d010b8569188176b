#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "drivers/libmariadb/session.h"

namespace syncflow::mysql {

/// What kind of value a column holds, whatever its size.
enum class Kind {
  integer,
  decimal,
  real,  ///< FLOAT, DOUBLE
  bit,
  year,
  date,
  datetime,
  timestamp,
  time,
  text,  ///< CHAR, VARCHAR, TEXTs
  enumeration,
  set,
  bytes,  ///< BINARY, VARBINARY, BLOBs
  json,   ///< MySQL's own type; in MariaDB a LONGTEXT that is checked to be JSON
  geometry,
  vector,
  uuid,     ///< MariaDB
  address,  ///< INET4, INET6: MariaDB
  unknown,
};
/// A date, with or without a time of day.
bool is_time(Kind kind);

struct ColumnInfo {
  std::string name;
  Kind kind = Kind::unknown;
  std::string type;    ///< "int"
  std::string native;  ///< "int(10) unsigned"
  bool is_unsigned = false;
  bool nullable = true;
  bool has_default = false;
  bool generated = false;
  bool auto_increment = false;
  bool updates_itself = false;      ///< ON UPDATE CURRENT_TIMESTAMP
  std::string charset, collation;   ///< of texts
  std::size_t max_characters = 0;   ///< of CHAR and VARCHAR; 0: only bytes count
  std::size_t max_bytes = 0;        ///< of texts and bytes
  int precision = 0;                ///< digits of a decimal in all, bits of a BIT
  int scale = 0;                    ///< digits after the point
  int fraction = 0;                 ///< digits of the second
  std::vector<std::string> labels;  ///< of ENUM and SET

  /// CHAR, BINARY: filled up to their length.
  bool is_fixed() const { return type == "char" || type == "binary"; }
  /// Whether two different texts may be one here (case, accents, trailing blanks).
  bool folds() const;
};

struct IndexInfo {
  std::string name;
  std::vector<std::string> columns;
  bool unique = false;
  bool whole = true;   ///< no part is a prefix or an expression
  bool usable = true;  ///< visible to the optimiser, and ordered
};

struct TableDef {
  std::string database;
  std::string name;
  std::string engine;  ///< empty for a view
  bool transactional = false;
  bool is_view = false;
  long row_estimate = -1;
  std::vector<ColumnInfo> columns;
  std::vector<IndexInfo> indexes;
  /// Rows of this table refer to others of it, so that the order of changes matters.
  bool refers_to_itself = false;

  std::string quoted_name() const;
  const ColumnInfo* find(std::string_view column) const;
  /// Throws Error(bad_config) that names the nearest column.
  const ColumnInfo& at(std::string_view column) const;
  /// A usable index that begins with these columns; nullptr: none.
  const IndexInfo* index_on(const std::vector<std::string>& columns) const;
  /// The primary key, else a unique index without nullable or partial columns, else empty.
  std::vector<std::string> key() const;
  bool has_unique_index_on(const std::vector<std::string>& columns) const;
  bool is_not_null(const std::vector<std::string>& columns) const;
};

struct TableName {
  std::string database;
  std::string table;
  bool operator==(const TableName&) const = default;
};

/// Reads tables as the login sees them.
class Catalog {
 public:
  explicit Catalog(Session& session) : session_(session) {}

  /// Empty when there is no such table.
  std::optional<TableDef> find(const TableName& name);
  /// Throws Error(not_found) that names the nearest table.
  TableDef at(const TableName& name);
  std::vector<TableDef> all(const std::string& database);
  std::vector<std::string> names(const std::string& database);
  /// The foreign keys of tables in `database`, each as referring and referred table.
  std::vector<std::pair<TableName, TableName>> references(const std::string& database);
  /// Which table `text` means: one of `database` of that very name, else `other_database.table`.
  TableName resolve(const std::string& text, const std::string& database);

 private:
  std::vector<TableDef> load(const std::string& database, const std::string& table);
  void load_columns(std::vector<TableDef>& tables, const std::string& database, const std::string& table);
  void mark_json(std::vector<TableDef>& tables, const std::string& database, const std::string& table);
  void load_indexes(std::vector<TableDef>& tables, const std::string& database, const std::string& table);
  void mark_self_references(std::vector<TableDef>& tables, const std::string& database,
                            const std::string& table);
  Session& session_;
};

/// The labels of "enum('a','it''s','back\\slash')", as a catalogue writes it.
std::vector<std::string> labels_of(std::string_view native);

}  // namespace syncflow::mysql
