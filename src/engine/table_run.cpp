#include "engine/table_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/failpoint.h"
#include "core/log.h"
#include "core/uuid.h"
#include "engine/read_ahead.h"
#include "engine/retry_policy.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kAutoRows = 50'000;
/// More rejections than this, and more than this share of a batch, are no odd rows but a mistake in the set-up.
constexpr std::size_t kToleratedRejections = 100;
constexpr double kToleratedShare = 0.05;
/// Refusals that may succeed once other rows are there; beyond this the parent rows are simply missing.
constexpr std::size_t kMostDeferred = 100'000;
constexpr std::size_t kQuarantinePerRun = 10'000;
constexpr std::size_t kKeysPerStep = 500;

bool may_succeed_later(const RefusedRow& row) {
  return row.cause == RejectionCause::foreign_key || row.cause == RejectionCause::unique;
}

}  // namespace

TableRun::TableRun(RunContext& context, const TableMapping& mapping)
    : context_(context), mapping_(mapping), name_(mapping.name()) {
  report_.source = mapping.source;
  report_.destination = mapping.destination;
}

TableRun::~TableRun() = default;

void TableRun::run() {
  began_ = true;
  prepare();
  const BatchPolicy& policy = context_.sync.batch;
  ReadAhead reading(*source_, {policy.rows ? policy.rows : kAutoRows, policy.bytes, 1});
  while (auto batch = reading.next()) {
    failpoint("pipeline.after_read");
    const bool last = batch->caught_up;
    carry(std::move(*batch));
    check_stop();
    if (!last && context_.should_yield())
      throw Error(ErrorKind::cancelled, "made room for others that wait; goes on after them");
    if (policy.interval.count() > 0) context_.clock.sleep(policy.interval, context_.lease.stop_token());
  }
  reading.finish();
  if (plan_.source.strategy == Strategy::diff) missing_ = tracker_->missing();
}

void TableRun::prepare() {
  state_ = context_.store.find_mapping(context_.sync.id, name_).value_or(MappingState{});
  plan_ = plan_table(context_.config, context_.sync, mapping_, context_.source_can, context_.source);
  notes_ = plan_.warnings;
  report_.strategy = name_of(plan_.source.strategy);
  check_fingerprints();
  plan_.source.fields = Mapper::needed_fields(mapping_);
  source_ = context_.source.open_source(plan_.source);
  notes_.push_back(fmt::format("{}: {}", mapping_.source, source_->method()));
  const std::string size_warning = apply_size_rule(plan_, *source_, state_, context_.clock.now());
  if (!size_warning.empty()) notes_.push_back(size_warning);
  mapper_ = std::make_unique<Mapper>(mapping_, source_->schema());
  prepare_destination();
  open_source();
  open_writer();
  note_ownership();
  has_quarantine_ = !context_.store.quarantine_of(context_.sync.id, name_, 1).empty();
}

void TableRun::open_writer() {
  const bool diff = plan_.source.strategy == Strategy::diff;
  tracker_ = std::make_unique<RowTracker>(
      context_.store, context_.sync.id, name_,
      diff ? RowTracker::Keeps::every_row_with_its_key : RowTracker::Keeps::window,
      context_.trusts_rows ? RowTracker::Trust::certain : RowTracker::Trust::doubtful, state_.generation);
  writer_ = std::make_unique<BatchWriter>(*mapper_, *tracker_, *destination_, context_.lease);
}

void TableRun::rest() {
  writer_.reset();
  tracker_.reset();
  mapper_.reset();
  destination_.reset();
  source_.reset();
}

/// For what comes after the reading: the source is only asked for rows by key, and needs no position.
void TableRun::wake() {
  if (writer_) return;
  source_ = context_.source.open_source(plan_.source);
  mapper_ = std::make_unique<Mapper>(mapping_, source_->schema());
  destination_ = context_.destination.open_destination(destination_spec(mapping_, *mapper_->outgoing()));
  destination_->prepare();
  open_writer();
}

void TableRun::check_fingerprints() {
  const std::string data = data_fingerprint(context_.sync, mapping_);
  const std::string shape = shape_fingerprint(mapping_);
  const bool known = !state_.fingerprint_data.empty();
  if (known && state_.fingerprint_data != data) {
    state_ = {};
    forget_everything_ = true;
    notes_.push_back(
        fmt::format("{}: source, key or destination changed, so the table is loaded anew", name_));
  } else if (known && state_.fingerprint_shape != shape) {
    begin_again("fields, transforms, filters or deletes changed, so every row is read again");
  }
  state_.fingerprint_data = data;
  state_.fingerprint_shape = shape;
}

/// Reads everything once more. What diff last saw stays known, so that rows that went meanwhile are still
/// found missing; their hashes are of the old shape and differ, so that all are written.
void TableRun::begin_again(const std::string& why) {
  state_.position = {};
  state_.appending = false;
  notes_.push_back(fmt::format("{}: {}", name_, why));
  log::info("A table is read from its beginning again.",
            {{"sync", context_.sync.name}, {"table", name_}, {"why", why}});
}

