// How a TableRun removes what is gone at the source: what the listing of `diff` did not show, and what comparing
// both sides' keys finds where the strategy sees no deletes.

#include <fmt/core.h>

#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/failpoint.h"
#include "core/log.h"
#include "engine/retry_policy.h"
#include "engine/row_comparison.h"
#include "engine/table_run.h"

namespace syncflow {
namespace {

/// Hashes that are put into the store, or asked for, at once.
constexpr std::size_t kHashesPerStep = 5'000;

/// The keys' hashes in steps.
void each_hashes(const KeyFile& keys, const std::function<void(const std::vector<RowHash>&)>& take) {
  std::vector<RowHash> hashes;
  const auto list = keys.read();
  while (const ListedKey* key = list->next()) {
    hashes.push_back(hash_row(key->cells));
    if (hashes.size() < kHashesPerStep) continue;
    take(hashes);
    hashes.clear();
  }
  if (!hashes.empty()) take(hashes);
}

std::string rows_of(std::int64_t count) { return fmt::format("{} {}", count, count == 1 ? "row" : "rows"); }

std::string what_was_found(const Figures& removed, const Figures& repaired, const Figures& compared) {
  std::string words =
      fmt::format("{} removed, {} that were missing written", rows_of(removed.deleted), repaired.written);
  if (compared.read > 0)
    words +=
        fmt::format("; {} without a cursor compared, {} changed", rows_of(compared.read), compared.written);
  return words;
}

}  // namespace

bool TableRun::reconciles() const {
  return plan_.source.strategy == Strategy::cursor && mapping_.deletes != Deletes::ignore;
}

/// Which rows of a table that others fill too are ours is kept key by key; `diff` keeps every row's key anyway.
bool TableRun::records_keys() const {
  const bool removes =
      mapping_.deletes != Deletes::ignore || (!mapping_.filters.empty() && mapping_.removes_what_leaves());
  return plan_.source.strategy == Strategy::cursor && !state_.owned && removes;
}

void TableRun::check_reconciliation() {
  if (!reconciles()) return;
  if (!context_.destination_can.source)
    throw Error(
        ErrorKind::bad_config,
        fmt::format("not supported yet: deletes with strategy cursor into {}, whose rows cannot be listed",
                    context_.sync.destination));
  if (!is_reconciliation_due(mapping_, plan_.source.strategy, state_, context_.store.clock().now()))
    note_reconciliation();
}

void TableRun::note_reconciliation() {
  notes_.push_back(fmt::format("{}: deleted rows are looked for {}; last on {}: {}", mapping_.source,
                               mapping_.reconcile, to_rfc3339(*state_.reconciled_at), state_.reconciled));
}

void TableRun::remove_missing() {
  if (context_.repairs) repair();
  if (is_reconciliation_due(mapping_, plan_.source.strategy, state_, context_.store.clock().now())) {
    if (plan_.source.strategy == Strategy::diff) take_over_rows();
    else reconcile();
  }
  if (plan_.source.strategy == Strategy::diff) remove_unlisted();
}

// --- strategy diff ---

/// `diff` finds missing what it has listed itself before. A mapping that was carried by another strategy, or without
/// deletes, has rows at the destination that went at the source unlisted: both sides are compared once, and what is ours
/// becomes known as if it had been listed.
void TableRun::take_over_rows() {
  wake();
  BatchCommit commit;
  if (context_.destination_can.source) {
    const KeyDifferences found = compare_both_sides();
    failpoint("reconcile.listed");
    const KeyFile gone = ours_of(found.surplus);
    const auto list = gone.read();
    while (const ListedKey* key = list->next()) {
      const RowHash hash = hash_row(key->cells);
      auto at_source = mapper_->key_at_source(key->cells);
      if (!at_source || !learn(hash, *at_source)) continue;
      ++known_rows_;
      missing_.push_back({hash, std::move(*at_source)});
    }
    if (mapping_.removes_what_leaves()) settle(ours_of(found.left), Settling::removes);
  }
  // From now on the noted rows say what is ours. A key that `diff` removes would stay in this set.
  commit.key_sets.push_back({KeySet::written, true, {}, {}});
  state_.reconciled_at = context_.store.clock().now();
  this->commit(std::move(commit));
}

/// `diff` removes no row that it does not know. Whether it did not know this one.
bool TableRun::learn(const RowHash& hash, const Key& at_source) {
  if (!tracker_->keeps_keys() || tracker_->knows(hash)) return false;
  tracker_->note(hash, RowHash{}, at_source);
  return true;
}

void TableRun::remove_unlisted() {
  if (mapping_.deletes != Deletes::ignore && !missing_.empty()) {
    wake();
    // A repair has removed some already.
    std::erase_if(missing_, [this](const RowTracker::Missing& row) { return !tracker_->knows(row.hash); });
    brake(static_cast<std::int64_t>(missing_.size()), static_cast<std::int64_t>(known_rows_),
          [this](const auto& take) {
            std::vector<RowHash> hashes;
            for (const RowTracker::Missing& row : missing_) hashes.push_back(row.hash);
            take(hashes);
          });
  }
  for (std::size_t from = 0; from < missing_.size(); from += kKeysPerStep) {
    check_stop();
    wake();
    const auto began = context_.clock.monotonic();
    const auto first = missing_.begin() + static_cast<std::ptrdiff_t>(from);
    const auto count = std::min(kKeysPerStep, missing_.size() - from);
    const std::size_t refused = remove({first, first + static_cast<std::ptrdiff_t>(count)});
    note_step(began, refused <= count / 2);
  }
  missing_.clear();
  if (state_.brake == Brake::off) return;
  wake();
  BatchCommit commit;
  release_brake(commit);
  this->commit(std::move(commit));
}

/// Rows that the listing did not show. Each is asked for by key before it is believed to be gone: one that
/// only left the filter, or came back meanwhile, is no delete. Returns how many could not be deleted.
std::size_t TableRun::remove(const std::vector<RowTracker::Missing>& missing) {
  BatchCommit commit;
  std::unordered_set<std::string> refused;
  if (mapping_.deletes != Deletes::ignore) {
    Carried carried = writer_->carry(gone_at_source(missing), options(WriteMode::upsert));
    for (RefusedRow& row : carried.refused) {
      refused.insert(row.key.to_json());
      quarantine(std::move(row), commit);
    }
    commit.figures = carried.figures;
    commit.cleared = std::move(carried.settled);
  }
  // What could not be deleted stays known, and is missed again by the next listing.
  for (const auto& row : missing)
    if (refused.count(row.key.to_json()) == 0) tracker_->forget(row.hash);
  this->commit(std::move(commit));
  return refused.size();
}

/// As `remove` changes.
Batch TableRun::gone_at_source(const std::vector<RowTracker::Missing>& missing) {
  const Schema& schema = *source_->schema();
  std::unordered_set<std::string> still_there;
  for (std::size_t from = 0; from < missing.size();) {
    std::vector<Key> keys;
    for (std::size_t i = from; i < missing.size(); ++i) keys.push_back(missing[i].key);
    const Batch found = fetch(keys);
    for (const Change& change : found.changes) still_there.insert(key_of(schema, change).to_json());
    from += keys.size();
  }
  Batch gone(source_->schema());
  for (const auto& row : missing)
    if (still_there.count(row.key.to_json()) == 0) add_removal(gone, row.key);
  return gone;
}

void TableRun::add_removal(Batch& batch, const Key& key) const {
  const Schema& schema = *source_->schema();
  const std::vector<Value> cells = parse_key(schema, key, batch.arena());
  Change& change = batch.add(Operation::remove);
  for (std::size_t i = 0; i < cells.size(); ++i) change.row[schema.key[i]] = cells[i];
}

// --- strategy cursor: both sides' keys are compared ---

/// A run that dies in between has deleted some of what was to go; the next one lists both sides anew. So nothing is
/// kept of where a listing stood: only a whole one tells what is missing, and how much of it.
void TableRun::reconcile() {
  wake();
  const KeyDifferences found = compare_both_sides();
  failpoint("reconcile.listed");
  const KeyFile doomed = ours_to_remove(found);
  brake(doomed.count(), found.at_destination, [&](const auto& take) { each_hashes(doomed, take); });
  const Figures removed = settle(doomed, Settling::removes);
  const Figures repaired = settle(found.missing, Settling::writes);
  const Figures compared = settle(found.unseen, Settling::compares);
  BatchCommit commit;
  release_brake(commit);
  state_.reconciled_at = context_.store.clock().now();
  state_.reconciled = what_was_found(removed, repaired, compared);
  if (const std::int64_t foreign = found.foreign + impossible_keys_; foreign > 0)
    state_.reconciled += fmt::format(
        "; {} at the destination with keys that the source cannot have left alone", rows_of(foreign));
  failpoint("reconcile.before_done");
  this->commit(std::move(commit));
  note_reconciliation();
  if (removed.deleted + repaired.written + compared.written > 0)
    log::info("A reconciliation found differences.",
              {{"sync", context_.sync.name}, {"table", name_}, {"found", state_.reconciled}});
}

/// As a reconciliation, with whole rows: what differs is written as the source has it by now.
void TableRun::repair() {
  wake();
  const auto began = context_.clock.monotonic();
  RowDifferences found = RowComparison(mapping_, plan_.source, context_.source, context_.destination)
                             .compare([this](std::int64_t) {
                               check_stop();
                               show_progress("comparing rows");
                             });
  note_listing(began);
  failpoint("repair.compared");
  if (mapping_.deletes != Deletes::ignore || mapping_.removes_what_leaves()) {
    KeyDifferences keys;
    if (mapping_.deletes != Deletes::ignore) keys.surplus = std::move(found.surplus);
    keys.left = std::move(found.left);
    const KeyFile doomed = ours_to_remove(keys);
    brake(doomed.count(), found.at_destination, [&](const auto& take) { each_hashes(doomed, take); });
    settle(doomed, Settling::removes);
  }
  const Figures written = settle(found.missing, Settling::writes);
  const Figures mended = settle(found.differing, Settling::writes);
  if (plan_.source.strategy != Strategy::diff) {  // which has its own list to go through, with what may pass
    BatchCommit commit;
    release_brake(commit);
    this->commit(std::move(commit));
  }
  notes_.push_back(fmt::format("{}: repaired on {}: {} missing and {} differing were written",
                               mapping_.source, to_rfc3339(context_.store.clock().now()),
                               rows_of(written.written), rows_of(mended.written)));
}

KeyDifferences TableRun::compare_both_sides() {
  KeySides sides{mapping_, context_.source, plan_.source, false, context_.destination, mapper_->outgoing(),
                 {}};
  const auto cursor = plan_.table.schema.find(plan_.source.cursor);
  sides.cursor_may_be_null = cursor && plan_.table.schema.fields[*cursor].nullable;
  sides.on_page = [this](std::int64_t) {
    check_stop();
    show_progress("comparing keys");
  };
  const auto began = context_.clock.monotonic();
  KeyDifferences found = compare_keys(sides);
  note_listing(began);
  return found;
}

/// In a table of our own every row is, whoever put it there.
std::vector<bool> TableRun::written_by_us(const std::vector<RowHash>& keys) const {
  if (state_.owned) return std::vector<bool>(keys.size(), true);
  std::vector<bool> ours = context_.store.has_keys(context_.sync.id, name_, KeySet::written, keys);
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (tracker_->keeps_keys() && tracker_->knows(keys[i])) ours[i] = true;
  return ours;
}

KeyFile TableRun::ours_of(const KeyFile& keys) const {
  KeyFile ours, some;
  std::vector<RowHash> hashes;
  const auto flush = [&] {
    const std::vector<bool> known = written_by_us(hashes);
    std::size_t at = 0;
    const auto again = some.read();
    while (const ListedKey* key = again->next())
      if (known[at++]) ours.add(key->cells);
    some = KeyFile();
    hashes.clear();
  };
  const auto list = keys.read();
  while (const ListedKey* key = list->next()) {
    some.add(key->cells);
    hashes.push_back(hash_row(key->cells));
    if (hashes.size() == kHashesPerStep) flush();
  }
  flush();
  return ours;
}

/// What is gone at the source or outside the filters, and was written by this mapping.
KeyFile TableRun::ours_to_remove(const KeyDifferences& found) const {
  KeyFile ours = ours_of(found.surplus);
  if (!mapping_.removes_what_leaves()) return ours;
  const KeyFile left = ours_of(found.left);
  const auto list = left.read();
  while (const ListedKey* key = list->next()) ours.add(key->cells);
  return ours;
}

/// What `diff` noted with its key is ours to remove. In a table of others `cursor` must know it when its window has
/// forgotten it.
void TableRun::keep_what_diff_wrote() {
  BatchCommit commit;
  std::vector<RowHash>& keys = commit.key_sets.emplace_back().added;
  const auto flush = [&] {
    if (!keys.empty()) this->commit(commit);
    keys.clear();
  };
  context_.store.each_row(context_.sync.id, name_, [&](const RowState& row) {
    if (row.key_json.empty()) return;
    keys.push_back(row.key);
    if (keys.size() == kHashesPerStep) flush();
  });
  flush();
}

/// Brings the rows of these keys to what the source has by now.
Figures TableRun::settle(const KeyFile& keys, Settling how) {
  Figures done;
  std::vector<Key> step;
  const std::unordered_set<std::string> waiting = keys_in_quarantine();
  const auto list = keys.read();
  for (bool more = true; more;) {
    const ListedKey* key = list->next();
    more = key != nullptr;
    if (auto at_source = more ? mapper_->key_at_source(key->cells) : std::nullopt;
        at_source && (how == Settling::removes || waiting.count(at_source->to_json()) == 0)) {
      if (how == Settling::removes) learn(hash_row(key->cells), *at_source);
      step.push_back(std::move(*at_source));
    }
    if (step.size() < kKeysPerStep && (more || step.empty())) continue;
    check_stop();
    done += settle_some(std::exchange(step, {}), how);
  }
  return done;
}

Figures TableRun::settle_some(std::vector<Key> keys, Settling settling) {
  Figures done;
  while (!keys.empty()) {
    const auto began = context_.clock.monotonic();
    std::vector<Key> some = keys;
    Batch rows;
    try {
      rows = fetch(some);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::bad_config && error.kind() != ErrorKind::position_lost) throw;
      return done += settle_one_by_one(std::move(keys), settling, error);
    }
    failpoint("reconcile.confirmed");
    keys.erase(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(some.size()));
    // By their values: the source may spell a number otherwise than the destination.
    std::unordered_set<RowHash> there;
    for (const Change& change : rows.changes) there.insert(hash_key(rows.schema(), change));
    BatchWriter::Options how = options(WriteMode::upsert);
    how.rewrites = true;  // what was applied once is not there, or not as it was
    for (Change& change : rows.changes) change.watched = how.tracks_all;
    if (settling == Settling::removes)
      for (const Key& key : some)
        if (there.count(hash_row(parse_key(rows.schema(), key, rows.arena()))) == 0) add_removal(rows, key);
    Carried carried = writer_->carry(std::move(rows), how);
    // The next run compares these again, and finds what was refused again.
    const bool lasts = settling != Settling::compares && carried.refused.size() <= some.size() / 2;
    BatchCommit commit;
    for (RefusedRow& row : carried.refused) quarantine(std::move(row), commit);
    commit.cleared = std::move(carried.settled);
    commit.key_sets.push_back(std::move(carried.written));
    commit.figures = carried.figures;
    done += carried.figures;
    this->commit(std::move(commit));
    show_progress("reconciling");
    note_step(began, lasts);
  }
  return done;
}

