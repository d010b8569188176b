#include "providers/sqlite/key_columns.h"

#include <fmt/core.h>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::sqlite {
namespace {

bool can_be_a_key(const ColumnType& type) { return !type.dynamic && type.canonical != Type::json; }

bool is_calendar(Type type) {
  return type == Type::date || type == Type::timestamp || type == Type::timestamp_tz;
}

/// The first rows may be UUIDs of digits alone, which are in no case.
constexpr int kKeySamples = 100;

bool tells_case(const Stored& sample, const ColumnType& type) {
  return type.canonical == Type::uuid && sample.bytes.find_first_of("ABCDEFabcdef") != std::string_view::npos;
}

}  // namespace

KeyColumns::KeyColumns(Database& database, const Table& table, const std::vector<std::size_t>& columns,
                       std::chrono::minutes naive_offset)
    : table_(table.name) {
  std::vector<std::string> names;
  for (const std::size_t index : columns) {
    const Column& column = table.columns[index];
    if (!can_be_a_key(column.type))
      throw Error(
          ErrorKind::bad_config,
          fmt::format(
              "table {}: the key field {} is declared {}; declare it INTEGER, TEXT or another type that says "
              "what it holds",
              table.name, column.name, column.declared.empty() ? "without a type" : column.declared));
    Part part{column.name, column.type, column.collation, {}};
    part.spelling.offset = naive_offset;
    parts_.push_back(std::move(part));
    names.push_back(quoted_name(column.name));
  }
  const std::string from = " FROM main." + quoted_name(table.name);
  // An index leads with the first part: one look. A NULL in another part is met, and refused, when its row is read.
  if (!columns.empty() && !table.columns[columns[0]].not_null &&
      database.prepare("SELECT 1" + from + " WHERE " + names[0] + " IS NULL LIMIT 1").step())
    throw Error(
        ErrorKind::bad_config,
        fmt::format("table {} has rows whose key ({}) is NULL, which SQLite allows: give them a value",
                    table.name, list()));
  Statement samples =
      database.prepare(fmt::format("SELECT {}{} LIMIT {}", join(names, ", "), from, kKeySamples));
  for (bool first = true; samples.step(); first = false)
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const Stored sample = stored_at(samples, static_cast<int>(i));
      if (first || tells_case(sample, parts_[i].type))
        parts_[i].spelling = spelling_of(sample, parts_[i].type, parts_[i].spelling);
    }
}

std::vector<std::string> KeyColumns::names(bool canonical, const std::string& prefix) const {
  std::vector<std::string> names;
  for (const Part& part : parts_) {
    std::string name = prefix + quoted_name(part.name);
    const bool digits = part.type.canonical == Type::decimal && part.type.affinity == Affinity::text;
    if (canonical && digits) name += " COLLATE syncflow_decimal";
    // Said only where it matters: SQLite does not use an index for what is said.
    else if (canonical && part.collation != "BINARY") name += " COLLATE BINARY";
    names.push_back(std::move(name));
  }
  return names;
}

std::string KeyColumns::list(bool canonical, const std::string& prefix) const {
  return join(names(canonical, prefix), ", ");
}

std::string KeyColumns::list_backwards(bool canonical) const {
  return join(names(canonical, ""), " DESC, ") + " DESC";
}

std::string KeyColumns::equals(const std::string& prefix, const std::vector<std::string>& operands) const {
  std::vector<std::string> conditions;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const std::string name = prefix + quoted_name(parts_[i].name);
    conditions.push_back(name + " = " + operands[i]);
    if (parts_[i].collation != "BINARY") conditions.push_back(name + " = " + operands[i] + " COLLATE BINARY");
  }
  return join(conditions, " AND ");
}

std::vector<Stored> KeyColumns::encode(const Schema& schema, const Key& key, Arena& arena) const {
  const std::vector<Value> values = parse_key(schema, key, arena);
  std::vector<Stored> stored(parts_.size());
  for (std::size_t i = 0; i < parts_.size(); ++i)
    if (const auto reason = sqlite::encode(values[i], parts_[i].type, parts_[i].spelling, arena, stored[i]))
      throw Error(ErrorKind::position_lost, fmt::format("table {}: the key {} is none of its rows: {}",
                                                        table_, key.to_json(), *reason));
  return stored;
}

Value KeyColumns::decode(std::size_t part, const Stored& stored, Arena& arena) const {
  const auto& [name, type, collation, spelling] = parts_[part];
  Value value;
  auto reason = sqlite::decode(stored, type, spelling, arena, value);
  if (!reason && value.is_null()) reason = "it is NULL";
  Stored again;
  if (!reason && type.canonical != Type::int64 && type.canonical != Type::text) {
    const bool far =
        is_calendar(type.canonical) && (stored.bytes.front() < '0' || stored.bytes.front() > '9');
    if (sqlite::encode(value, type, spelling, arena, again) || again != stored || far)
      reason = fmt::format("it holds {}, spelled unlike the other keys ({})", show(stored), show(again));
  }
  if (reason)
    throw Error(ErrorKind::bad_config,
                fmt::format("table {}: a row cannot be told by its key field {}: {}", table_, name, *reason));
  return value;
}

}  // namespace syncflow::sqlite
