#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/batch.h"
#include "core/error.h"
#include "engine/mapper.h"

// Rows as the tests of filters, transforms and mappings write and read them: a cell is its canonical text,
// "null" or "absent".
namespace syncflow::testkit::mapping {

inline Field field(std::string name, Type type, std::string native = "") {
  Field out;
  out.name = std::move(name);
  out.type = type;
  out.native = std::move(native);
  return out;
}

/// The first `key_fields` fields are the key.
inline std::shared_ptr<const Schema> table(std::vector<Field> fields, std::size_t key_fields = 1) {
  Schema schema;
  schema.provider = "testing";
  schema.table = "people";
  schema.fields = std::move(fields);
  for (std::size_t i = 0; i < key_fields; ++i) {
    schema.fields[i].nullable = false;
    schema.key.push_back(i);
  }
  return std::make_shared<const Schema>(std::move(schema));
}

inline Value cell(Type type, const std::string& text, Arena& arena) {
  if (text == "null") return Value::null();
  if (text == "absent") return Value::absent();
  return parse_value(type, text, arena);
}

using Texts = std::vector<std::string>;

/// Adds changes to a batch, as its schema types them.
class Rows {
 public:
  explicit Rows(std::shared_ptr<const Schema> schema) : batch_(std::make_shared<Batch>(std::move(schema))) {}

  Rows& upsert(const Texts& row) {
    fill(batch_->add(Operation::upsert).row, row);
    return *this;
  }
  Rows& remove(const Texts& key) {
    Change& change = batch_->add(Operation::remove);
    const Schema& schema = batch_->schema();
    for (std::size_t i = 0; i < key.size(); ++i)
      change.row[schema.key[i]] = cell(schema.fields[schema.key[i]].type, key[i], batch_->arena());
    return *this;
  }
  Rows& move(const Texts& old_key, const Texts& row) {
    Change& change = batch_->add(Operation::move);
    fill(change.row, row);
    const Schema& schema = batch_->schema();
    for (std::size_t i = 0; i < old_key.size(); ++i)
      change.old_key[i] = cell(schema.fields[schema.key[i]].type, old_key[i], batch_->arena());
    return *this;
  }
  Rows& truncate() {
    batch_->add(Operation::truncate);
    return *this;
  }
  Rows& refused(const std::string& field, const std::string& reason) {
    batch_->refuse(field, reason);
    return *this;
  }

  Batch batch() { return std::move(*batch_); }

 private:
  void fill(std::span<Value> cells, const Texts& row) {
    for (std::size_t i = 0; i < row.size(); ++i)
      cells[i] = cell(batch_->schema().fields[i].type, row[i], batch_->arena());
  }
  std::shared_ptr<Batch> batch_;  ///< shared, so that a chain of calls can be kept by value
};

inline std::string show(std::span<const Value> cells) {
  std::string out;
  for (const Value& cell : cells) {
    if (&cell != cells.data()) out += '|';
    out += cell.is_null() ? "null" : cell.is_absent() ? "absent" : to_text(cell);
  }
  return out;
}

/// One line a change: "upsert 1|Ada", "remove 1|null left", "move 1 to 2|Ada", "refused 1|Ada: name: too long".
inline Texts show(const Batch& batch, const std::vector<bool>& left_filter = {}) {
  Texts lines;
  for (std::size_t i = 0; i < batch.rows(); ++i) {
    const Change& change = batch.changes[i];
    std::string line;
    switch (change.operation) {
      case Operation::upsert: line = "upsert "; break;
      case Operation::remove: line = "remove "; break;
      case Operation::move: line = "move " + show(change.old_key) + " to "; break;
      case Operation::truncate: line = "truncate"; break;
    }
    if (change.refusal >= 0) line = "refused ";
    line += show(change.row);
    if (change.refusal >= 0) {
      const Refusal& refusal = batch.refusals.at(static_cast<std::size_t>(change.refusal));
      line += ": " + refusal.field + ": " + refusal.reason;
    }
    if (i < left_filter.size() && left_filter[i]) line += " left";
    lines.push_back(line);
  }
  return lines;
}
inline Texts show(const Mapped& mapped) { return show(mapped.batch, mapped.left_filter); }

/// What an Error says, or "no error".
template <typename Work>
std::string error_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace syncflow::testkit::mapping
