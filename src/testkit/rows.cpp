#include "testkit/rows.h"

#include <gtest/gtest.h>

#include "core/text.h"
#include "core/value.h"

namespace syncflow::testkit {

Value Cell::value(Type type, Arena& arena) const {
  if (absent_) return Value::absent();
  return text_ ? parse_value(type, *text_, arena) : Value::null();
}

std::shared_ptr<const Schema> make_schema(const std::string& table, std::vector<Field> fields,
                                          std::size_t key_fields) {
  auto schema = std::make_shared<Schema>();
  schema->table = table;
  schema->fields = std::move(fields);
  for (std::size_t i = 0; i < key_fields; ++i) {
    schema->key.push_back(i);
    schema->fields[i].nullable = false;
  }
  return schema;
}

Field field(std::string name, Type type, bool nullable) {
  Field out;
  out.name = std::move(name);
  out.type = type;
  out.nullable = nullable;
  return out;
}

void BatchBuilder::fill(std::span<Value> row, const Cells& cells) {
  const Schema& schema = batch_.schema();
  ASSERT_EQ(cells.size(), schema.fields.size()) << "a test's row has another number of cells than its schema";
  for (std::size_t i = 0; i < cells.size(); ++i)
    row[i] = cells[i].value(schema.fields[i].type, batch_.arena());
}

BatchBuilder& BatchBuilder::upsert(const Cells& cells) {
  fill(batch_.add(Operation::upsert).row, cells);
  return *this;
}

BatchBuilder& BatchBuilder::remove(const Cells& key) {
  const Schema& schema = batch_.schema();
  const Change& change = batch_.add(Operation::remove);
  for (std::size_t i = 0; i < key.size(); ++i) {
    const std::size_t index = schema.key[i];
    change.row[index] = key[i].value(schema.fields[index].type, batch_.arena());
  }
  return *this;
}

BatchBuilder& BatchBuilder::move(const Cells& old_key, const Cells& cells) {
  const Schema& schema = batch_.schema();
  const Change& change = batch_.add(Operation::move);
  for (std::size_t i = 0; i < old_key.size(); ++i)
    change.old_key[i] = old_key[i].value(schema.fields[schema.key[i]].type, batch_.arena());
  fill(change.row, cells);
  return *this;
}

BatchBuilder& BatchBuilder::truncate() {
  batch_.add(Operation::truncate);
  return *this;
}

TextRow texts_of(std::span<const Value> cells) {
  TextRow row;
  for (const Value& cell : cells) {
    if (cell.is_null() || cell.is_absent()) row.emplace_back();
    else row.emplace_back(to_text(cell));
  }
  return row;
}

std::string show(const TextRow& row) {
  std::string out = "(";
  for (const auto& cell : row) {
    if (out.size() > 1) out += ", ";
    out += cell ? "\"" + shortened(*cell, 60) + "\"" : "null";
  }
  return out + ")";
}

void Replica::apply(const Batch& batch) {
  if (lists_all_ && batch.listing_begins) {
    listing_ = true;
    listed_.clear();
  }
  for (const Change& change : batch.changes) {
    ++changes_;
    const Key key = key_of(batch.schema(), change);
    if (change.refusal >= 0) {
      refused_[key] = batch.refusals[static_cast<std::size_t>(change.refusal)];
      continue;
    }
    if (change.operation == Operation::remove) {
      rows_.erase(key);
      continue;
    }
    rows_[key] = texts_of(change.row);
    if (listing_) listed_[key] = rows_[key];
  }
  if (listing_ && batch.caught_up) {
    rows_ = listed_;
    listing_ = false;
  }
}

}  // namespace syncflow::testkit
