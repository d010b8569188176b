#include "cli/beside.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "engine/run_report.h"

namespace syncflow::cli {
namespace {

using namespace std::chrono_literals;

/// One indexed look-up a job: the other process does not feel it.
constexpr Duration kBetweenLooks = 100ms;

}  // namespace

void RunBeside::ask(const std::vector<Sync>& syncs, bool resync, const std::string& payload) {
  for (const Sync& sync : syncs) {
    // As in a run of one's own: who runs a sync has mended what held it; what only a person may lift stays,
    // and jobs behind it would wait for ever.
    if (sync.hold && sync.hold->kind != "removed" && sync.hold->kind != "brake") {
      store_.lift_hold(sync.id);
    } else if (sync.hold) {
      report({sync, ""}, "failed", sync.hold->reason, sync.hold->kind);
      continue;
    }
    if (resync) store_.reset_sync(sync.id);
    const Store::Enqueued asked =
        store_.enqueue(sync.id, resync ? Trigger::resync : Trigger::manual, kPersonPriority, payload);
    open_.push_back({sync, asked.job.id});
  }
}

std::vector<std::string> RunBeside::follow() {
  while (!open_.empty() && !watch_.holder_gone()) {
    open_.erase(
        std::remove_if(open_.begin(), open_.end(), [this](const Asked& asked) { return is_done(asked); }),
        open_.end());
    if (!open_.empty() && !store_.clock().sleep(kBetweenLooks, watch_.stop))
      throw Error(ErrorKind::cancelled, "asked to stop; the jobs stay in the queue of the running service");
  }
  std::vector<std::string> names;
  for (const Asked& asked : open_) names.push_back(asked.sync.name);
  return names;
}

bool RunBeside::is_done(const Asked& asked) {
  const std::optional<Job> job = store_.find_job(asked.job_id);
  if (!job) {
    report(asked, "failed", "the job is gone from the queue", "");
  } else if (job->status == JobStatus::completed) {
    report(asked, "completed", "", "");
  } else if (job->status == JobStatus::failed) {
    const std::optional<Sync> sync = store_.find_sync(asked.sync.id);
    report(asked, "failed", job->error, sync && sync->hold ? sync->hold->kind : "");
  } else {
    const std::optional<Sync> sync = store_.find_sync(asked.sync.id);
    if (job->status == JobStatus::processing || !sync || !sync->hold) {
      show(asked);
      return false;
    }
    report(asked, "failed", sync->hold->reason, sync->hold->kind);
  }
  return true;
}

void RunBeside::show(const Asked& asked) {
  const std::vector<Run> runs = store_.runs_of_job(asked.job_id);
  if (runs.empty()) return;
  Progress progress;
  progress.sync = asked.sync.name;
  progress.table = "all tables";
  progress.phase = "by the running service";
  for (const Run& run : runs) progress.rows += run.figures.read;
  watch_.on_progress(progress);
}

void RunBeside::report(const Asked& asked, const std::string& status, const std::string& error,
                       const std::string& hold) {
  SyncReport report;
  report.sync = asked.sync.name;
  report.job_id = asked.job_id;
  report.status = status;
  report.error = error;
  report.hold = hold;
  if (!asked.job_id.empty()) add_runs(report, store_.runs_of_job(asked.job_id));
  report.in_quarantine = store_.count_quarantine(asked.sync.id);
  reports_.push_back(report);
  watch_.on_report(report);
}

}  // namespace syncflow::cli
