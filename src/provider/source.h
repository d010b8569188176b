#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/clock.h"
#include "provider/range_hashes.h"

namespace syncflow {

enum class Strategy { cursor, feed, diff };
std::string_view name_of(Strategy strategy);

/// What to read of one table.
struct SourceSpec {
  std::string table;
  /// The key's fields; empty: the table's own (TableInfo::schema.key).
  std::vector<std::string> key;
  /// The fields to hand out, the key's among them; empty: all.
  std::vector<std::string> fields;
  Strategy strategy = Strategy::cursor;
  /// The last-modified field of strategy `cursor`; read by, handed out only if it is among `fields`.
  std::string cursor;
  /// How late a transaction may commit; empty: by what the login can see (DESIGN 5).
  std::optional<Duration> overlap;
  /// `scan_keys` and `scan_rows` leave out rows in which this field is not null: those that a soft delete marked.
  /// Empty: none are.
  std::string hidden_by;
};

/// What one cheap look says.
enum class Changed {
  no,       ///< nothing new; the probe's position replaces the old one
  yes,      ///< something lies beyond the position
  perhaps,  ///< the overlap is due to be read again, or rows without a usable cursor must be compared:
            ///< read from the position and compare with what was applied
};

struct Probe {
  Changed changed = Changed::no;
  Position position;
};

/// Reads one table.
///
/// Not thread-safe; one connection of its own. Members throw Error; none returns half a result.
/// Promises (checked by the contract suite in testkit/source_contract.h):
/// - reading from a position twice gives the same changes again or newer versions; never fewer;
/// - what is read is lossless in the canonical types, else the change carries a refusal;
/// - memory is bounded by the batch; every wait answers a stop request within a second.
class Source {
 public:
  virtual ~Source() = default;

  /// The fields handed out, in order, and the key.
  virtual const std::shared_ptr<const Schema>& schema() const = 0;

  /// Begins to read after `position` (empty: from the very beginning). Fixes where this read ends:
  /// what is committed later belongs to the next one. Throws Error(position_lost) when the position
  /// is not of this server, table, key and strategy.
  virtual void open(const Position& position) = 0;

  /// The next changes, oldest first, at most `max_rows` of them and about `max_bytes`.
  ///
  /// A change may come twice but is never skipped. `resume` is where a restart would begin;
  /// `caught_up` is set only on proof of the end, and then `resume` is where the next read begins.
  /// An empty batch that is not caught up is allowed.
  virtual Batch next(std::size_t max_rows, std::size_t max_bytes) = 0;

  /// Whether anything is new after `position`, by one indexed look-up or one cheap request.
  virtual Probe has_changes(const Position& position) = 0;

  /// These rows as they are now, as upserts in no set order; keys without a row are gone. Stops when about
  /// `max_bytes` are read and that is not all: `caught_up` is false then, and fewer keys are to be asked for. One
  /// key is always answered.
  virtual Batch fetch(const std::vector<Key>& keys, std::size_t max_bytes = SIZE_MAX) = 0;

  /// Up to `max_rows` keys above `after` in the order of `compare(Value, Value)`, as `remove` changes
  /// (only the key's cells are set); `caught_up` when there are no more.
  ///
  /// Going on after the last key handed out is cheap: the statement is kept open meanwhile.
  virtual Batch scan_keys(const std::optional<Key>& after, std::size_t max_rows) = 0;

  /// The same with whole rows, as upserts, of about `max_bytes`; what cannot be read losslessly is refused.
  virtual Batch scan_rows(const std::optional<Key>& after, std::size_t max_rows, std::size_t max_bytes) = 0;

  /// Rows of the table, counted exactly up to `limit`.
  virtual std::size_t count(std::size_t limit) = 0;

  /// What the system itself can say of many rows at once; null: nothing. Lives as long as the source.
  virtual RangeHashes* range_hashes() { return nullptr; }

  /// How changes are found and what that cannot see, in words for the user.
  virtual std::string method() = 0;
};

}  // namespace syncflow
