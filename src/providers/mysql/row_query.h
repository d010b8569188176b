#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/schema.h"
#include "providers/mysql/catalog.h"
#include "providers/mysql/parameter.h"
#include "sql/table_reader.h"

namespace syncflow::mysql {

/// What of a table is read, and by which fields.
struct Reading {
  TableDef table;
  std::shared_ptr<const Schema> schema;
  std::vector<ColumnInfo> columns;    ///< of `schema->fields`, in their order
  std::optional<std::size_t> cursor;  ///< index into `columns`
  const ColumnInfo& key_column(std::size_t part) const { return columns[schema->key[part]]; }
  const Field& key_field(std::size_t part) const { return schema->fields[schema->key[part]]; }
};

struct Query {
  std::string sql;
  std::vector<Parameter> parameters;
};

/// The cursor's exact text as its column is compared with.
Parameter cursor_parameter(const ColumnInfo& column, const std::string& exact);

/// A date or time that sorts below every real one.
std::string zero_moment(const ColumnInfo& column);

/// The SELECT for a RowQuery; `wanted` replaces the fields ("1").
Query build_query(const Reading& reading, const sql::RowQuery& query, const std::string& wanted = "");

}  // namespace syncflow::mysql
