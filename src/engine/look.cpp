#include "engine/look.h"

#include <algorithm>
#include <unordered_map>

#include "core/error.h"
#include "engine/mapper.h"
#include "engine/retry_policy.h"
#include "engine/row_tracker.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLookRows = 1'000;
constexpr std::size_t kLookBytes = 2u << 20;
/// A quarantined row is tried again after this time, doubled with each attempt up to the longest.
constexpr Duration kQuarantineWait = 1min;
constexpr Duration kLongestQuarantineWait = 1h;

/// What the store answers.
template <typename Ask>
auto from_store(const Ask& ask) {
  try {
    return ask();
  } catch (const Error& error) {
    throw StoreTrouble(error);
  }
}

/// Looks at one mapping.
class Look {
 public:
  Look(const EngineParts& parts, PlanCache& plans, const SyncDefinition& sync, const TableMapping& mapping,
       Connection& connection, std::stop_token stop)
      : parts_(parts),
        plans_(plans),
        sync_(sync),
        mapping_(mapping),
        connection_(connection),
        stop_(std::move(stop)) {}

  bool changed() {
    const auto state = from_store([&] { return parts_.store.find_mapping(sync_.id, mapping_.name()); });
    if (!state || state->position.empty()) return true;
    if (state->fingerprint_data != data_fingerprint(sync_, mapping_)) return true;
    if (from_store([&] { return quarantine_is_due(); })) return true;
    const TablePlan plan = planned();
    strategy_ = plan.source.strategy;
    if (is_reconciliation_due(mapping_, strategy_, *state, parts_.store.clock().now())) return true;
    const auto source = connection_.open_source(plan.source);
    const Mapper mapper(mapping_, source->schema());
    if (state->fingerprint_shape != shape_fingerprint(mapping_, *mapper.outgoing())) return true;
    try {
      const Probe probe = source->has_changes(state->position);
      asked_source_ = true;
      if (probe.changed == Changed::yes) return true;
      if (probe.changed == Changed::no) return false;
      return !all_applied(*source, *state, plan.source.strategy == Strategy::diff);
    } catch (const Error& error) {
      // A run says so loudly and loads again.
      if (error.kind() == ErrorKind::position_lost) return true;
      throw;
    }
  }

  Strategy strategy() const { return strategy_; }
  bool asked_source() const { return asked_source_; }

 private:
  TablePlan planned() {
    const std::string name = sync_.id + " " + data_fingerprint(sync_, mapping_) + shape_fingerprint(mapping_);
    const auto now = parts_.clock.monotonic();
    if (auto known = plans_.find(name, now)) return std::move(*known);
    TablePlan plan =
        plan_table(parts_.config, sync_, mapping_, parts_.provider_of(sync_.source).can, connection_);
    plan.source.fields = Mapper::needed_fields(mapping_);
    plans_.put(name, plan, now);
    return plan;
  }

  bool quarantine_is_due() {
    for (const QuarantinedRow& row : parts_.store.quarantine_of(sync_.id, mapping_.name(), kLookRows)) {
      Duration wait = kQuarantineWait;
      for (int i = 1; i < row.attempts && wait < kLongestQuarantineWait; ++i) wait *= 2;
      if (parts_.store.clock().now() >= row.last_seen_at + std::min(wait, kLongestQuarantineWait))
        return true;
    }
    return false;
  }

  /// Reads from the position to the end. True: every row is as it was applied, none is missing, and the
  /// position stands at the end now.
  bool all_applied(Source& source, const MappingState& state, bool diff) {
    const auto keeps = diff ? RowTracker::Keeps::every_row_with_its_key : RowTracker::Keeps::window;
    RowTracker tracker = from_store([&] {
      return RowTracker(parts_.store, sync_.id, mapping_.name(), keeps, RowTracker::Trust::certain,
                        state.generation);
    });
    Mapper mapper(mapping_, source.schema());
    source.open(state.position);
    for (;;) {
      Batch batch = source.next(kLookRows, kLookBytes);
      if (batch.listing_begins) tracker.begin_generation();
      const Position resume = batch.resume;
      const bool caught_up = batch.caught_up;
      const Mapped mapped = mapper.apply(std::move(batch));
      for (std::size_t i = 0; i < mapped.batch.changes.size(); ++i) {
        const Change& change = mapped.batch.changes[i];
        const RowHash key = hash_key(mapped.batch.schema(), change);
        if (change.refusal >= 0) {
          if (!in_quarantine(mapper.source_key(change))) return false;
          if (diff) tracker.note_refused(key);
          continue;
        }
        if (mapped.left_filter[i] && diff && !tracker.knows(key)) continue;
        const RowHash row = hash_row(change.row);
        if (!tracker.applied(key, row) && in_quarantine(mapper.source_key(change)) != row) return false;
        if (diff) tracker.note(key, row, mapper.source_key(change));
      }
      if (stop_.stop_requested()) throw Error(ErrorKind::cancelled, "asked to stop");
      if (!caught_up) continue;
      if (diff) return !has_newly_missing(tracker);
      return from_store(
          [&] { return parts_.store.commit_look(sync_.id, mapping_.name(), state.position, resume); });
    }
  }

