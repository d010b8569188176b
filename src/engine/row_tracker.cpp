#include "engine/row_tracker.h"

#include <utility>

namespace syncflow {

RowTracker::RowTracker(Store& store, const std::string& sync_id, const std::string& mapping, Keeps keeps,
                       Trust trust, std::int64_t generation)
    : keeps_(keeps), generation_(generation) {
  if (trust == Trust::nothing) return;
  store.each_row(sync_id, mapping, [&](const RowState& row) {
    if (keeps_keys() && row.key_json.empty()) {
      // Noted by another strategy, which keeps no keys: it tells nothing about what is missing.
      forgotten_.push_back(row.key);
      return;
    }
    rows_[row.key] = {trust == Trust::certain ? row.row : RowHash{}, row.generation, row.key_json, false};
  });
}

bool left_nothing_unnoted(Store& store, const std::string& sync_id, const std::string& except_run_id) {
  Page page;
  page.sync_id = sync_id;
  page.limit = 2;
  bool never_ran = true;
  for (;;) {
    const Listed<Run> newest = store.list_runs(page);
    for (const Run& run : newest.items) {
      if (run.id == except_run_id) continue;
      never_ran = false;
      // One that was handed back before its first table (its connections were busy) has written nothing.
      if (run.status != "yielded" || !run.tables.empty()) return run.status == "completed";
    }
    // What ran before those is swept by now, and was never heard of to have ended well.
    if (newest.next.empty()) return never_ran;
    page.cursor = newest.next;
    page.limit = 100;
  }
}

bool RowTracker::applied(const RowHash& key, const RowHash& row) const {
  const auto found = rows_.find(key);
  return found != rows_.end() && found->second.hash == row;
}

bool RowTracker::met_now(const RowHash& key) const {
  const auto found = rows_.find(key);
  return found != rows_.end() && found->second.met_now;
}

void RowTracker::note(const RowHash& key, const RowHash& row, const Key& key_of_row) {
  const auto found = rows_.find(key);
  if (found == rows_.end() && !keeps_keys() && rows_.size() >= kMostWindowKeys) return;
  if (found != rows_.end()) found->second.met_now = true;
  if (found != rows_.end() && found->second.hash == row && found->second.generation == generation_) return;
  Row& kept = found != rows_.end() ? found->second : rows_[key];
  kept.hash = row;
  kept.generation = generation_;
  kept.met_now = true;
  if (keeps_keys() && kept.key_json.empty()) kept.key_json = key_of_row.to_json();
  changed_.push_back({key, row, kept.key_json, generation_});
}

void RowTracker::forget(const RowHash& key) {
  if (rows_.erase(key) == 0) return;
  std::erase_if(changed_, [&](const RowState& row) { return row.key == key; });
  forgotten_.push_back(key);
}

void RowTracker::note_refused(const RowHash& key) {
  if (keeps_keys() && knows(key)) note(key, RowHash{}, Key{});
  else forget(key);
}

std::vector<RowTracker::Missing> RowTracker::missing() const {
  std::vector<Missing> out;
  for (const auto& [hash, row] : rows_)
    if (row.generation < generation_) out.push_back({hash, Key::from_json(row.key_json)});
  return out;
}

void RowTracker::forget_older_generations() {
  std::erase_if(rows_, [&](const auto& entry) { return entry.second.generation < generation_; });
  drops_older_ = true;
}

void RowTracker::save_to(BatchCommit& commit) {
  commit.rows = std::exchange(changed_, {});
  commit.forgotten_rows = std::exchange(forgotten_, {});
  if (std::exchange(drops_older_, false)) commit.forget_rows_below_generation = generation_;
}

}  // namespace syncflow
