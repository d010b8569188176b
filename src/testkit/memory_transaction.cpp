#include <fmt/core.h>

#include "core/error.h"
#include "testkit/memory_database.h"

namespace syncflow::testkit {

MemoryTransaction::MemoryTransaction(MemoryDatabase& database, std::uint64_t number, Time start)
    : database_(database), number_(number), start_(start) {}

MemoryTransaction::~MemoryTransaction() {
  if (open_) rollback();
}

void MemoryTransaction::must_be_open() const {
  if (!open_) throw Error(ErrorKind::bug, "the memory transaction is over");
}

void MemoryTransaction::put(const std::string& table, const MemoryRow& row) {
  must_be_open();
  const std::lock_guard lock(database_.mutex_);
  const MemoryDatabase::Table& into = database_.at(table);
  if (row.size() != into.info.fields.size())
    throw Error(ErrorKind::bug, fmt::format("a row of {} values for the {} fields of memory table {}",
                                            row.size(), into.info.fields.size(), table));
  auto stored = std::make_shared<const StoredRow>(row);
  stage(table, stored, cells_at(*stored, into.key), stored);
}

bool MemoryTransaction::remove(const std::string& table, const MemoryRow& key) {
  must_be_open();
  if (!find(table, key)) return false;
  const std::lock_guard lock(database_.mutex_);
  // The caller's bytes may go before the commit.
  const auto owner = std::make_shared<const StoredRow>(key);
  stage(table, owner, {owner->cells().begin(), owner->cells().end()}, nullptr);
  return true;
}

/// The database is locked.
void MemoryTransaction::stage(const std::string& table, const RowPointer& key_owner, const MemoryRow& key,
                              RowPointer row) {
  Key text;
  for (const Value& cell : key) text.parts.push_back(to_text(cell));
  database_.lock_row(number_, table, text);
  Staged& staged = staged_[table];
  staged.owners.push_back(key_owner);
  staged.rows[text] = {key, std::move(row)};
}

std::size_t MemoryTransaction::truncate(const std::string& table) {
  must_be_open();
  const std::size_t count = rows(table).size();
  const std::lock_guard lock(database_.mutex_);
  for (const auto& [key, number] : database_.at(table).locks)
    if (number != number_)
      throw Error(ErrorKind::conflict,
                  fmt::format("memory table {} is being written by another transaction", table));
  database_.open_.at(number_).wrote = true;
  Staged& staged = staged_[table];
  staged.truncated = true;
  staged.rows.clear();
  return count;
}

RowPointer MemoryTransaction::find(const std::string& table, const MemoryRow& key) const {
  const std::lock_guard lock(database_.mutex_);
  const MemoryDatabase::Table& from = database_.at(table);
  if (const auto staged = staged_.find(table); staged != staged_.end()) {
    Key text;
    for (const Value& cell : key) text.parts.push_back(to_text(cell));
    if (const auto row = staged->second.rows.find(text); row != staged->second.rows.end())
      return row->second.second;
    if (staged->second.truncated) return nullptr;
  }
  const auto found = from.rows.find(RowOrder::KeyCells(key));
  return found == from.rows.end() ? nullptr : *found;
}

std::vector<RowPointer> MemoryTransaction::rows(const std::string& table) const {
  const std::lock_guard lock(database_.mutex_);
  const MemoryDatabase::Table& from = database_.at(table);
  const auto staged = staged_.find(table);
  if (staged == staged_.end()) return {from.rows.begin(), from.rows.end()};
  Rows seen(from.rows.key_comp());
  if (!staged->second.truncated) seen = from.rows;
  for (const auto& [text, change] : staged->second.rows) {
    if (const auto found = seen.find(RowOrder::KeyCells(change.first)); found != seen.end())
      seen.erase(found);
    if (change.second) seen.insert(change.second);
  }
  return {seen.begin(), seen.end()};
}

void MemoryTransaction::commit() {
  must_be_open();
  const std::lock_guard lock(database_.mutex_);
  for (const auto& [name, staged] : staged_) database_.at(name);  // all or nothing
  for (const auto& [name, staged] : staged_) {
    Rows& rows = database_.at(name).rows;
    if (staged.truncated) rows.clear();
    for (const auto& [text, change] : staged.rows) {
      if (const auto found = rows.find(RowOrder::KeyCells(change.first)); found != rows.end())
        rows.erase(found);
      if (change.second) rows.insert(change.second);
    }
  }
  open_ = false;
  database_.release(number_);
}

void MemoryTransaction::rollback() {
  must_be_open();
  const std::lock_guard lock(database_.mutex_);
  open_ = false;
  database_.release(number_);
}

}  // namespace syncflow::testkit
