#include "providers/postgresql/row_query.h"

#include <fmt/core.h>

#include "core/error.h"
#include "core/text.h"
#include "providers/postgresql/row_hash.h"

namespace syncflow::postgresql {
namespace {

using sql::RowQuery;
using sql::pg::Form;

std::string name_of(const ReadColumn& column) { return libpq::quoted_name(column.column.name); }

/// The column so that its order is that of `compare(Value, Value)`: texts by their bytes.
std::string canonical_operand(const ReadColumn& column) {
  switch (column.reading.form) {
    case Form::text:
    case Form::native_text:
      return fmt::format("({}){} COLLATE pg_catalog.\"C\"",
                         filled(column.reading.expression, name_of(column)),
                         column.reading.expression == "{}" ? "::pg_catalog.text" : "");
    // As text a char(n) has lost its padding.
    case Form::padded_text:
      return fmt::format("({}::pg_catalog.text) COLLATE pg_catalog.\"C\"", name_of(column));
    default: return name_of(column);
  }
}

bool is_textual(const ReadColumn& column) {
  return column.reading.form == Form::text || column.reading.form == Form::native_text ||
         column.reading.form == Form::padded_text;
}

std::string canonical_value(const ReadColumn& column, const std::string& part, Values& values) {
  if (is_textual(column)) return values.add(part, "pg_catalog.text") + " COLLATE pg_catalog.\"C\"";
  return values.add(sql::pg::exact_text(column.field.type, part), column.column.type.sql);
}

/// Builds one statement.
class Statement {
 public:
  Statement(const ReadPlan& plan, const RowQuery& query, Values& values)
      : plan_(plan), query_(query), values_(values) {}

  std::string text(const std::string& what) {
    std::string sql = "SELECT " + (what.empty() ? selected() : what) + " FROM " + plan_.table.quoted();
    if (const auto conditions = this->conditions(); !conditions.empty())
      sql += " WHERE " + join(conditions, " AND ");
    if (const auto order = this->order(); !order.empty()) sql += " ORDER BY " + join(order, ", ");
    if (query_.limit > 0) sql += fmt::format(" LIMIT {}", query_.limit);
    return sql;
  }

 private:
  const ReadColumn& cursor() const { return plan_.columns[plan_.cursor.value()]; }

  std::string selected() const {
    std::vector<std::string> columns;
    const auto add = [&](const ReadColumn& column) {
      columns.push_back(filled(column.reading.expression, name_of(column)));
    };
    if (query_.keys_only) {
      for (const std::size_t index : plan_.key) add(plan_.columns[index]);
    } else {
      for (const ReadColumn& column : plan_.columns) add(column);
    }
    return join(columns, ", ");
  }

  std::vector<std::string> conditions() {
    std::vector<std::string> all;
    add_cursor_conditions(all);
    if (query_.above) all.push_back(above_pair());
    if (query_.key_above) all.push_back(key_above());
    if (!query_.keys.empty()) all.push_back(among_keys());
    if (!query_.null_field.empty()) all.push_back(libpq::quoted_name(query_.null_field) + " IS NULL");
    if (query_.ranges.bits > 0) all.push_back(in_ranges());
    return all;
  }

  void add_cursor_conditions(std::vector<std::string>& all) {
    if (query_.cursors == RowQuery::Cursors::proper)
      all.push_back(plan_.cursor_has_lowest ? compared(">", "-infinity")
                                            : name_of(cursor()) + " IS NOT NULL");
    if (query_.cursors == RowQuery::Cursors::none) {
      const std::string missing = name_of(cursor()) + " IS NULL";
      all.push_back(plan_.cursor_has_lowest ? fmt::format("({} OR {})", missing, compared("=", "-infinity"))
                                            : missing);
    }
    if (query_.cursor_from) all.push_back(compared(">=", *query_.cursor_from));
    if (query_.cursor_to) all.push_back(compared("<=", *query_.cursor_to));
    if (query_.cursor_above) all.push_back(compared(">", *query_.cursor_above));
  }

  std::string compared(const char* comparison, const std::string& exact) {
    return fmt::format("{} {} {}", name_of(cursor()), comparison,
                       values_.add(exact, cursor().column.type.sql));
  }

  std::string key_value(std::size_t place, const Key& key) {
    const ReadColumn& column = plan_.columns[plan_.key[place]];
    return values_.add(sql::pg::exact_text(column.field.type, key.parts.at(place)), column.column.type.sql);
  }

  /// The row comparison is the form that the planner finds its way into an index with.
  std::string above_pair() {
    std::vector<std::string> left{name_of(cursor())};
    std::vector<std::string> right{values_.add(query_.above->first, cursor().column.type.sql)};
    for (std::size_t i = 0; i < plan_.key.size(); ++i) {
      left.push_back(name_of(plan_.columns[plan_.key[i]]));
      right.push_back(key_value(i, query_.above->second));
    }
    return fmt::format("({}) > ({})", join(left, ", "), join(right, ", "));
  }

  std::string key_above() {
    std::vector<std::string> left, right;
    for (std::size_t i = 0; i < plan_.key.size(); ++i) {
      const ReadColumn& column = plan_.columns[plan_.key[i]];
      const bool canonical = query_.order == RowQuery::Order::canonical;
      left.push_back(canonical ? canonical_operand(column) : name_of(column));
      right.push_back(canonical ? canonical_value(column, query_.key_above->parts.at(i), values_)
                                : key_value(i, *query_.key_above));
    }
    return fmt::format("({}) > ({})", join(left, ", "), join(right, ", "));
  }

  std::string in_ranges() const {
    std::vector<std::string> numbers;
    for (const int number : query_.ranges.numbers) numbers.push_back(std::to_string(number));
    return fmt::format("{} = ANY ('{{{}}}'::pg_catalog.int4[])", range_number(plan_, query_.ranges.bits),
                       join(numbers, ","));
  }

  std::string among_keys() {
    std::vector<std::string> names, rows;
    for (const std::size_t index : plan_.key) names.push_back(name_of(plan_.columns[index]));
    for (const Key& key : query_.keys) {
      std::vector<std::string> parts;
      for (std::size_t i = 0; i < plan_.key.size(); ++i) parts.push_back(key_value(i, key));
      rows.push_back("(" + join(parts, ", ") + ")");
    }
    return fmt::format("({}) IN (VALUES {})", join(names, ", "), join(rows, ", "));
  }

  std::vector<std::string> order() const {
    std::vector<std::string> columns;
    if (query_.order == RowQuery::Order::none) return columns;
    if (query_.order == RowQuery::Order::cursor) columns.push_back(name_of(cursor()));
    for (const std::size_t index : plan_.key)
      columns.push_back(query_.order == RowQuery::Order::canonical ? canonical_operand(plan_.columns[index])
                                                                   : name_of(plan_.columns[index]));
    if (query_.backwards)
      for (std::string& column : columns) column += " DESC";
    return columns;
  }

  const ReadPlan& plan_;
  const RowQuery& query_;
  Values& values_;
};

}  // namespace

std::string Values::add(const std::string& exact, const std::string& type) {
  if (as_ == As::literals) return fmt::format("CAST({} AS {})", libpq::literal(exact), type);
  parameters_.push_back(exact);
  return fmt::format("CAST(${} AS {})", parameters_.size(), type);
}

std::string select_statement(const ReadPlan& plan, const RowQuery& query, Values& values,
                             const std::string& what) {
  return Statement(plan, query, values).text(what);
}

}  // namespace syncflow::postgresql
