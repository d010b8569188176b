#include "engine/batch_writer.h"

#include <algorithm>
#include <utility>

#include "core/failpoint.h"
#include "core/metrics.h"

namespace syncflow {
namespace {

/// Removes the changes for which `goes` says so, with their marks.
template <typename Predicate>
void take_out(Mapped& mapped, Predicate goes) {
  std::size_t kept = 0;
  auto& changes = mapped.batch.changes;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (goes(i)) continue;
    changes[kept] = changes[i];
    mapped.left_filter[kept] = mapped.left_filter[i];
    ++kept;
  }
  changes.resize(kept);
  mapped.left_filter.resize(kept);
}

bool may_leave(const Mapped& mapped) {
  return std::find(mapped.left_filter.begin(), mapped.left_filter.end(), true) != mapped.left_filter.end();
}

/// Rows outside the filter that were not at the destination, so that nothing had to leave.
std::int64_t never_there(const Mapped& mapped, const WriteResult& result) {
  std::int64_t removes = 0, left = 0;
  for (std::size_t i = 0; i < mapped.batch.rows(); ++i) {
    if (mapped.batch.changes[i].operation != Operation::remove) continue;
    ++removes;
    left += mapped.left_filter[i] ? 1 : 0;
  }
  for (const Rejection& rejection : result.rejected)
    if (mapped.batch.changes[rejection.change].operation == Operation::remove) --removes;
  return std::min(left, removes - static_cast<std::int64_t>(result.deleted));
}

/// An upsert that keeps a cell of the destination says nothing about the whole row.
bool is_whole(const Change& change) {
  if (change.operation != Operation::upsert) return false;
  for (const Value& cell : change.row)
    if (cell.is_absent()) return false;
  return true;
}

}  // namespace

Carried BatchWriter::carry(Batch batch, const Options& options) {
  Carried carried;
  carried.figures.read = static_cast<std::int64_t>(batch.rows());
  carried.figures.bytes = static_cast<std::int64_t>(batch.size_bytes());
  if (batch.changes.empty()) return carried;
  Mapped mapped = mapper_.apply(std::move(batch));
  carried.figures.filtered += static_cast<std::int64_t>(mapped.filtered);
  for (const RowHash& key : mapped.filtered_keys)
    if (!note_filtered(key)) {
      --carried.figures.filtered;
      --carried.figures.read;
    }
  take_out_refused(mapped, carried);
  // Before rows are compared with what was applied: one that changed and changed back must not leave its
  // middle state. A first load lists each key once.
  if (!mapped.batch.loading)
    carried.figures.collapsed += static_cast<std::int64_t>(collapse(mapped.batch, mapped.left_filter));
  if (options.may_remove) take_out_removals_of_others(mapped, carried, options);
  take_out_applied(mapped, carried, options);
  if (!mapped.batch.changes.empty()) write(mapped, carried, options);
  carried.figures.quarantined = static_cast<std::int64_t>(carried.refused.size());
  return carried;
}

bool BatchWriter::note_filtered(const RowHash& key) {
  // Beyond this a row that is read twice counts twice, which only figures tell.
  if (filtered_.size() >= RowTracker::kMostWindowKeys) return true;
  return filtered_.insert(key).second;
}

void BatchWriter::take_out_refused(Mapped& mapped, Carried& carried) {
  if (mapped.batch.refusals.empty()) return;
  const Batch& batch = mapped.batch;
  take_out(mapped, [&](std::size_t i) {
    const Change& change = batch.changes[i];
    if (change.refusal < 0) return false;
    const Refusal& refusal = batch.refusals[static_cast<std::size_t>(change.refusal)];
    carried.refused.push_back(
        {mapper_.source_key(change), refusal.field, refusal.reason, RejectionCause::value, {}});
    tracker_.note_refused(hash_key(batch.schema(), change));
    return true;
  });
}

void BatchWriter::take_out_removals_of_others(Mapped& mapped, Carried& carried, const Options& options) {
  const Batch& batch = mapped.batch;
  std::vector<RowHash> keys;
  for (const Change& change : batch.changes)
    if (change.operation == Operation::remove) keys.push_back(hash_key(batch.schema(), change));
  if (keys.empty()) return;
  const std::vector<bool> ours = options.may_remove(keys);
  std::size_t next = 0;
  take_out(mapped, [&](std::size_t i) {
    const Change& change = batch.changes[i];
    if (change.operation != Operation::remove) return false;
    const std::size_t at = next++;
    if (ours[at]) return false;
    if (!mapped.left_filter[i]) ++carried.figures.unchanged;
    else if (!change.watched || note_filtered(keys[at])) ++carried.figures.filtered;
    else --carried.figures.read;
    if (options.wants_settled) carried.settled.push_back(mapper_.source_key(change));
    return true;
  });
}

