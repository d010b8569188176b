#include "testkit/database_case.h"

#include <fmt/core.h>

#include "core/calendar.h"

namespace syncflow::testkit {

std::string Dialect::quoted(std::string_view identifier) const {
  std::string out(1, quote);
  for (const char c : identifier) {
    if (c == quote) out += c;
    out += c;
  }
  return out + quote;
}

std::string Dialect::literal(std::string_view text) const {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || (c == '\\' && backslash_escapes)) out += c;
    out += c;
  }
  return out + "'";
}

std::string Dialect::stamp(Time time) const {
  if (instant) return instant(time);
  std::string text;
  append_timestamp(time.time_since_epoch().count(), 0, text, ' ');
  return literal(text);
}

void ItemsTable::create(const Shape& shape) {
  const std::string id = dialect_.quoted("id");
  const bool ascending = shape.key == Key::ascending;
  database_.run(fmt::format("CREATE TABLE {} ({} {}, {} {}, {} {} NULL{}){}", dialect_.quoted(name_), id,
                            ascending ? dialect_.ascending_key : dialect_.integer + " NOT NULL",
                            dialect_.quoted("name"), dialect_.text, dialect_.quoted("updated_at"),
                            dialect_.cursor, ascending ? "" : ", PRIMARY KEY (" + id + ")",
                            dialect_.table_suffix));
  if (!shape.index) return;
  database_.run(fmt::format("CREATE INDEX {} ON {} ({}, {})", dialect_.quoted(name_ + "_updated"),
                            dialect_.quoted(name_), dialect_.quoted("updated_at"), id));
}

std::string ItemsTable::value_list(int id, const std::optional<std::string>& name,
                                   std::optional<Time> updated_at) const {
  return fmt::format("({}, {}, {})", id, name ? dialect_.literal(*name) : "NULL",
                     updated_at ? dialect_.stamp(*updated_at) : "NULL");
}

std::string ItemsTable::insert_sql(int id, const std::optional<std::string>& name,
                                   std::optional<Time> updated_at) const {
  return fmt::format("INSERT INTO {} ({}, {}, {}) VALUES {}", dialect_.quoted(name_), dialect_.quoted("id"),
                     dialect_.quoted("name"), dialect_.quoted("updated_at"),
                     value_list(id, name, updated_at));
}

void ItemsTable::insert(int id, const std::optional<std::string>& name, std::optional<Time> updated_at) {
  database_.run(insert_sql(id, name, updated_at));
}

void ItemsTable::insert_many(int first, int last, Time from, Duration step) {
  std::string sql = insert_sql(first, fmt::format("row {}", first), from);
  for (int id = first + 1; id <= last; ++id)
    sql += ", " + value_list(id, fmt::format("row {}", id), from + step * (id - first));
  database_.run(sql);
}

void ItemsTable::update(int id, const std::optional<std::string>& name, std::optional<Time> updated_at) {
  database_.run(fmt::format("UPDATE {} SET {} = {}, {} = {} WHERE {} = {}", dialect_.quoted(name_),
                            dialect_.quoted("name"), name ? dialect_.literal(*name) : "NULL",
                            dialect_.quoted("updated_at"), updated_at ? dialect_.stamp(*updated_at) : "NULL",
                            dialect_.quoted("id"), id));
}

void ItemsTable::remove(int id) {
  database_.run(
      fmt::format("DELETE FROM {} WHERE {} = {}", dialect_.quoted(name_), dialect_.quoted("id"), id));
}

std::vector<TextRow> ItemsTable::rows() {
  return database_.query(fmt::format("SELECT {}, {} FROM {} ORDER BY {}", dialect_.quoted("id"),
                                     dialect_.quoted("name"), dialect_.quoted(name_), dialect_.quoted("id")));
}

Time now() { return SystemClock().now(); }

Time instant(std::string_view rfc3339) { return from_rfc3339(rfc3339); }

}  // namespace syncflow::testkit
