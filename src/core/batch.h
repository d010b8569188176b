#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/arena.h"
#include "core/position.h"
#include "core/schema.h"
#include "core/value.h"

namespace syncflow {

enum class Operation : std::uint8_t {
  upsert,
  remove,    ///< by key: only the key's cells are set
  move,      ///< the row's key changed: `old_key` to the key in `row`, then as upsert
  truncate,  ///< every row of the table is gone; no cells
};

/// One change of one row. The cells lie in the batch's arena, one for each field of its schema.
struct Change {
  Operation operation = Operation::upsert;
  /// The strategy may hand this row out again: the engine remembers what it applied (DESIGN 5, "window").
  bool watched = false;
  std::span<Value> row;
  std::span<Value> old_key;  ///< move only, in the order of Schema::key
  /// Index into Batch::refusals when the source could not read the row losslessly; -1 otherwise.
  std::int32_t refusal = -1;
};

/// Why one row cannot be carried: bad UTF-8, an impossible date, a value that contradicts its type.
struct Refusal {
  std::string field;
  std::string reason;
};

/// The key of a row as canonical texts in the order of Schema::key: how keys are kept at rest.
struct Key {
  std::vector<std::string> parts;

  /// `["7","a\"b"]`, for storing and for people.
  std::string to_json() const;
  static Key from_json(std::string_view json);

  auto operator<=>(const Key&) const = default;
};

/// Some changes, oldest first, and where a restart would begin after them.
///
/// Movable, not copyable; rows stay valid while the batch (or one that `keeps` it) lives.
class Batch {
 public:
  explicit Batch(std::shared_ptr<const Schema> schema = nullptr)
      : schema_(std::move(schema)), arena_(std::make_shared<Arena>()) {}
  Batch(Batch&&) noexcept = default;
  Batch& operator=(Batch&&) noexcept = default;

  const Schema& schema() const { return *schema_; }
  const std::shared_ptr<const Schema>& shared_schema() const { return schema_; }
  Arena& arena() { return *arena_; }

  std::vector<Change> changes;
  std::vector<Refusal> refusals;
  /// Where a restart would begin: never past a row that was not handed out; may stand still.
  Position resume;
  /// Only on proof of the end.
  bool caught_up = false;
  /// The first load goes on: keys ascend and none was handed out before, so a destination that was
  /// empty may append.
  bool loading = false;
  /// diff only: every row of the table was listed between `listing_begins` and a `caught_up` batch.
  bool listing_begins = false;

  /// A new change with all cells null; the caller fills `row`.
  Change& add(Operation operation);
  /// Refuses the last change added.
  void refuse(std::string field, std::string reason);

  std::size_t rows() const { return changes.size(); }
  std::size_t size_bytes() const { return arena_->used_bytes(); }

  /// The same rows under another schema: the caller saw to it that their cells are in its order.
  void relabel(std::shared_ptr<const Schema> schema) { schema_ = std::move(schema); }

  /// Keeps another batch's arena alive, for rows that point into it.
  void keep(const Batch& other) { kept_.push_back(other.arena_); }

 private:
  std::shared_ptr<const Schema> schema_;
  std::shared_ptr<Arena> arena_;
  std::vector<std::shared_ptr<Arena>> kept_;
};

Key key_of(const Schema& schema, const Change& change);
/// The key's cells, bytes in `arena`.
std::vector<Value> parse_key(const Schema& schema, const Key& key, Arena& arena);

/// 128 bits of XXH3 over types and contents: equal values give equal hashes whatever batch they are in.
struct RowHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const RowHash&) const = default;
};
RowHash hash_row(std::span<const Value> cells);
RowHash hash_key(const Schema& schema, const Change& change);

}  // namespace syncflow

template <>
struct std::hash<syncflow::RowHash> {
  std::size_t operator()(const syncflow::RowHash& hash) const noexcept { return hash.low; }
};
