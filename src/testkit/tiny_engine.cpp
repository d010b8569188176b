#include "testkit/tiny_engine.h"

#include <utility>

namespace syncflow::testkit {
namespace {

TinyEngine::Row texts_of_row(std::span<const Value> cells) {
  TinyEngine::Row row;
  for (const Value& cell : cells) row.push_back(cell.is_null() ? std::nullopt : std::optional(to_text(cell)));
  return row;
}

}  // namespace

TinyEngine::Figures TinyEngine::read(std::size_t max_rows, std::optional<Crash> crash) {
  const auto source = open_source_();
  source->open(saved_.position);
  Saved state = saved_;
  const bool trusts_window = !std::exchange(in_doubt_, true);
  Figures figures;
  while (!figures.caught_up) {
    const Batch batch = source->next(max_rows, SIZE_MAX);
    const bool dies = crash && crash->batch == figures.batches;
    if (dies && !crash->after_write) return figures;
    if (batch.listing_begins) ++state.generation;
    figures.applied += write(batch, state, trusts_window);
    if (dies) return figures;
    figures.batches += 1;
    figures.changes += batch.rows();
    figures.caught_up = batch.caught_up;
    if (batch.caught_up && strategy_ == Strategy::diff) end_listing(*source, state);
    if (batch.caught_up)
      std::erase_if(state.window,
                    [&](const auto& entry) { return entry.second.generation < state.generation; });
    state.position = batch.resume;
    saved_ = state;
  }
  in_doubt_ = false;
  return figures;
}

Changed TinyEngine::look() {
  const Probe probe = open_source_()->has_changes(saved_.position);
  if (probe.changed == Changed::no) saved_.position = probe.position;
  return probe.changed;
}

TinyEngine::Figures TinyEngine::poll(std::size_t max_rows, std::optional<Crash> crash) {
  if (look() == Changed::no) return {0, 0, 0, true};
  return read(max_rows, crash);
}

std::size_t TinyEngine::write(const Batch& batch, Saved& state, bool trusts_window) {
  std::size_t applied = 0;
  for (const Change& change : batch.changes) {
    if (change.refusal >= 0) {
      refused_[key_of(batch.schema(), change)] = batch.refusals[static_cast<std::size_t>(change.refusal)];
      state.window.erase(hash_key(batch.schema(), change));
    } else if (apply(batch.schema(), change, state, trusts_window)) {
      ++applied;
    }
  }
  return applied;
}

bool TinyEngine::apply(const Schema& schema, const Change& change, Saved& state, bool trusts_window) {
  const Key key = key_of(schema, change);
  const RowHash key_hash = hash_key(schema, change);
  const RowHash row_hash = hash_row(change.row);
  const auto seen = state.window.find(key_hash);
  const bool known = trusts_window && seen != state.window.end() && seen->second.row == row_hash;
  if (!known) {
    copy_[key] = texts_of_row(change.row);
    refused_.erase(key);
  }
  if (change.watched) state.window[key_hash] = {row_hash, state.generation, key};
  else if (!known && seen != state.window.end()) state.window.erase(seen);
  return !known;
}

/// What a whole listing did not show is gone, once the source confirms it by key.
void TinyEngine::end_listing(Source& source, Saved& state) {
  std::vector<Key> missing;
  for (const auto& [hash, seen] : state.window)
    if (seen.generation < state.generation) missing.push_back(seen.key);
  const Batch found = source.fetch(missing);
  std::set<Key> still_there;
  for (const Change& change : found.changes) still_there.insert(key_of(found.schema(), change));
  for (const Key& key : missing)
    if (still_there.count(key) == 0) copy_.erase(key);
}

}  // namespace syncflow::testkit
