#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/batch.h"
#include "store/store.h"

namespace syncflow {

/// How many of a mapping's rows in quarantine are looked up; more are written again, and refused again, by each run that
/// needs to know them.
inline constexpr std::size_t kMostQuarantine = 100'000;

/// What a mapping last applied for each key that its source may hand out again: the window of `cursor`,
/// every row of `diff`. In memory while a run works, saved with each position.
///
/// Not thread-safe.
class RowTracker {
 public:
  /// How many keys a cursor's window holds; rows beyond it are written again and counted by what the
  /// destination says.
  static constexpr std::size_t kMostWindowKeys = 200'000;

  enum class Keeps { window, every_row_with_its_key };
  /// Whether rows are certain to be at the destination as they were noted. A run that ended between a write and
  /// its commit leaves newer states there, unnoted: should such a row become again what was noted before, it
  /// must be written all the same.
  /// `nothing`: begins empty, for a table whose rows are written anew.
  enum class Trust { certain, doubtful, nothing };

  RowTracker(Store& store, const std::string& sync_id, const std::string& mapping, Keeps keeps, Trust trust,
             std::int64_t generation);

  /// A listing or sweep begins: what it does not meet again is missing, or of no further use.
  void begin_generation() { ++generation_; }
  std::int64_t generation() const { return generation_; }

  bool empty() const { return rows_.empty(); }
  std::size_t size() const { return rows_.size(); }
  bool knows(const RowHash& key) const { return rows_.count(key) != 0; }
  /// Whether this very row was applied last.
  bool applied(const RowHash& key, const RowHash& row) const;

  /// Whether it was noted since this tracker was made.
  bool met_now(const RowHash& key) const;

  /// The row was applied (or found applied). Hashes are of the mapped row; `key_of_row`, its key at the
  /// source, is kept where keys are.
  void note(const RowHash& key, const RowHash& row, const Key& key_of_row);
  void forget(const RowHash& key);
  /// The row's newest state was refused. Where keys are kept, the destination may still have an older one,
  /// which must go when the row does: its key stays known, as never applied.
  void note_refused(const RowHash& key);

  /// Keys that this generation did not meet; only for Keeps::every_row_with_its_key.
  struct Missing {
    RowHash hash;
    Key key;
  };
  std::vector<Missing> missing() const;
  /// Drops, here and at the next save, what this generation did not meet.
  void forget_older_generations();

  /// Moves what changed since the last call into a commit.
  void save_to(BatchCommit& commit);

  bool keeps_keys() const { return keeps_ == Keeps::every_row_with_its_key; }

 private:
  struct Row {
    RowHash hash;
    std::int64_t generation = 0;
    std::string key_json;
    bool met_now = false;
  };
  Keeps keeps_;
  std::int64_t generation_;
  std::unordered_map<RowHash, Row> rows_;
  std::vector<RowState> changed_;
  std::vector<RowHash> forgotten_;
  bool drops_older_ = false;
};

/// Whether the sync's last run before `except_run_id` (empty: the last of all) noted everything that it wrote.
bool left_nothing_unnoted(Store& store, const std::string& sync_id, const std::string& except_run_id);

}  // namespace syncflow
