#include "store/store.h"

#include <algorithm>

namespace syncflow {

void Store::note_looks(const std::vector<LookNote>& notes) {
  for (const LookNote& note : notes) {
    std::optional<Time> at = note.at;
    if (!at)
      if (const auto sync = find_sync(note.sync_id)) at = sync->last_polled_at;
    polled(note.sync_id, at.value_or(clock().now()), note.next, note.failed_polls, note.trouble);
  }
}

void Observation::SyncState::note_up_to_date(const std::optional<Time>& run_began,
                                             const std::optional<Time>& polled, bool quiet) {
  // A run shows the source as it was when it began. A later look proves as much where it asked for no job: what
  // it found would still be queued, or be carried by a run that began after it.
  if (last_run != "completed" || !run_began) return;
  up_to_date_at = polled && quiet ? std::max(*run_began, *polled) : *run_began;
}

}  // namespace syncflow
