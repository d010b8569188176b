#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.h"
#include "provider/source.h"
#include "providers/sqlite/catalog.h"
#include "providers/sqlite/cursor_column.h"
#include "providers/sqlite/key_columns.h"
#include "providers/sqlite/query.h"
#include "sql/table_reader.h"

namespace syncflow::sqlite {

/// One table as it is read: queries as SQL, and rows as changes.
class TableRows {
 public:
  /// Throws Error(bad_config) for fields that are not there or unfit for what they shall be.
  TableRows(Database& database, const Table& table, const SourceSpec& spec,
            std::chrono::minutes naive_offset);

  const std::shared_ptr<const Schema>& schema() const { return schema_; }
  const std::string& table() const { return table_; }  ///< main."name"
  bool has_key() const { return key_.has_value(); }
  const KeyColumns& key() const;
  bool has_cursor() const { return cursor_.has_value(); }
  const CursorColumn& cursor() const;

  /// ` WHERE …` for all that the query says except its keys, after the conditions in `where`.
  Sql where(const sql::RowQuery& query, Sql where = {}) const;
  /// What the query's rows are sorted by. Order::none: by the key, where there is one.
  std::string order(const sql::RowQuery& query) const;
  /// The cells that the query's rows carry, for SELECT.
  std::string cells(const sql::RowQuery& query, const std::string& prefix = "") const;

  /// Appends the row that `statement` stands on; its cells begin at column `first`.
  /// A cell that cannot be read makes a refusal; a key that cannot be read throws Error(bad_config).
  void append(const Statement& statement, int first, const sql::RowQuery& query, Batch& batch) const;
  /// That row's cell of the cursor field; NULL where rows do not carry it.
  Stored cursor_cell(const Statement& statement, int first, const sql::RowQuery& query) const;

 private:
  void choose_fields(const Table& table, const SourceSpec& spec, const std::vector<std::size_t>& key);

  std::string table_;
  std::shared_ptr<const Schema> schema_;
  struct Cell {
    std::string name;  ///< quoted
    ColumnType type;
    int key_part = -1;
  };
  std::vector<Cell> cells_;  ///< one for each field of the schema
  Spelling spelling_;
  std::optional<KeyColumns> key_;
  std::optional<CursorColumn> cursor_;
  std::size_t cursor_field_ = 0;
};

}  // namespace syncflow::sqlite