void TableRun::prepare_destination() {
  destination_ = context_.destination.open_destination(destination_spec(mapping_, *mapper_->outgoing()));
  const Prepared prepared = destination_->prepare();
  notes_.insert(notes_.end(), prepared.warnings.begin(), prepared.warnings.end());
  if (prepared.created)
    log::info("Created a destination table.",
              {{"sync", context_.sync.name}, {"table", mapping_.destination}});
  const bool first = state_.position.empty() && !state_.owned && state_.generation == 0;
  if (!first) return;
  if (!prepared.created && !prepared.empty) {
    if (mapping_.existing == Existing::refuse)
      throw Error(
          ErrorKind::bad_config,
          fmt::format(
              "destination table {} has rows already and the mapping says existing: refuse; empty it, or say "
              "adopt (match rows by key) or replace (remove them first)",
              mapping_.destination));
    if (mapping_.existing == Existing::adopt) return;
    destination_->remove_all(context_.lease);
  }
  state_.owned = true;
  state_.appending = true;
  owned_now_ = true;
}

/// Before the first row is written: after a crash its rows must be known as ours.
void TableRun::note_ownership() {
  if (std::exchange(owned_now_, false)) commit({});
}

void TableRun::open_source() {
  try {
    source_->open(state_.position);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::position_lost) throw;
    log::warn("The source no longer knows the position.",
              {{"sync", context_.sync.name}, {"error", error.what()}});
    begin_again(error.what());
    source_->open(state_.position);
  }
}

void TableRun::carry(Batch batch) {
  if (batch.listing_begins) {
    tracker_->begin_generation();
    state_.generation = tracker_->generation();
  }
  const bool loading = batch.loading;
  const Position resume = batch.resume;
  const bool caught_up = batch.caught_up;
  if (!loading) state_.appending = false;

  BatchWriter::Options options;
  options.mode = state_.appending ? WriteMode::append : WriteMode::upsert;
  options.tracks_all = plan_.source.strategy == Strategy::diff;
  options.wants_settled = has_quarantine_;
  const std::size_t rows = batch.rows();
  Carried carried = writer_->carry(std::move(batch), options);

  BatchCommit commit;
  const auto odd =
      static_cast<std::size_t>(std::count_if(carried.refused.begin(), carried.refused.end(),
                                             [](const RefusedRow& row) { return !may_succeed_later(row); }));
  if (odd > kToleratedRejections && static_cast<double>(odd) > kToleratedShare * static_cast<double>(rows)) {
    const RefusedRow& first = carried.refused.front();
    throw Error(
        ErrorKind::unavailable,
        fmt::format(
            "{} of {} rows were refused, which is no odd row: nothing of this batch is counted as done. "
            "The first is key {}, field \"{}\": {}",
            odd, rows, first.key.to_json(), first.field, first.reason));
  }
  for (RefusedRow& row : carried.refused) {
    failpoint("pipeline.rejection");
    entered_.insert(row.key.to_json());
    QuarantinedRow entry;
    entry.id = random_uuid();
    entry.sync_id = context_.sync.id;
    entry.mapping = name_;
    entry.table = mapping_.source;
    entry.key = std::move(row.key);
    entry.field = std::move(row.field);
    entry.reason = std::move(row.reason);
    entry.first_seen_at = entry.last_seen_at = context_.clock.now();
    commit.quarantined.push_back(std::move(entry));
  }
  if (entered_.size() > kMostDeferred)
    throw Error(ErrorKind::unavailable,
                fmt::format("more than {} rows wait for rows of other tables; sync those tables "
                            "too, or drop the foreign keys of {}",
                            kMostDeferred, mapping_.destination));
  if (!commit.quarantined.empty()) has_quarantine_ = true;
  commit.cleared = std::move(carried.settled);
  commit.figures = carried.figures;
  if (caught_up && plan_.source.strategy == Strategy::cursor) tracker_->forget_older_generations();
  state_.position = resume;
  this->commit(std::move(commit));
  show_progress(loading ? "first load" : plan_.source.strategy == Strategy::diff ? "comparing" : "changes");
}

void TableRun::commit(BatchCommit commit) {
  commit.mapping = name_;
  commit.state = state_;
  commit.clear_all_rows = std::exchange(forget_everything_, false);
  tracker_->save_to(commit);
  failpoint("pipeline.before_commit");
  context_.store.commit_batch(context_.lease.lease(), commit);
  failpoint("pipeline.after_commit");
  report_.figures += commit.figures;
}

void TableRun::remove_missing() {
  for (std::size_t from = 0; from < missing_.size(); from += kKeysPerStep) {
    check_stop();
    wake();
    const auto first = missing_.begin() + static_cast<std::ptrdiff_t>(from);
    const auto count = std::min(kKeysPerStep, missing_.size() - from);
    remove({first, first + static_cast<std::ptrdiff_t>(count)});
  }
  missing_.clear();
}

