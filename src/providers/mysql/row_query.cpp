#include "providers/mysql/row_query.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::mysql {
namespace {

using sql::RowQuery;

/// One part of a sort order: what is sorted by, how a parameter stands beside it, and that parameter.
struct Part {
  std::string expression;
  std::string placeholder = "?";
  Parameter parameter;
};

class QueryBuilder {
 public:
  QueryBuilder(const Reading& reading, const RowQuery& query) : reading_(reading), query_(query) {}

  Query build(const std::string& wanted) {
    std::string sql =
        "SELECT " + (wanted.empty() ? fields() : wanted) + " FROM " + reading_.table.quoted_name() + hint();
    add_conditions();
    if (!conditions_.empty()) sql += " WHERE " + join(conditions_, " AND ");
    sql += order();
    if (query_.limit > 0) sql += fmt::format(" LIMIT {}", query_.limit);
    return {std::move(sql), std::move(parameters_)};
  }

 private:
  const ColumnInfo& cursor_column() const { return reading_.columns[*reading_.cursor]; }
  std::string cursor() const { return quoted_name(cursor_column().name); }
  std::size_t key_parts() const { return reading_.schema->key.size(); }

  std::string fields() const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < reading_.columns.size(); ++i) {
      const auto& key = reading_.schema->key;
      if (query_.keys_only && std::find(key.begin(), key.end(), i) == key.end()) continue;
      const ColumnInfo& column = reading_.columns[i];
      const std::string name = quoted_name(column.name);
      // The client library refuses a result that has the type itself.
      names.push_back(column.kind == Kind::vector ? "CAST(" + name + " AS BINARY)" : name);
    }
    return join(names, ", ");
  }

  /// Without it the optimiser likes to sort a large part of the table over walking an index, and would do so again
  /// for each of the statements that a long read is cut into.
  std::string hint() const {
    const IndexInfo* index = nullptr;
    if (query_.order == RowQuery::Order::cursor) index = reading_.table.index_on({cursor_column().name});
    if (query_.order == RowQuery::Order::key && query_.cursors != RowQuery::Cursors::none) {
      std::vector<std::string> names;
      for (std::size_t i = 0; i < key_parts(); ++i) names.push_back(reading_.key_column(i).name);
      index = reading_.table.index_on(names);
    }
    return index ? " FORCE INDEX (" + quoted_name(index->name) + ")" : "";
  }

  void add(std::string condition, std::vector<Parameter> parameters = {}) {
    conditions_.push_back(std::move(condition));
    for (Parameter& parameter : parameters) parameters_.push_back(std::move(parameter));
  }

  void add_conditions() {
    if (reading_.cursor) add_cursor_conditions();
    if (query_.above) {
      std::vector<Part> parts = key_order(query_.above->second, false);
      parts.insert(parts.begin(),
                   Part{cursor(), "?", cursor_parameter(cursor_column(), query_.above->first)});
      add_above(parts);
    }
    if (query_.key_above) add_above(key_order(*query_.key_above, query_.order == RowQuery::Order::canonical));
    if (!query_.keys.empty()) add_keys();
    if (!query_.null_field.empty()) add(quoted_name(query_.null_field) + " IS NULL");
  }

  void add_cursor_conditions() {
    const auto compare = [&](const char* sign, const std::optional<std::string>& exact) {
      if (exact) add(cursor() + sign + "?", {cursor_parameter(cursor_column(), *exact)});
    };
    compare(" >= ", query_.cursor_from);
    compare(" <= ", query_.cursor_to);
    compare(" > ", query_.cursor_above);
    const bool time = is_time(cursor_column().kind);
    const std::string zero = zero_moment(cursor_column());
    if (query_.cursors == RowQuery::Cursors::proper) {
      const bool bounded = query_.cursor_from || query_.cursor_above || query_.above;
      if (bounded) return;
      if (time) add(cursor() + " > ?", {zero});
      else add(cursor() + " IS NOT NULL");
    } else if (query_.cursors == RowQuery::Cursors::none) {
      if (!time) return add(cursor() + " IS NULL");
      if (!cursor_column().nullable) return add(cursor() + " = ?", {zero});
      add("(" + cursor() + " IS NULL OR " + cursor() + " = ?)", {zero});
    }
  }

  /// What the rows are sorted by: for the key's own order the column itself, so that its index serves.
  std::string key_expression(std::size_t part, bool canonical) const {
    const ColumnInfo& column = reading_.key_column(part);
    const std::string name = quoted_name(column.name);
    switch (column.kind) {
      case Kind::text:
        if (!canonical) return name;
        if (column.charset == "utf8mb4") return "CAST(" + name + " AS BINARY)";
        return "CAST(CONVERT(" + name + " USING utf8mb4) AS BINARY)";
      case Kind::enumeration:
        // Sorted by its labels' numbers otherwise, and compared by the labels.
        return "CAST(CONVERT(" + name + " USING utf8mb4) AS BINARY)";
      case Kind::address: return canonical ? "CAST(CAST(" + name + " AS CHAR) AS BINARY)" : name;
      case Kind::uuid:
        // MariaDB sorts UUIDs by other bytes first.
        return canonical ? "CAST(" + name + " AS BINARY(16))" : name;
      default: return name;
    }
  }

  std::vector<Part> key_order(const Key& key, bool canonical) const {
    std::vector<Part> parts;
    for (std::size_t i = 0; i < key_parts(); ++i) {
      const ColumnInfo& column = reading_.key_column(i);
      const bool by_bytes = canonical || column.kind == Kind::enumeration;
      parts.push_back({key_expression(i, canonical), placeholder(column),
                       by_bytes ? canonical_key_parameter(column, reading_.key_field(i), key.parts.at(i))
                                : key_parameter(column, reading_.key_field(i), key.parts.at(i))});
    }
    return parts;
  }

  /// A text would be compared with a DECIMAL as a double.
  static std::string placeholder(const ColumnInfo& column) {
    if (column.kind == Kind::decimal)
      return fmt::format("CAST(? AS DECIMAL({},{}))", column.precision, column.scale);
    return "?";
  }

  /// `a >= x AND (a > x OR (a = x AND b > y))`. Row values, (a, b) > (x, y), use no index on either server, and
  /// without the first comparison MariaDB does not see the range.
  void add_above(const std::vector<Part>& parts) {
    std::string condition;
    std::vector<Parameter> parameters;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const auto compare = [&](const char* sign) {
        condition += parts[i].expression + sign + parts[i].placeholder;
        parameters.push_back(parts[i].parameter);
      };
      if (i + 1 == parts.size()) {
        compare(" > ");
        break;
      }
      compare(" >= ");
      condition += " AND (";
      compare(" > ");
      condition += " OR (";
      compare(" = ");
      condition += " AND ";
    }
    condition.append(2 * (parts.size() - 1), ')');
    add(parts.size() == 1 ? condition : "(" + condition + ")", std::move(parameters));
  }

  void add_keys() {
    if (key_parts() == 1 && !reading_.key_column(0).folds()) return add_single_keys();
    std::vector<std::string> any;
    std::vector<Parameter> parameters;
    for (const Key& key : query_.keys) {
      std::vector<std::string> all;
      for (std::size_t i = 0; i < key_parts(); ++i) {
        const ColumnInfo& column = reading_.key_column(i);
        all.push_back(quoted_name(column.name) + " = " + placeholder(column));
        parameters.push_back(key_parameter(column, reading_.key_field(i), key.parts.at(i)));
        if (!column.folds()) continue;
        // A key that only the collation takes for this one is another key.
        all.push_back(key_expression(i, true) + " = ?");
        parameters.push_back(canonical_key_parameter(column, reading_.key_field(i), key.parts.at(i)));
      }
      any.push_back("(" + join(all, " AND ") + ")");
    }
    add("(" + join(any, " OR ") + ")", std::move(parameters));
  }

  void add_single_keys() {
    const ColumnInfo& column = reading_.key_column(0);
    std::vector<std::string> marks(query_.keys.size(), placeholder(column));
    std::vector<Parameter> parameters;
    for (const Key& key : query_.keys)
      parameters.push_back(key_parameter(column, reading_.key_field(0), key.parts.at(0)));
    add(quoted_name(column.name) + " IN (" + join(marks, ", ") + ")", std::move(parameters));
  }

  std::string order() const {
    if (query_.order == RowQuery::Order::none) return "";
    std::vector<std::string> parts;
    if (query_.order == RowQuery::Order::cursor) parts.push_back(cursor());
    for (std::size_t i = 0; i < key_parts(); ++i)
      parts.push_back(key_expression(i, query_.order == RowQuery::Order::canonical));
    if (query_.backwards)
      for (std::string& part : parts) part += " DESC";
    return " ORDER BY " + join(parts, ", ");
  }

  const Reading& reading_;
  const RowQuery& query_;
  std::vector<std::string> conditions_;
  std::vector<Parameter> parameters_;
};

}  // namespace

Parameter cursor_parameter(const ColumnInfo& column, const std::string& exact) {
  if (column.kind != Kind::integer) return exact;
  Arena arena;
  if (column.is_unsigned) return parse_value(Type::uint64, exact, arena).as_uint64();
  return parse_value(Type::int64, exact, arena).as_int64();
}

std::string zero_moment(const ColumnInfo& column) {
  return column.kind == Kind::date ? "0000-00-00" : "0000-00-00 00:00:00";
}

Query build_query(const Reading& reading, const RowQuery& query, const std::string& wanted) {
  return QueryBuilder(reading, query).build(wanted);
}

}  // namespace syncflow::mysql
