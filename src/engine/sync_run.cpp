#include "engine/sync_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/failpoint.h"
#include "core/log.h"
#include "core/secrets.h"
#include "core/text.h"
#include "engine/counting.h"
#include "engine/held_lease.h"
#include "engine/retry_policy.h"
#include "engine/table_order.h"
#include "engine/table_run.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

/// After this time a run makes room for others that wait.
constexpr auto kTurn = 60s;

constexpr int kFinishAttempts = 5;
constexpr Duration kFinishWait = 200ms;

bool ends_the_run(ErrorKind kind) {
  return kind == ErrorKind::cancelled || kind == ErrorKind::lease_lost || kind == ErrorKind::rate_limited ||
         kind == ErrorKind::conflict;
}

bool asks_for_repair(const Claim& claim) {
  return std::any_of(claim.jobs.begin(), claim.jobs.end(),
                     [](const Job& job) { return job.payload == kRepairPayload; });
}

/// Carries the mappings of one sync. One that fails does not stop the others' progress.
class SyncRun {
 public:
  /// `only`: the syncs that others might do meanwhile; empty: any.
  SyncRun(const EngineParts& parts, const Claim& claim, HeldLease& lease,
          const std::vector<std::string>& only)
      : parts_(parts),
        definition_(definition_from_json(claim.sync.definition, parts.config.variables)),
        claim_(claim),
        lease_(lease),
        only_(only),
        started_(parts.clock.monotonic()) {}

  /// Throws the first failure once all mappings have had their turn.
  void run() {
    if (claim_.sync.starts_over) parts_.store.reset_sync(claim_.lease, lease_.stop_token());
    const SessionPools::Turn turn =
        parts_.sessions->take_turn(parts_.connection_at(definition_.source),
                                   parts_.connection_at(definition_.destination), lease_.stop_token());
    const auto source = parts_.connect(definition_.source, lease_.stop_token());
    const auto destination = parts_.connect(definition_.destination, lease_.stop_token());
    RunContext context{parts_.store,
                       parts_.clock,
                       definition_,
                       parts_.config,
                       parts_.provider_of(definition_.source).can,
                       parts_.provider_of(definition_.destination).can,
                       *source,
                       *destination,
                       lease_,
                       parts_.on_progress,
                       parts_.provider_of(definition_.destination).id,
                       left_nothing_unnoted(parts_.store, claim_.sync.id, claim_.lease.run_id),
                       [this] { return others_wait(); },
                       asks_for_repair(claim_)};
    std::vector<std::unique_ptr<TableRun>> tables;
    for (const TableMapping& mapping : definition_.tables)
      tables.push_back(std::make_unique<TableRun>(context, mapping));
    carry(tables, *destination);
    for (const auto& table : tables)
      if (table->began()) collect(*table);
    if (!message_.empty()) parts_.store.set_message(claim_.sync.id, without_secrets(join(message_, "\n")));
    if (held_) throw HoldError(*held_);
    if (!brakes_.empty()) hold_by_brake();
    if (failure_ && yields_) throw YieldError();
    if (failure_) throw Error(*failure_);
    forget_left_mappings();
  }

  SyncReport& report() { return report_; }
  const SyncDefinition& definition() const { return definition_; }

 private:
  /// Rows of tables that others refer to come first and go last.
  void carry(const std::vector<std::unique_ptr<TableRun>>& tables, Connection& destination) {
    const std::vector<std::size_t> order = order_of_tables(destination);
    std::vector<TableRun*> reading;
    for (const std::size_t i : order) reading.push_back(tables[i].get());
    const auto read = each(reading, [](TableRun& table) { table.run(); });
    std::vector<TableRun*> removing(read.rbegin(), read.rend());
    std::vector<TableRun*> waiting = each(removing, [](TableRun& table) { table.remove_missing(); });
    // Rows that waited for other rows: those are there now, or gone. What one pass settles may be what the
    // next one needs.
    for (bool first = true, settled = true; settled && !waiting.empty(); first = false) {
      settled = false;
      waiting = each(waiting, [&](TableRun& table) { settled |= table.retry_quarantine(first); });
    }
  }

  /// Those that went well. Stops at what ends the run.
  template <typename Work>
  std::vector<TableRun*> each(const std::vector<TableRun*>& tables, Work work) {
    std::vector<TableRun*> well;
    for (TableRun* table : tables) {
      if (failure_ && ends_the_run(failure_->kind())) return {};
      if (attempt(*table, work)) well.push_back(table);
    }
    return failure_ && ends_the_run(failure_->kind()) ? std::vector<TableRun*>{} : well;
  }

