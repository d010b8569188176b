#include "api/metrics_page.h"

#include <limits>

#include "core/error.h"
#include "core/log.h"
#include "core/metrics.h"
#include "engine/counting.h"

namespace syncflow::api {
namespace {

using metrics::Family;
using SyncState = Observation::SyncState;

double number(bool holds) { return holds ? 1 : 0; }
double number(std::size_t count) { return static_cast<double>(count); }
double seconds(Duration time) { return std::chrono::duration<double>(time).count(); }

/// Seconds that have passed since; 0 where there is nothing to wait for.
double age(const std::optional<Time>& since, Time now) {
  return since ? std::max(0.0, seconds(now - *since)) : 0;
}

Family plain(const char* name, const char* help, double value) { return {name, help, false, {{{}, value}}}; }

void add_queue(std::vector<Family>& page, const Observation& seen, Time now) {
  page.push_back({"syncflow_jobs",
                  "Jobs in the queue by status; counted up to 100000.",
                  false,
                  {{{{"status", "pending"}}, number(seen.pending_jobs)},
                   {{{"status", "processing"}}, number(seen.processing_jobs)}}});
  page.push_back(
      plain("syncflow_due_syncs", "Syncs with a job that waits for a free worker.", number(seen.due_syncs)));
  page.push_back(
      plain("syncflow_due_wait_seconds",
            "How long the longest waiting of the due syncs has waited for a worker; 0: none waits.",
            age(seen.oldest_due, now)));
  page.push_back(
      plain("syncflow_oldest_pending_job_age_seconds",
            "Age of the oldest pending job, those of held and paused syncs included; 0: there is none.",
            age(seen.oldest_pending, now)));
}

/// Each sync's figure, for those that have one.
template <typename Figure>
Family of_syncs(const Observation& seen, const char* name, const char* help, Figure figure) {
  Family family{name, help, false, {}};
  for (const SyncState& sync : seen.syncs)
    if (const std::optional<double> value = figure(sync))
      family.samples.push_back({{{"sync", sync.name}, {"sync_id", sync.id}}, *value});
  return family;
}

Family infos(const Observation& seen) {
  Family family{"syncflow_sync_info", "What a sync is, to be joined by sync_id; always 1.", false, {}};
  for (const SyncState& sync : seen.syncs)
    family.samples.push_back({{{"sync", sync.name},
                               {"sync_id", sync.id},
                               {"team_id", sync.team_id},
                               {"source", sync.source},
                               {"destination", sync.destination}},
                              1});
  return family;
}

std::optional<double> lag(const SyncState& sync, Time now) {
  if (sync.status != SyncStatus::active) return std::nullopt;
  const std::optional<Time> here = noted_up_to_date(sync.id);
  const std::optional<Time> known = std::max(here, sync.up_to_date_at);  // nothing is less than any time
  return known ? age(known, now) : std::numeric_limits<double>::infinity();
}

void add_syncs(std::vector<Family>& page, const Observation& seen, Time now) {
  using Value = std::optional<double>;
  page.push_back(infos(seen));
  page.push_back(
      of_syncs(seen, "syncflow_sync_active", "1 while the sync's status is active.",
               [](const SyncState& sync) -> Value { return number(sync.status == SyncStatus::active); }));
  page.push_back(
      of_syncs(seen, "syncflow_sync_paused", "1 while the sync's status is paused.",
               [](const SyncState& sync) -> Value { return number(sync.status == SyncStatus::paused); }));
  page.push_back(of_syncs(seen, "syncflow_sync_held",
                          "1 while the sync is on hold until a person mends something.",
                          [](const SyncState& sync) -> Value { return number(sync.held); }));
  page.push_back(of_syncs(seen, "syncflow_sync_failed_polls", "Looks at the sync that failed in a row.",
                          [](const SyncState& sync) -> Value { return sync.failed_polls; }));
  page.push_back(of_syncs(seen, "syncflow_sync_lag_seconds",
                          "Seconds since an active sync was last known to be up to date; +Inf: it never was.",
                          [&](const SyncState& sync) { return lag(sync, now); }));
  page.push_back(of_syncs(seen, "syncflow_sync_last_run_timestamp_seconds",
                          "When the newest run of the sync ended.", [](const SyncState& sync) -> Value {
                            if (!sync.last_run_ended_at) return std::nullopt;
                            return seconds(sync.last_run_ended_at->time_since_epoch());
                          }));
  page.push_back(of_syncs(seen, "syncflow_sync_last_run_success",
                          "1 when the newest run of the sync that ended was completed, else 0.",
                          [](const SyncState& sync) -> Value {
                            if (sync.last_run.empty()) return std::nullopt;
                            return number(sync.last_run == "completed");
                          }));
  page.push_back(of_syncs(seen, "syncflow_quarantined_rows",
                          "Rows of the sync in quarantine; counted up to 10000.",
                          [](const SyncState& sync) -> Value { return number(sync.quarantined_rows); }));
}

}  // namespace

std::string metrics_page(Store& store) {
  std::vector<Family> page = metrics::of_this_process();
  bool up = false;
  try {
    const Observation seen = store.observe();
    const Time now = store.clock().now();
    add_queue(page, seen, now);
    add_syncs(page, seen, now);
    up = true;
  } catch (const Error& error) {
    // What is counted here matters most while the store is away, and the page says that it is.
    log::warn("The store cannot be read for the metrics.", {{"error", error.what()}});
  }
  page.push_back(plain("syncflow_store_up", "1 while the store can be read.", number(up)));
  return metrics::exposition(page);
}

}  // namespace syncflow::api
