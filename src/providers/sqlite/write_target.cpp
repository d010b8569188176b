#include "providers/sqlite/write_target.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::sqlite {
namespace {

std::vector<std::string> key_names(const Schema& schema) {
  std::vector<std::string> names;
  for (const std::size_t index : schema.key) names.push_back(schema.fields[index].name);
  return names;
}

std::size_t column_for(const Table& table, const std::string& field, std::string_view remedy) {
  if (const auto found = table.find_any_case(field)) return *found;
  const std::string near = nearest(field, table.column_names());
  throw Error(ErrorKind::bad_config,
              fmt::format("destination table {} has no field {}{}: {}", table.name, field,
                          near.empty() ? "" : fmt::format(" (the nearest is {})", near), remedy));
}

std::string own_field(const DestinationSpec& spec, const Table& table, const std::string& field,
                      std::string_view option) {
  if (spec.incoming.find(field))
    throw Error(
        ErrorKind::bad_config,
        fmt::format(
            "destination table {}: field {} is mapped and is named under {} too: it can be only one of them",
            table.name, field, option));
  const std::size_t index =
      column_for(table, field,
                 fmt::format("add it (ALTER TABLE {} ADD COLUMN {} TIMESTAMPTZ), or name another under {}",
                             quoted_name(table.name), quoted_name(field), option));
  const Column& column = table.columns[index];
  const Type type = column.type.canonical;
  if (column.generated || (type != Type::timestamp && type != Type::timestamp_tz && type != Type::text))
    throw Error(
        ErrorKind::bad_config,
        fmt::format("destination table {}: field {}, named under {}, is declared {} and cannot hold an "
                    "instant: declare it TIMESTAMPTZ",
                    table.name, column.name, option, column.declared));
  return quoted_name(column.name);
}

/// The unique index on exactly these columns, as collations in the order of the key; a primary key that is the
/// rowid has BINARY. Empty: there is none.
std::optional<std::vector<std::string>> unique_index_on(const Table& table,
                                                        const std::vector<std::size_t>& key) {
  if (table.rowid_is_key && key == table.primary_key) return std::vector<std::string>{"BINARY"};
  std::vector<std::size_t> wanted = key;
  std::sort(wanted.begin(), wanted.end());
  for (const Index& index : table.indexes) {
    std::vector<std::size_t> there = index.columns;
    std::sort(there.begin(), there.end());
    if (!index.unique || index.partial || there != wanted) continue;
    // SQLite lets NULL into a primary key that is not declared NOT NULL; what comes in has none.
    const bool safe = index.primary || std::all_of(key.begin(), key.end(),
                                                   [&](std::size_t c) { return table.columns[c].not_null; });
    if (!safe) continue;
    std::vector<std::string> collations;
    for (const std::size_t column : key)
      for (std::size_t i = 0; i < index.columns.size(); ++i)
        if (index.columns[i] == column) collations.push_back(index.collations[i]);
    return collations;
  }
  return std::nullopt;
}

void match_key(const DestinationSpec& spec, const Table& table, const std::vector<std::size_t>& columns,
               WriteTarget& target) {
  std::vector<std::size_t> key;
  for (const std::size_t index : spec.incoming.key) key.push_back(columns[index]);
  target.key = spec.incoming.key;
  if (key.empty())
    throw Error(ErrorKind::bad_config,
                fmt::format("destination table {}: no key is mapped: name the fields that identify a row",
                            table.name));
  const auto collations = unique_index_on(table, key);
  if (!collations) {
    std::vector<std::string> names;
    for (const std::string& name : key_names(spec.incoming)) names.push_back(quoted_name(name));
    throw Error(
        ErrorKind::bad_config,
        fmt::format("destination table {} has no unique index on exactly the key ({}), NOT NULL: declare "
                    "these columns NOT NULL "
                    "and CREATE UNIQUE INDEX ON {} ({}), or choose another key",
                    table.name, join(key_names(spec.incoming), ", "), quoted_name(table.name),
                    join(names, ", ")));
  }
  target.key_folds = *collations;
}

void warn_of_types(const Field& field, const Column& column, std::vector<std::string>& warnings) {
  const bool digits = field.type == Type::decimal || field.type == Type::uint64;
  const bool number = column.type.affinity == Affinity::numeric || column.type.affinity == Affinity::real;
  if (digits && number)
    warnings.push_back(fmt::format(
        "field {} is declared {}, which SQLite keeps as floating point: numbers of more than 15 digits "
        "are refused; DECIMAL_TEXT holds them",
        column.name, column.declared));
}

}  // namespace

