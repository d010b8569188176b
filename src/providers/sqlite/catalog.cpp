#include "providers/sqlite/catalog.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::sqlite {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && sqlite3_strnicmp(a.data(), b.data(), static_cast<int>(a.size())) == 0;
}

void read_columns(Database& database, Table& table, bool strict) {
  std::vector<std::pair<int, std::size_t>> keyed;
  Statement columns = database.prepare(
      "SELECT name, type, \"notnull\", dflt_value IS NOT NULL, pk, hidden FROM pragma_table_xinfo(?1) ORDER "
      "BY cid");
  columns.bind_text(1, table.name);
  while (columns.step()) {
    constexpr std::int64_t kHidden = 1;
    if (columns.integer(5) == kHidden) continue;
    Column column;
    column.name = columns.string(0);
    column.declared = columns.string(1);
    column.type = column_type(column.declared, strict);
    column.not_null = columns.integer(2) != 0;
    column.has_default = columns.integer(3) != 0;
    column.generated = columns.integer(5) != 0;
    if (columns.integer(4) > 0) keyed.emplace_back(columns.integer(4), table.columns.size());
    table.columns.push_back(std::move(column));
  }
  std::sort(keyed.begin(), keyed.end());
  for (const auto& [position, index] : keyed) table.primary_key.push_back(index);
}

void read_collations(Database& database, Table& table) {
  for (Column& column : table.columns) {
    const char* collation = nullptr;
    int not_null = 0, primary = 0, autoincrement = 0;
    if (sqlite3_table_column_metadata(database.handle(), "main", table.name.c_str(), column.name.c_str(),
                                      nullptr, &collation, &not_null, &primary, &autoincrement) != SQLITE_OK)
      database.fail(fmt::format("describing {}.{}", table.name, column.name));
    if (collation) column.collation = collation;
    table.autoincrement = table.autoincrement || autoincrement != 0;
  }
}

void read_index(Database& database, Index& index) {
  Statement parts =
      database.prepare("SELECT cid, coll FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno");
  parts.bind_text(1, index.name);
  while (parts.step()) {
    constexpr std::int64_t kExpression = -2, kRowid = -1;
    if (parts.integer(0) == kExpression || parts.integer(0) == kRowid) {
      index.columns.clear();
      index.collations.clear();
      return;
    }
    index.columns.push_back(static_cast<std::size_t>(parts.integer(0)));
    index.collations.push_back(parts.string(1));
  }
}

void read_indexes(Database& database, Table& table) {
  Statement list = database.prepare("SELECT name, \"unique\", origin, partial FROM pragma_index_list(?1)");
  list.bind_text(1, table.name);
  while (list.step()) {
    Index index;
    index.name = list.string(0);
    index.unique = list.integer(1) != 0;
    index.primary = list.text(2) == "pk";
    index.partial = list.integer(3) != 0;
    read_index(database, index);
    table.indexes.push_back(std::move(index));
  }
}

/// INTEGER PRIMARY KEY is another name of the rowid: the only primary key without an index of its own.
void note_rowid(Table& table) {
  const bool indexed =
      std::any_of(table.indexes.begin(), table.indexes.end(), [](const Index& i) { return i.primary; });
  table.rowid_is_key = table.has_rowid && table.primary_key.size() == 1 && !indexed;
  if (table.rowid_is_key) table.columns[table.primary_key[0]].not_null = true;
  if (!table.has_rowid)
    for (const std::size_t index : table.primary_key) table.columns[index].not_null = true;
}

}  // namespace

std::optional<std::size_t> Table::find(std::string_view column) const {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].name == column) return i;
  return std::nullopt;
}

std::optional<std::size_t> Table::find_any_case(std::string_view column) const {
  if (const auto exact = find(column)) return exact;
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (same_name(columns[i].name, column)) return i;
  return std::nullopt;
}

std::vector<std::string> Table::column_names() const {
  std::vector<std::string> names;
  for (const Column& column : columns) names.push_back(column.name);
  return names;
}

Field Table::field(std::size_t column) const {
  const Column& from = columns[column];
  Field field;
  field.name = from.name;
  field.type = from.type.canonical;
  field.nullable = !from.not_null;
  field.native = from.declared;
  field.precision = from.type.precision;
  field.scale = from.type.scale;
  field.generated = from.generated;
  return field;
}

Schema Table::schema() const {
  Schema schema;
  schema.provider = "sqlite";
  schema.table = name;
  for (std::size_t i = 0; i < columns.size(); ++i) schema.fields.push_back(field(i));
  schema.key = natural_key();
  return schema;
}

std::vector<std::size_t> Table::natural_key() const {
  if (!primary_key.empty()) return primary_key;
  std::vector<std::size_t> best;
  for (const Index& index : indexes) {
    const bool usable = index.unique && !index.partial && !index.columns.empty() &&
                        std::all_of(index.columns.begin(), index.columns.end(),
                                    [&](std::size_t column) { return columns[column].not_null; });
    if (usable && (best.empty() || index.columns.size() < best.size())) best = index.columns;
  }
  return best;
}

bool Table::is_indexed(std::size_t column) const {
  if (rowid_is_key && primary_key[0] == column) return true;
  return std::any_of(indexes.begin(), indexes.end(), [&](const Index& index) {
    return !index.partial && !index.columns.empty() && index.columns[0] == column &&
           same_name(index.collations[0], columns[column].collation);
  });
}

std::vector<std::string> table_names(Database& database) {
  Statement list = database.prepare(
      "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE "
      "'sqlite\\_%' ESCAPE '\\' "
      "ORDER BY name");
  std::vector<std::string> names;
  while (list.step()) names.push_back(list.string(0));
  return names;
}

std::optional<Table> find_table(Database& database, const std::string& name) {
  Statement list = database.prepare(
      "SELECT name, wr, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name = ?1 "
      "COLLATE NOCASE");
  list.bind_text(1, name);
  if (!list.step()) return std::nullopt;
  Table table;
  table.name = list.string(0);
  table.has_rowid = list.integer(1) == 0;
  read_columns(database, table, list.integer(2) != 0);
  read_collations(database, table);
  read_indexes(database, table);
  note_rowid(table);
  Statement triggers = database.prepare(
      "SELECT sql FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE");
  triggers.bind_text(1, table.name);
  while (triggers.step()) table.triggers.push_back(triggers.string(0));
  return table;
}

Table table_at(Database& database, const std::string& name) {
  if (auto table = find_table(database, name)) return *std::move(table);
  const std::string near = nearest(name, table_names(database));
  throw Error(ErrorKind::not_found, fmt::format("{} has no table {}{}", database.file(), name,
                                                near.empty() ? "" : fmt::format("; did you mean {}?", near)));
}

}  // namespace syncflow::sqlite
