#include "engine/verification.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_set>

#include "core/error.h"
#include "core/log.h"
#include "engine/row_comparison.h"
#include "engine/row_tracker.h"
#include "engine/table_plan.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kKeysPerLook = 500;
constexpr std::size_t kPendingRows = 10'000;
constexpr std::size_t kPendingBytes = 8u << 20;
/// A sync that is further behind than so many changes is not read to its end: its rows are told as differing.
constexpr std::size_t kMostPending = 1'000'000;
constexpr auto kBetweenProgress = 200ms;

/// Compares one mapping's two sides.
class TableCheck {
 public:
  TableCheck(const EngineParts& parts, const SyncDefinition& sync, const TableMapping& mapping,
             Connection& source, Connection& destination, const std::stop_token& stop)
      : parts_(parts), sync_(sync), mapping_(mapping), source_(source), stop_(stop) {
    state_ = parts.store.find_mapping(sync.id, mapping.name()).value_or(MappingState{});
    plan_ = plan_table(parts.config, sync, mapping, parts.provider_of(sync.source).can, source);
    comparison_ = std::make_unique<RowComparison>(mapping, plan_.source, source, destination);
    result_.source = mapping.source;
    result_.destination = mapping.destination;
  }

  TableVerification run() {
    const RowDifferences found = comparison_->compare([this](std::int64_t rows) { show(rows); });
    result_.at_source = found.at_source;
    result_.at_destination = found.at_destination + found.foreign;
    result_.kept = found.foreign;
    // Rows change while they are read: what is equal at a second look never differed.
    const KeyFile unsettled = still_unequal({&found.differing, &found.missing, &found.surplus, &found.left});
    if (unsettled.count() > 0) {
      read_what_waits();
      each_step(unsettled, [this](const auto& keys) { judge(keys); });
    }
    result_.equal =
        result_.at_source - result_.differing - result_.missing - waiting_here_ - result_.quarantined;
    return std::move(result_);
  }

 private:
  using Keys = std::vector<std::vector<Value>>;
  using State = RowComparison::Looked::State;

  void check_stop() const {
    if (stop_.stop_requested()) throw Error(ErrorKind::cancelled, "asked to stop");
  }

  void show(std::int64_t rows) {
    check_stop();
    listed_ += rows;
    const auto now = parts_.clock.monotonic();
    if (!parts_.on_progress || now - shown_at_ < kBetweenProgress) return;
    shown_at_ = now;
    Progress progress{sync_.name, mapping_.name(), "comparing rows", listed_, -1};
    if (plan_.table.row_estimate > 0) progress.of_rows = 2 * plan_.table.row_estimate;
    parts_.on_progress(progress);
  }

  template <typename Take>
  void each_step(const KeyFile& file, Take take) {
    Arena arena;
    Keys keys;
    const auto list = file.read();
    for (bool more = true; more;) {
      const ListedKey* key = list->next();
      more = key != nullptr;
      if (more) {
        keys.emplace_back();
        for (const Value& cell : key->cells) keys.back().push_back(cell.copied_to(arena));
      }
      if (keys.size() < kKeysPerLook && (more || keys.empty())) continue;
      check_stop();
      take(keys);
      keys.clear();
      arena.clear();
    }
  }

  KeyFile still_unequal(const std::vector<const KeyFile*>& found) {
    KeyFile unequal;
    for (const KeyFile* file : found)
      each_step(*file, [&](const Keys& keys) {
        const auto looked = comparison_->look_again(keys);
        for (std::size_t i = 0; i < keys.size(); ++i)
          if (looked[i].state != State::equal && looked[i].state != State::gone) unequal.add(keys[i]);
      });
    return unequal;
  }

