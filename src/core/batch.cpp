#include "core/batch.h"

#include <boost/json.hpp>
#include <cmath>
#include <new>

#include "core/decimal.h"
#include "core/error.h"

// Inlined: a call into the library for each cell would cost more than the hash.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace syncflow {
namespace {

std::span<Value> null_cells(Arena& arena, std::size_t count) {
  auto* cells = reinterpret_cast<Value*>(arena.allocate(count * sizeof(Value)));
  for (std::size_t i = 0; i < count; ++i) new (cells + i) Value();
  return {cells, count};
}

/// Feeds cells to one XXH3 state.
class Hasher {
 public:
  Hasher() { XXH3_128bits_reset(&state_); }

  void add(const Value& value) {
    Type type = value.type();
    // An int64 and a uint64 of the same number are one value.
    if (type == Type::uint64 && value.as_uint64() <= INT64_MAX) type = Type::int64;
    if (type == Type::decimal) return add_bytes(type, normalized_decimal(value.view()));
    if (value.is_textual()) return add_bytes(type, value.view());
    if (type == Type::null || type == Type::absent) return add_bytes(type, {});
    // Every NaN equals every other, whatever its bits.
    if (type == Type::float64 && std::isnan(value.as_double())) return add_bytes(type, "NaN");
    const std::int64_t parts[2] = {value.as_int64(), value.nanoseconds()};
    add_bytes(type, {reinterpret_cast<const char*>(parts), sizeof parts});
  }

  RowHash digest() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(&state_);
    return {hash.low64, hash.high64};
  }

 private:
  void add_bytes(Type type, std::string_view bytes) {
    const std::uint64_t head = static_cast<std::uint64_t>(type) << 56 | bytes.size();
    XXH3_128bits_update(&state_, &head, sizeof head);
    XXH3_128bits_update(&state_, bytes.data(), bytes.size());
  }

  XXH3_state_t state_;
};

}  // namespace

Change& Batch::add(Operation operation) {
  Change change;
  change.operation = operation;
  if (operation != Operation::truncate) change.row = null_cells(*arena_, schema_->fields.size());
  if (operation == Operation::move) change.old_key = null_cells(*arena_, schema_->key.size());
  return changes.emplace_back(change);
}

void Batch::refuse(std::string field, std::string reason) {
  changes.back().refusal = static_cast<std::int32_t>(refusals.size());
  refusals.push_back({std::move(field), std::move(reason)});
}

std::string Key::to_json() const {
  boost::json::array array;
  for (const std::string& part : parts) array.emplace_back(part);
  return boost::json::serialize(array);
}

Key Key::from_json(std::string_view json) {
  boost::system::error_code problem;
  const boost::json::value parsed = boost::json::parse(json, problem);
  if (problem || !parsed.is_array()) throw Error(ErrorKind::bug, "a stored key is no JSON array");
  Key key;
  for (const auto& part : parsed.get_array()) {
    if (!part.is_string()) throw Error(ErrorKind::bug, "a stored key has a part that is no text");
    key.parts.emplace_back(part.get_string());
  }
  return key;
}

Key key_of(const Schema& schema, const Change& change) {
  Key key;
  key.parts.reserve(schema.key.size());
  for (const std::size_t index : schema.key) key.parts.push_back(to_text(change.row[index]));
  return key;
}

std::vector<Value> parse_key(const Schema& schema, const Key& key, Arena& arena) {
  if (key.parts.size() != schema.key.size())
    throw Error(ErrorKind::bug, "a stored key has another number of fields than the table's key");
  std::vector<Value> cells;
  cells.reserve(key.parts.size());
  for (std::size_t i = 0; i < key.parts.size(); ++i)
    cells.push_back(parse_value(schema.fields[schema.key[i]].type, key.parts[i], arena));
  return cells;
}

RowHash hash_row(std::span<const Value> cells) {
  Hasher hasher;
  for (const Value& cell : cells) hasher.add(cell);
  return hasher.digest();
}

RowHash hash_key(const Schema& schema, const Change& change) {
  Hasher hasher;
  for (const std::size_t index : schema.key) hasher.add(change.row[index]);
  return hasher.digest();
}

}  // namespace syncflow
