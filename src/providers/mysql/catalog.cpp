#include "providers/mysql/catalog.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::mysql {
namespace {

template <typename Number = std::size_t>
Number number_of(const std::optional<std::string>& text) {
  Number number{};
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Kind kind_of_type(const std::string& type) {
  static const std::map<std::string, Kind, std::less<>> kinds = {
      {"tinyint", Kind::integer},
      {"smallint", Kind::integer},
      {"mediumint", Kind::integer},
      {"int", Kind::integer},
      {"bigint", Kind::integer},
      {"decimal", Kind::decimal},
      {"float", Kind::real},
      {"double", Kind::real},
      {"bit", Kind::bit},
      {"year", Kind::year},
      {"date", Kind::date},
      {"datetime", Kind::datetime},
      {"timestamp", Kind::timestamp},
      {"time", Kind::time},
      {"char", Kind::text},
      {"varchar", Kind::text},
      {"tinytext", Kind::text},
      {"text", Kind::text},
      {"mediumtext", Kind::text},
      {"longtext", Kind::text},
      {"enum", Kind::enumeration},
      {"set", Kind::set},
      {"binary", Kind::bytes},
      {"varbinary", Kind::bytes},
      {"tinyblob", Kind::bytes},
      {"blob", Kind::bytes},
      {"mediumblob", Kind::bytes},
      {"longblob", Kind::bytes},
      {"json", Kind::json},
      {"geometry", Kind::geometry},
      {"point", Kind::geometry},
      {"linestring", Kind::geometry},
      {"polygon", Kind::geometry},
      {"multipoint", Kind::geometry},
      {"multilinestring", Kind::geometry},
      {"multipolygon", Kind::geometry},
      {"geometrycollection", Kind::geometry},
      {"geomcollection", Kind::geometry},
      {"vector", Kind::vector},
      {"uuid", Kind::uuid},
      {"inet4", Kind::address},
      {"inet6", Kind::address},
  };
  const auto found = kinds.find(type);
  return found == kinds.end() ? Kind::unknown : found->second;
}

/// Columns of the query below, in its order.
enum At {
  table,
  name,
  type,
  native,
  nullable,
  characters,
  octets,
  precision,
  scale,
  fraction,
  charset,
  collation,
  extra,
  standard
};

constexpr std::string_view kColumns =
    "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, CHARACTER_MAXIMUM_LENGTH, "
    "CHARACTER_OCTET_LENGTH, "
    "NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION, CHARACTER_SET_NAME, COLLATION_NAME, EXTRA, "
    "COLUMN_DEFAULT "
    "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ?";

ColumnInfo column_of(const TextRow& row) {
  ColumnInfo column;
  column.name = row[At::name].value_or("");
  column.type = ascii_lower(row[At::type].value_or(""));
  column.native = row[At::native].value_or("");
  column.kind = kind_of_type(column.type);
  column.is_unsigned = contains(column.native, "unsigned");
  column.nullable = row[At::nullable] == "YES";
  column.max_bytes = number_of(row[At::octets]);
  if (column.type == "char" || column.type == "varchar")
    column.max_characters = number_of(row[At::characters]);
  column.precision = number_of<int>(row[At::precision]);
  column.scale = number_of<int>(row[At::scale]);
  column.fraction = number_of<int>(row[At::fraction]);
  column.charset = row[At::charset].value_or("");
  column.collation = row[At::collation].value_or("");
  const std::string extra = ascii_lower(row[At::extra].value_or(""));
  // MySQL calls a default that is an expression DEFAULT_GENERATED.
  column.generated = contains(extra, "virtual generated") || contains(extra, "stored generated") ||
                     contains(extra, "persistent generated");
  column.auto_increment = contains(extra, "auto_increment");
  column.updates_itself = contains(extra, "on update");
  column.has_default =
      row[At::standard].has_value() || column.auto_increment || contains(extra, "default_generated");
  if (column.kind == Kind::enumeration || column.kind == Kind::set) column.labels = labels_of(column.native);
  return column;
}

const TableDef* find_table(const std::vector<TableDef>& tables, std::string_view name) {
  const auto found =
      std::find_if(tables.begin(), tables.end(), [&](const TableDef& t) { return t.name == name; });
  return found == tables.end() ? nullptr : &*found;
}

TableDef* find_table(std::vector<TableDef>& tables, std::string_view name) {
  return const_cast<TableDef*>(find_table(std::as_const(tables), name));
}

}  // namespace

namespace {

/// The catalogue writes some characters with a backslash, whatever sql_mode says.
char unescaped(char c) {
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case '0': return '\0';
    case 'Z': return '\x1a';
    default: return c;
  }
}

}  // namespace

std::vector<std::string> labels_of(std::string_view native) {
  std::vector<std::string> labels;
  std::optional<std::string> label;
  for (std::size_t i = 0; i < native.size(); ++i) {
    const bool another = i + 1 < native.size();
    if (!label) {
      if (native[i] == '\'') label.emplace();
    } else if (native[i] == '\\' && another) {
      *label += unescaped(native[++i]);
    } else if (native[i] != '\'') {
      *label += native[i];
    } else if (another && native[i + 1] == '\'') {
      *label += native[i++];
    } else {
      labels.push_back(std::move(*label));
      label.reset();
    }
  }
  return labels;
}

