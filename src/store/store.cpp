#include "store/store.h"

namespace syncflow {

void Store::note_looks(const std::vector<LookNote>& notes) {
  for (const LookNote& note : notes) {
    std::optional<Time> at = note.at;
    if (!at)
      if (const auto sync = find_sync(note.sync_id)) at = sync->last_polled_at;
    polled(note.sync_id, at.value_or(clock().now()), note.next, note.failed_polls, note.trouble);
  }
}

}  // namespace syncflow
