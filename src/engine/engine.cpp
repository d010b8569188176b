#include "engine/engine.h"

#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "core/uuid.h"
#include "engine/counting.h"
#include "engine/look.h"
#include "engine/poller.h"
#include "engine/retry_policy.h"
#include "engine/run_report.h"
#include "engine/sync_run.h"
#include "engine/validation.h"
#include "engine/verification.h"
#include "engine/worker_pool.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

/// How many looks there may be at once: they mostly wait for their servers.
constexpr int kLooksAtOnce = 16;
constexpr Duration kQueuePoll = 500ms;
constexpr Duration kSweepPause = 200ms;

Sync to_sync(const SyncDefinition& definition, const EngineParts& parts) {
  Sync sync;
  sync.id = definition.id;
  sync.name = definition.name;
  sync.team_id = definition.team_id;
  sync.status = definition.status;
  sync.provider = parts.provider_of(definition.source).id;
  sync.source = definition.source;
  sync.destination = definition.destination;
  sync.schedule = definition.schedule;
  sync.definition = to_json(definition);
  return sync;
}

/// Forgets old jobs and runs, now and then.
void sweep(const EngineParts& parts, const std::stop_token& stop) {
  const Duration keep = parts.config.engine.keep_finished;
  bool more = false;
  do {
    try {
      more = parts.store.sweep(keep);
    } catch (const Error& error) {
      more = false;
      log::warn("Old jobs could not be swept.", {{"error", error.what()}});
    }
    // Piece by piece, so that a stop need not wait for a sync of millions of rows that was forgotten.
  } while (parts.clock.sleep(more ? kSweepPause : std::clamp<Duration>(keep / 10, 1min, 1h), stop));
}

}  // namespace

struct Engine::Inside {
  EngineParts parts;
  std::unique_ptr<WorkerPool> workers;
  std::unique_ptr<Poller> poller;
  std::jthread sweeper;
};

Engine::Engine(Parts parts)
    : inside_(std::make_unique<Inside>(
          Inside{{parts.store, parts.providers, parts.clock, std::move(parts.config),
                  std::move(parts.on_progress), std::make_shared<SessionPools>(parts.clock)},
                 nullptr,
                 nullptr,
                 {}})) {}

Engine::~Engine() { stop(); }

void Engine::apply_config() {
  EngineParts& parts = inside_->parts;
  std::vector<Sync> syncs;
  for (const SyncDefinition& definition : parts.config.syncs) {
    try {
      const Capabilities& source = parts.provider_of(definition.source).can;
      const Capabilities& destination = parts.provider_of(definition.destination).can;
      if (!source.source)
        throw Error(ErrorKind::bad_config,
                    fmt::format("connection {} cannot be a source", definition.source));
      if (!destination.destination)
        throw Error(ErrorKind::bad_config,
                    fmt::format("connection {} cannot be a destination", definition.destination));
      syncs.push_back(to_sync(definition, parts));
    } catch (const Error& error) {
      throw error.while_doing(fmt::format("sync {}", definition.name));
    }
  }
  parts.store.apply_syncs(syncs);
}

void Engine::start() {
  begin_counting();
  Inside& inside = *inside_;
  inside.workers = std::make_unique<WorkerPool>(inside.parts, inside.parts.config.engine.workers);
  inside.poller = std::make_unique<Poller>(inside.parts, kLooksAtOnce);
  inside.sweeper = std::jthread([&inside](const std::stop_token& stop) { sweep(inside.parts, stop); });
}

void Engine::stop() {
  Inside& inside = *inside_;
  if (!inside.workers) return;
  inside.sweeper.request_stop();
  inside.poller->request_stop();
  inside.workers->request_stop();
  if (!inside.workers->wait(inside.parts.config.engine.drain))
    log::warn("Runs did not end in time; they are handed back once their statement ends.");
  inside.poller.reset();
  inside.workers.reset();
  inside.sweeper = {};
}

std::unique_ptr<Connection> Engine::connect(const std::string& connection_name, std::stop_token stop) {
  return inside_->parts.connect(connection_name, std::move(stop));
}

std::vector<Finding> Engine::validate_online(std::stop_token stop) {
  return validate(inside_->parts, std::move(stop));
}

namespace {

/// Brings some syncs up to date once, in the calling thread and a few more.
class OneRound {
 public:
  OneRound(const EngineParts& parts, std::vector<Sync> syncs,
           const std::function<void(const SyncReport&)>& on_report, std::stop_token stop)
      : parts_(parts), syncs_(std::move(syncs)), on_report_(on_report), stop_(std::move(stop)) {}

  enum class Ask { changes, resync, repair };

