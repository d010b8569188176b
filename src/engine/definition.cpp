#include "engine/definition.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "core/error.h"
#include "core/text.h"
#include "engine/definition_reader.h"
#include "engine/definition_words.h"
#include "engine/filter.h"
#include "engine/sha256.h"

namespace syncflow {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr Duration kDay = 24h;
constexpr Duration kLongest = 36500 * kDay;

struct Unit {
  std::string_view name;
  Duration duration;
};

/// A whole number in front of `text`; takes it off.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || text.front() == '-') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::optional<Duration> times(std::int64_t count, Duration unit) {
  if (count > kLongest / unit) return std::nullopt;
  return count * unit;
}

// --- JSON ---

json::array to_array(const std::vector<std::string>& texts) {
  json::array array;
  for (const std::string& text : texts) array.emplace_back(text);
  return array;
}

/// Which of its texts stands for a free text: what was written, or what that stands for.
using TextOf = const std::string& (FreeText::*)() const;

json::array to_array(const std::vector<FreeText>& texts, TextOf text_of) {
  json::array array;
  for (const FreeText& text : texts) array.emplace_back((text.*text_of)());
  return array;
}

json::value to_value(const Filter& filter, TextOf text_of) {
  json::object object{{"field", filter.field}, {"operator", json::string(name_of(filter.op))}};
  if (filter.op == Operator::in || filter.op == Operator::nin) {
    json::array values = to_array(filter.values, text_of);
    if (filter.null_value) values.emplace_back(nullptr);
    object["value"] = std::move(values);
  } else if (filter.null_value) {
    object["value"] = nullptr;
  } else if (!filter.values.empty()) {
    object["value"] = (filter.values.front().*text_of)();
  }
  return object;
}

json::value to_value(const FieldMapping& field, TextOf text_of) {
  if (!field.constant && field.transform.empty() && field.params.empty() && field.from.size() == 1)
    return json::string(field.from.front());
  json::object object;
  if (field.constant) object["constant"] = ((*field.constant).*text_of)();
  else object["from"] = to_array(field.from);
  if (!field.transform.empty()) object["transform"] = field.transform;
  if (!field.params.empty()) {
    json::object params;
    for (const auto& [name, value] : field.params) params[name] = (value.*text_of)();
    object["params"] = std::move(params);
  }
  return object;
}

json::value filters_of(const TableMapping& table) {
  json::object filters;
  json::array source;
  for (const Filter& filter : table.filters) source.push_back(to_value(filter, &FreeText::as_written));
  filters["source"] = std::move(source);
  if (table.on_leave != OnLeave::by_deletes) filters["on_leave"] = word(kOnLeaves, table.on_leave);
  return filters;
}

json::value to_value(const TableMapping& table) {
  json::object object{{"source", table.source}, {"destination", table.destination}};
  object["direction"] = "source-to-destination";
  if (!table.key.empty()) object["key"] = to_array(table.key);
  object["strategy"] = word(kStrategies, table.strategy);
  if (!table.cursor.empty()) object["cursor"] = table.cursor;
  if (table.overlap) object["overlap"] = to_duration_text(*table.overlap);
  object["deletes"] = word(kDeletes, table.deletes);
  if (table.deletes == Deletes::soft) object["soft_delete"] = table.soft_delete;
  if (table.reconcile != TableMapping{}.reconcile) object["reconcile"] = table.reconcile;
  if (table.brake != BrakePolicy{})
    object["brake"] = {{"share", table.brake.share}, {"rows", table.brake.rows}};
  object["create"] = table.create;
  object["existing"] = word(kExistings, table.existing);
  if (!table.stamp.empty()) object["stamp"] = table.stamp;
  if (!table.fields.empty()) {
    json::object fields;
    for (const FieldMapping& field : table.fields) fields[field.to] = to_value(field, &FreeText::as_written);
    object["fields"] = std::move(fields);
  }
  if (!table.filters.empty() || table.on_leave != OnLeave::by_deletes) object["filters"] = filters_of(table);
  return object;
}

json::value to_value(const SyncDefinition& sync) {
  json::object object{{"name", sync.name}, {"id", sync.id}, {"team_id", sync.team_id}};
  object["source"] = sync.source;
  object["destination"] = sync.destination;
  object["status"] = word(kStatuses, sync.status);
  object["schedule"] = sync.schedule;
  object["conflict_resolution"] = sync.conflict_resolution;
  json::object batch{{"bytes", sync.batch.bytes}, {"interval", sync.batch.interval.count()}};
  if (sync.batch.rows == 0) batch["size"] = "auto";
  else batch["size"] = sync.batch.rows;
  object["batch"] = std::move(batch);
  object["retry"] = {{"max_retries", sync.retry.max_retries},
                     {"backoff", word(kBackoffs, sync.retry.backoff)}};
  json::array tables;
  for (const TableMapping& table : sync.tables) tables.push_back(to_value(table));
  object["tables"] = std::move(tables);
  return object;
}

/// The order in which fields and filters are written changes nothing.
std::vector<std::string> sorted(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  return texts;
}

}  // namespace

bool TableMapping::removes_what_leaves() const {
  if (on_leave == OnLeave::by_deletes) return deletes != Deletes::ignore;
  return on_leave == OnLeave::remove;
}

std::string to_json(const SyncDefinition& definition) { return json::serialize(to_value(definition)); }

SyncDefinition definition_from_json(const std::string& text) {
  const Node document = parse_json(text);
  return read_sync(Reader(document));
}