/// The source takes one of these for no key of its own (a number beyond its type's range, of a row that others wrote):
/// that row is left alone.
Figures TableRun::settle_one_by_one(std::vector<Key> keys, Settling how, const Error& error) {
  source_ = context_.source.open_source(plan_.source);  // throws when the table itself is what is wrong
  Figures done;
  if (keys.size() == 1) {
    ++impossible_keys_;
    log::warn("A row at the destination has a key that the source cannot have; it is left alone.",
              {{"sync", context_.sync.name},
               {"table", name_},
               {"key", keys[0].to_json()},
               {"error", error.what()}});
    return done;
  }
  const auto middle = keys.begin() + static_cast<std::ptrdiff_t>(keys.size() / 2);
  done += settle_some({keys.begin(), middle}, how);
  done += settle_some({middle, keys.end()}, how);
  return done;
}

/// Rows that are missing because they were refused are tried again by a schedule of their own.
std::unordered_set<std::string> TableRun::keys_in_quarantine() const {
  std::unordered_set<std::string> waiting;
  if (!has_quarantine_) return waiting;
  for (const QuarantinedRow& row : context_.store.quarantine_of(context_.sync.id, name_, kMostQuarantine))
    waiting.insert(row.key.to_json());
  return waiting;
}

// --- the brake ---