  std::vector<std::size_t> order_of_tables(Connection& destination) const {
    std::vector<Reference> references;
    if (definition_.tables.size() > 1) {
      std::vector<std::string> names;
      for (const TableMapping& mapping : definition_.tables) names.push_back(mapping.destination);
      references = destination.references(names);
    }
    return order_of_writing(definition_.tables, references);
  }

  /// Fairness: a long run makes room after its batch. Not for jobs that its workers would not take.
  bool others_wait() const {
    if (parts_.clock.monotonic() - started_ < kTurn) return false;
    const auto next = parts_.store.next_job(only_);
    return next && *next <= parts_.store.clock().now();
  }

  template <typename Work>
  bool attempt(TableRun& table, Work work) {
    try {
      work(table);
      table.rest();
      return true;
    } catch (const HoldError& error) {
      if (error.hold_kind() == kHoldBrake) brakes_[table.name()] = error.what();
      else if (!held_ && !failure_) held_ = error;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::cancelled)
        log::warn("A table could not be brought up to date.",
                  {{"sync", definition_.name}, {"table", table.name()}, {"error", error.what()}});
      // What ends the run goes before what merely fails it.
      if (!failure_ || ends_the_run(error.kind())) failure_ = error.while_doing(table.name());
      yields_ = dynamic_cast<const YieldError*>(&error) != nullptr;
    }
    return false;
  }

  /// One word of a person lets pass what all tables hold back, so they are told of all of it, and no other may pass: what
  /// a table held back in an earlier run that told nobody is judged anew by the next one.
  [[noreturn]] void hold_by_brake() {
    for (const TableMapping& mapping : definition_.tables) {
      if (brakes_.count(mapping.name()) != 0) continue;
      const auto state = parts_.store.find_mapping(claim_.sync.id, mapping.name());
      if (!state || state->brake != Brake::held) continue;
      BatchCommit commit;
      commit.mapping = mapping.name();
      commit.state = *state;
      commit.state.brake = Brake::off;
      commit.key_sets.push_back({KeySet::held, true, {}, {}});
      parts_.store.commit_batch(claim_.lease, commit);
    }
    std::vector<std::string> sentences;
    for (const auto& brake : brakes_) sentences.push_back(brake.second);
    throw HoldError(kHoldBrake, join(sentences, ". "));
  }

  /// Else what was refused of a mapping that left counts, and what is noted of its rows takes room, for ever. By a run
  /// that came to its end: the tables that took its place are there then. What a stop leaves, the next run forgets.
  void forget_left_mappings() {
    // One that is in the definition again by now goes on where it stood.
    const auto sync = parts_.store.find_sync(claim_.sync.id);
    if (!sync || sync->definition != claim_.sync.definition) return;
    std::vector<std::string> names;
    for (const TableMapping& mapping : definition_.tables) names.push_back(mapping.name());
    while (!lease_.stop_token().stop_requested() && parts_.store.forget_mappings_but(claim_.lease, names)) {
    }
  }

  void collect(const TableRun& table) {
    report_.tables.push_back(table.report());
    report_.figures += table.report().figures;
    if (report_.strategy.empty()) report_.strategy = table.report().strategy;
    else if (report_.strategy != table.report().strategy) report_.strategy = "mixed";
    message_.insert(message_.end(), table.notes().begin(), table.notes().end());
  }

  const EngineParts& parts_;
  const SyncDefinition definition_;
  const Claim& claim_;
  HeldLease& lease_;
  const std::vector<std::string>& only_;
  const std::chrono::steady_clock::time_point started_;
  SyncReport report_;
  std::vector<std::string> message_;
  std::optional<Error> failure_;
  bool yields_ = false;  ///< the failure is none: the run makes room
  std::optional<HoldError> held_;
  std::map<std::string, std::string> brakes_;  ///< what tables hold back, by their mapping's name
};

std::string_view result_of(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::completed: return "completed";
    case Outcome::Kind::failed: return "failed";
    case Outcome::Kind::retry: return "retry";
    case Outcome::Kind::give_back: return "yielded";
  }
  return "failed";
}

/// How a run's end is noted in the store. A first try may do more with it; what that hinders, the others leave out.
using NoteEnd = std::function<void(const Outcome& outcome, bool first_try)>;

/// False: the sync is another's. A store that is away for a moment must not leave it leased for nothing.
bool finish(const EngineParts& parts, const Outcome& outcome, const NoteEnd& note_end) {
  for (int attempt = 1;; ++attempt) {
    try {
      failpoint("worker.before_finish");
      note_end(outcome, attempt == 1);
      return true;
    } catch (const Error& error) {
      // Whoever takes the sync over finishes its jobs.
      log::warn("A run's end could not be noted.", {{"error", error.what()}});
      if (error.kind() == ErrorKind::lease_lost) return false;
      if (attempt == kFinishAttempts) return true;
      parts.clock.sleep(kFinishWait, {});
    }
  }
}

}  // namespace

