#include "providers/sqlite/cursor_column.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <charconv>

#include "core/calendar.h"
#include "core/decimal.h"
#include "core/error.h"

namespace syncflow::sqlite {
namespace {

using namespace std::chrono_literals;

/// Texts that begin with a year. All others, numbers, blobs and NULL are no times.
constexpr std::string_view kLowest = "0000-", kBeyond = "9999-~";

constexpr std::int64_t kFirstInstant = -62'167'219'200'000'000;  // 0000-01-01T00:00:00
constexpr std::int64_t kLastInstant = 253'402'300'799'999'999;   // 9999-12-31T23:59:59.999999

/// No place on earth is further from UTC.
constexpr auto kWidestOffset = 14h;

/// How many of the newest rows tell how the others are spelled.
constexpr int kCursorSamples = 100;

std::string instant_text(std::int64_t utc, unsigned nanoseconds) {
  utc = std::clamp(utc, kFirstInstant, kLastInstant);
  const std::int64_t days = floor_divide(utc, kMicrosecondsPerDay);
  const std::int64_t of_day = utc - days * kMicrosecondsPerDay;
  std::string out;
  append_date(days, out);
  out += fmt::format("T{:02}:{:02}:{:02}.{:06}{:03}", of_day / 3'600'000'000, of_day / 60'000'000 % 60,
                     of_day / 1'000'000 % 60, of_day % 1'000'000, nanoseconds);
  return out;
}

/// As much of a malformed time as makes sense: it must sort somewhere.
ParsedTime read_leniently(std::string_view text) {
  for (const std::size_t length :
       {text.size(), std::size_t{29}, std::size_t{19}, std::size_t{16}, std::size_t{10}})
    if (length <= text.size())
      if (const auto parsed = parse_iso(text.substr(0, length))) return *parsed;
  for (const auto& [length, rest] : {std::pair{std::size_t{7}, "-01"}, std::pair{std::size_t{4}, "-01-01"}})
    if (length <= text.size())
      if (const auto parsed = parse_iso(std::string(text.substr(0, length)) + rest)) return *parsed;
  return {.days = floor_divide(kFirstInstant, kMicrosecondsPerDay),
          .microseconds = 0,
          .nanoseconds = 0,
          .offset_minutes = 0,
          .has_time = false};
}

std::string instant_of(std::string_view text, std::chrono::minutes naive_offset) {
  if (text < kLowest || text >= kBeyond) return {};
  const ParsedTime parsed = read_leniently(text);
  const auto offset = parsed.offset_minutes ? std::chrono::minutes(*parsed.offset_minutes) : naive_offset;
  return instant_text(
      parsed.days * kMicrosecondsPerDay + parsed.microseconds - std::chrono::microseconds(offset).count(),
      parsed.nanoseconds);
}

std::int64_t microseconds_of(const std::string& instant) {
  const auto parsed = parse_iso(instant);
  if (!parsed)
    throw Error(ErrorKind::position_lost,
                "the stored position holds a cursor value that is no time: " + instant);
  return parsed->days * kMicrosecondsPerDay + parsed->microseconds;
}

void instant_function(sqlite3_context* context, int, sqlite3_value** arguments) {
  if (sqlite3_value_type(arguments[0]) != SQLITE_TEXT) return sqlite3_result_null(context);
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_value_text(arguments[0]));
  const std::string_view text(bytes ? bytes : "",
                              static_cast<std::size_t>(sqlite3_value_bytes(arguments[0])));
  const auto minutes = reinterpret_cast<std::intptr_t>(sqlite3_user_data(context));
  const std::string instant = instant_of(text, std::chrono::minutes(minutes));
  if (instant.empty()) return sqlite3_result_null(context);
  sqlite3_result_text64(context, instant.data(), instant.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

int compare_decimal_texts(void*, int a_size, const void* a, int b_size, const void* b) {
  const std::string_view left(static_cast<const char*>(a), static_cast<std::size_t>(a_size));
  const std::string_view right(static_cast<const char*>(b), static_cast<std::size_t>(b_size));
  // A collation must order everything; what is no decimal is refused when it is read.
  if (!is_decimal(left) || !is_decimal(right)) {
    if (is_decimal(left) != is_decimal(right)) return is_decimal(left) ? -1 : 1;
    return left.compare(right);
  }
  const auto order = compare_decimals(left, right);
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

sql::CursorKind kind_of(const Table& table, const Column& column) {
  switch (column.type.canonical) {
    case Type::timestamp:
    case Type::timestamp_tz:
    case Type::date: return sql::CursorKind::time;
    case Type::text:
      if (!column.type.dynamic) return sql::CursorKind::time;
      break;
    case Type::int64:
    case Type::float64: return sql::CursorKind::ascending;
    default: break;
  }
  throw Error(
      ErrorKind::bad_config,
      fmt::format(
          "table {}: {} is declared {} and cannot be a cursor field: declare it TIMESTAMP, TEXT or INTEGER",
          table.name, column.name, column.declared.empty() ? "without a type" : column.declared));
}

}  // namespace

void install_functions(Database& database, std::chrono::minutes naive_offset) {
  sqlite3_create_function(database.handle(), "syncflow_instant", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                          reinterpret_cast<void*>(static_cast<std::intptr_t>(naive_offset.count())),
                          &instant_function, nullptr, nullptr);
  sqlite3_create_collation(database.handle(), "syncflow_decimal", SQLITE_UTF8, nullptr,
                           &compare_decimal_texts);
}

CursorColumn::CursorColumn(Database& database, const Table& table, std::size_t column,
                           std::chrono::minutes naive_offset)
    : table_("main." + quoted_name(table.name)),
      name_(quoted_name(table.columns[column].name)),
      type_(table.columns[column].type),
      kind_(kind_of(table, table.columns[column])),
      naive_offset_(naive_offset) {
  nullable_ = !table.columns[column].not_null || has_improper(database);
  if (kind_ != sql::CursorKind::time) return;
  look_at_newest(database, name_, name_);
  // The plus keeps the planner from an index on the field, whose whole range it would sort for these few.
  if (table.has_rowid) look_at_newest(database, "+" + name_, "rowid");
  if (type_.canonical == Type::date) unit_ = 24h;
}

/// Each condition by itself, because a search of an index each is cheaper than the scan that the planner makes of them
/// together.
bool CursorColumn::has_improper(Database& database) const {
  std::vector<std::string> conditions = {" IS NULL", " >= ''"};
  if (kind_ == sql::CursorKind::time)
    conditions = {" IS NULL", fmt::format(" < '{}'", kLowest), fmt::format(" >= '{}'", kBeyond)};
  for (const std::string& condition : conditions)
    if (database.prepare("SELECT 1 FROM " + table_ + " WHERE " + name_ + condition + " LIMIT 1").step())
      return true;
  return false;
}

void CursorColumn::look_at_newest(Database& database, const std::string& field, const std::string& by) {
  Sql newest("SELECT " + name_ + " FROM " + table_);
  newest.add(" WHERE " + field + " >= ?", Stored::text(kLowest))
      .add(" AND " + field + " < ?", Stored::text(kBeyond));
  newest.add(fmt::format(" ORDER BY {} DESC LIMIT {}", by, kCursorSamples));
  Statement samples = newest.prepare(database);
  while (samples.step()) look_at(stored_at(samples, 0));
}

void CursorColumn::look_at(const Stored& sample) {
  const auto parsed = parse_iso(sample.bytes);
  if (!parsed) return;
  if (!parsed->has_time) unit_ = std::max<std::chrono::microseconds>(unit_, 24h);
  else if (sample.bytes.size() <= 16 || sample.bytes[16] != ':')
    unit_ = std::max<std::chrono::microseconds>(unit_, 1min);
  if (sample.bytes.size() > 10 && sample.bytes[10] != ' ') separator_ = sample.bytes[10];
  if (parsed->offset_minutes && *parsed->offset_minutes != 0) has_offsets_ = true;
}

std::string CursorColumn::order() const {
  return kind_ == sql::CursorKind::time ? "syncflow_instant(" + name_ + ")" : name_;
}

void CursorColumn::add_proper(Ends ends, Sql& where) const {
  if (kind_ == sql::CursorKind::time) {
    if (ends.lower) where.also().add(name_ + " >= ?", Stored::text(kLowest));
    if (ends.upper) where.also().add(name_ + " < ?", Stored::text(kBeyond));
    return;
  }
  // Texts and blobs sort above every number.
  where.also().add(name_ + " < x'' AND typeof(" + name_ + ") <> 'text'");
}

void CursorColumn::add_none(Sql& where) const {
  if (kind_ == sql::CursorKind::time) {
    where.add("(" + name_ + " IS NULL OR " + name_ + " < ?", Stored::text(kLowest))
        .add(" OR " + name_ + " >= ?", Stored::text(kBeyond))
        .add(")");
    return;
  }
  where.add("(" + name_ + " IS NULL OR " + name_ + " >= '')");
}

void CursorColumn::compare(const char* comparison, const std::string& exact, Sql& where) const {
  if (kind_ == sql::CursorKind::time) {
    where.add(order() + comparison, Stored::text(exact));
    return;
  }
  Arena arena;
  const Value number = value(exact, arena);
  where.add(name_ + comparison,
            number.type() == Type::int64 ? Stored::of(number.as_int64()) : Stored::of(number.as_double()));
}

/// Raw texts that may stand for the instant or a later one. In one day all texts with a blank sort before those
/// with a T, so the day is entered in two places.
void CursorColumn::add_from(const std::string& exact, Sql& where) const {
  if (kind_ != sql::CursorKind::time) return;
  std::chrono::minutes earliest = std::min(naive_offset_, std::chrono::minutes(0));
  if (has_offsets_) earliest = -kWidestOffset;
  const std::string local =
      instant_text(microseconds_of(exact) + std::chrono::microseconds(earliest).count(), 0);
  const std::string day = local.substr(0, 10), minute = local.substr(11, 5);
  if (minute == "00:00") {
    where.also().add(name_ + " >= ?", Stored::text(day));
    return;
  }
  // What the two places have in common, for the index: the planner makes no range of an OR.
  where.also().add(name_ + " >= ?", Stored::text(day + " " + minute));
  where.also().add("((" + name_ + " >= ?", Stored::text(day + " " + minute));
  where.add(" AND " + name_ + " < ?", Stored::text(day + "T"));
  where.add(") OR " + name_ + " >= ?", Stored::text(day + "T" + minute)).add(")");
}

void CursorColumn::add_to(const std::string& exact, Sql& where) const {
  if (kind_ != sql::CursorKind::time) return;
  std::chrono::minutes latest = std::max(naive_offset_, std::chrono::minutes(0));
  if (has_offsets_) latest = kWidestOffset;
  const std::string local =
      instant_text(microseconds_of(exact) + std::chrono::microseconds(latest).count(), 0);
  where.also().add(name_ + " < ?", Stored::text(local.substr(0, 10) + "~"));
}

void CursorColumn::restrict(const sql::RowQuery& query, Sql& where) const {
  using Cursors = sql::RowQuery::Cursors;
  // Of two bounds at one end the planner may take the wider one for the index.
  const bool from_below = query.cursor_from || query.cursor_above || query.above;
  const Ends open{.lower = !from_below, .upper = !query.cursor_to};
  if (query.cursors == Cursors::none) add_none(where.also());
  else if (query.cursors == Cursors::proper || from_below || query.cursor_to) add_proper(open, where);
  if (query.cursor_from) {
    add_from(*query.cursor_from, where);
    compare(" >= ?", *query.cursor_from, where.also());
  }
  if (query.cursor_above) {
    add_from(*query.cursor_above, where);
    compare(" > ?", *query.cursor_above, where.also());
  }
  if (query.cursor_to) {
    add_to(*query.cursor_to, where);
    compare(" <= ?", *query.cursor_to, where.also());
  }
}

void CursorColumn::above(const std::string& exact, const std::string& keys, const std::vector<Stored>& key,
                         Sql& where) const {
  add_from(exact, where);
  where.also().add(fmt::format("({}, {}) > (?", order(), keys));
  if (kind_ == sql::CursorKind::time) {
    where.add("", Stored::text(exact));
  } else {
    Arena arena;
    const Value number = value(exact, arena);
    where.add("",
              number.type() == Type::int64 ? Stored::of(number.as_int64()) : Stored::of(number.as_double()));
  }
  for (const Stored& part : key) where.add(", ?", part);
  where.add(")");
}

std::string CursorColumn::exact(const Stored& raw) const {
  if (kind_ == sql::CursorKind::time)
    return raw.storage == Stored::Class::text ? instant_of(raw.bytes, naive_offset_) : "";
  if (raw.storage == Stored::Class::integer) return std::to_string(raw.integer);
  if (raw.storage == Stored::Class::real) return to_text(Value::of(raw.real));
  return {};
}

std::int64_t CursorColumn::floored(Time time) const {
  // Days and minutes end where they do in the zone that they are written in.
  const std::int64_t offset = std::chrono::microseconds(naive_offset_).count();
  const std::int64_t local = time.time_since_epoch().count() + offset;
  return floor_divide(local, unit_.count()) * unit_.count() - offset;
}

std::string CursorColumn::text(Time time) const { return instant_text(floored(time), 0); }

Value CursorColumn::at(Time time) const { return value(text(time), at_arena_); }

Value CursorColumn::value(const std::string& exact, Arena& arena) const {
  if (kind_ == sql::CursorKind::ascending) {
    if (type_.canonical == Type::int64 && exact.find_first_of(".eNI") == std::string::npos)
      return parse_value(Type::int64, exact, arena);
    return parse_value(Type::float64, exact, arena);
  }
  const std::int64_t utc = microseconds_of(exact);
  const unsigned nanoseconds = parse_iso(exact)->nanoseconds;
  const std::int64_t local = utc + std::chrono::microseconds(naive_offset_).count();
  switch (type_.canonical) {
    case Type::timestamp: return Value::timestamp(local, nanoseconds);
    case Type::timestamp_tz: return Value::timestamp_tz(utc, nanoseconds);
    case Type::date: return Value::date(floor_divide(local, kMicrosecondsPerDay));
    default: break;
  }
  // The field's own values are texts: the lowest one that can stand for this instant.
  std::chrono::minutes earliest = std::min(naive_offset_, std::chrono::minutes(0));
  if (has_offsets_) earliest = -kWidestOffset;
  std::string lowest = instant_text(utc + std::chrono::microseconds(earliest).count(), 0).substr(0, 16);
  lowest[10] = separator_;
  return Value::text(arena.copy(lowest));
}

std::string CursorColumn::highest(Database& database) const {
  Sql where;
  add_proper({}, where);
  Statement highest = Sql(fmt::format("SELECT max({}) FROM {}", name_, table_)).add(where).prepare(database);
  return highest.step() ? exact(stored_at(highest, 0)) : "";
}

}  // namespace syncflow::sqlite
