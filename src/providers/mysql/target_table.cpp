#include "providers/mysql/target_table.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "providers/mysql/types.h"

namespace syncflow::mysql {
namespace {

class TableCheck {
 public:
  TableCheck(const TableDef& def, const DestinationSpec& spec, std::vector<std::string>& warnings)
      : def_(def), spec_(spec), warnings_(warnings) {}

  void run() {
    if (def_.is_view) fail("it is a view: rows are written to tables");
    if (!def_.transactional)
      fail(fmt::format(
          "its engine {} has no transactions, so half of a batch could stay: ALTER TABLE {} ENGINE=InnoDB",
          def_.engine, quoted_name(def_.name)));
    for (const Field& field : spec_.incoming.fields) check_field(field);
    check_key();
    if (spec_.deletes == Deletes::soft) check_moment_field(spec_.soft_delete, "soft_delete", true);
    if (!spec_.stamp.empty()) check_moment_field(spec_.stamp, "stamp", false);
    check_unmapped();
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error(ErrorKind::bad_config, fmt::format("table {}: {}", def_.name, why));
  }

  void check_field(const Field& field) {
    const ColumnInfo& column = def_.at(field.name);
    if (column.generated)
      fail(fmt::format("field {} is computed by the server: leave it out of the mapping", field.name));
    if (column.kind == Kind::unknown)
      fail(fmt::format("field {} is of type {}, which is not known", field.name, column.native));
    const Encoder encoder(column, Zone(), false);
    if (!encoder.takes(field.type))
      fail(fmt::format("field {} is of type {}, which holds no {}: map it with a cast, or change the column",
                       field.name, column.native, name_of(field.type)));
    warn_of_less_room(field, column);
  }

  void warn_of_less_room(const Field& field, const ColumnInfo& column) {
    const std::size_t room = column.max_characters > 0 ? column.max_characters : column.max_bytes;
    const bool sized = column.kind == Kind::text || column.kind == Kind::bytes;
    if (sized && field.length && room < *field.length)
      warnings_.push_back(fmt::format("field {} holds at most {} {}, the source's up to {}", field.name, room,
                                      column.max_characters > 0 ? "characters" : "bytes", *field.length));
    const bool timed =
        column.kind == Kind::datetime || column.kind == Kind::timestamp || column.kind == Kind::time;
    if (timed && field.precision && column.fraction < *field.precision)
      warnings_.push_back(fmt::format(
          "field {} holds {} digits of the second, the source's up to {}: rows with more are refused",
          field.name, column.fraction, *field.precision));
    if (column.kind == Kind::timestamp)
      warnings_.push_back(
          fmt::format("field {} is a TIMESTAMP, which holds 1970 to 2038: rows with other times are refused",
                      field.name));
    if (column.kind == Kind::decimal && field.scale && column.scale < *field.scale)
      warnings_.push_back(fmt::format(
          "field {} holds {} digits after the point, the source's up to {}: rows with more are refused",
          field.name, column.scale, *field.scale));
  }

  void check_key() {
    std::vector<std::string> key;
    for (const std::size_t index : spec_.incoming.key) key.push_back(spec_.incoming.fields[index].name);
    if (key.empty()) fail("the mapping has no key: name the fields that identify a row under \"key\"");
    const std::string list = join(key, ", ");
    std::vector<std::string> names;
    for (const std::string& name : key) names.push_back(quoted_name(name));
    if (!def_.has_unique_index_on(key))
      fail(
          fmt::format("no unique index lies on exactly the key ({}); prefixes of columns do not count: ALTER "
                      "TABLE {} ADD UNIQUE "
                      "({}), or choose another key",
                      list, quoted_name(def_.name), join(names, ", ")));
    for (const std::string& name : key)
      if (const ColumnInfo& column = def_.at(name); column.nullable)
        fail(fmt::format("field {} of the key may be null: ALTER TABLE {} MODIFY {} {} NOT NULL", name,
                         quoted_name(def_.name), quoted_name(name), column.native));
  }

  void check_moment_field(const std::string& name, const char* option, bool must_be_nullable) {
    if (!def_.find(name))
      fail(fmt::format("it has no field \"{}\" for {}: ALTER TABLE {} ADD {} TIMESTAMP(6) NULL DEFAULT NULL",
                       name, option, quoted_name(def_.name), quoted_name(name)));
    const ColumnInfo& column = def_.at(name);
    if (column.generated || (column.kind != Kind::timestamp && column.kind != Kind::datetime))
      fail(fmt::format("field {} is a {}: {} takes a DATETIME or TIMESTAMP", name, column.native, option));
    if (must_be_nullable && !column.nullable)
      fail(fmt::format("field {} must be nullable for {}: a row that is there has none", name, option));
    if (spec_.incoming.find(name))
      fail(fmt::format("field {} is mapped, and is also the field of {}: it cannot be both", name, option));
  }

