#include "engine/table_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/failpoint.h"
#include "core/log.h"
#include "core/secrets.h"
#include "core/uuid.h"
#include "engine/counting.h"
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
  const auto began = context_.clock.monotonic();
  const BatchPolicy& policy = context_.sync.batch;
  ReadAhead reading(*source_, {policy.rows ? policy.rows : kAutoRows, policy.bytes, 1});
  while (auto batch = reading.next()) {
    failpoint("pipeline.after_read");
    const bool last = batch->caught_up;
    carry(std::move(*batch));
    check_stop();
    if (!last) make_room();
    if (policy.interval.count() > 0) context_.clock.sleep(policy.interval, context_.lease.stop_token());
  }
  reading.finish();
  if (plan_.source.strategy == Strategy::diff) missing_ = tracker_->missing();
  known_rows_ = tracker_->size();
  note_listing(began);
}

void TableRun::prepare() {
  state_ = context_.store.find_mapping(context_.sync.id, name_).value_or(MappingState{});
  plan_ = plan_table(context_.config, context_.sync, mapping_, context_.source_can, context_.source);
  notes_ = plan_.warnings;
  report_.strategy = name_of(plan_.source.strategy);
  check_what_is_read();
  plan_.source.fields = Mapper::needed_fields(mapping_);
  source_ = context_.source.open_source(plan_.source);
  notes_.push_back(fmt::format("{}: {}", mapping_.source, source_->method()));
  mapper_ = std::make_unique<Mapper>(mapping_, source_->schema());
  check_what_comes_out();
  const std::string size_warning = apply_size_rule(plan_, *source_, state_, context_.clock.now());
  if (!size_warning.empty()) notes_.push_back(size_warning);
  prepare_destination();
  check_reconciliation();
  open_source();
  open_writer();
  note_ownership();
  if (state_.position.empty() && !forget_everything_ && records_keys()) keep_what_diff_wrote();
  has_quarantine_ = !context_.store.quarantine_of(context_.sync.id, name_, 1).empty();
}

