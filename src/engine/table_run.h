#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/batch_writer.h"
#include "engine/engine.h"
#include "engine/held_lease.h"
#include "engine/key_listing.h"
#include "engine/mapper.h"
#include "engine/row_tracker.h"
#include "engine/table_plan.h"

namespace syncflow {

/// What a run of one sync works with. Outlives its TableRuns.
struct RunContext {
  Store& store;
  Clock& clock;
  const SyncDefinition& sync;
  const Config& config;
  const Capabilities& source_can;
  const Capabilities& destination_can;
  Connection& source;
  Connection& destination;
  HeldLease& lease;
  const OnProgress& on_progress;
  std::string_view destination_provider;  ///< its id
  /// Whether what earlier runs noted of rows is how they are at the destination.
  bool trusts_rows = true;
  /// Whether the run should make room for others after its batch.
  std::function<bool()> should_yield;
  /// A person asked for every row to be compared and brought to what the source has.
  bool repairs = false;
};

/// Keys that are asked for and settled at once, after the reading.
inline constexpr std::size_t kKeysPerStep = 500;

/// Carries the changes of one mapping from its source to its destination.
///
/// For each batch: filter and map, drop what was applied before, collapse, write; then the position moves,
/// with row states, rejections and figures, in one store transaction. Not thread-safe (reads ahead in a
/// thread of its own). Members throw Error.
class TableRun {
 public:
  TableRun(RunContext& context, const TableMapping& mapping);
  ~TableRun();

  /// Reads until caught up. Stops after a batch, with Error(cancelled), when the lease's token says so.
  void run();

  /// Removes what is gone at the source: the rows that the listing of `diff` did not show, or, when it is due, what
  /// comparing both sides' keys finds. Call once the tables that refer to this one have removed theirs.
  void remove_missing();

  /// Fetches the rows in quarantine anew and tries them again. Call when every table of the sync has run; again
  /// (`first` is false) when other rows have come to rest since. Whether some row came to rest.
  bool retry_quarantine(bool first);

  /// Closes connections and lets go of memory until a member needs them again.
  void rest();

  const std::string& name() const { return name_; }
  bool began() const { return began_; }
  const TableReport& report() const { return report_; }
  /// What a person should know: how changes are found, what is slow, what will not fit.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  void prepare();
  void check_what_is_read();
  void check_what_comes_out();
  void prepare_destination();
  void refuse_itself() const;
  Prepared prepare_known(const DestinationSpec& spec);
  void read_again_once_mended();
  void note_ownership();
  void open_source();
  void begin_again(const std::string& why);
  void carry(Batch batch);
  void wake();
  void open_writer();
  // table_deletes.cpp
  bool reconciles() const;
  bool records_keys() const;
  void check_reconciliation();
  void remove_unlisted();
  std::size_t remove(const std::vector<RowTracker::Missing>& missing);
  Batch gone_at_source(const std::vector<RowTracker::Missing>& missing);
  void reconcile();
  void take_over_rows();
  bool learn(const RowHash& hash, const Key& at_source);
  void keep_what_diff_wrote();
  void repair();
  KeyDifferences compare_both_sides();
  KeyFile ours_of(const KeyFile& keys) const;
  KeyFile ours_to_remove(const KeyDifferences& found) const;
  enum class Settling {
    removes,   ///< rows that are gone at the source go
    writes,    ///< rows that are missing, or not as they should be, are written
    compares,  ///< rows that are there are written too, to see whether they are as they should be
  };
  Figures settle(const KeyFile& keys, Settling how);
  Figures settle_some(std::vector<Key> keys, Settling settling);
  Figures settle_one_by_one(std::vector<Key> keys, Settling how, const Error& error);
  std::unordered_set<std::string> keys_in_quarantine() const;
  std::vector<bool> written_by_us(const std::vector<RowHash>& keys) const;
  using HashChunks = std::function<void(const std::function<void(const std::vector<RowHash>&)>&)>;
  void brake(std::int64_t deletes, std::int64_t rows, const HashChunks& hashes);
  void hold_back(std::int64_t deletes, std::int64_t rows, const HashChunks& hashes);
  void release_brake(BatchCommit& commit);
  void note_reconciliation();
  void add_removal(Batch& batch, const Key& key) const;
  Batch fetch(std::vector<Key>& keys);
  BatchWriter::Options options(WriteMode mode) const;
  std::size_t retry(std::span<const QuarantinedRow> waiting, bool first, bool& settled);
  void quarantine(RefusedRow row, BatchCommit& commit);
  void commit(BatchCommit commit);
  void show_progress(const char* phase);
  void check_stop() const;
  void make_room() const;
  void note_listing(std::chrono::steady_clock::time_point began);
  void note_step(std::chrono::steady_clock::time_point began, bool lasts);

  RunContext& context_;
  const TableMapping& mapping_;
  const std::string name_;
  TablePlan plan_;
  std::unique_ptr<Source> source_;
  std::unique_ptr<Destination> destination_;
  std::unique_ptr<Mapper> mapper_;
  std::unique_ptr<RowTracker> tracker_;
  std::unique_ptr<BatchWriter> writer_;
  MappingState state_;
  bool forget_everything_ = false;  ///< the next commit starts from nothing
  bool reads_all_anew_ = false;     ///< what was noted of rows is of another shape or of a table that is gone
  bool owned_now_ = false;          ///< the destination table became ours in this run
  std::unordered_set<std::string> entered_;   ///< keys, as JSON, that this run put into quarantine
  std::vector<RowTracker::Missing> missing_;  ///< what the listing did not show
  std::size_t known_rows_ = 0;                ///< diff: rows that were known when it ended
  /// How long it took to learn what is to be settled, and how long that was settled since.
  std::chrono::steady_clock::duration listed_for_{}, settled_for_{};
  std::int64_t impossible_keys_ = 0;  ///< at the destination, that the source takes for none of its own
  bool has_quarantine_ = false;
  bool began_ = false;
  TableReport report_;
  std::vector<std::string> notes_;
  std::chrono::steady_clock::time_point shown_at_{};
};

}  // namespace syncflow