  void check_unmapped() {
    std::vector<std::string> lacking;
    for (const ColumnInfo& column : def_.columns) {
      const bool set_by_us = spec_.incoming.find(column.name) || column.name == spec_.stamp;
      if (!set_by_us && !column.nullable && !column.has_default && !column.generated)
        lacking.push_back(column.name);
    }
    for (const ColumnInfo& column : def_.columns)
      if (column.auto_increment && !spec_.incoming.find(column.name))
        warnings_.push_back(fmt::format(
            "field {} counts up and is not mapped: each write of a row uses up a number, also where the "
            "row is there already",
            column.name));
    if (!lacking.empty())
      warnings_.push_back(fmt::format(
          "new rows are refused, because {} must have a value and none is mapped: map it, or give it "
          "a default",
          join(lacking, ", ")));
  }

  const TableDef& def_;
  const DestinationSpec& spec_;
  std::vector<std::string>& warnings_;
};

}  // namespace

bool TargetTable::is_key(std::size_t field) const {
  return std::find(key.begin(), key.end(), field) != key.end();
}

std::string TargetTable::now_for(const ColumnInfo& column, const Zone& zone, Time now) const {
  // The session's zone is UTC, and so is CURRENT_TIMESTAMP.
  const std::string clock = fmt::format("CURRENT_TIMESTAMP({})", column.fraction);
  if (column.kind == Kind::timestamp) return clock;
  const std::int64_t instant = now.time_since_epoch().count();
  const std::int64_t seconds = (zone.to_local(instant) - instant) / 1'000'000;
  return seconds == 0 ? clock : fmt::format("{} + INTERVAL {} SECOND", clock, seconds);
}

TargetTable check_table(TableDef def, const DestinationSpec& spec, const Settings& settings,
                        const ServerVersion& server, std::vector<std::string>& warnings) {
  TableCheck(def, spec, warnings).run();
  TargetTable table;
  table.mariadb = server.mariadb;
  table.names_new_row = !server.mariadb && server.at_least(8, 0, 19);
  for (const Field& field : spec.incoming.fields)
    table.encoders.emplace_back(def.at(field.name), settings.zone, server.mariadb);
  table.key = spec.incoming.key;
  if (spec.deletes == Deletes::soft) table.soft_delete = spec.soft_delete;
  table.stamp = spec.stamp;
  table.folds_keys =
      std::any_of(table.key.begin(), table.key.end(), [&](std::size_t i) { return table.column(i).folds(); });
  table.has_other_unique_index = std::count_if(def.indexes.begin(), def.indexes.end(),
                                               [](const IndexInfo& index) { return index.unique; }) > 1;
  table.needs_guard = table.has_other_unique_index || table.folds_keys;
  table.def = std::move(def);
  return table;
}

std::string create_statement(const TableName& name, const DestinationSpec& spec, const ServerVersion& server,
                             std::vector<std::string>& warnings) {
  const ColumnTypes types(spec.incoming, server);
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < spec.incoming.fields.size(); ++i)
    lines.push_back(fmt::format("  {} {}", quoted_name(spec.incoming.fields[i].name), types.definition(i)));
  const auto add_moment = [&](const std::string& column) {
    if (!spec.incoming.find(column))
      lines.push_back(fmt::format("  {} timestamp(6) NULL DEFAULT NULL", quoted_name(column)));
  };
  if (spec.deletes == Deletes::soft) add_moment(spec.soft_delete);
  if (!spec.stamp.empty()) add_moment(spec.stamp);
  std::vector<std::string> key;
  for (const std::size_t index : spec.incoming.key)
    key.push_back(quoted_name(spec.incoming.fields[index].name));
  lines.push_back(fmt::format("  PRIMARY KEY ({})", join(key, ", ")));
  warnings.insert(warnings.end(), types.warnings().begin(), types.warnings().end());
  return fmt::format("CREATE TABLE {}.{} (\n{}\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
                     quoted_name(name.database), quoted_name(name.table), join(lines, ",\n"));
}

}  // namespace syncflow::mysql