  /// The rows that the next run would carry, and those that wait in quarantine.
  void read_what_waits() {
    for (const QuarantinedRow& row : parts_.store.quarantine_of(sync_.id, mapping_.name(), kMostQuarantine))
      quarantine_.insert(row.key.to_json());
    if (state_.position.empty()) return;
    SourceSpec spec = plan_.source;
    spec.fields = Mapper::needed_fields(mapping_);
    const auto source = source_.open_source(spec);
    try {
      source->open(state_.position);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::position_lost) throw;
      log::warn(
          "The source no longer knows the sync's position: what the next run will carry cannot be told "
          "apart.",
          {{"sync", sync_.name}, {"table", mapping_.name()}, {"error", error.what()}});
      return;
    }
    const bool diff = plan_.source.strategy == Strategy::diff;
    const RowTracker tracker(parts_.store, sync_.id, mapping_.name(),
                             diff ? RowTracker::Keeps::every_row_with_its_key : RowTracker::Keeps::window,
                             RowTracker::Trust::certain, state_.generation);
    Mapper mapper(mapping_, source->schema());
    for (bool caught_up = false; !caught_up && waiting_.size() < kMostPending;) {
      check_stop();
      Batch batch = source->next(kPendingRows, kPendingBytes);
      caught_up = batch.caught_up;
      const Mapped mapped = mapper.apply(std::move(batch));
      for (const Change& change : mapped.batch.changes) {
        const RowHash key = hash_key(mapped.batch.schema(), change);
        if (!tracker.applied(key, hash_row(change.row))) waiting_.insert(key);
      }
    }
  }

  void judge(const Keys& keys) {
    const auto looked = comparison_->look_again(keys);
    std::vector<RowHash> hashes;
    for (const auto& key : keys) hashes.push_back(hash_row(key));
    const std::vector<bool> ours = written_by_us(hashes);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const auto& row = looked[i];
      if (row.state == State::equal || row.state == State::gone) continue;
      const bool only_there = row.state == State::surplus || row.state == State::left;
      const bool goes =
          row.state == State::surplus ? mapping_.deletes != Deletes::ignore : mapping_.removes_what_leaves();
      if (only_there && (!goes || !ours[i])) ++result_.kept;
      else if (quarantine_.count(row.source_key.to_json()) != 0 && !only_there) ++result_.quarantined;
      else if (waiting_.count(hashes[i]) != 0) note_waiting(only_there);
      else if (only_there) note("surplus", row, result_.surplus);
      else if (row.state == State::missing) note("missing", row, result_.missing);
      else note("differs", row, result_.differing);
    }
  }

  void note_waiting(bool only_there) {
    ++result_.waiting;
    if (!only_there) ++waiting_here_;
  }

  void note(const char* kind, const RowComparison::Looked& row, std::int64_t& count) {
    ++count;
    if (result_.differences.size() < TableVerification::kMostShown)
      result_.differences.push_back({kind, row.source_key.to_json(), row.fields});
  }

  /// In a table of our own every row is. In one that others fill too: what was noted as written, by either strategy,
  /// for one that takes the other's place takes that over with its next run.
  std::vector<bool> written_by_us(const std::vector<RowHash>& keys) {
    if (state_.owned) return std::vector<bool>(keys.size(), true);
    if (!known_) {
      known_.emplace();
      const bool diff = plan_.source.strategy == Strategy::diff;
      parts_.store.each_row(sync_.id, mapping_.name(), [&](const RowState& row) {
        if (diff || !row.key_json.empty()) known_->insert(row.key);
      });
    }
    std::vector<bool> ours = parts_.store.has_keys(sync_.id, mapping_.name(), KeySet::written, keys);
    for (std::size_t i = 0; i < keys.size(); ++i)
      if (known_->count(keys[i]) != 0) ours[i] = true;
    return ours;
  }

  const EngineParts& parts_;
  const SyncDefinition& sync_;
  const TableMapping& mapping_;
  Connection& source_;
  const std::stop_token& stop_;
  MappingState state_;
  TablePlan plan_;
  std::unique_ptr<RowComparison> comparison_;
  TableVerification result_;
  std::unordered_set<RowHash> waiting_;
  std::unordered_set<std::string> quarantine_;
  std::optional<std::unordered_set<RowHash>> known_;  ///< keys that were noted with their rows
  std::int64_t waiting_here_ = 0;
  std::int64_t listed_ = 0;
  std::chrono::steady_clock::time_point shown_at_{};
};

}  // namespace

bool Verification::is_equal() const {
  return std::all_of(tables.begin(), tables.end(), [](const auto& table) { return table.is_equal(); });
}

Verification verify_sync(const EngineParts& parts, const SyncDefinition& sync, std::stop_token stop) {
  const auto began = parts.clock.monotonic();
  Verification verification;
  verification.sync = sync.name;
  const auto source = parts.connect(sync.source, stop);
  const auto destination = parts.connect(sync.destination, stop);
  if (!parts.provider_of(sync.destination).can.source)
    throw Error(
        ErrorKind::bad_config,
        fmt::format("not supported yet: verify into {}, whose rows cannot be listed", sync.destination));
  for (const TableMapping& mapping : sync.tables) {
    try {
      verification.tables.push_back(TableCheck(parts, sync, mapping, *source, *destination, stop).run());
    } catch (const Error& error) {
      throw error.while_doing(mapping.name());
    }
  }
  verification.seconds = std::chrono::duration<double>(parts.clock.monotonic() - began).count();
  return verification;
}

}  // namespace syncflow
