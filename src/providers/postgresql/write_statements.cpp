#include "providers/postgresql/write_statements.h"

#include <fmt/core.h>

#include "core/text.h"

namespace syncflow::postgresql {
namespace {

constexpr const char* kStage = "pg_temp.syncflow_stage";

std::string number(std::size_t n) { return std::to_string(n); }

/// ` (a, b) IS DISTINCT FROM (c, d)`, and with one column `a IS DISTINCT FROM c`.
std::string distinct(const std::vector<std::string>& left, const std::vector<std::string>& right) {
  return fmt::format("ROW({}) IS DISTINCT FROM ROW({})", join(left, ", "), join(right, ", "));
}

}  // namespace

std::string WriteStatements::create_stage() const {
  std::vector<std::string> columns{"n pg_catalog.int4 NOT NULL"};
  for (std::size_t i = 0; i < target_.columns.size(); ++i)
    columns.push_back("c" + number(i) + " " + target_.columns[i].writing.stage_type);
  for (std::size_t i = 0; i < target_.key.size(); ++i)
    columns.push_back("o" + number(i) + " " + target_.columns[target_.key[i]].writing.stage_type);
  return fmt::format("CREATE TEMPORARY TABLE IF NOT EXISTS syncflow_stage ({}) ON COMMIT DELETE ROWS",
                     join(columns, ", "));
}

std::string WriteStatements::copy_into_stage(bool old_keys) const {
  std::vector<std::string> columns{"n"};
  for (std::size_t i = 0; i < target_.columns.size(); ++i) columns.push_back("c" + number(i));
  for (std::size_t i = 0; old_keys && i < target_.key.size(); ++i) columns.push_back("o" + number(i));
  return fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", kStage, join(columns, ", "));
}

std::string WriteStatements::copy_into_table() const {
  std::vector<std::string> columns;
  for (const TargetColumn& column : target_.columns) columns.push_back(column.quoted);
  if (target_.stamp) columns.push_back(target_.stamp->quoted);
  return fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", target_.name.quoted(), join(columns, ", "));
}

std::string WriteStatements::staged(std::size_t column) const {
  return filled(target_.columns[column].writing.expression, "s.c" + number(column));
}

std::string WriteStatements::within(const StageRange& range) const {
  return fmt::format("s.n >= {} AND s.n < {}", range.first, range.end);
}

std::string WriteStatements::key_list() const {
  std::vector<std::string> names;
  for (const std::size_t index : target_.key) names.push_back(target_.columns[index].quoted);
  return join(names, ", ");
}

std::string WriteStatements::match_key(const std::string& table_alias, const char* stage_prefix) const {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < target_.key.size(); ++i) {
    const TargetColumn& column = target_.columns[target_.key[i]];
    const std::string place = *stage_prefix == 'o' ? number(i) : number(target_.key[i]);
    parts.push_back(fmt::format("{}.{} {} {}", table_alias, column.quoted, column.column.equality,
                                filled(column.writing.expression, std::string("s.") + stage_prefix + place)));
  }
  return join(parts, " AND ");
}

/// Where the table takes different keys for equal, only the very same one may be removed.
std::string WriteStatements::match_removed_key() const {
  std::string match = match_key("t", "c");
  for (const std::size_t index : target_.key) {
    const TargetColumn& column = target_.columns[index];
    if (column.column.folds)
      match += fmt::format(" AND {} = {}", filled(column.writing.comparison, "t." + column.quoted),
                           filled(column.writing.comparison, staged(index)));
  }
  return match;
}

std::string WriteStatements::differences(const std::vector<std::size_t>& columns, const std::string& left,
                                         const std::vector<std::string>& right) const {
  std::vector<std::string> ours, theirs, conditions;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const TargetColumn& column = target_.columns[columns[i]];
    ours.push_back(filled(column.writing.comparison, left + "." + column.quoted));
    theirs.push_back(filled(column.writing.comparison, right[i]));
  }
  if (!ours.empty()) conditions.push_back(distinct(ours, theirs));
  if (target_.soft_delete)
    conditions.push_back(fmt::format("{}.{} IS NOT NULL", left, target_.soft_delete->quoted));
  return "(" + join(conditions, " OR ") + ")";
}