SyncDefinition definition_from_json(const std::string& text, const Variables& variables) {
  const Node document = parse_json(text);
  return read_sync(Reader(document, "", &variables));
}

std::string data_fingerprint(const SyncDefinition& sync, const TableMapping& table) {
  return sha256_hex(json::serialize(
      json::array{sync.source, table.source, to_array(table.key), sync.destination, table.destination}));
}

std::string shape_fingerprint(const TableMapping& table) {
  std::vector<std::string> fields, filters;
  for (const FieldMapping& field : table.fields)
    fields.push_back(json::serialize(json::array{field.to, to_value(field, &FreeText::value)}));
  for (const Filter& filter : table.filters)
    filters.push_back(json::serialize(to_value(filter, &FreeText::value)));
  json::array shape{to_array(sorted(fields)), to_array(sorted(filters)), word(kDeletes, table.deletes),
                    table.removes_what_leaves()};
  if (table.deletes == Deletes::soft) shape.emplace_back(table.soft_delete);
  return sha256_hex(json::serialize(shape));
}

std::string shape_fingerprint(const TableMapping& table, const Schema& outgoing) {
  json::array fields;
  for (const Field& field : outgoing.fields) fields.push_back(json::array{field.name, name_of(field.type)});
  return sha256_hex(shape_fingerprint(table) + json::serialize(fields));
}

Duration parse_schedule(const std::string& schedule) {
  static constexpr Unit kUnits[] = {{"second", 1s},      {"minute", 1min},   {"hour", 1h},
                                    {"day", kDay},       {"week", 7 * kDay}, {"month", 30 * kDay},
                                    {"year", 365 * kDay}};
  const auto refuse = [&](const std::string& why) {
    return Error(ErrorKind::bad_config,
                 fmt::format("the schedule \"{}\" {}; write it like \"every 5 minutes\" (second, "
                             "minute, hour, day, week, month or year)",
                             shortened(schedule), why));
  };
  const std::vector<std::string> words = split(schedule, ' ');
  if (words.size() != 3 || words[0] != "every") throw refuse("is not understood");
  std::string_view number = words[1];
  const auto count = number.empty() ? std::nullopt : take_number(number);
  if (!count || !number.empty()) throw refuse("has no whole number");
  if (*count == 0) throw refuse("has 0 of them");
  std::string unit = words[2];
  if (unit.size() > 1 && unit.back() == 's') unit.pop_back();
  for (const Unit& known : kUnits) {
    if (known.name != unit) continue;
    if (const auto duration = times(*count, known.duration)) return *duration;
    throw refuse("is longer than a hundred years");
  }
  throw refuse(fmt::format("has the unknown unit \"{}\"", shortened(words[2])));
}

namespace {

constexpr Unit kDurationUnits[] = {{"d", kDay}, {"h", 1h}, {"m", 1min}, {"s", 1s}, {"ms", 1ms}, {"us", 1us}};

}  // namespace

Duration parse_duration(const std::string& text) {
  std::string_view rest = text;
  const auto count = rest.empty() ? std::nullopt : take_number(rest);
  if (count == 0 && rest.empty()) return Duration(0);
  for (const Unit& unit : kDurationUnits) {
    if (!count || rest != unit.name) continue;
    if (const auto duration = times(*count, unit.duration)) return *duration;
    throw Error(ErrorKind::bad_config, fmt::format("\"{}\" is longer than a hundred years", shortened(text)));
  }
  throw Error(ErrorKind::bad_config,
              fmt::format("\"{}\" is no duration; write it like 500ms, 30s, 15m, 2h or 1d", shortened(text)));
}

std::string to_duration_text(Duration duration) {
  for (const Unit& unit : kDurationUnits)
    if (duration.count() != 0 && duration % unit.duration == Duration(0))
      return fmt::format("{}{}", duration / unit.duration, unit.name);
  return "0s";
}

const ConnectionConfig* Config::find_connection(std::string_view name) const {
  const auto found =
      std::find_if(connections.begin(), connections.end(), [&](const auto& c) { return c.name == name; });
  return found == connections.end() ? nullptr : &*found;
}

bool Config::is_one_system(std::string_view connection, std::string_view other) const {
  if (connection == other) return true;
  const ConnectionConfig* a = find_connection(connection);
  const ConnectionConfig* b = find_connection(other);
  return a && b && a->provider == b->provider && a->options == b->options;
}

std::vector<std::string> Config::same_system(std::string_view connection) const {
  std::vector<std::string> names{std::string(connection)};
  const ConnectionConfig* there = find_connection(connection);
  for (const ConnectionConfig& other : connections)
    if (there && other.name != connection && other.provider == there->provider &&
        other.options == there->options)
      names.push_back(other.name);
  return names;
}

const SyncDefinition* Config::find_sync(std::string_view name) const {
  const auto found = std::find_if(syncs.begin(), syncs.end(), [&](const auto& s) { return s.name == name; });
  return found == syncs.end() ? nullptr : &*found;
}

std::string Config::where(const SyncDefinition& sync, std::optional<std::size_t> table) const {
  std::string place = "sync " + sync.name;
  if (table) place += ", table " + sync.tables.at(*table).name();
  for (std::size_t i = 0; i < syncs.size() && i < lines.size(); ++i) {
    if (syncs[i].id != sync.id) continue;
    const int line = table && *table < lines[i].tables.size() ? lines[i].tables[*table] : lines[i].sync;
    return fmt::format("{}:{}: {}", file, line, place);
  }
  return place;
}

}  // namespace syncflow
