#include "engine/definition_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "core/error.h"
#include "core/text.h"
#include "core/uuid.h"
#include "engine/cast.h"
#include "engine/definition_words.h"
#include "engine/filter.h"
#include "engine/literal.h"
#include "engine/transforms.h"

namespace syncflow {
namespace {

// As the transforms split and round take them.
constexpr long kFarthestPart = 1'000'000;
constexpr long kMostDigits = 1000;

[[noreturn]] void not_supported(const Reader& place, const std::string& what) {
  place.fail("not supported yet: " + what);
}

template <typename Enum>
void read_word(const Reader& place, std::string_view key, const Words<Enum>& words, Enum& into) {
  const auto value = place.find(key);
  if (!value) return;
  std::vector<std::string> choices;
  for (const auto& [name, unused] : words) choices.push_back(name);
  into = words[value->choice(choices)].second;
}

void read_name(const Reader& place, std::string_view key, std::string& into) {
  if (const auto value = place.find(key)) into = value->name();
}

/// Runs a check that knows no place, and says the place.
template <typename Check>
void check_at(const Reader& place, Check check) {
  try {
    check();
  } catch (const Error& error) {
    place.fail(error.what());
  }
}

void read_uuid(const Reader& place, std::string_view key, std::string& into) {
  const auto value = place.find(key);
  if (!value) return;
  if (!is_uuid(value->text())) value->fail(fmt::format("\"{}\" is not a UUID", shortened(value->text())));
  into = ascii_lower(value->text());
}

// --- fields and filters ---

/// What other systems call a type, as a hint.
std::string type_meant_by(const std::string& name) {
  static const std::map<std::string, std::string> types = {
      {"int", "int64"},          {"integer", "int64"},
      {"bigint", "int64"},       {"long", "int64"},
      {"string", "text"},        {"varchar", "text"},
      {"char", "text"},          {"float", "float64"},
      {"double", "float64"},     {"real", "float64"},
      {"number", "decimal"},     {"numeric", "decimal"},
      {"datetime", "timestamp"}, {"binary", "bytes"},
      {"blob", "bytes"},         {"timestamptz", "timestamp_tz"}};
  const auto found = types.find(ascii_lower(name));
  return found == types.end() ? "" : found->second;
}

void check_type(const std::string& name) {
  const std::string meant = type_meant_by(name);
  if (!meant.empty())
    throw Error(ErrorKind::bad_config,
                fmt::format("unknown type \"{}\"; did you mean \"{}\"?", shortened(name), meant));
  type_named(name);
}

/// Judges the value of a param as far as that can be done without knowing the table. Throws Error(bad_config) without
/// a place.
void check_param(const std::string& transform, const std::string& name, const std::string& value) {
  Node node;
  node.kind = Node::Kind::scalar;
  node.text = value;
  const Reader reader(node);
  if (name == "algorithm") reader.choice({"sha256"});
  else if (name == "to") check_type(value);
  else if (name == "index") reader.number(-kFarthestPart, kFarthestPart);
  else if (name == "digits") reader.number(-kMostDigits, kMostDigits);
  else if (name == "search" || (name == "separator" && transform == "split")) reader.name();
}

/// That params are there and belong to the transform, `check_transform` has seen. What is not filled in yet, in a
/// definition from the store, was judged when it was.
void check_values(const Reader& field, const FieldMapping& mapping) {
  for (const auto& param : mapping.params) {
    const auto judge = [&](const std::string& value) { check_param(mapping.transform, param.first, value); };
    if (param.second.is_filled())
      check_at(field.at("params").at(param.first), [&] { param.second.read(judge); });
  }
  const auto to = mapping.params.find("to");
  if (!mapping.constant || !mapping.constant->is_filled() || to == mapping.params.end() ||
      !to->second.is_filled())
    return;
  check_at(field.at("constant"), [&] {
    Arena arena;
    mapping.constant->read(
        [&](const std::string& value) { literal(type_named(to->second.value()), value, arena); });
  });
}

FieldMapping read_field(const std::string& to, const Reader& field) {
  FieldMapping mapping;
  mapping.to = to;
  if (to.empty()) field.fail("the name of the destination field is empty");
  if (field.is_null()) field.fail("it needs the source field that it is filled by");
  if (!field.is_map()) {
    mapping.from = {field.name()};
    return mapping;
  }
  field.expect_keys({"from", "transform", "params", "constant"});
  if (const auto from = field.find("from"))
    mapping.from = from->is_list() ? from->names() : std::vector{from->name()};
  if (const auto constant = field.find("constant")) mapping.constant = constant->free_text();
  read_name(field, "transform", mapping.transform);
  if (const auto params = field.find("params"))
    for (const auto& [name, value] : params->members()) mapping.params[name] = value.free_text();
  check_at(field, [&] { check_transform(mapping); });
  check_values(field, mapping);
  return mapping;
}

std::vector<FieldMapping> read_fields(const Reader& fields) {
  std::vector<FieldMapping> mappings;
  for (const auto& [to, field] : fields.members()) mappings.push_back(read_field(to, field));
  if (mappings.empty()) fields.fail("it is empty; leave it out to map every field under its own name");
  return mappings;
}

Operator read_operator(const Reader& place) {
  std::vector<std::string> names;
  for (int op = 0; op <= static_cast<int>(Operator::is_not_null); ++op)
    names.emplace_back(name_of(static_cast<Operator>(op)));
  return static_cast<Operator>(place.choice(names));
}

/// A value of a filter: text, or null.
void read_filter_value(const Reader& value, Filter& filter) {
  if (value.is_null()) filter.null_value = true;
  else filter.values.push_back(value.free_text());
}

Filter read_filter(const Reader& place) {
  place.expect_keys({"field", "operator", "value"});
  Filter filter;
  filter.field = place.at("field").name();
  filter.op = read_operator(place.at("operator"));
  const bool list = filter.op == Operator::in || filter.op == Operator::nin;
  for (const auto& [key, value] : place.members()) {
    if (key != "value") continue;
    if (list && !value.is_list()) value.fail(fmt::format("{} takes a list of values", name_of(filter.op)));
    if (!list) read_filter_value(value, filter);
    for (const Reader& item : list ? value.items() : std::vector<Reader>()) read_filter_value(item, filter);
  }
  check_at(place, [&] { check_filter(filter); });
  return filter;
}

void read_filters(const Reader& filters, TableMapping& table) {
  filters.expect_keys({"source", "on_leave"});
  if (const auto source = filters.find("source"))
    for (const Reader& filter : source->items()) table.filters.push_back(read_filter(filter));
  read_word(filters, "on_leave", kOnLeaves, table.on_leave);
}

// --- tables ---

void read_schedule(const Reader& place, const char* key, std::string& into) {
  const auto schedule = place.find(key);
  if (!schedule) return;
  into = schedule->text();
  check_at(*schedule, [&] { parse_schedule(into); });
}

const std::vector<std::string>& table_keys() {
  static const std::vector<std::string> keys = {
      "source",   "destination", "direction",   "key",       "strategy", "cursor",
      "overlap",  "deletes",     "soft_delete", "reconcile", "brake",    "create",
      "existing", "stamp",       "fields",      "filters",   "shared"};
  return keys;
}

void refuse_what_is_not_built(const Reader& place, const TableMapping& table) {
  if (const auto direction = place.find("direction")) {
    const std::vector<std::string> directions = {"source-to-destination", "destination-to-source", "two-way"};
    if (const auto chosen = direction->choice(directions))
      not_supported(*direction, "direction " + directions[chosen]);
  }
  if (table.strategy == WantedStrategy::feed) not_supported(place.at("strategy"), "strategy feed");
  if (const auto shared = place.find("shared"); shared && shared->boolean())
    not_supported(*shared, "several mappings into one table");
}

void refuse_what_would_do_nothing(const Reader& place, const TableMapping& table) {
  if (table.strategy == WantedStrategy::diff)
    for (const std::string_view key : {"cursor", "overlap"})
      if (const auto value = place.find(key))
        value->fail("strategy diff does not read by a cursor field; leave it out");
  if (const auto soft = place.find("soft_delete"); soft && table.deletes != Deletes::soft)
    soft->fail("it names the field that deletes: soft sets, and deletes is " + word(kDeletes, table.deletes));
  if (const auto reconcile = place.find("reconcile")) {
    if (table.deletes == Deletes::ignore)
      reconcile->fail("it says how often deleted rows are looked for, and deletes is ignore");
    if (table.strategy == WantedStrategy::diff)
      reconcile->fail("strategy diff sees deleted rows at each look; leave it out");
  }
  if (const auto filters = place.find("filters"); filters && table.filters.empty())
    filters->fail("there is no filter under source");
}

/// `stamp` and `soft_delete` name fields of the destination that syncflow fills by itself.
void refuse_fields_of_our_own(const Reader& place, const TableMapping& table) {
  const bool soft = table.deletes == Deletes::soft;
  for (const FieldMapping& field : table.fields) {
    const bool stamped = field.to == table.stamp;
    if (stamped || (soft && field.to == table.soft_delete))
      place.at("fields").fail(fmt::format("{} is the field that {} sets; it cannot be mapped too", field.to,
                                          stamped ? "stamp" : "soft_delete"));
  }
  if (soft && table.stamp == table.soft_delete)
    place.at("stamp").fail("it is the field that soft_delete sets");
}

/// `10%` or `10`.
int read_percent(const Reader& place) {
  std::string text = place.text();
  if (!text.empty() && text.back() == '%') text.pop_back();
  int percent = -1;
  const char* end = text.data() + text.size();
  const auto [stopped, problem] = std::from_chars(text.data(), end, percent);
  if (problem != std::errc() || stopped != end || percent < 0 || percent > 100)
    place.fail(fmt::format("\"{}\" is no share of a table; write it like 10%", shortened(place.text())));
  return percent;
}

void read_brake(const Reader& brake, BrakePolicy& into) {
  brake.expect_keys({"share", "rows"});
  if (const auto share = brake.find("share")) into.share = read_percent(*share);
  if (const auto rows = brake.find("rows")) into.rows = rows->number(0, 1'000'000'000'000);
}

TableMapping read_table(const Reader& place) {
  place.expect_keys(table_keys());
  TableMapping table;
  table.source = place.at("source").name();
  table.destination = place.at("destination").name();
  if (const auto key = place.find("key")) {
    table.key = key->names();
    if (table.key.empty()) key->fail("it is empty; leave it out for the table's primary key");
  }
  read_word(place, "strategy", kStrategies, table.strategy);
  read_name(place, "cursor", table.cursor);
  if (const auto overlap = place.find("overlap")) table.overlap = overlap->duration();
  read_word(place, "deletes", kDeletes, table.deletes);
  read_name(place, "soft_delete", table.soft_delete);
  read_schedule(place, "reconcile", table.reconcile);
  if (const auto brake = place.find("brake")) read_brake(*brake, table.brake);
  if (const auto create = place.find("create")) table.create = create->boolean();
  read_word(place, "existing", kExistings, table.existing);
  read_name(place, "stamp", table.stamp);
  if (const auto fields = place.find("fields")) table.fields = read_fields(*fields);
  for (const std::string& name : table.key)
    if (!table.fields.empty()) check_at(place.at("fields"), [&] { key_carrier(name, table.fields); });
  if (const auto filters = place.find("filters")) read_filters(*filters, table);
  refuse_what_is_not_built(place, table);
  refuse_what_would_do_nothing(place, table);
  refuse_fields_of_our_own(place, table);
  return table;
}

// --- policies ---

std::size_t read_bytes(const Reader& place) {
  static constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"", 1},           {"B", 1},         {"kB", 1000},    {"KiB", 1 << 10},
      {"MB", 1'000'000}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  const std::string text = place.text();
  std::int64_t count = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [name, bytes] : kUnits) {
    if (problem != std::errc() || unit != name || count < 0 || count > (1 << 30) / bytes) continue;
    if (count * bytes >= 1024) return static_cast<std::size_t>(count * bytes);
  }
  place.fail(fmt::format("\"{}\" is no size from 1KiB to 1GiB; write it like 8MiB", shortened(text)));
}