/// Throws HoldError when so many deletes want a person's word, which they have not got.
void TableRun::brake(std::int64_t deletes, std::int64_t rows, const HashChunks& hashes) {
  if (!mapping_.brake.holds(deletes, rows)) return;
  std::int64_t unasked = deletes;
  if (state_.brake == Brake::passes)
    hashes([&](const std::vector<RowHash>& keys) {
      for (const bool passes : context_.store.has_keys(context_.sync.id, name_, KeySet::held, keys))
        unasked -= passes ? 1 : 0;
    });
  if (mapping_.brake.holds(unasked, rows)) hold_back(deletes, rows, hashes);
}

/// Each key is noted, so that a person's word is for these and no others. A word that was given for fewer is void before
/// the first of them is: a run that dies in between must not leave it to stand for these.
void TableRun::hold_back(std::int64_t deletes, std::int64_t rows, const HashChunks& hashes) {
  state_.brake = Brake::held;
  bool first = true;
  hashes([&](const std::vector<RowHash>& keys) {
    BatchCommit commit;
    commit.key_sets.push_back({KeySet::held, std::exchange(first, false), keys, {}});
    this->commit(std::move(commit));
    failpoint("brake.noted");
    check_stop();
  });
  throw HoldError(
      kHoldBrake,
      fmt::format(
          "{} of {} rows of destination table {} would be {}, because their rows at the source are gone or "
          "outside the filters; that is more than {} % and more than {} rows, so nothing was. If it is "
          "right, `syncflow resume {}` lets exactly these go, once; if not, mend the source {} first: what "
          "is back by then stays",
          deletes, rows, mapping_.destination,
          mapping_.deletes == Deletes::soft ? "marked as deleted" : "deleted", mapping_.brake.share,
          mapping_.brake.rows, context_.sync.name, mapping_.source));
}

/// What passed once does not pass again.
void TableRun::release_brake(BatchCommit& commit) {
  if (std::exchange(state_.brake, Brake::off) == Brake::off) return;
  commit.key_sets.push_back({KeySet::held, true, {}, {}});
}

}  // namespace syncflow