bool is_time(Kind kind) { return kind == Kind::date || kind == Kind::datetime || kind == Kind::timestamp; }

bool ColumnInfo::folds() const {
  if (kind == Kind::enumeration || kind == Kind::set || kind == Kind::address) return false;
  if (charset.empty() || charset == "binary") return false;
  // The only ones that tell every two texts apart: others ignore trailing blanks, even where they compare bytes.
  return collation != "utf8mb4_0900_bin" && !collation.ends_with("_nopad_bin");
}

std::string TableDef::quoted_name() const {
  return mysql::quoted_name(database) + "." + mysql::quoted_name(name);
}

const ColumnInfo* TableDef::find(std::string_view column) const {
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const ColumnInfo& c) { return c.name == column; });
  return found == columns.end() ? nullptr : &*found;
}

const ColumnInfo& TableDef::at(std::string_view column) const {
  if (const ColumnInfo* found = find(column)) return *found;
  std::vector<std::string> names;
  for (const ColumnInfo& each : columns) names.push_back(each.name);
  const std::string near = nearest(column, names);
  throw Error(ErrorKind::bad_config, fmt::format("table {} has no field \"{}\"{}", name, column,
                                                 near.empty() ? "; it has " + join(names, ", ")
                                                              : "; did you mean \"" + near + "\"?"));
}

const IndexInfo* TableDef::index_on(const std::vector<std::string>& wanted) const {
  const IndexInfo* best = nullptr;
  for (const IndexInfo& index : indexes) {
    if (!index.usable || !index.whole || index.columns.size() < wanted.size()) continue;
    if (!std::equal(wanted.begin(), wanted.end(), index.columns.begin())) continue;
    if (!best || index.columns.size() < best->columns.size()) best = &index;
  }
  return best;
}

bool TableDef::is_not_null(const std::vector<std::string>& wanted) const {
  return std::none_of(wanted.begin(), wanted.end(), [&](const std::string& column) {
    const ColumnInfo* found = find(column);
    return !found || found->nullable;
  });
}

std::vector<std::string> TableDef::key() const {
  const IndexInfo* best = nullptr;
  for (const IndexInfo& index : indexes) {
    if (!index.unique || !index.whole || !is_not_null(index.columns)) continue;
    if (index.name == "PRIMARY") return index.columns;
    if (!best || index.columns.size() < best->columns.size()) best = &index;
  }
  return best ? best->columns : std::vector<std::string>{};
}

bool TableDef::has_unique_index_on(const std::vector<std::string>& wanted) const {
  std::vector<std::string> sorted = wanted;
  std::sort(sorted.begin(), sorted.end());
  return std::any_of(indexes.begin(), indexes.end(), [&](const IndexInfo& index) {
    std::vector<std::string> columns = index.columns;
    std::sort(columns.begin(), columns.end());
    return index.unique && index.whole && columns == sorted;
  });
}

// ---------------------------------------------------------------------------------------------------------------

std::vector<TableDef> Catalog::load(const std::string& database, const std::string& table) {
  // MySQL keeps figures of tables for a day unless told otherwise; the row counts here shall be of now.
  if (!session_.server().mariadb && session_.server().at_least(8))
    session_.execute("SET SESSION information_schema_stats_expiry = 0");
  std::string sql =
      "SELECT t.TABLE_NAME, t.TABLE_TYPE, t.ENGINE, t.TABLE_ROWS, e.TRANSACTIONS FROM "
      "information_schema.TABLES t "
      "LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE WHERE t.TABLE_SCHEMA = ?";
  std::vector<std::string> values{database};
  if (!table.empty()) {
    sql += " AND t.TABLE_NAME = ?";
    values.push_back(table);
  }
  std::vector<TableDef> tables;
  for (const TextRow& row : session_.rows(sql, values)) {
    if (row[1] == "SEQUENCE") continue;
    TableDef& found = tables.emplace_back();
    found.database = database;
    found.name = row[0].value_or("");
    found.is_view = contains(row[1].value_or(""), "VIEW");
    found.engine = row[2].value_or("");
    if (row[3]) found.row_estimate = number_of<long>(row[3]);
    found.transactional = row[4] == "YES";
  }
  std::sort(tables.begin(), tables.end(),
            [](const TableDef& a, const TableDef& b) { return a.name < b.name; });
  // A catalogue that folds names must not answer for another table.
  if (!table.empty()) std::erase_if(tables, [&](const TableDef& found) { return found.name != table; });
  if (tables.empty()) return tables;
  load_columns(tables, database, table);
  mark_json(tables, database, table);
  load_indexes(tables, database, table);
  mark_self_references(tables, database, table);
  return tables;
}

