#include "providers/postgresql/row_hash.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::postgresql {
namespace {

/// The ranges are told by a third seed: rows of one range must not be alike in what is summed up.
constexpr int kSeeds[] = {1, 2};
constexpr int kKeySeed = 3;

const ReadColumn* find(const ReadPlan& plan, const std::string& field) {
  const auto found = std::find_if(plan.columns.begin(), plan.columns.end(),
                                  [&](const ReadColumn& column) { return column.field.name == field; });
  return found == plan.columns.end() ? nullptr : &*found;
}

std::string hashed(const ReadColumn& column) {
  const auto hashed = hashed_of(column.column);
  if (!hashed)
    throw Error(ErrorKind::bug,
                fmt::format("field {} was to be hashed, which its type does not allow", column.field.name));
  return filled(hashed->expression, libpq::quoted_name(column.column.name));
}

/// The cells as one array of one element: that is what there is a hash function for.
std::string cells(const std::vector<std::string>& expressions) {
  return fmt::format("ARRAY[pg_catalog.record_send(ROW({}))]", join(expressions, ", "));
}

std::string hash(const std::string& cells, int seed) {
  return fmt::format("pg_catalog.hash_array_extended({}, {})", cells, seed);
}

}  // namespace

const char* const kHashProbe =
    "SELECT pg_catalog.hash_array_extended(ARRAY[pg_catalog.record_send(ROW(CAST(1 AS pg_catalog.int8),"
    " CAST('a' AS pg_catalog.text), CAST(NULL AS pg_catalog.text), CAST(1.5 AS pg_catalog.numeric)))], 1)";

std::string row_hash_form(const ReadPlan& plan, const std::vector<std::string>& fields) {
  std::vector<std::string> forms{"postgresql rows"};
  for (const std::string& field : fields) {
    const ReadColumn* column = find(plan, field);
    const auto hashed = column ? hashed_of(column->column) : std::nullopt;
    if (!hashed) return "";
    forms.push_back(hashed->form);
  }
  for (const std::size_t index : plan.key) {
    const ReadColumn& key = plan.columns[index];
    const auto place = std::find(fields.begin(), fields.end(), key.field.name);
    if (place == fields.end() || key.column.nullable) return "";
    forms.push_back(fmt::format("key {}", place - fields.begin()));
  }
  return join(forms, ", ");
}

/// The rows' bytes are made once for both sums: OFFSET 0 keeps the planner from putting the expression into each, and
/// unlike any other way to do so it leaves the scan to parallel workers. It also hides from the planner how many different
/// keys there are, which it would take for the number of ranges.
std::string row_hash_statement(const ReadPlan& plan, const sql::RowQuery& query,
                               const std::vector<std::string>& fields, int bits) {
  std::vector<std::string> expressions;
  for (const std::string& field : fields) {
    const ReadColumn* column = find(plan, field);
    if (!column) throw Error(ErrorKind::bug, fmt::format("field {} was to be hashed unread", field));
    expressions.push_back(hashed(*column));
  }
  std::string what = cells(expressions) + " AS cells";
  if (bits > 0) what += ", " + range_number(plan, bits) + " AS part";
  Values values(Values::As::literals);
  return fmt::format(
      "SELECT {}, pg_catalog.count(*), pg_catalog.sum({}), pg_catalog.sum({}) FROM ({} OFFSET 0) AS hashed{}",
      bits > 0 ? "part" : "0", hash("cells", kSeeds[0]), hash("cells", kSeeds[1]),
      select_statement(plan, query, values, what), bits > 0 ? " GROUP BY part ORDER BY part" : "");
}

std::string range_number(const ReadPlan& plan, int bits) {
  std::vector<std::string> key;
  for (const std::size_t index : plan.key) key.push_back(hashed(plan.columns[index]));
  return fmt::format("CAST(({} >> {}) & {} AS pg_catalog.int4)", hash(cells(key), kKeySeed), 64 - bits,
                     (1 << bits) - 1);
}

}  // namespace syncflow::postgresql