std::string WriteStatements::assignments(const std::vector<std::size_t>& columns,
                                         const std::vector<std::string>& values) const {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < columns.size(); ++i)
    all.push_back(target_.columns[columns[i]].quoted + " = " + values[i]);
  if (target_.soft_delete) all.push_back(target_.soft_delete->quoted + " = NULL");
  if (target_.stamp) all.push_back(target_.stamp->quoted + " = " + target_.stamp->expression);
  return join(all, ", ");
}

std::string WriteStatements::insert_head(const std::vector<std::size_t>& columns) const {
  std::vector<std::string> names, values;
  for (const std::size_t column : columns) {
    names.push_back(target_.columns[column].quoted);
    values.push_back(staged(column));
  }
  if (target_.stamp) {
    names.push_back(target_.stamp->quoted);
    values.push_back(target_.stamp->expression);
  }
  return fmt::format("INSERT INTO {} AS t ({}) {}SELECT {} FROM {} AS s", target_.name.quoted(),
                     join(names, ", "), target_.fixed_key ? "OVERRIDING SYSTEM VALUE " : "",
                     join(values, ", "), kStage);
}

std::string WriteStatements::upsert(const StageRange& range, const std::vector<bool>& present) const {
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < target_.columns.size(); ++i)
    if (present[i]) columns.push_back(i);
  const bool all = columns.size() == target_.columns.size();
  return all && !target_.needs_more_columns ? upsert_by_conflict(range, columns)
                                            : upsert_by_update(range, columns);
}

std::string WriteStatements::upsert_by_conflict(const StageRange& range,
                                                const std::vector<std::size_t>& columns) const {
  std::vector<std::size_t> rest;
  std::vector<std::string> excluded;
  for (const std::size_t column : columns) {
    if (target_.columns[column].is_key) continue;
    rest.push_back(column);
    excluded.push_back("excluded." + target_.columns[column].quoted);
  }
  const std::string insert =
      fmt::format("{} WHERE {} ON CONFLICT ({}) DO ", insert_head(columns), within(range), key_list());
  if (rest.empty() && !target_.soft_delete) return insert + "NOTHING";
  return insert +
         fmt::format("UPDATE SET {} WHERE {}", assignments(rest, excluded), differences(rest, "t", excluded));
}

/// An INSERT that would lack a value is refused even where the row is there and would only be updated: so
/// rows that are there are updated first, and only the others inserted.
std::string WriteStatements::upsert_by_update(const StageRange& range,
                                              const std::vector<std::size_t>& columns) const {
  std::vector<std::size_t> rest;
  std::vector<std::string> values;
  for (const std::size_t column : columns) {
    if (target_.columns[column].is_key) continue;
    rest.push_back(column);
    values.push_back(staged(column));
  }
  std::string updated = "SELECT 1 WHERE false";
  if (!rest.empty() || target_.soft_delete)
    updated = fmt::format("UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND {} AND {} RETURNING 1",
                          target_.name.quoted(), assignments(rest, values), kStage, within(range),
                          match_key("t", "c"), differences(rest, "t", values));
  const std::string inserted =
      fmt::format("{} WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS t WHERE {}) RETURNING 1",
                  insert_head(columns), within(range), target_.name.quoted(), match_key("t", "c"));
  return fmt::format(
      "WITH updated AS ({}), inserted AS ({}) SELECT (SELECT count(*) FROM updated) + (SELECT count(*) FROM "
      "inserted)",
      updated, inserted);
}

std::string WriteStatements::remove(const StageRange& range) const {
  return fmt::format("DELETE FROM {} AS t USING {} AS s WHERE {} AND {}", target_.name.quoted(), kStage,
                     within(range), match_removed_key());
}

/// What a soft delete sets. A mark that is there already stays.
std::string WriteStatements::marks() const {
  std::string set = target_.soft_delete->quoted + " = " + target_.soft_delete->expression;
  if (target_.stamp) set += ", " + target_.stamp->quoted + " = " + target_.stamp->expression;
  return set;
}