bool WriteTarget::folds_keys() const {
  return std::any_of(key_folds.begin(), key_folds.end(),
                     [](const std::string& collation) { return collation != "BINARY"; });
}

bool WriteTarget::is_key(std::size_t column) const {
  return std::find(key.begin(), key.end(), column) != key.end();
}

std::string create_statement(const DestinationSpec& spec) {
  const Schema& incoming = spec.incoming;
  std::vector<std::string> parts, key;
  for (std::size_t i = 0; i < incoming.fields.size(); ++i) {
    const Field& field = incoming.fields[i];
    const bool in_key = std::find(incoming.key.begin(), incoming.key.end(), i) != incoming.key.end();
    parts.push_back(fmt::format("{} {}{}", quoted_name(field.name), declared_type(field, incoming.provider),
                                in_key ? " NOT NULL" : ""));
  }
  if (!spec.stamp.empty()) parts.push_back(quoted_name(spec.stamp) + " TIMESTAMPTZ");
  if (spec.deletes == Deletes::soft) parts.push_back(quoted_name(spec.soft_delete) + " TIMESTAMPTZ");
  for (const std::string& name : key_names(incoming)) key.push_back(quoted_name(name));
  if (!key.empty()) parts.push_back("PRIMARY KEY (" + join(key, ", ") + ")");
  return fmt::format("CREATE TABLE {} (\n  {}\n)", quoted_name(spec.table), join(parts, ",\n  "));
}

WriteTarget match_target(const DestinationSpec& spec, const Table& table,
                         std::vector<std::string>& warnings) {
  WriteTarget target;
  target.table = "main." + quoted_name(table.name);
  target.has_triggers = !table.triggers.empty();
  std::vector<std::size_t> columns;
  for (const Field& field : spec.incoming.fields) {
    const std::size_t index = column_for(table, field.name, "add it, or leave it out of the mapping");
    const Column& column = table.columns[index];
    if (column.generated)
      throw Error(
          ErrorKind::bad_config,
          fmt::format("destination table {}: field {} is generated by the database and cannot be written: "
                      "leave it out of the mapping",
                      table.name, column.name));
    if (std::find(columns.begin(), columns.end(), index) != columns.end())
      throw Error(ErrorKind::bad_config,
                  fmt::format("destination table {}: field {} is mapped twice", table.name, column.name));
    columns.push_back(index);
    target.columns.push_back({quoted_name(column.name), column.type, field.name, column.collation});
    warn_of_types(field, column, warnings);
  }
  match_key(spec, table, columns, target);
  if (!spec.stamp.empty()) target.stamp = own_field(spec, table, spec.stamp, "stamp");
  if (spec.deletes == Deletes::soft) target.mark = own_field(spec, table, spec.soft_delete, "soft_delete");

  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const Column& column = table.columns[i];
    const bool ours = std::find(columns.begin(), columns.end(), i) != columns.end() ||
                      quoted_name(column.name) == target.stamp || quoted_name(column.name) == target.mark;
    if (ours || column.generated) continue;
    target.has_other_columns = true;
    const bool is_rowid = table.rowid_is_key && table.primary_key[0] == i;
    if (column.not_null && !column.has_default && !is_rowid)
      warnings.push_back(fmt::format(
          "field {} must have a value, has no default and is not mapped: new rows will be refused",
          column.name));
  }
  return target;
}

}  // namespace syncflow::sqlite