BatchPolicy read_batch(const Reader& place) {
  place.expect_keys({"size", "bytes", "interval"});
  BatchPolicy batch;
  if (const auto size = place.find("size");
      size && !(size->node().kind == Node::Kind::scalar && size->text() == "auto"))
    batch.rows = static_cast<std::size_t>(size->number(1, 1'000'000));
  if (const auto bytes = place.find("bytes")) batch.bytes = read_bytes(*bytes);
  if (const auto interval = place.find("interval"))
    batch.interval = std::chrono::milliseconds(interval->number(0, 86'400'000));
  return batch;
}

RetryPolicy read_retry(const Reader& place) {
  place.expect_keys({"max_retries", "backoff"});
  RetryPolicy retry;
  if (const auto most = place.find("max_retries"))
    retry.max_retries = static_cast<int>(most->number(0, 1000));
  read_word(place, "backoff", kBackoffs, retry.backoff);
  return retry;
}

}  // namespace

SyncDefinition read_sync(const Reader& place) {
  place.expect_keys({"name", "id", "team_id", "source", "destination", "status", "schedule",
                     "conflict_resolution", "batch", "retry", "tables"});
  SyncDefinition sync;
  sync.name = place.at("name").name();
  read_uuid(place, "team_id", sync.team_id);
  sync.id = url_uuid("syncflow:" + sync.team_id + "/" + sync.name);
  read_uuid(place, "id", sync.id);
  sync.source = place.at("source").name();
  sync.destination = place.at("destination").name();
  read_word(place, "status", kStatuses, sync.status);
  read_schedule(place, "schedule", sync.schedule);
  if (const auto resolution = place.find("conflict_resolution")) {
    resolution->choice({"source", "destination", "latest", "manual"});
    sync.conflict_resolution = resolution->text();
  }
  if (const auto batch = place.find("batch")) sync.batch = read_batch(*batch);
  if (const auto retry = place.find("retry")) sync.retry = read_retry(*retry);
  for (const Reader& table : place.at("tables").items()) sync.tables.push_back(read_table(table));
  if (sync.tables.empty()) place.at("tables").fail("it is empty; a sync needs a table");
  return sync;
}

}  // namespace syncflow
