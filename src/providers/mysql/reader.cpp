#include "providers/mysql/reader.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/calendar.h"
#include "core/error.h"
#include "core/text.h"
#include "providers/mysql/decode.h"
#include "providers/mysql/discovery.h"
#include "providers/mysql/horizon.h"
#include "providers/mysql/row_stream.h"
#include "providers/mysql/types.h"

namespace syncflow::mysql {
namespace {

/// Rounded down to what the column holds.
std::int64_t rounded(std::int64_t microseconds, const ColumnInfo& column) {
  std::int64_t unit = kMicrosecondsPerDay;
  if (column.kind != Kind::date) {
    unit = 1'000'000;
    for (int i = 0; i < column.fraction; ++i) unit /= 10;
  }
  return floor_divide(microseconds, unit) * unit;
}

std::string server_text(std::int64_t microseconds, const ColumnInfo& column) {
  std::string text;
  if (column.kind == Kind::date) append_date(floor_divide(microseconds, kMicrosecondsPerDay), text);
  else append_timestamp(microseconds, 0, text, ' ');
  return text;
}

}  // namespace

std::string why_no_cursor(const ColumnInfo& column) {
  if (is_time(column.kind) || column.kind == Kind::integer || column.kind == Kind::decimal) return "";
  return fmt::format("field {} is a {}: a cursor field holds a date and time, or a number that grows",
                     column.name, column.native);
}

Reader::Reader(std::shared_ptr<Sessions> sessions, const SourceSpec& spec)
    : sessions_(std::move(sessions)), login_(sessions_, Purpose::read) {
  Catalog catalog(login_.session());
  reading_.table = catalog.at(catalog.resolve(spec.table, sessions_->settings().target.database));
  choose_fields(spec);
  if (!spec.cursor.empty()) check_cursor(spec.cursor);
  if (Horizon(login_.current()).is_visible()) visibility_ = sql::Visibility::exact;
}

void Reader::choose_fields(const SourceSpec& spec) {
  const TableDef& table = reading_.table;
  const std::vector<std::string> key = choose_key(spec);
  std::set<std::string> wanted(spec.fields.begin(), spec.fields.end());
  for (const std::string& name : wanted) table.at(name);
  if (!spec.cursor.empty()) table.at(spec.cursor);
  if (!wanted.empty()) {
    wanted.insert(key.begin(), key.end());
    if (!spec.cursor.empty()) wanted.insert(spec.cursor);
  }
  auto schema = std::make_shared<Schema>();
  schema->provider = "mysql";
  schema->table = spec.table;
  for (const ColumnInfo& column : table.columns) {
    if (!wanted.empty() && wanted.count(column.name) == 0) continue;
    if (column.kind == Kind::unknown)
      throw Error(
          ErrorKind::bad_config,
          fmt::format(
              "table {}: field {} is of type {}, which is not known: name the fields to read without it",
              table.name, column.name, column.native));
    if (column.name == spec.cursor) reading_.cursor = reading_.columns.size();
    reading_.columns.push_back(column);
    schema->fields.push_back(field_of(column));
  }
  for (const std::string& name : key) schema->key.push_back(schema->at(name));
  reading_.schema = std::move(schema);
  key_ascends_ = ascends(key);
}

std::vector<std::string> Reader::choose_key(const SourceSpec& spec) const {
  const TableDef& table = reading_.table;
  if (spec.key.empty()) return table.key();
  for (const std::string& name : spec.key)
    if (!can_be_key(table.at(name).kind))
      throw Error(
          ErrorKind::bad_config,
          fmt::format("table {}: field {} is a {}, by which rows cannot be told apart: choose another key",
                      table.name, name, table.at(name).native));
  if (table.is_view) return spec.key;
  // Rows that share a key would be taken for one.
  const bool unique = std::any_of(table.indexes.begin(), table.indexes.end(), [&](const IndexInfo& index) {
    return index.unique && index.whole &&
           std::all_of(index.columns.begin(), index.columns.end(), [&](const std::string& name) {
             return std::find(spec.key.begin(), spec.key.end(), name) != spec.key.end();
           });
  });
  if (!unique || !table.is_not_null(spec.key))
    throw Error(ErrorKind::bad_config, fmt::format("table {}: several rows may share the key ({}), or have "
                                                   "none: choose fields with a unique index that "
                                                   "are NOT NULL",
                                                   table.name, join(spec.key, ", ")));
  return spec.key;
}

void Reader::check_cursor(const std::string& name) const {
  const std::string why = why_no_cursor(reading_.table.at(name));
  if (!why.empty()) throw Error(ErrorKind::bad_config, fmt::format("table {}: {}", reading_.table.name, why));
}

/// With several writers that count in steps of their own, a later row may get a lower number.
bool Reader::ascends(const std::vector<std::string>& key) {
  if (key.size() != 1 || !reading_.table.at(key[0]).auto_increment) return false;
  return login_.current().rows("SELECT @@GLOBAL.auto_increment_increment").at(0).at(0) == "1";
}

std::string Reader::identity() { return identify(login_.session(), reading_.table); }

sql::Mark Reader::mark() {
  Session& session = login_.session();
  Horizon horizon(session, sessions_->listings(), sessions_->stop());
  sql::Mark mark;
  // Before the transactions are listed: one that has a lower number than these and hides it is open by then.
  if (cursor_kind() == sql::CursorKind::ascending) mark.top_cursor = highest(cursor_column());
  if (key_ascends_ && cursor_nullable()) {
    const std::string top = highest(reading_.key_column(0));
    if (!top.empty()) mark.top_key = Key{{top}};
  }
  if (visibility_ == sql::Visibility::exact) {
    OpenTransactions open = horizon.list();
    mark.at = open.at;
    mark.oldest_start = open.oldest_start;
    mark.open = std::move(open.names);
  } else {
    mark.at = horizon.now() - horizon.replication_lag();
  }
  return mark;
}

std::string Reader::highest(const ColumnInfo& column) {
  return login_.current()
      .rows(fmt::format("SELECT MAX({}) FROM {}", quoted_name(column.name), reading_.table.quoted_name()))
      .at(0)
      .at(0)
      .value_or("");
}

std::set<std::string> Reader::open_now() {
  if (visibility_ == sql::Visibility::none) return {};
  return Horizon(login_.session(), sessions_->listings(), sessions_->stop()).names_now();
}

Time Reader::now() { return Horizon(login_.session()).now(); }

const ColumnInfo& Reader::cursor_column() const { return reading_.columns[reading_.cursor.value()]; }

sql::CursorKind Reader::cursor_kind() const {
  return is_time(cursor_column().kind) ? sql::CursorKind::time : sql::CursorKind::ascending;
}

/// A zero date is no time, and which sessions may write one only they know.
bool Reader::cursor_nullable() const { return cursor_column().nullable || is_time(cursor_column().kind); }

std::int64_t Reader::cursor_microseconds(Time time) const {
  const std::int64_t instant = time.time_since_epoch().count();
  const ColumnInfo& column = cursor_column();
  // Where clocks are about to be put back, rows that come later bear lower times.
  return rounded(
      column.kind == Kind::timestamp ? instant : sessions_->settings().zone.lowest_local_from(instant),
      column);
}

Value Reader::cursor_at(Time time) const {
  const std::int64_t microseconds = cursor_microseconds(time);
  switch (cursor_column().kind) {
    case Kind::date: return Value::date(floor_divide(microseconds, kMicrosecondsPerDay));
    case Kind::timestamp: return Value::timestamp_tz(microseconds);
    default: return Value::timestamp(microseconds);
  }
}

std::string Reader::cursor_text(Time time) const {
  return server_text(cursor_microseconds(time), cursor_column());
}

Value Reader::cursor_value(const std::string& exact, Arena& arena) const {
  const ColumnInfo& column = cursor_column();
  if (!is_time(column.kind)) return parse_value(reading_.schema->fields[*reading_.cursor].type, exact, arena);
  const auto parsed = parse_iso(exact);
  if (!parsed) return Value::native(arena.copy(exact));
  const std::int64_t microseconds = parsed->days * kMicrosecondsPerDay + parsed->microseconds;
  if (column.kind == Kind::date) return Value::date(parsed->days);
  return column.kind == Kind::timestamp ? Value::timestamp_tz(microseconds) : Value::timestamp(microseconds);
}

std::unique_ptr<sql::RowStream> Reader::select(const sql::RowQuery& query) {
  return std::make_unique<RowStream>(login_, reading_, query);
}

bool Reader::exists(const sql::RowQuery& query) {
  sql::RowQuery one = query;
  one.limit = 1;
  const Query built = build_query(reading_, one, "1");
  Statement statement = login_.session().prepare(built.sql);
  bind_all(statement, built.parameters);
  statement.open();
  const bool found = statement.fetch();
  statement.close();
  return found;
}

std::size_t Reader::count(const sql::RowQuery& query, std::size_t limit) {
  sql::RowQuery limited = query;
  limited.limit = limit;
  limited.order = sql::RowQuery::Order::none;
  const Query built = build_query(reading_, limited, "1");
  Statement statement = login_.session().prepare("SELECT COUNT(*) FROM (" + built.sql + ") AS counted");
  bind_all(statement, built.parameters);
  statement.open();
  if (!statement.fetch()) throw Error(ErrorKind::bug, "COUNT gave no row");
  const auto counted = integer_of(statement.columns()[0], statement.cells()[0]);
  statement.close();
  return static_cast<std::size_t>(counted);
}

}  // namespace syncflow::mysql
