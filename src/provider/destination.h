#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/batch.h"

namespace syncflow {

/// Who holds the right to write for a sync. Of two holders the one with the higher epoch came later.
struct Holder {
  std::string sync_id;  ///< empty: nobody that has a name
  std::int64_t epoch = 0;
};

/// What a worker holds while it writes; the destination asks it so that a worker that was frozen
/// past its lease cannot write any more. Thread-safe.
class Fence {
 public:
  virtual ~Fence() = default;
  /// How long writes may still take. A transaction's timeouts are set below it.
  virtual std::chrono::milliseconds left() const = 0;
  /// Throws Error(lease_lost) when the time is over. Called after BEGIN and before COMMIT.
  virtual void check() const = 0;
  /// For destinations where a frozen worker's transaction may outlast its lease: sessions that bear the holder's name
  /// can be told from those of the holder before.
  virtual Holder holder() const { return {}; }
};

enum class Existing { adopt, replace, refuse };
enum class Deletes { ignore, soft, hard };

/// What to write to one table.
struct DestinationSpec {
  std::string table;
  /// What will be written: the destination's field names with the canonical types (and, where
  /// `Schema::provider` is this very provider, the native types) that the source hands out; and the key.
  Schema incoming;
  bool create = true;
  Existing existing = Existing::adopt;
  Deletes deletes = Deletes::ignore;
  /// Deletes::soft: the timestamp field that marks a deleted row.
  std::string soft_delete = "deleted_at";
  /// A field that the destination's own clock sets on each write that changes the row; empty: none.
  std::string stamp;
};

/// What `prepare` found or made.
struct Prepared {
  bool created = false;
  bool empty = false;                 ///< no rows: the mapping owns the table, a first load may append
  std::string ddl;                    ///< what `create` ran, or would run
  std::vector<std::string> warnings;  ///< "field note holds at most 20 characters, the source's up to 200"
};

/// What `write` may take for granted.
enum class WriteMode {
  append,  ///< the rows are most likely new: try the fastest way in; when that fails, do as `upsert`
  upsert,
};

enum class RejectionCause {
  value,        ///< the destination cannot hold it
  foreign_key,  ///< may succeed once other rows are there
  unique,       ///< another row has it under another unique index, or two keys fold into one
  constraint,   ///< check, not null, a trigger's refusal
};

struct Rejection {
  std::size_t change = 0;  ///< index into the batch
  std::string field;       ///< empty: the whole row
  std::string reason;
  RejectionCause cause = RejectionCause::value;
};

/// written + deleted + unchanged + rejected.size() = the changes of the batch.
struct WriteResult {
  std::size_t written = 0;    ///< inserted or really changed
  std::size_t deleted = 0;    ///< removes that found their row, or marked it
  std::size_t unchanged = 0;  ///< upserts of equal rows, removes of missing ones
  std::vector<Rejection> rejected;
};

/// Writes one table.
///
/// Not thread-safe; one connection of its own. Members throw Error.
class Destination {
 public:
  virtual ~Destination() = default;

  /// Checks or creates the table, and reads how its fields are typed. Call before the first write.
  ///
  /// Throws Error(bad_config) when the table or a field is missing and may not be created, or when the
  /// key is not backed by a unique index on exactly its columns, not null (DESIGN 4, "Keys"): the
  /// sentence says what to do. `dry_run` changes nothing: for `validate`.
  virtual Prepared prepare(bool dry_run = false) = 0;

  /// Applies the batch in one transaction (where the system has them) and returns once it is durable.
  ///
  /// Idempotent. The batch has at most one change for each key (`collapse` saw to that), only upserts,
  /// removes, moves or a single truncate; refused changes are not among them. Rows that are equal
  /// already are not written. One bad row does not sink the others. Nothing but the batch's own keys
  /// is ever touched, also by way of other unique indexes.
  virtual WriteResult write(const Batch& batch, WriteMode mode, const Fence& fence) = 0;

  /// Every row's removal, for TRUNCATE and `existing: replace`; soft marks under Deletes::soft.
  virtual std::size_t remove_all(const Fence& fence) = 0;
};

}  // namespace syncflow
