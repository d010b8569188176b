#include "providers/mysql/statements.h"

#include <fmt/core.h>

#include "core/text.h"

namespace syncflow::mysql {
namespace {

/// Fails when it is evaluated, and only then: error 1242.
constexpr const char* kStop = "(SELECT 1 UNION ALL SELECT 2)";
constexpr const char* kNewRow = "incoming";

std::string repeated(const std::string& part, std::size_t times) {
  std::string out;
  out.reserve((part.size() + 2) * times);
  for (std::size_t i = 0; i < times; ++i) {
    if (i > 0) out += ", ";
    out += part;
  }
  return out;
}

}  // namespace

Statements::Statements(const TargetTable& table, const Zone& zone, Time now) : table_(table) {
  if (!table_.soft_delete.empty()) mark_now_ = table_.now_for(table_.def.at(table_.soft_delete), zone, now);
  if (!table_.stamp.empty()) stamp_now_ = table_.now_for(table_.def.at(table_.stamp), zone, now);
}

std::string Statements::old_value(const std::string& column) const {
  return quoted_name(table_.def.name) + "." + column;
}

std::string Statements::new_value(const std::string& column) const {
  return table_.names_new_row ? fmt::format("{}.{}", kNewRow, column) : fmt::format("VALUES({})", column);
}

/// By bytes, as a row is compared with what is stored, where the column's own `=` would fold.
std::string Statements::exact(const ColumnInfo& column, const std::string& expression) const {
  switch (column.kind) {
    case Kind::text:
    case Kind::geometry: return "CAST(" + expression + " AS BINARY)";
    case Kind::json: return "CAST(CAST(" + expression + " AS CHAR) AS BINARY)";
    default: return expression;
  }
}

std::string Statements::same(std::size_t field, const std::string& given) const {
  const ColumnInfo& column = table_.column(field);
  return exact(column, old_value(name(field))) + " <=> " + exact(column, given);
}

std::string Statements::values(std::size_t fields, std::size_t rows) const {
  std::string row = "(" + repeated("?", fields);
  if (!table_.soft_delete.empty()) row += ", NULL";
  if (!table_.stamp.empty()) row += ", " + stamp_now_;
  return repeated(row + ")", rows);
}

std::string Statements::insert(const std::vector<std::size_t>& fields, std::size_t rows) const {
  std::vector<std::string> columns;
  for (const std::size_t field : fields) columns.push_back(name(field));
  if (!table_.soft_delete.empty()) columns.push_back(quoted_name(table_.soft_delete));
  if (!table_.stamp.empty()) columns.push_back(quoted_name(table_.stamp));
  return fmt::format("INSERT INTO {} ({}) VALUES {}", table_.def.quoted_name(), join(columns, ", "),
                     values(fields.size(), rows));
}

std::string Statements::upsert(const std::vector<std::size_t>& fields, std::size_t rows) const {
  return insert(fields, rows) + (table_.names_new_row ? fmt::format(" AS {}", kNewRow) : "") +
         " ON DUPLICATE KEY UPDATE " + assignments(fields);
}

std::string Statements::assignments(const std::vector<std::size_t>& fields) const {
  struct Assignment {
    std::string column, value;
  };
  std::vector<Assignment> all;
  std::vector<std::string> equal;
  for (const std::size_t field : fields) {
    if (table_.is_key(field)) continue;
    all.push_back({name(field), new_value(name(field))});
    equal.push_back(same(field, new_value(name(field))));
  }
  if (!table_.soft_delete.empty()) {
    all.push_back({quoted_name(table_.soft_delete), "NULL"});
    equal.push_back(old_value(quoted_name(table_.soft_delete)) + " IS NULL");
  }
  if (!table_.stamp.empty() && !equal.empty()) {
    // In front, because assignments see what those before them have set.
    const std::string stamp = quoted_name(table_.stamp);
    all.insert(all.begin(),
               {stamp, fmt::format("IF({}, {}, {})", join(equal, " AND "), old_value(stamp), stamp_now_)});
  }
  if (all.empty()) all.push_back({name(table_.key[0]), old_value(name(table_.key[0]))});
  if (table_.needs_guard) {
    std::vector<std::string> own;
    for (const std::size_t part : table_.key) own.push_back(same(part, new_value(name(part))));
    all.front().value = fmt::format("IF({}, {}, {})", join(own, " AND "), all.front().value, kStop);
  }
  std::vector<std::string> out;
  for (const Assignment& each : all) out.push_back(each.column + " = " + each.value);
  return join(out, ", ");
}

/// A text would be compared with a DECIMAL as a double.
std::string Statements::key_mark(std::size_t part) const {
  const ColumnInfo& column = table_.column(part);
  if (column.kind == Kind::decimal)
    return fmt::format("CAST(? AS DECIMAL({},{}))", column.precision, column.scale);
  return "?";
}

std::string Statements::one_key() const {
  std::vector<std::string> all;
  for (const std::size_t part : table_.key) {
    all.push_back(name(part) + " = " + key_mark(part));
    if (table_.column(part).folds())
      all.push_back("CAST(CONVERT(" + name(part) + " USING utf8mb4) AS BINARY) = ?");
  }
  return "(" + join(all, " AND ") + ")";
}

std::string Statements::keys(std::size_t rows) const {
  if (table_.key.size() == 1 && !table_.folds_keys)
    return name(table_.key[0]) + " IN (" + repeated(key_mark(table_.key[0]), rows) + ")";
  return "(" + join(std::vector<std::string>(rows, one_key()), " OR ") + ")";
}

std::string Statements::update(const std::vector<std::size_t>& fields) const {
  std::vector<std::string> set;
  for (const std::size_t field : fields)
    if (!table_.is_key(field)) set.push_back(name(field) + " = ?");
  if (!table_.soft_delete.empty()) set.push_back(quoted_name(table_.soft_delete) + " = NULL");
  if (set.empty()) return "";
  return fmt::format("UPDATE {} SET {} WHERE {}", table_.def.quoted_name(), join(set, ", "), one_key());
}

std::string Statements::set_stamp() const {
  return fmt::format("UPDATE {} SET {} = {} WHERE {}", table_.def.quoted_name(), quoted_name(table_.stamp),
                     stamp_now_, one_key());
}

std::string Statements::rename() const {
  std::vector<std::string> set;
  for (const std::size_t part : table_.key) set.push_back(name(part) + " = ?");
  if (!table_.stamp.empty()) set.push_back(quoted_name(table_.stamp) + " = " + stamp_now_);
  return fmt::format("UPDATE {} SET {} WHERE {}", table_.def.quoted_name(), join(set, ", "), one_key());
}

std::string Statements::remove(std::size_t rows) const {
  if (table_.soft_delete.empty())
    return fmt::format("DELETE FROM {} WHERE {}", table_.def.quoted_name(), keys(rows));
  std::string set = fmt::format("{} = {}", quoted_name(table_.soft_delete), mark_now_);
  if (!table_.stamp.empty()) set += fmt::format(", {} = {}", quoted_name(table_.stamp), stamp_now_);
  return fmt::format("UPDATE {} SET {} WHERE {} AND {} IS NULL", table_.def.quoted_name(), set, keys(rows),
                     quoted_name(table_.soft_delete));
}

std::string Statements::remove_any(std::size_t rows) const {
  std::vector<std::string> order;
  for (const std::size_t part : table_.key) order.push_back(name(part));
  const std::string end = fmt::format(" ORDER BY {} LIMIT {}", join(order, ", "), rows);
  if (table_.soft_delete.empty()) return "DELETE FROM " + table_.def.quoted_name() + end;
  std::string set = fmt::format("{} = {}", quoted_name(table_.soft_delete), mark_now_);
  if (!table_.stamp.empty()) set += fmt::format(", {} = {}", quoted_name(table_.stamp), stamp_now_);
  return fmt::format("UPDATE {} SET {} WHERE {} IS NULL{}", table_.def.quoted_name(), set,
                     quoted_name(table_.soft_delete), end);
}

std::string Statements::find() const {
  return fmt::format("SELECT 1 FROM {} WHERE {} FOR UPDATE", table_.def.quoted_name(), one_key());
}

std::string Statements::find_folded() const {
  std::vector<std::string> columns, all;
  for (const std::size_t part : table_.key) {
    columns.push_back(name(part));
    all.push_back(name(part) + " = " + key_mark(part));
  }
  return fmt::format("SELECT {} FROM {} WHERE {}", join(columns, ", "), table_.def.quoted_name(),
                     join(all, " AND "));
}

}  // namespace syncflow::mysql