  std::vector<SyncReport> run(Ask ask) {
    for (const Sync& sync : syncs_) prepare(sync, ask);
    const auto workers =
        std::min<std::size_t>(open_.size(), static_cast<std::size_t>(parts_.config.engine.workers));
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < workers; ++i) helpers.emplace_back([this] { guarded_work(); });
    guarded_work();
    helpers.clear();
    if (failure_) std::rethrow_exception(failure_);
    std::vector<SyncReport> reports;
    for (const Sync& sync : syncs_) reports.push_back(reports_[sync.id]);
    return reports;
  }

 private:
  void prepare(const Sync& sync, Ask ask) {
    SyncReport& report = reports_[sync.id];
    report.sync = sync.name;
    // A person who runs a sync has mended what held it; deletes that wait for a person's word have not got it.
    if (sync.hold && (sync.hold->kind == kHoldBrake || sync.hold->kind == kMovedHold))
      return finish_held(sync);
    if (sync.hold && sync.hold->kind != "removed") parts_.store.lift_hold(sync.id);
    bool wanted = ask != Ask::changes;
    Looked looked;
    if (!wanted) {
      try {
        PlanCache plans;
        looked = look_for_changes(parts_, plans, sync, stop_);
        wanted = looked.changed || parts_.store.count_quarantine(sync.id) > 0;
        parts_.store.polled(sync.id, parts_.store.clock().now(),
                            parts_.store.clock().now() + parse_schedule(sync.schedule), 0, "");
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::cancelled) throw;
        // The job tells it, with retries and holds as for any other.
        wanted = true;
      }
    }
    // Jobs that wait already belong to this round too.
    Page waiting;
    waiting.sync_id = sync.id;
    waiting.status = "pending";
    waiting.limit = 1;
    if (!wanted && parts_.store.list_jobs(waiting).items.empty()) return finish_idle(sync, looked);
    const auto asked =
        parts_.store.enqueue(sync.id, ask == Ask::resync ? Trigger::resync : Trigger::manual, kPersonPriority,
                             ask == Ask::repair ? std::string(kRepairPayload) : "{}");
    report.job_id = asked.job.id;
    open_.insert(sync.id);
  }

  void finish_held(const Sync& sync) {
    SyncReport& report = reports_[sync.id];
    report.status = "failed";
    report.error = sync.hold->reason;
    report.hold = sync.hold->kind;
    if (on_report_) on_report_(report);
  }

  void finish_idle(const Sync& sync, const Looked& looked) {
    SyncReport& report = reports_[sync.id];
    report.status = "completed";
    const SyncDefinition definition = definition_from_json(sync.definition);
    for (std::size_t i = 0; i < definition.tables.size(); ++i) {
      const std::string strategy(name_of(looked.strategies.at(i)));
      report.tables.push_back({definition.tables[i].source, definition.tables[i].destination, strategy, {}});
      report.strategy = report.strategy.empty() || report.strategy == strategy ? strategy : "mixed";
    }
    if (on_report_) on_report_(report);
  }

  void guarded_work() {
    try {
      work();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      stop_all_ = true;
    }
  }

  void work() {
    const std::string owner = random_uuid();
    for (;;) {
      if (stop_.stop_requested())
        throw Error(ErrorKind::cancelled, "asked to stop; the next run goes on where this one stood");
      std::vector<std::string> only;
      {
        const std::lock_guard lock(mutex_);
        if (open_.empty() || stop_all_) return;
        only.assign(open_.begin(), open_.end());
      }
      const auto claim = parts_.store.claim(owner, parts_.config.engine.lease, only);
      if (claim) {
        {
          const std::lock_guard lock(mutex_);
          running_here_.insert(claim->sync.id);
        }
        add(claim->sync, run_claim(parts_, *claim, stop_, only));
      } else {
        close_what_others_ended(only);
        parts_.store.wait_for_jobs(kQueuePoll, stop_, only);
      }
    }
  }

  void add(const Sync& sync, SyncReport piece) {
    const std::lock_guard lock(mutex_);
    running_here_.erase(sync.id);
    SyncReport& report = reports_[sync.id];
    report.figures += piece.figures;
    report.seconds += piece.seconds;
    report.error = piece.error;
    report.hold = piece.hold;
    if (!piece.strategy.empty()) report.strategy = piece.strategy;
    add_tables(report.tables, piece.tables);
    if (piece.status == "pending") return;
    report.status = piece.status;
    if (!piece.job_id.empty()) report.job_id = piece.job_id;
    report.in_quarantine = parts_.store.count_quarantine(sync.id);
    close(sync.id);
  }

  /// A job may have been cancelled, failed before it was claimed, or done by another process on the same store;
  /// behind a hold it would wait for ever.
  void close_what_others_ended(const std::vector<std::string>& sync_ids) {
    for (const std::string& id : sync_ids) {
      std::string job_id;
      {
        const std::lock_guard lock(mutex_);
        // Its job may be over a moment before its report is here.
        if (running_here_.count(id) != 0) continue;
        job_id = reports_[id].job_id;
      }
      SyncReport ended;
      const auto job = parts_.store.find_job(job_id);
      if (job && job->status != JobStatus::completed && job->status != JobStatus::failed) {
        const auto sync = parts_.store.find_sync(id);
        const bool waits_for_ever = sync && (sync->hold || sync->status != SyncStatus::active);
        if (job->status == JobStatus::processing || !waits_for_ever) continue;
        ended.error = sync->hold ? sync->hold->reason
                                 : fmt::format("sync {} is {}; set its status to active to run it",
                                               sync->name, name_of(sync->status));
        if (sync->hold) ended.hold = sync->hold->kind;
      } else {
        ended.error = job ? job->error : "the job is gone from the queue";
      }
      ended.status = job && job->status == JobStatus::completed ? "completed" : "failed";
      add_runs(ended, parts_.store.runs_of_job(job_id));
      ended.in_quarantine = parts_.store.count_quarantine(id);
      const std::lock_guard lock(mutex_);
      if (open_.count(id) == 0 || running_here_.count(id) != 0) continue;
      ended.sync = reports_[id].sync;
      ended.job_id = job_id;
      reports_[id] = std::move(ended);
      close(id);
    }
  }

  void close(const std::string& sync_id) {
    if (open_.erase(sync_id) != 0 && on_report_) on_report_(reports_[sync_id]);
  }

  const EngineParts& parts_;
  const std::vector<Sync> syncs_;
  const std::function<void(const SyncReport&)>& on_report_;
  const std::stop_token stop_;
  std::mutex mutex_;
  std::set<std::string> open_;          ///< sync ids that are not done
  std::set<std::string> running_here_;  ///< those that a thread of this round works on
  std::map<std::string, SyncReport> reports_;
  std::exception_ptr failure_;
  bool stop_all_ = false;
};