void BatchWriter::take_out_applied(Mapped& mapped, Carried& carried, const Options& options) {
  const bool may_know_refused = !refused_.empty() && !options.tries_again;
  const bool filters = may_leave(mapped);
  if (tracker_.empty() && !options.tracks_all && !may_know_refused && !filters) return;
  const Batch& batch = mapped.batch;
  take_out(mapped, [&](std::size_t i) {
    const Change& change = batch.changes[i];
    if (change.operation == Operation::truncate) return false;
    const RowHash key = hash_key(batch.schema(), change);
    // Never written by this mapping, so nothing has to leave.
    const bool never_written = options.tracks_all ? !tracker_.knows(key) : options.mode == WriteMode::append;
    if (mapped.left_filter[i] && filtered_.count(key) != 0) {
      --carried.figures.read;
      return true;
    }
    if (mapped.left_filter[i] && never_written) {
      ++carried.figures.filtered;
      if (change.watched) note_filtered(key);
      return true;
    }
    if (change.operation == Operation::remove && options.tracks_all && !tracker_.knows(key)) {
      // It was never written, or is gone already.
      ++carried.figures.unchanged;
      if (options.wants_settled) carried.settled.push_back(mapper_.source_key(change));
      return true;
    }
    if (!is_whole(change)) return false;
    const RowHash row = hash_row(change.row);
    if (may_know_refused) {
      const auto before = refused_.find(key);
      if (before != refused_.end() && before->second == row) {
        --carried.figures.read;  // it was counted when it was refused
        return true;
      }
    }
    if (options.rewrites || !tracker_.applied(key, row)) return false;
    if (tracker_.met_now(key)) --carried.figures.read;
    else ++carried.figures.unchanged;
    if (options.wants_settled) carried.settled.push_back(mapper_.source_key(change));
    if (change.watched) tracker_.note(key, row, tracker_.keeps_keys() ? mapper_.source_key(change) : Key{});
    return true;
  });
}

WriteResult BatchWriter::timed_write(const Batch& batch, WriteMode mode) {
  const metrics::Stopwatch watch(metrics::Timing::batch_write, clock_, provider_);
  return destination_.write(batch, mode, fence_);
}

void BatchWriter::write(Mapped& mapped, Carried& carried, const Options& options) {
  const Batch& batch = mapped.batch;
  failpoint("pipeline.before_write");
  const WriteResult result = timed_write(batch, options.mode);
  failpoint("pipeline.after_write");

  carried.figures.written += static_cast<std::int64_t>(result.written);
  carried.figures.deleted += static_cast<std::int64_t>(result.deleted);
  const std::int64_t filtered = never_there(mapped, result);
  carried.figures.filtered += filtered;
  carried.figures.unchanged += static_cast<std::int64_t>(result.unchanged) - filtered;
  std::vector<bool> refused(batch.rows(), false);
  for (const Rejection& rejection : result.rejected) {
    refused[rejection.change] = true;
    const Change& change = batch.changes[rejection.change];
    const RowHash row = hash_row(change.row);
    carried.refused.push_back(
        {mapper_.source_key(change), rejection.field, rejection.reason, rejection.cause, row});
    refused_[hash_key(batch.schema(), change)] = row;
  }
  for (std::size_t i = 0; i < batch.rows(); ++i) {
    const Change& change = batch.changes[i];
    if (change.operation == Operation::truncate) continue;
    if (options.may_remove && !refused[i]) {
      const bool removed = change.operation == Operation::remove;
      (removed ? carried.written.removed : carried.written.added).push_back(hash_key(batch.schema(), change));
    }
    if (!refused[i] && options.wants_settled) carried.settled.push_back(mapper_.source_key(change));
    const bool tracked = change.watched && !refused[i] && is_whole(change);
    const bool left = change.watched && !refused[i] && mapped.left_filter[i];
    if (!tracked && !left && tracker_.empty() && filtered_.empty()) continue;
    const RowHash key = hash_key(batch.schema(), change);
    if (left) note_filtered(key);
    else filtered_.erase(key);
    if (tracked)
      tracker_.note(key, hash_row(change.row), tracker_.keeps_keys() ? mapper_.source_key(change) : Key{});
    else if (refused[i]) tracker_.note_refused(key);
    else tracker_.forget(key);
  }
}

}  // namespace syncflow
