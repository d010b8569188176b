#include "testkit/memory_destination.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::testkit {
namespace {

/// One row's refusal on its way to its Rejection.
struct Refused {
  RejectionCause cause;
  std::string field;
  std::string reason;
};

/// However a write ends, no transaction stays open behind it.
struct EndOfWrite {
  std::unique_ptr<MemoryTransaction>& transaction;
  ~EndOfWrite() { transaction.reset(); }
};

bool same_names(std::vector<std::string> a, std::vector<std::string> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  return a == b;
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(
      utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool fits(const Value& value, const Field& field) {
  if (value.type() == field.type || value.type() == Type::native) return true;
  if (value.type() == Type::int64 && field.type == Type::uint64) return value.as_int64() >= 0;
  return value.type() == Type::uint64 && field.type == Type::int64 && value.as_uint64() <= INT64_MAX;
}

std::string ddl_of(const MemoryTable& table) {
  std::vector<std::string> parts;
  for (const Field& field : table.fields)
    parts.push_back(fmt::format("{} {}{}", field.name, field.native, field.nullable ? "" : " not null"));
  return fmt::format("create table {} ({}, primary key ({}))", table.name, join(parts, ", "),
                     join(table.key, ", "));
}

}  // namespace

MemoryDestination::MemoryDestination(MemoryDatabase& database, const DestinationSpec& spec,
                                     std::stop_token stop)
    : database_(database), spec_(spec), stop_(std::move(stop)) {}

void MemoryDestination::made(Call call) const {
  database_.calls().made(call, spec_.table);
  if (stop_.stop_requested())
    throw Error(ErrorKind::cancelled, "asked to stop writing memory table " + spec_.table);
}

Prepared MemoryDestination::prepare(bool dry_run) {
  made(Call::prepare);
  if (!database_.has_table(spec_.table)) return created(dry_run);
  bind();
  check_fields();
  check_key();
  Prepared prepared;
  prepared.empty = database_.size(spec_.table) == 0;
  for (const Field& field : spec_.incoming.fields) {
    const Field& into = schema_.fields[schema_.at(field.name)];
    if (into.length && (!field.length || *field.length > *into.length) && field.type == Type::text)
      prepared.warnings.push_back(fmt::format(
          "field {} holds at most {} characters, the source's may be longer", field.name, *into.length));
  }
  return prepared;
}

MemoryTable MemoryDestination::wanted_table() const {
  MemoryTable table;
  table.name = spec_.table;
  for (Field field : spec_.incoming.fields) {
    if (spec_.incoming.provider != "memory") field.native = name_of(field.type);
    field.generated = false;
    table.fields.push_back(field);
  }
  for (const std::size_t index : spec_.incoming.key) {
    table.fields[index].nullable = false;
    table.key.push_back(table.fields[index].name);
  }
  if (!spec_.stamp.empty()) table.fields.push_back(memory_field(spec_.stamp, Type::timestamp_tz));
  if (spec_.deletes == Deletes::soft)
    table.fields.push_back(memory_field(spec_.soft_delete, Type::timestamp_tz));
  table.cursor = spec_.stamp;
  return table;
}

Prepared MemoryDestination::created(bool dry_run) {
  if (!spec_.create)
    throw Error(
        ErrorKind::bad_config,
        fmt::format("destination table {} does not exist: create it, or say create: true", spec_.table));
  const MemoryTable table = wanted_table();
  Prepared prepared;
  prepared.created = true;
  prepared.empty = true;
  prepared.ddl = ddl_of(table);
  if (dry_run) return prepared;
  database_.create_table(table);
  bind();
  return prepared;
}

void MemoryDestination::check_fields() const {
  std::vector<std::string> needed;
  for (const Field& field : spec_.incoming.fields) needed.push_back(field.name);
  if (!spec_.stamp.empty()) needed.push_back(spec_.stamp);
  if (spec_.deletes == Deletes::soft) needed.push_back(spec_.soft_delete);
  for (const std::string& name : needed)
    if (!schema_.find(name))
      throw Error(ErrorKind::bad_config,
                  fmt::format("destination table {} has no field {}: add it, or leave it out of the mapping",
                              spec_.table, name));
}

void MemoryDestination::check_key() const {
  std::vector<std::string> key;
  for (const std::size_t index : spec_.incoming.key) key.push_back(spec_.incoming.fields[index].name);
  const bool backed =
      same_names(key, table_.key) || std::any_of(table_.unique.begin(), table_.unique.end(),
                                                 [&](const auto& fields) { return same_names(key, fields); });
  const bool nullable = std::any_of(key.begin(), key.end(), [&](const std::string& name) {
    return schema_.fields[schema_.at(name)].nullable;
  });
  if (key.empty() || !backed || nullable)
    throw Error(ErrorKind::bad_config,
                fmt::format("destination table {} has no unique index on exactly ({}), not null: add one",
                            spec_.table, join(key, ", ")));
  // Rows are looked up by the primary key alone: a mapping by another unique index is not for this double.
  if (!same_names(key, table_.key))
    throw Error(ErrorKind::bad_config,
                fmt::format("memory table {} can only be written by its primary key", spec_.table));
}

void MemoryDestination::bind() {
  table_ = database_.table(spec_.table);
  schema_ = database_.schema(spec_.table);
  columns_.clear();
  for (const Field& field : spec_.incoming.fields)
    if (const auto index = schema_.find(field.name)) columns_.push_back(*index);
  stamp_ = spec_.stamp.empty() ? std::nullopt : schema_.find(spec_.stamp);
  soft_ = spec_.deletes == Deletes::soft ? schema_.find(spec_.soft_delete) : std::nullopt;
}

WriteResult MemoryDestination::write(const Batch& batch, WriteMode mode, const Fence& fence) {
  made(Call::write);
  if (columns_.size() != batch.schema().fields.size())
    throw Error(ErrorKind::bug, "memory table " + spec_.table + " was not prepared for these fields");
  database_.count_write(spec_.table, mode);
  transaction_ = database_.begin();
  const EndOfWrite end{transaction_};
  fence.check();
  WriteResult result;
  std::set<Key> seen;
  for (std::size_t i = 0; i < batch.changes.size(); ++i) {
    const Change& change = batch.changes[i];
    if (change.refusal >= 0)
      throw Error(ErrorKind::bug, "a refused change came to memory table " + spec_.table);
    if (change.operation != Operation::truncate && !seen.insert(key_of(batch.schema(), change)).second)
      throw Error(ErrorKind::bug, "two changes of one key came in one batch to memory table " + spec_.table);
    try {
      switch (apply(batch, change)) {
        case Outcome::written: ++result.written; break;
        case Outcome::deleted: ++result.deleted; break;
        case Outcome::unchanged: ++result.unchanged; break;
      }
    } catch (const Refused& refused) {
      result.rejected.push_back({i, refused.field, refused.reason, refused.cause});
    }
  }
  made(Call::before_commit);
  fence.check();
  transaction_->commit();
  made(Call::after_commit);
  return result;
}

MemoryDestination::Outcome MemoryDestination::apply(const Batch& batch, const Change& change) {
  switch (change.operation) {
    case Operation::upsert:
      return upsert(change, transaction_->find(spec_.table, key_cells(as_table_row(change))));
    case Operation::remove: return remove(key_cells(as_table_row(change)));
    case Operation::move: return move(batch, change);
    case Operation::truncate:
      if (!soft_) return transaction_->truncate(spec_.table) > 0 ? Outcome::deleted : Outcome::unchanged;
      bool any = false;
      for (const RowPointer& row : transaction_->rows(spec_.table))
        any |= mark_deleted({row->cells().begin(), row->cells().end()});
      return any ? Outcome::deleted : Outcome::unchanged;
  }
  throw Error(ErrorKind::bug, "an unknown operation");
}

MemoryDestination::Outcome MemoryDestination::upsert(const Change& change, const RowPointer& old) {
  MemoryRow row(schema_.fields.size());
  if (old) row.assign(old->cells().begin(), old->cells().end());
  bool changed = !old;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const Value& cell = change.row[i];
    if (cell.is_absent()) continue;
    Value& kept = row[columns_[i]];
    // A decimal's scale is part of what is kept, though 1.5 equals 1.50.
    changed |= kept.type() != cell.type() || to_text(kept) != to_text(cell);
    kept = cell;
  }
  if (soft_ && !row[*soft_].is_null()) {
    row[*soft_] = Value::null();
    changed = true;
  }
  if (!changed) return Outcome::unchanged;
  if (stamp_) row[*stamp_] = instant(database_.now());
  check_row(row, key_cells(row));
  transaction_->put(spec_.table, row);
  return Outcome::written;
}

MemoryDestination::Outcome MemoryDestination::remove(const MemoryRow& key) {
  const RowPointer old = transaction_->find(spec_.table, key);
  if (!old) return Outcome::unchanged;
  if (soft_)
    return mark_deleted({old->cells().begin(), old->cells().end()}) ? Outcome::deleted : Outcome::unchanged;
  check_children(key);
  transaction_->remove(spec_.table, key);
  return Outcome::deleted;
}

/// A mark is set once.
bool MemoryDestination::mark_deleted(MemoryRow row) {
  if (!row[*soft_].is_null()) return false;
  row[*soft_] = instant(database_.now());
  if (stamp_) row[*stamp_] = row[*soft_];
  transaction_->put(spec_.table, row);
  return true;
}

MemoryDestination::Outcome MemoryDestination::move(const Batch& batch, const Change& change) {
  MemoryRow old_key(schema_.key.size());
  for (std::size_t i = 0; i < change.old_key.size(); ++i) {
    const std::size_t column = columns_[batch.schema().key[i]];
    for (std::size_t k = 0; k < schema_.key.size(); ++k)
      if (schema_.key[k] == column) old_key[k] = change.old_key[i];
  }
  const MemoryRow new_key = key_cells(as_table_row(change));
  const RowPointer there = transaction_->find(spec_.table, new_key);
  const RowPointer old = transaction_->find(spec_.table, old_key);
  const Outcome outcome = upsert(change, there ? there : old);
  if (!old || collate(old_key, new_key) == 0) return outcome;
  transaction_->remove(spec_.table, old_key);
  return Outcome::written;
}

/// Cells that the change does not bring are null.
MemoryRow MemoryDestination::as_table_row(const Change& change) const {
  MemoryRow row(schema_.fields.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) row[columns_[i]] = change.row[i];
  return row;
}

MemoryRow MemoryDestination::key_cells(std::span<const Value> row) const {
  MemoryRow key;
  for (const std::size_t index : schema_.key) key.push_back(row[index]);
  return key;
}

void MemoryDestination::check_row(const MemoryRow& row, const MemoryRow& key) const {
  check_cells(row);
  if (const auto refusal = database_.refusal_of_writing(spec_.table, row))
    throw Refused{refusal->second, refusal->first.field, refusal->first.reason};
  check_unique(row, key);
  check_parents(row);
}

void MemoryDestination::check_cells(const MemoryRow& row) const {
  for (std::size_t i = 0; i < row.size(); ++i) {
    const Field& field = schema_.fields[i];
    if (row[i].is_null()) {
      if (field.nullable) continue;
      throw Refused{RejectionCause::constraint, field.name,
                    fmt::format("field {} may not be null", field.name)};
    }
    if (!fits(row[i], field))
      throw Refused{RejectionCause::value, field.name,
                    fmt::format("field {} is a {}, the value a {}", field.name, name_of(field.type),
                                name_of(row[i].type()))};
    if (field.length && row[i].type() == Type::text && characters(row[i].view()) > *field.length)
      throw Refused{RejectionCause::value, field.name,
                    fmt::format("field {} holds at most {} characters", field.name, *field.length)};
  }
}

void MemoryDestination::check_unique(const MemoryRow& row, const MemoryRow& key) const {
  for (const auto& fields : table_.unique) {
    std::vector<std::size_t> columns;
    for (const std::string& field : fields) columns.push_back(schema_.at(field));
    for (const RowPointer& other : transaction_->rows(spec_.table)) {
      if (collate(key_cells(other->cells()), key) == 0) continue;
      const bool same = std::all_of(columns.begin(), columns.end(), [&](std::size_t column) {
        return !row[column].is_null() && compare(row[column], other->cells()[column]) == 0;
      });
      if (same)
        throw Refused{RejectionCause::unique, fields.front(),
                      fmt::format("row {} has the same {}", key_at(other->cells(), schema_.key).to_json(),
                                  join(fields, ", "))};
    }
  }
}

void MemoryDestination::check_parents(const MemoryRow& row) const {
  for (const MemoryForeignKey& foreign : table_.foreign_keys) {
    MemoryRow parent;
    for (const std::string& field : foreign.fields) parent.push_back(row[schema_.at(field)]);
    if (std::any_of(parent.begin(), parent.end(), [](const Value& cell) { return cell.is_null(); })) continue;
    if (!transaction_->find(foreign.table, parent))
      throw Refused{RejectionCause::foreign_key, foreign.fields.front(),
                    fmt::format("table {} has no row {}", foreign.table, to_text(parent.front()))};
  }
}

void MemoryDestination::check_children(const MemoryRow& key) const {
  for (const std::string& name : database_.tables()) {
    const MemoryTable child = database_.table(name);
    for (const MemoryForeignKey& foreign : child.foreign_keys) {
      if (foreign.table != spec_.table) continue;
      const Schema schema = database_.schema(name);
      for (const RowPointer& row : transaction_->rows(name)) {
        MemoryRow parent;
        for (const std::string& field : foreign.fields) parent.push_back(row->cells()[schema.at(field)]);
        if (collate(parent, key) == 0)
          throw Refused{RejectionCause::foreign_key, "", fmt::format("table {} still has rows of it", name)};
      }
    }
  }
}

std::size_t MemoryDestination::remove_all(const Fence& fence) {
  made(Call::remove_all);
  transaction_ = database_.begin();
  const EndOfWrite end{transaction_};
  fence.check();
  std::size_t count = 0;
  if (soft_) {
    for (const RowPointer& row : transaction_->rows(spec_.table))
      count += mark_deleted({row->cells().begin(), row->cells().end()}) ? 1 : 0;
  } else {
    count = transaction_->truncate(spec_.table);
  }
  made(Call::before_commit);
  fence.check();
  transaction_->commit();
  made(Call::after_commit);
  return count;
}

}  // namespace syncflow::testkit
