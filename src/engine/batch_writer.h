#pragma once

#include <string>
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
};

/// What became of one batch.
struct Carried {
  Figures figures;
  std::vector<RefusedRow> refused;
  std::vector<Key> settled;  ///< source keys of rows written, deleted or found equal; only filled when asked for
};

/// Takes one batch through mapper, tracker and destination. The tracker then knows what was applied.
class BatchWriter {
 public:
  struct Options {
    WriteMode mode = WriteMode::upsert;
    bool tracks_all = false;     ///< strategy diff
    bool wants_settled = false;  ///< someone waits for these keys in quarantine
  };
  BatchWriter(Mapper& mapper, RowTracker& tracker, Destination& destination, const Fence& fence)
      : mapper_(mapper), tracker_(tracker), destination_(destination), fence_(fence) {}

  Carried carry(Batch batch, const Options& options);

 private:
  void take_out_refused(Mapped& mapped, Carried& carried);
  void take_out_applied(Mapped& mapped, Carried& carried, const Options& options);
  void write(Mapped& mapped, Carried& carried, const Options& options);

  Mapper& mapper_;
  RowTracker& tracker_;
  Destination& destination_;
  const Fence& fence_;
  std::vector<RowHash> key_hashes_;  ///< of the mapped batch's changes, when they are tracked
};

}  // namespace syncflow