void TableRun::open_writer() {
  const auto keeps = plan_.source.strategy == Strategy::diff ? RowTracker::Keeps::every_row_with_its_key
                                                             : RowTracker::Keeps::window;
  // Rows of another shape may have equal hashes: those know cells, not what they are called.
  const auto trust = forget_everything_                         ? RowTracker::Trust::nothing
                     : context_.trusts_rows && !reads_all_anew_ ? RowTracker::Trust::certain
                                                                : RowTracker::Trust::doubtful;
  tracker_ =
      std::make_unique<RowTracker>(context_.store, context_.sync.id, name_, keeps, trust, state_.generation);
  writer_ = std::make_unique<BatchWriter>(*mapper_, *tracker_, *destination_, context_.lease, context_.clock,
                                          context_.destination_provider);
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

void TableRun::check_what_is_read() {
  const std::string data = data_fingerprint(context_.sync, mapping_);
  if (!state_.fingerprint_data.empty() && state_.fingerprint_data != data) {
    state_ = {};
    forget_everything_ = true;
    notes_.push_back(
        fmt::format("{}: source, key or destination changed, so the table is loaded anew", name_));
  }
  // Nothing of a mapping that begins is at the destination, so there is nothing to be taken over from before.
  if (state_.fingerprint_data.empty() && plan_.source.strategy == Strategy::diff)
    state_.reconciled_at = context_.store.clock().now();
  state_.fingerprint_data = data;
}

void TableRun::check_what_comes_out() {
  const std::string shape = shape_fingerprint(mapping_, *mapper_->outgoing());
  if (!state_.fingerprint_shape.empty() && state_.fingerprint_shape != shape)
    begin_again("fields, transforms, filters or deletes changed, so every row is read again");
  state_.fingerprint_shape = shape;
}

/// Reads and writes everything once more. What diff last saw stays known, so that rows that went meanwhile are still
/// found missing.
void TableRun::begin_again(const std::string& why) {
  state_.position = {};
  state_.appending = false;
  state_.reconciled_at.reset();
  reads_all_anew_ = true;
  notes_.push_back(fmt::format("{}: {}", name_, why));
  log::info("A table is read from its beginning again.",
            {{"sync", context_.sync.name}, {"table", name_}, {"why", why}});
}

void TableRun::prepare_destination() {
  const DestinationSpec spec = destination_spec(mapping_, *mapper_->outgoing());
  const bool first = state_.position.empty() && !state_.owned && state_.generation == 0;
  if (first) refuse_itself();
  destination_ = context_.destination.open_destination(spec);
  // Where everything is read from the start, a table that is missing may be made.
  const Prepared prepared = state_.position.empty() ? destination_->prepare() : prepare_known(spec);
  notes_.insert(notes_.end(), prepared.warnings.begin(), prepared.warnings.end());
  if (prepared.created)
    log::info("Created a destination table.",
              {{"sync", context_.sync.name}, {"table", mapping_.destination}});
  if (prepared.created && !first) forget_everything_ = true;
  else if (!first) return;
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

/// One table under two names is filled from itself, and `existing: replace` would empty it.
void TableRun::refuse_itself() const {
  const std::string source = context_.source.identify(mapping_.source);
  if (source.empty() || source != context_.destination.identify(mapping_.destination)) return;
  throw Error(
      ErrorKind::bad_config,
      fmt::format("{} of {} and {} of {} are one and the same table: name another destination",
                  mapping_.source, context_.sync.source, mapping_.destination, context_.sync.destination));
}

/// A table that rows were written to. One that went since then is no beginning: made anew it would hold only what
/// changes from now on.
Prepared TableRun::prepare_known(const DestinationSpec& spec) {
  DestinationSpec there = spec;
  there.create = false;
  destination_ = context_.destination.open_destination(there);
  try {
    return destination_->prepare();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::bad_config && error.kind() != ErrorKind::not_found) throw;
    read_again_once_mended();
    if (!spec.create || context_.destination.open_destination(spec)->prepare(true).ddl.empty()) throw;
  }
  throw Error(
      ErrorKind::not_found,
      fmt::format("destination table {} of connection {} is gone, or hidden from its login, though rows were "
                  "written there: put it back, and go on with `syncflow resume {}`; without it the sync then "
                  "makes it anew and fills it from the start",
                  mapping_.destination, context_.sync.destination, context_.sync.name));
}

/// A column or table that went took its values along, and comes back without them.
void TableRun::read_again_once_mended() {
  BatchCommit commit;
  commit.mapping = name_;
  commit.state = state_;
  commit.state.position = {};
  commit.state.appending = false;
  commit.clear_all_rows = forget_everything_;
  context_.store.commit_batch(context_.lease.lease(), commit);
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

  const std::size_t rows = batch.rows();
  Carried carried =
      writer_->carry(std::move(batch), options(state_.appending ? WriteMode::append : WriteMode::upsert));

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
  for (RefusedRow& row : carried.refused) quarantine(std::move(row), commit);
  if (entered_.size() > kMostDeferred)
    throw Error(ErrorKind::unavailable,
                fmt::format("more than {} rows wait for rows of other tables; sync those tables "
                            "too, or drop the foreign keys of {}",
                            kMostDeferred, mapping_.destination));
  commit.cleared = std::move(carried.settled);
  commit.key_sets.push_back(std::move(carried.written));
  commit.figures = carried.figures;
  if (caught_up && plan_.source.strategy == Strategy::cursor) tracker_->forget_older_generations();
  state_.position = resume;
  this->commit(std::move(commit));
  show_progress(loading ? "first load" : plan_.source.strategy == Strategy::diff ? "comparing" : "changes");
}

void TableRun::quarantine(RefusedRow row, BatchCommit& commit) {
  failpoint("pipeline.rejection");
  has_quarantine_ = true;
  entered_.insert(row.key.to_json());
  QuarantinedRow entry;
  entry.id = random_uuid();
  entry.sync_id = context_.sync.id;
  entry.mapping = name_;
  entry.table = mapping_.source;
  entry.key = std::move(row.key);
  entry.field = std::move(row.field);
  entry.reason = without_secrets(row.reason);
  entry.row_hash = row.row;
  entry.first_seen_at = entry.last_seen_at = context_.clock.now();
  commit.quarantined.push_back(std::move(entry));
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
  count_figures(context_.sync, commit.figures);
}

/// The rows of as many of the first keys as a batch holds; `keys` is cut to those.
Batch TableRun::fetch(std::vector<Key>& keys) {
  for (;;) {
    Batch rows = source_->fetch(keys, context_.sync.batch.bytes);
    if (rows.caught_up || keys.size() == 1) return rows;
    keys.resize((keys.size() + 1) / 2);
  }
}

BatchWriter::Options TableRun::options(WriteMode mode) const {
  BatchWriter::Options options;
  options.mode = mode;
  options.tracks_all = plan_.source.strategy == Strategy::diff;
  options.wants_settled = has_quarantine_;
  if (records_keys())
    options.may_remove = [this](const std::vector<RowHash>& keys) {
      return context_.store.has_keys(context_.sync.id, name_, KeySet::written, keys);
    };
  return options;
}

/// Makes room between its steps: those that wait for longest go first, so the next run goes on with the others. Not while
/// it would not come to all of the rows that this run put there, for rows that others lacked may be there by now; nor
/// in a repair, which begins from its start.
bool TableRun::retry_quarantine(bool first) {
  const auto waiting =
      context_.store.quarantine_of(context_.sync.id, name_, kQuarantinePerRun + entered_.size());
  const bool may_make_room = !context_.repairs && (entered_.empty() || waiting.size() <= kQuarantinePerRun);
  bool settled = false;
  for (std::size_t from = 0; from < waiting.size();) {
    check_stop();
    wake();
    from += retry(std::span(waiting).subspan(from), first, settled);
    if (may_make_room && from < waiting.size()) make_room();
  }
  return settled;
}

/// Tries some of the first ones again; returns how many.
std::size_t TableRun::retry(std::span<const QuarantinedRow> waiting, bool first, bool& settled) {
  std::vector<Key> keys;
  for (std::size_t i = 0; i < std::min(kKeysPerStep, waiting.size()); ++i) keys.push_back(waiting[i].key);
  Batch rows = fetch(keys);
  std::unordered_map<std::string, const QuarantinedRow*> tried;
  for (std::size_t i = 0; i < keys.size(); ++i) tried[keys[i].to_json()] = &waiting[i];

  BatchWriter::Options how = options(WriteMode::upsert);
  how.wants_settled = how.tries_again = true;
  std::unordered_set<std::string> there;
  for (Change& change : rows.changes) {
    change.watched = how.tracks_all;
    there.insert(key_of(rows.schema(), change).to_json());
  }
  // A row that is gone at the source may be one that could not be deleted.
  if ((how.tracks_all || reconciles()) && mapping_.deletes != Deletes::ignore)
    for (const Key& key : keys)
      if (there.count(key.to_json()) == 0) add_removal(rows, key);
  Carried carried = writer_->carry(std::move(rows), how);

  BatchCommit commit;
  std::unordered_set<std::string> refused;
  for (RefusedRow& row : carried.refused) {
    const std::string key = row.key.to_json();
    refused.insert(key);
    // One time of trying counts once, however many passes it takes.
    if (!first || entered_.count(key) != 0) continue;
    QuarantinedRow again = tried.count(key) != 0 ? *tried[key] : QuarantinedRow{};
    if (again.id.empty()) continue;  // another spelling of a key that stays in quarantine as it is
    again.field = std::move(row.field);
    again.reason = without_secrets(row.reason);
    again.row_hash = row.row;
    commit.quarantined.push_back(std::move(again));
  }
  // A row that came to rest moves from `quarantined` to where it went when this run had entered it; an older one
  // is a change of its own. One that is refused again changes no figure.
  carried.figures.read -= carried.figures.quarantined;
  carried.figures.quarantined = 0;
  for (const Key& key : keys) {
    const std::string text = key.to_json();
    if (refused.count(text) != 0) continue;
    settled = true;
    commit.cleared.push_back(key);
    if (entered_.erase(text) == 0 || there.count(text) == 0) continue;
    --carried.figures.read;
    --carried.figures.quarantined;
  }
  commit.figures = carried.figures;
  commit.key_sets.push_back(std::move(carried.written));
  this->commit(std::move(commit));
  return keys.size();
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

void TableRun::make_room() const {
  if (context_.should_yield()) throw YieldError();
}

void TableRun::note_listing(std::chrono::steady_clock::time_point began) {
  listed_for_ = context_.clock.monotonic() - began;
  settled_for_ = {};
}

/// What was settled stays so, but the listing that told what to settle cannot be gone on with, and is made anew by the
/// next run; as are steps that do not last. So this run settles for at least as long as all that took before it makes
/// room: then no more than half of the time of all runs is spent twice, and they come to an end however often others
/// wait. Nor is there room before a listing: tables are gone through in a set order, and the last of many would never
/// have its turn.
void TableRun::note_step(std::chrono::steady_clock::time_point began, bool lasts) {
  (lasts ? settled_for_ : listed_for_) += context_.clock.monotonic() - began;
  if (lasts && settled_for_ >= listed_for_) make_room();
}

void TableRun::check_stop() const {
  context_.lease.check();
  if (context_.lease.stop_token().stop_requested())
    throw Error(ErrorKind::cancelled, "asked to stop; the next run goes on where this one stood");
}

}  // namespace syncflow