std::string WriteStatements::mark_removed(const StageRange& range) const {
  return fmt::format("UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND {} AND t.{} IS NULL",
                     target_.name.quoted(), marks(), kStage, within(range), match_removed_key(),
                     target_.soft_delete->quoted);
}

std::string WriteStatements::move_key(std::size_t n) const {
  const std::string vacant = fmt::format("s.n = {} AND {} AND NOT EXISTS (SELECT 1 FROM {} AS x WHERE {})", n,
                                         match_key("t", "o"), target_.name.quoted(), match_key("x", "c"));
  if (!target_.fixed_key) {
    std::vector<std::string> set;
    for (const std::size_t index : target_.key)
      set.push_back(target_.columns[index].quoted + " = " + staged(index));
    return fmt::format("UPDATE {} AS t SET {} FROM {} AS s WHERE {}", target_.name.quoted(), join(set, ", "),
                       kStage, vacant);
  }
  // Such a key can only be inserted: the row is taken out and put in again, with all that is not mapped.
  std::vector<std::string> values;
  for (const std::string& column : target_.all_columns) {
    std::string value = "gone." + column;
    for (const std::size_t index : target_.key)
      if (target_.columns[index].quoted == column) value = staged(index);
    values.push_back(value);
  }
  return fmt::format(
      "WITH gone AS (DELETE FROM {} AS t USING {} AS s WHERE {} RETURNING t.*) INSERT INTO {} ({}) "
      "OVERRIDING SYSTEM "
      "VALUE SELECT {} FROM gone, {} AS s WHERE s.n = {}",
      target_.name.quoted(), kStage, vacant, target_.name.quoted(), join(target_.all_columns, ", "),
      join(values, ", "), kStage, n);
}

std::string WriteStatements::remove_old_key(std::size_t n) const {
  return fmt::format("DELETE FROM {} AS t USING {} AS s WHERE s.n = {} AND {}", target_.name.quoted(), kStage,
                     n, match_key("t", "o"));
}

std::string WriteStatements::mark_old_key(std::size_t n) const {
  return fmt::format("UPDATE {} AS t SET {} FROM {} AS s WHERE s.n = {} AND {} AND t.{} IS NULL",
                     target_.name.quoted(), marks(), kStage, n, match_key("t", "o"),
                     target_.soft_delete->quoted);
}

std::string WriteStatements::remove_some(std::size_t rows) const {
  return fmt::format("DELETE FROM {0} WHERE ({1}) IN (SELECT {1} FROM {0} ORDER BY {1} LIMIT {2})",
                     target_.name.quoted(), key_list(), rows);
}

std::string WriteStatements::mark_some_removed(std::size_t rows) const {
  return fmt::format(
      "UPDATE {0} SET {1} WHERE ({2}) IN (SELECT {2} FROM {0} WHERE {3} IS NULL ORDER BY {2} LIMIT {4})",
      target_.name.quoted(), marks(), key_list(), target_.soft_delete->quoted, rows);
}

std::string WriteStatements::folded_keys(const StageRange& range) const {
  std::vector<std::string> equal, other;
  for (const std::size_t index : target_.key) {
    const TargetColumn& column = target_.columns[index];
    equal.push_back(fmt::format("{} {} {}", staged(index), column.column.equality,
                                filled(column.writing.expression, "o.c" + number(index))));
    if (column.column.folds)
      other.push_back(fmt::format("{} <> {}", filled(column.writing.comparison, "t." + column.quoted),
                                  filled(column.writing.comparison, staged(index))));
  }
  return fmt::format(
      "SELECT s.n FROM {0} AS s WHERE {1} AND (EXISTS (SELECT 1 FROM {0} AS o WHERE o.n <> s.n AND o.n >= "
      "{2} AND o.n < {3} "
      "AND {4}) OR EXISTS (SELECT 1 FROM {5} AS t WHERE {6} AND ({7})))",
      kStage, within(range), range.first, range.end, join(equal, " AND "), target_.name.quoted(),
      match_key("t", "c"), join(other, " OR "));
}

std::string WriteStatements::cast_of(std::size_t n, std::size_t column) const {
  return fmt::format("SELECT ({})::pg_catalog.text FROM {} AS s WHERE s.n = {}", staged(column), kStage, n);
}

}  // namespace syncflow::postgresql