std::vector<Sync> chosen_syncs(const EngineParts& parts, const std::vector<std::string>& names) {
  std::vector<Sync> chosen;
  std::vector<std::string> known;
  for (const SyncDefinition& definition : parts.config.syncs) {
    known.push_back(definition.name);
    const bool named = std::find(names.begin(), names.end(), definition.name) != names.end();
    const auto sync = parts.store.find_sync(definition.id);
    if (!sync) throw Error(ErrorKind::bug, fmt::format("sync {} is not in the store", definition.name));
    if (named && definition.status != SyncStatus::active)
      throw Error(ErrorKind::bad_config, fmt::format("sync {} is {}; set its status to active to run it",
                                                     definition.name, name_of(definition.status)));
    if (named || (names.empty() && definition.status == SyncStatus::active)) chosen.push_back(*sync);
  }
  for (const std::string& name : names)
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string near = nearest(name, known);
      throw Error(ErrorKind::bad_config, fmt::format("there is no sync \"{}\"{}", name,
                                                     near.empty() ? "; there are " + join(known, ", ")
                                                                  : "; did you mean \"" + near + "\"?"));
    }
  return chosen;
}

}  // namespace

std::vector<SyncReport> Engine::run_once(const std::vector<std::string>& sync_names, bool resync,
                                         const std::function<void(const SyncReport&)>& on_report,
                                         std::stop_token stop) {
  const EngineParts& parts = inside_->parts;
  OneRound round(parts, chosen_syncs(parts, sync_names), on_report, std::move(stop));
  return round.run(resync ? OneRound::Ask::resync : OneRound::Ask::changes);
}

SyncReport Engine::repair(const std::string& sync_name,
                          const std::function<void(const SyncReport&)>& on_report, std::stop_token stop) {
  const EngineParts& parts = inside_->parts;
  OneRound round(parts, chosen_syncs(parts, {sync_name}), on_report, std::move(stop));
  return round.run(OneRound::Ask::repair).front();
}

Verification Engine::verify(const std::string& sync_name, std::stop_token stop) {
  const EngineParts& parts = inside_->parts;
  const SyncDefinition* sync = parts.config.find_sync(sync_name);
  if (!sync) {
    std::vector<std::string> known;
    for (const SyncDefinition& definition : parts.config.syncs) known.push_back(definition.name);
    const std::string near = nearest(sync_name, known);
    throw Error(ErrorKind::bad_config, fmt::format("there is no sync \"{}\"{}", sync_name,
                                                   near.empty() ? "; there are " + join(known, ", ")
                                                                : "; did you mean \"" + near + "\"?"));
  }
  return verify_sync(parts, *sync, std::move(stop));
}

}  // namespace syncflow