void Catalog::load_columns(std::vector<TableDef>& tables, const std::string& database,
                           const std::string& table) {
  std::string sql(kColumns);
  std::vector<std::string> values{database};
  if (!table.empty()) {
    sql += " AND TABLE_NAME = ?";
    values.push_back(table);
  }
  for (const TextRow& row : session_.rows(sql + " ORDER BY TABLE_NAME, ORDINAL_POSITION", values))
    if (TableDef* found = find_table(tables, row[At::table].value_or("")))
      found->columns.push_back(column_of(row));
}

/// MariaDB's JSON is a LONGTEXT with a check, and only the check tells.
void Catalog::mark_json(std::vector<TableDef>& tables, const std::string& database,
                        const std::string& table) {
  if (!session_.server().mariadb) return;
  std::string sql =
      "SELECT TABLE_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS "
      "WHERE CONSTRAINT_SCHEMA = ? AND CHECK_CLAUSE LIKE 'json_valid(%'";
  std::vector<std::string> values{database};
  if (!table.empty()) {
    sql += " AND TABLE_NAME = ?";
    values.push_back(table);
  }
  for (const TextRow& row : session_.rows(sql, values)) {
    TableDef* found = find_table(tables, row[0].value_or(""));
    if (!found) continue;
    for (ColumnInfo& column : found->columns) {
      if (column.type != "longtext" || row[1] != "json_valid(" + quoted_name(column.name) + ")") continue;
      column.kind = Kind::json;
      column.native = "json";
    }
  }
}

void Catalog::load_indexes(std::vector<TableDef>& tables, const std::string& database,
                           const std::string& table) {
  const char* hidden = session_.server().mariadb ? (session_.server().at_least(10, 6) ? "IGNORED" : "'NO'")
                                                 : "IF(IS_VISIBLE = 'YES', 'NO', 'YES')";
  std::string sql = fmt::format(
      "SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, INDEX_TYPE, {} "
      "FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ?",
      hidden);
  std::vector<std::string> values{database};
  if (!table.empty()) {
    sql += " AND TABLE_NAME = ?";
    values.push_back(table);
  }
  for (const TextRow& row : session_.rows(sql + " ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX", values)) {
    TableDef* found = find_table(tables, row[0].value_or(""));
    if (!found) continue;
    if (found->indexes.empty() || found->indexes.back().name != row[1]) {
      IndexInfo index;
      index.name = row[1].value_or("");
      index.unique = row[2] == "0";
      index.usable = row[5] == "BTREE" && row[6] != "YES";
      found->indexes.push_back(std::move(index));
    }
    IndexInfo& index = found->indexes.back();
    index.columns.push_back(row[3].value_or(""));
    if (!row[3] || row[4]) index.whole = false;
  }
}

void Catalog::mark_self_references(std::vector<TableDef>& tables, const std::string& database,
                                   const std::string& table) {
  std::string sql =
      "SELECT TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS "
      "WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = REFERENCED_TABLE_NAME";
  std::vector<std::string> values{database};
  if (!table.empty()) {
    sql += " AND TABLE_NAME = ?";
    values.push_back(table);
  }
  for (const TextRow& row : session_.rows(sql, values))
    if (TableDef* found = find_table(tables, row[0].value_or(""))) found->refers_to_itself = true;
}

std::optional<TableDef> Catalog::find(const TableName& name) {
  auto tables = load(name.database, name.table);
  if (tables.empty()) return std::nullopt;
  return std::move(tables.front());
}

TableDef Catalog::at(const TableName& name) {
  if (auto found = find(name)) return std::move(*found);
  const std::vector<std::string> there = names(name.database);
  const std::string near = nearest(name.table, there);
  std::string hint = near.empty()
                         ? "; the login sees " + (there.empty() ? "no table there" : join(there, ", "))
                         : "; did you mean \"" + near + "\"?";
  throw Error(ErrorKind::not_found, fmt::format("database {} on {} has no table \"{}\"{}", name.database,
                                                session_.target().shown(), name.table, shortened(hint, 300)));
}

std::vector<TableDef> Catalog::all(const std::string& database) { return load(database, ""); }

std::vector<std::string> Catalog::names(const std::string& database) {
  std::vector<std::string> names;
  for (const TextRow& row : session_.rows(
           "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME",
           {database}))
    names.push_back(row[0].value_or(""));
  return names;
}

std::vector<std::pair<TableName, TableName>> Catalog::references(const std::string& database) {
  std::vector<std::pair<TableName, TableName>> found;
  for (const TextRow& row :
       session_.rows("SELECT CONSTRAINT_SCHEMA, TABLE_NAME, UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME "
                     "FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ?",
                     {database}))
    found.push_back({{row[0].value_or(""), row[1].value_or("")}, {row[2].value_or(""), row[3].value_or("")}});
  return found;
}

TableName Catalog::resolve(const std::string& text, const std::string& database) {
  const auto dot = text.find('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == text.size()) return {database, text};
  const auto there = names(database);
  if (std::find(there.begin(), there.end(), text) != there.end()) return {database, text};
  const TableName split{text.substr(0, dot), text.substr(dot + 1)};
  const auto databases =
      session_.rows("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", {split.database});
  return databases.empty() ? TableName{database, text} : split;
}

}  // namespace syncflow::mysql
