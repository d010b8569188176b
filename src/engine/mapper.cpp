#include "engine/mapper.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "core/error.h"
#include "core/text.h"
#include "engine/cast.h"
#include "engine/filter.h"
#include "engine/transforms.h"

namespace syncflow {
namespace {

constexpr std::size_t kNoField = static_cast<std::size_t>(-1);

/// One destination field: a source field as it is, or a transform.
struct Column {
  std::size_t from = kNoField;
  std::optional<Transform> transform;
};

/// One field of the key, at both ends.
struct KeyPart {
  std::size_t source = 0;    ///< index into the source's fields
  std::size_t old_key = 0;   ///< index into Change::old_key of the source
  std::size_t outgoing = 0;  ///< index into the outgoing fields
  bool cast = false;
};

/// Fields of the destination that nothing is written to, because it sets them itself.
bool is_set_there(const TableMapping& mapping, const std::string& name) {
  return name == mapping.stamp || (mapping.deletes == Deletes::soft && name == mapping.soft_delete);
}

std::vector<FieldMapping> fields_of(const TableMapping& mapping, const Schema& source) {
  if (!mapping.fields.empty()) return mapping.fields;
  std::vector<FieldMapping> fields;
  for (const Field& field : source.fields)
    if (!is_set_there(mapping, field.name))
      fields.push_back({field.name, {field.name}, "", {}, std::nullopt});
  return fields;
}

void refuse(Batch& batch, Change& change, std::string field, std::string reason) {
  if (change.refusal >= 0) return;  // the first reason is the one that counts
  change.refusal = static_cast<std::int32_t>(batch.refusals.size());
  batch.refusals.push_back({std::move(field), std::move(reason)});
}

}  // namespace

struct Mapper::Plan {
  std::shared_ptr<const Schema> source;
  std::shared_ptr<const Schema> outgoing;
  RowFilter filter;
  bool removes_what_leaves = false;
  std::vector<Column> columns;
  std::vector<KeyPart> key;
  bool renames_only = true;
  std::vector<Value> scratch;

  Plan(const TableMapping& mapping, std::shared_ptr<const Schema> source_schema);
  void add_columns(const std::vector<FieldMapping>& fields, Schema& out);
  void add_key(const TableMapping& mapping, const std::vector<FieldMapping>& fields, Schema& out);

