#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/mapper.h"
#include "engine/row_tracker.h"
#include "provider/destination.h"
#include "store/model.h"

namespace syncflow {

/// A row that could not be carried, with its key at the source.
struct RefusedRow {
  Key key;
  std::string field;
  std::string reason;
  RejectionCause cause = RejectionCause::value;
  RowHash row{};  ///< as the destination refused it; zeros: it did not get that far
};

/// What became of one batch.
struct Carried {
  Figures figures;
  std::vector<RefusedRow> refused;
  KeySetChange written;  ///< keys that are ours now, and no longer; only with Options::may_remove
  std::vector<Key>
      settled;  ///< source keys of rows written, deleted or found equal; only filled when asked for
};

/// Takes batches through mapper, tracker and destination. The tracker then knows what was applied.
///
/// A row that comes again unchanged in one run (a first load and the first round after it both read what is recent)
/// is neither written nor counted twice, whether it was applied or refused.
class BatchWriter {
 public:
  struct Options {
    WriteMode mode = WriteMode::upsert;
    bool tracks_all = false;     ///< strategy diff
    bool wants_settled = false;  ///< someone waits for these keys in quarantine
    bool tries_again = false;    ///< rows that were refused before are written all the same
    bool rewrites = false;       ///< rows that were applied before are written all the same
    /// For a table that others fill too: which of these keys are ours to remove. Null: all are.
    std::function<std::vector<bool>(const std::vector<RowHash>& keys)> may_remove;
  };
  /// `clock` and `provider`, the destination's, are for the metric of writes.
  BatchWriter(Mapper& mapper, RowTracker& tracker, Destination& destination, const Fence& fence, Clock& clock,
              std::string_view provider)
      : mapper_(mapper),
        tracker_(tracker),
        destination_(destination),
        fence_(fence),
        clock_(clock),
        provider_(provider) {}

  Carried carry(Batch batch, const Options& options);

 private:
  void take_out_refused(Mapped& mapped, Carried& carried);
  void take_out_removals_of_others(Mapped& mapped, Carried& carried, const Options& options);
  void take_out_applied(Mapped& mapped, Carried& carried, const Options& options);
  WriteResult timed_write(const Batch& batch, WriteMode mode);
  void write(Mapped& mapped, Carried& carried, const Options& options);
  /// False: this writer met it before, and it has not passed the filter since.
  bool note_filtered(const RowHash& key);

  Mapper& mapper_;
  RowTracker& tracker_;
  Destination& destination_;
  const Fence& fence_;
  Clock& clock_;
  const std::string_view provider_;
  std::unordered_map<RowHash, RowHash> refused_;  ///< key to row, of this writer's time
  std::unordered_set<RowHash> filtered_;          ///< keys outside the filter that may come again
};

}  // namespace syncflow