  /// Whether a row is missing that is not known to be undeletable.
  bool has_newly_missing(const RowTracker& tracker) {
    for (const RowTracker::Missing& row : tracker.missing())
      if (!in_quarantine(row.key)) return true;
    return false;
  }

  /// The row as the destination refused it, if the key waits in quarantine, by a schedule of its own.
  std::optional<RowHash> in_quarantine(const Key& key) {
    if (!quarantine_) {
      const auto waiting =
          from_store([&] { return parts_.store.quarantine_of(sync_.id, mapping_.name(), kMostQuarantine); });
      quarantine_.emplace();
      for (const QuarantinedRow& row : waiting) quarantine_->emplace(row.key.to_json(), row.row_hash);
    }
    const auto found = quarantine_->find(key.to_json());
    return found == quarantine_->end() ? std::nullopt : std::optional(found->second);
  }

  const EngineParts& parts_;
  PlanCache& plans_;
  const SyncDefinition& sync_;
  const TableMapping& mapping_;
  Connection& connection_;
  std::stop_token stop_;
  Strategy strategy_ = Strategy::cursor;
  bool asked_source_ = false;
  std::optional<std::unordered_map<std::string, RowHash>> quarantine_;
};

bool has_outgrown(Store& store, const std::string& sync_id, const SyncDefinition& definition) {
  return std::any_of(definition.tables.begin(), definition.tables.end(), [&](const TableMapping& mapping) {
    const auto state = store.find_mapping(sync_id, mapping.name());
    return state && state->outgrown_since;
  });
}

/// A table may get a cursor field, or lose one: that is seen after this time at the latest.
constexpr auto kPlanAge = 10min;
constexpr double kPlanJitter = 0.3;
constexpr auto kTidyEvery = 1min;

}  // namespace

std::optional<TablePlan> PlanCache::find(const std::string& name, std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto found = plans_.find(name);
  if (found == plans_.end() || now >= found->second.until) return std::nullopt;
  return found->second.plan;
}

void PlanCache::put(const std::string& name, const TablePlan& plan,
                    std::chrono::steady_clock::time_point now) {
  const std::lock_guard lock(mutex_);
  // Thousands of plans are gone through now and then, not for each that comes.
  if (now - tidied_ >= kTidyEvery) {
    tidied_ = now;
    std::erase_if(plans_, [&](const auto& entry) { return now >= entry.second.until; });
  }
  // Those that were made together do not get old together.
  const auto jitter = std::chrono::duration_cast<Duration>(kPlanAge * (kPlanJitter * random_fraction()));
  plans_[name] = {plan, now + kPlanAge - jitter};
}

Looked look_for_changes(const EngineParts& parts, PlanCache& plans, const Sync& sync, std::stop_token stop) {
  const SyncDefinition definition = definition_from_json(sync.definition, parts.config.variables);
  const auto connection = parts.connect(definition.source, stop);
  Looked looked;
  looked.outgrown = from_store([&] { return has_outgrown(parts.store, sync.id, definition); });
  looked.changed = from_store([&] { return !left_nothing_unnoted(parts.store, sync.id, ""); });
  if (looked.changed) return looked;
  for (const TableMapping& mapping : definition.tables) {
    Look look(parts, plans, definition, mapping, *connection, stop);
    looked.changed = look.changed();
    looked.asked_source = looked.asked_source || look.asked_source();
    if (looked.changed) break;
    looked.strategies.push_back(look.strategy());
  }
  return looked;
}

}  // namespace syncflow
