#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "store/model.h"

namespace syncflow {

/// What the store holds at one moment, in figures: for metrics.
struct Observation {
  /// Counts end here: that there is more than so much is all that a person needs to know.
  static constexpr std::size_t kMostJobs = 100'000;
  static constexpr std::size_t kMostRows = 10'000;  ///< in the quarantine of one sync

  std::size_t pending_jobs = 0;  ///< those of held and paused syncs too
  std::size_t processing_jobs = 0;
  std::size_t due_syncs = 0;           ///< have jobs that a worker could take at once
  std::optional<Time> oldest_pending;  ///< when the pending job that came first was asked for
  std::optional<Time> oldest_due;      ///< since when the longest waiting of the due syncs could be taken

  struct SyncState {
    std::string id, name, team_id, source, destination;
    SyncStatus status = SyncStatus::active;
    bool held = false;
    int failed_polls = 0;
    /// When it was last known to be up to date, as far as the newest run and the last look prove it.
    std::optional<Time> up_to_date_at;
    std::string last_run;  ///< status of the newest run that ended; empty: none has
    std::optional<Time> last_run_ended_at;
    std::size_t quarantined_rows = 0;
  };
  std::vector<SyncState> syncs;
};

}  // namespace syncflow