  void expect_schema_of(const Batch& batch) const;
  void filter_and_map(Mapped& mapped);
  bool passes(Batch& batch, Change& change) const;
  void leave(Change& change);
  const Value& old_cell(const Change& change, const KeyPart& part) const;
  void map(Batch& batch, Change& change);
  void map_key(Batch& batch, Change& change);
  void map_cells(Batch& batch, Change& change);
  void place(Batch& batch, Change& change);
  Value mapped_key(Batch& batch, Change& change, const KeyPart& part, const Value& cell) const;
  void refuse_null_key(Batch& batch, Change& change) const;
};

Mapper::Plan::Plan(const TableMapping& mapping, std::shared_ptr<const Schema> source_schema)
    : source(std::move(source_schema)),
      filter(mapping.filters, *source),
      removes_what_leaves(mapping.removes_what_leaves()) {
  const std::vector<FieldMapping> fields = fields_of(mapping, *source);
  Schema out;
  out.provider = source->provider;
  out.table = mapping.destination;
  add_columns(fields, out);
  add_key(mapping, fields, out);
  outgoing = std::make_shared<const Schema>(std::move(out));
  scratch.resize(columns.size());
}

void Mapper::Plan::add_columns(const std::vector<FieldMapping>& fields, Schema& out) {
  renames_only = fields.size() == source->fields.size();
  for (const FieldMapping& field : fields) {
    if (out.find(field.to))
      throw Error(ErrorKind::bad_config, fmt::format("field {} is filled twice", field.to));
    Transform transform(field, *source);
    out.fields.push_back(transform.outgoing());
    Column column;
    if (!field.constant && field.transform.empty()) column.from = source->at(field.from.front());
    else column.transform = std::move(transform);
    if (column.from != columns.size()) renames_only = false;
    columns.push_back(std::move(column));
  }
}

void Mapper::Plan::add_key(const TableMapping& mapping, const std::vector<FieldMapping>& fields,
                           Schema& out) {
  std::vector<std::string> names = mapping.key;
  if (names.empty())
    for (const std::size_t index : source->key) names.push_back(source->fields[index].name);
  if (names.empty())
    throw Error(
        ErrorKind::bad_config,
        fmt::format("table {} has no primary key; name the fields that tell its rows apart with key: [...]",
                    mapping.source));
  for (const std::string& name : names) {
    KeyPart part;
    part.source = source->at(name);
    const auto in_key = std::find(source->key.begin(), source->key.end(), part.source);
    part.old_key =
        in_key == source->key.end() ? kNoField : static_cast<std::size_t>(in_key - source->key.begin());
    try {
      part.outgoing = key_carrier(name, fields);
    } catch (const Error& error) {
      throw error.while_doing("table " + mapping.source);
    }
    part.cast = !fields[part.outgoing].transform.empty();
    out.fields[part.outgoing].nullable = false;
    if (part.old_key != key.size()) renames_only = false;
    out.key.push_back(part.outgoing);
    key.push_back(part);
  }
}

void Mapper::Plan::expect_schema_of(const Batch& batch) const {
  if (batch.shared_schema() == source || batch.schema() == *source) return;
  throw Error(ErrorKind::bug,
              fmt::format("table {}: a batch has other fields than the source announced", source->table));
}

bool Mapper::Plan::passes(Batch& batch, Change& change) const {
  const bool judged = change.operation == Operation::upsert || change.operation == Operation::move;
  if (!judged || change.refusal >= 0) return true;
  auto verdict = filter.judge(change.row);
  if (!verdict.refusal) return verdict.passes;
  refuse(batch, change, std::move(verdict.refusal->field), std::move(verdict.refusal->reason));
  return true;
}

/// Makes a change the removal of its row; of a move, of the row under its old key.
void Mapper::Plan::leave(Change& change) {
  const auto is_key = [&](std::size_t i) {
    return std::any_of(key.begin(), key.end(), [i](const KeyPart& part) { return part.source == i; });
  };
  for (std::size_t i = 0; i < change.row.size(); ++i)
    if (!is_key(i)) change.row[i] = Value::null();
  if (change.operation == Operation::move)
    for (const KeyPart& part : key) change.row[part.source] = old_cell(change, part);
  change.operation = Operation::remove;
  change.old_key = {};
}

const Value& Mapper::Plan::old_cell(const Change& change, const KeyPart& part) const {
  if (part.old_key == kNoField)
    throw Error(ErrorKind::bug,
                fmt::format("table {}: a row moved by another key than the mapping's", source->table));
  return change.old_key[part.old_key];
}

Value Mapper::Plan::mapped_key(Batch& batch, Change& change, const KeyPart& part, const Value& cell) const {
  if (!part.cast) return cell;
  const Field& to = outgoing->fields[part.outgoing];
  const Cell there = cast(cell, to.type, batch.arena());
  if (!there.ok()) {
    refuse(batch, change, to.name, there.refusal);
    return cell;
  }
  const Cell back = cast(there.value, cell.type(), batch.arena());
  // By their texts: 7.00 equals 7, but the source may know the row by the one only.
  if (back.ok() && to_text(back.value) == to_text(cell)) return there.value;
  refuse(batch, change, to.name,
         fmt::format("the key \"{}\" would become \"{}\", as another key may", shortened(to_text(cell)),
                     shortened(to_text(there.value))));
  return cell;
}

void Mapper::Plan::map_key(Batch& batch, Change& change) {
  for (const KeyPart& part : key)
    scratch[part.outgoing] = mapped_key(batch, change, part, change.row[part.source]);
  if (change.operation != Operation::move) return;
  std::vector<Value> old_key;
  for (const KeyPart& part : key) old_key.push_back(mapped_key(batch, change, part, old_cell(change, part)));
  std::copy(old_key.begin(), old_key.end(), change.old_key.begin());
}

void Mapper::Plan::map_cells(Batch& batch, Change& change) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!columns[i].transform) {
      scratch[i] = change.row[columns[i].from];
      continue;
    }
    Cell cell = columns[i].transform->apply(change.row, batch.arena());
    if (!cell.ok()) refuse(batch, change, outgoing->fields[i].name, std::move(cell.refusal));
    scratch[i] = cell.value;
  }
}