const ConnectionConfig& EngineParts::connection_at(const std::string& connection_name) const {
  if (const ConnectionConfig* connection = config.find_connection(connection_name)) return *connection;
  std::vector<std::string> names;
  for (const ConnectionConfig& known : config.connections) names.push_back(known.name);
  const std::string near = nearest(connection_name, names);
  throw Error(ErrorKind::bad_config, fmt::format("there is no connection \"{}\"{}", connection_name,
                                                 near.empty() ? "; there are " + join(names, ", ")
                                                              : "; did you mean \"" + near + "\"?"));
}

std::unique_ptr<Connection> EngineParts::connect(const std::string& connection_name,
                                                 std::stop_token stop) const {
  const ConnectionConfig& connection = connection_at(connection_name);
  return providers.at(connection.provider)
      .connect(connection.options, {clock, std::move(stop), &sessions->of(connection)});
}

const Provider& EngineParts::provider_of(const std::string& connection_name) const {
  return providers.at(connection_at(connection_name).provider);
}

namespace {

SyncReport run_to_its_end(const EngineParts& parts, const Claim& claim, std::stop_token stop,
                          const std::vector<std::string>& only, const NoteEnd& note_end) {
  const log::Scope scope{{"sync", claim.sync.name}, {"job", claim.jobs.empty() ? "" : claim.jobs.front().id}};
  const auto began = parts.clock.monotonic();
  const Time began_at = parts.store.clock().now();
  SyncReport report;
  Outcome outcome;
  std::optional<HeldLease> lease;
  try {
    lease.emplace(parts.store, claim, parts.config.engine, stop);
    SyncRun run(parts, claim, *lease, only);
    try {
      run.run();
      run.report().status = "completed";
    } catch (const Error& error) {
      outcome =
          outcome_of(error, claim.attempt, run.definition().retry, random_fraction(), parts.clock.now());
      run.report().error = outcome.error;
      count_failure(error.kind(), "run");
    }
    report = std::move(run.report());
  } catch (const Error& error) {
    outcome = outcome_of(error, claim.attempt, {}, random_fraction(), parts.clock.now());
    report.error = outcome.error;
    count_failure(error.kind(), "run");
  } catch (const std::exception& error) {
    outcome = outcome_of(Error(ErrorKind::bug, fmt::format("an invariant broke: {}", error.what())),
                         claim.attempt, {}, random_fraction(), parts.clock.now());
    report.error = outcome.error;
    count_failure(ErrorKind::bug, "run");
    log::error("A run ended by a defect.", {{"error", error.what()}});
  }
  outcome.strategy = report.strategy;
  outcome.tables = report.tables;
  const bool cancelled = lease && lease->cancelled();
  const bool kept = finish(parts, outcome, note_end);
  lease.reset();

  report.sync = claim.sync.name;
  report.job_id = claim.jobs.empty() ? "" : claim.jobs.front().id;
  if (outcome.kind == Outcome::Kind::failed) report.status = "failed";
  if (outcome.kind == Outcome::Kind::retry || outcome.kind == Outcome::Kind::give_back)
    report.status = "pending";
  if (cancelled) report.status = "failed";
  if (outcome.hold) report.hold = outcome.hold->kind;
  report.seconds = std::chrono::duration<double>(parts.clock.monotonic() - began).count();
  if (report.status == "completed") note_up_to_date(claim.sync.id, began_at);
  const auto result = cancelled ? "cancelled" : kept ? result_of(outcome.kind) : "lease_lost";
  count_run(claim.sync, result, parts.clock.monotonic() - began);
  if (outcome.kind == Outcome::Kind::failed) log::error("A sync failed.", {{"error", outcome.error}});
  else if (outcome.kind == Outcome::Kind::retry)
    log::warn("A sync will be tried again.", {{"error", outcome.error}});
  return report;
}

}  // namespace

SyncReport run_claim(const EngineParts& parts, const Claim& claim, std::stop_token stop,
                     const std::vector<std::string>& only) {
  return run_to_its_end(parts, claim, std::move(stop), only,
                        [&](const Outcome& outcome, bool) { parts.store.finish(claim.lease, outcome); });
}

std::optional<Claim> run_claim_and_take_next(const EngineParts& parts, const Claim& claim,
                                             std::stop_token stop) {
  std::optional<Claim> next;
  run_to_its_end(parts, claim, stop, {}, [&](const Outcome& outcome, bool first_try) {
    if (first_try && !stop.stop_requested())
      next = parts.store.finish_and_claim(claim.lease, outcome, parts.config.engine.lease);
    else parts.store.finish(claim.lease, outcome);
  });
  return next;
}

}  // namespace syncflow
