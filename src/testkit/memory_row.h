#pragma once

#include <compare>
#include <cstddef>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "core/batch.h"
#include "core/value.h"

namespace syncflow::testkit {

/// A row that owns its bytes and never changes; snapshots share it.
class StoredRow {
 public:
  explicit StoredRow(std::span<const Value> cells);
  std::span<const Value> cells() const { return cells_; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::vector<Value> cells_;
};
using RowPointer = std::shared_ptr<const StoredRow>;

/// The memory database's own collation: text without regard to case first, then by bytes. It differs from
/// compare(Value, Value) on purpose, as real databases do.
std::strong_ordering collate(const Value& a, const Value& b);
std::strong_ordering collate(const std::vector<Value>& a, const std::vector<Value>& b);

/// Some cells of a row, in that order.
std::vector<Value> cells_at(const StoredRow& row, const std::vector<std::size_t>& indexes);
/// The same as canonical texts.
Key key_at(std::span<const Value> cells, const std::vector<std::size_t>& indexes);

/// Orders rows by their key. Transparent: a key alone can be looked up.
struct RowOrder {
  using is_transparent = void;
  using KeyCells = std::span<const Value>;
  std::vector<std::size_t> key;

  bool operator()(const RowPointer& a, const RowPointer& b) const;
  bool operator()(const RowPointer& a, KeyCells b) const;
  bool operator()(KeyCells a, const RowPointer& b) const;
};
using Rows = std::set<RowPointer, RowOrder>;

}  // namespace syncflow::testkit