/// Puts the mapped cells where the source's were, or where there is room for them.
void Mapper::Plan::place(Batch& batch, Change& change) {
  if (change.row.size() < scratch.size()) {
    auto* cells = reinterpret_cast<Value*>(batch.arena().allocate(scratch.size() * sizeof(Value)));
    std::uninitialized_fill_n(cells, scratch.size(), Value());
    change.row = {cells, scratch.size()};
  }
  change.row = change.row.first(scratch.size());
  std::copy(scratch.begin(), scratch.end(), change.row.begin());
}

void Mapper::Plan::map(Batch& batch, Change& change) {
  if (change.operation == Operation::truncate) return;
  if (!renames_only) {
    const bool whole = change.operation != Operation::remove && change.refusal < 0;
    if (whole) map_cells(batch, change);
    else std::fill(scratch.begin(), scratch.end(), Value::null());
    map_key(batch, change);
    place(batch, change);
  }
  refuse_null_key(batch, change);
}

void Mapper::Plan::refuse_null_key(Batch& batch, Change& change) const {
  for (const KeyPart& part : key) {
    const Value& cell = change.row[part.outgoing];
    if (cell.is_null() || cell.is_absent())
      refuse(batch, change, outgoing->fields[part.outgoing].name,
             "it is in the key, and null tells no row apart");
  }
}

void Mapper::Plan::filter_and_map(Mapped& mapped) {
  Batch& batch = mapped.batch;
  mapped.left_filter.reserve(batch.rows());
  std::size_t kept = 0;
  for (Change& change : batch.changes) {
    const bool stays = passes(batch, change);
    if (!stays && !removes_what_leaves) {
      ++mapped.filtered;
      if (change.watched) mapped.filtered_keys.push_back(hash_key(batch.schema(), change));
      continue;
    }
    if (!stays) leave(change);
    map(batch, change);
    mapped.left_filter.push_back(!stays);
    batch.changes[kept++] = change;
  }
  batch.changes.resize(kept);
}

Mapper::Mapper(const TableMapping& mapping, std::shared_ptr<const Schema> source)
    : plan_(std::make_unique<Plan>(mapping, std::move(source))) {}
Mapper::~Mapper() = default;
Mapper::Mapper(Mapper&&) noexcept = default;

std::vector<std::string> Mapper::needed_fields(const TableMapping& mapping) {
  if (mapping.fields.empty()) return {};
  std::vector<std::string> names;
  const auto need = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const std::string& name : mapping.key) need(name);
  for (const FieldMapping& field : mapping.fields)
    for (const std::string& name : field.from) need(name);
  for (const Filter& filter : mapping.filters) need(filter.field);
  return names;
}

const std::shared_ptr<const Schema>& Mapper::outgoing() const { return plan_->outgoing; }

Mapped Mapper::apply(Batch batch) {
  plan_->expect_schema_of(batch);
  Mapped mapped{std::move(batch), {}, 0};
  if (plan_->filter.empty()) {
    for (Change& change : mapped.batch.changes) plan_->map(mapped.batch, change);
    mapped.left_filter.assign(mapped.batch.rows(), false);
  } else {
    plan_->filter_and_map(mapped);
  }
  mapped.batch.relabel(plan_->outgoing);
  return mapped;
}

std::optional<Key> Mapper::key_at_source(std::span<const Value> outgoing_key) const {
  Key key;
  Arena arena;
  for (std::size_t i = 0; i < plan_->key.size(); ++i) {
    const Field& field = plan_->source->fields[plan_->key[i].source];
    const Cell back = cast(outgoing_key[i], field.type, arena);
    if (!back.ok()) return std::nullopt;
    key.parts.push_back(to_text(back.value));
  }
  return key;
}

Key Mapper::source_key(const Change& mapped) const {
  Key key;
  Arena arena;
  for (const KeyPart& part : plan_->key) {
    const Value& cell = mapped.row[part.outgoing];
    if (!part.cast) {
      key.parts.push_back(to_text(cell));
      continue;
    }
    // A cell that could not be cast is still the source's own.
    const Cell back = cast(cell, plan_->source->fields[part.source].type, arena);
    key.parts.push_back(to_text(back.ok() ? back.value : cell));
  }
  return key;
}

}  // namespace syncflow