/// Rows that the listing did not show. Each is asked for by key before it is believed to be gone: one that
/// only left the filter, or came back meanwhile, is no delete.
void TableRun::remove(const std::vector<RowTracker::Missing>& missing) {
  BatchCommit commit;
  if (mapping_.deletes != Deletes::ignore) {
    std::vector<Key> keys;
    for (const auto& row : missing) keys.push_back(row.key);
    std::unordered_set<RowHash> still_there;
    const Batch found = source_->fetch(keys);
    for (const Change& change : found.changes) still_there.insert(hash_key(found.schema(), change));

    Batch gone(source_->schema());
    for (const auto& row : missing) {
      const std::vector<Value> cells = parse_key(*source_->schema(), row.key, gone.arena());
      Change& change = gone.add(Operation::remove);
      for (std::size_t i = 0; i < cells.size(); ++i) change.row[source_->schema()->key[i]] = cells[i];
      if (still_there.count(hash_key(*source_->schema(), change)) != 0) gone.changes.pop_back();
    }
    BatchWriter::Options options;
    options.tracks_all = true;
    options.wants_settled = has_quarantine_;
    Carried carried = writer_->carry(std::move(gone), options);
    commit.figures = carried.figures;
    commit.cleared = std::move(carried.settled);
    if (!carried.refused.empty())
      throw Error(ErrorKind::unavailable,
                  fmt::format("a row that is gone at the source could not be deleted: {}",
                              carried.refused.front().reason));
  }
  for (const auto& row : missing) tracker_->forget(row.hash);
  this->commit(std::move(commit));
}

bool TableRun::retry_quarantine(bool first) {
  const auto waiting =
      context_.store.quarantine_of(context_.sync.id, name_, kQuarantinePerRun + entered_.size());
  bool settled = false;
  for (std::size_t from = 0; from < waiting.size(); from += kKeysPerStep) {
    check_stop();
    wake();
    const auto begin = waiting.begin() + static_cast<std::ptrdiff_t>(from);
    const auto count = std::min(kKeysPerStep, waiting.size() - from);
    settled |= retry({begin, begin + static_cast<std::ptrdiff_t>(count)}, first);
  }
  return settled;
}

bool TableRun::retry(const std::vector<QuarantinedRow>& waiting, bool first) {
  std::vector<Key> keys;
  std::unordered_map<std::string, const QuarantinedRow*> unsettled;
  for (const QuarantinedRow& row : waiting) {
    keys.push_back(row.key);
    unsettled[row.key.to_json()] = &row;
  }
  BatchWriter::Options options;
  options.tracks_all = plan_.source.strategy == Strategy::diff;
  options.wants_settled = true;
  options.tries_again = true;
  Batch rows = source_->fetch(keys);
  if (options.tracks_all)
    for (Change& change : rows.changes) change.watched = true;
  std::unordered_set<std::string> found;
  for (const Change& change : rows.changes) found.insert(key_of(rows.schema(), change).to_json());
  Carried carried = writer_->carry(std::move(rows), options);

  BatchCommit commit;
  // A row that came to rest moves from `quarantined` to where it went when this run had entered it; an
  // older one is a change of its own. One that is refused again changes no figure.
  carried.figures.read -= carried.figures.quarantined;
  carried.figures.quarantined = 0;
  for (const Key& key : carried.settled) {
    if (entered_.erase(key.to_json()) == 0) continue;
    --carried.figures.read;
    --carried.figures.quarantined;
  }
  commit.figures = carried.figures;
  commit.cleared = std::move(carried.settled);
  for (const Key& key : keys)
    if (found.count(key.to_json()) == 0) commit.cleared.push_back(key);
  for (RefusedRow& row : carried.refused) {
    const std::string key = row.key.to_json();
    // One time of trying counts once, however many passes it takes.
    if (!first || entered_.count(key) != 0) continue;
    QuarantinedRow again = *unsettled.at(key);
    again.field = std::move(row.field);
    again.reason = std::move(row.reason);
    again.attempts += 1;
    again.last_seen_at = context_.clock.now();
    commit.quarantined.push_back(std::move(again));
  }
  const bool settled = !commit.cleared.empty();
  this->commit(std::move(commit));
  return settled;
}

void TableRun::show_progress(const char* phase) {
  if (!context_.on_progress) return;
  const auto now = context_.clock.monotonic();
  if (now - shown_at_ < 200ms) return;
  shown_at_ = now;
  Progress progress;
  progress.sync = context_.sync.name;
  progress.table = name_;
  progress.phase = phase;
  progress.rows = report_.figures.read;
  if (std::string_view(phase) == "first load") progress.of_rows = plan_.table.row_estimate;
  context_.on_progress(progress);
}

void TableRun::check_stop() const {
  context_.lease.check();
  if (context_.lease.stop_token().stop_requested())
    throw Error(ErrorKind::cancelled, "asked to stop; the next run goes on where this one stood");
}

}  // namespace syncflow
