// The commands on what the store keeps: jobs, quarantine, resume, forget, migrate.

#include <fmt/core.h>

#include <boost/json.hpp>
#include <filesystem>
#include <ostream>

#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/report.h"
#include "cli/stores.h"
#include "core/json.h"
#include "core/text.h"
#include "engine/json_view.h"
#include "store/postgresql.h"

namespace syncflow::cli {
namespace {

struct Opened {
  Config config;
  std::unique_ptr<Store> store;
};

Opened open(const Invocation& line, const Surroundings& with) {
  Config config = with.load_config(line.config_file, line.env_file);
  std::unique_ptr<Store> store = open_existing_store(config, with.clock);
  return {std::move(config), std::move(store)};
}

/// What was done, as a sentence or as JSON.
void say(const Invocation& line, const Surroundings& with, const std::string& sentence,
         const boost::json::object& values) {
  with.out << (line.json ? to_json_text(values) : sentence) << "\n";
}

// --- jobs ---

/// The name that people know, or the id of a sync that the store does not have.
std::string sync_name(Store& store, const std::string& sync_id) {
  const std::optional<Sync> sync = store.find_sync(sync_id);
  return sync ? sync->name : sync_id;
}

/// The newest jobs of the named syncs, or of all.
std::vector<Job> wanted_jobs(const Invocation& line, Store& store) {
  Page page;
  page.status = line.status;
  page.limit = line.limit;
  if (line.syncs.empty()) return store.list_jobs(page).items;
  std::vector<Job> found;
  for (const std::string& name : line.syncs) {
    page.sync_id = sync_named(store, name).id;
    const std::vector<Job> of_sync = store.list_jobs(page).items;
    found.insert(found.end(), of_sync.begin(), of_sync.end());
  }
  return found;
}

int list_jobs(const Invocation& line, const Surroundings& with, Store& store) {
  std::vector<std::vector<std::string>> rows = {{"JOB", "SYNC", "STATUS", "TRIGGER", "CREATED", "ERROR"}};
  for (const Job& job : wanted_jobs(line, store)) {
    if (line.json) with.out << to_json_text(to_json(job)) << "\n";
    rows.push_back({job.id, sync_name(store, job.sync_id), std::string(name_of(job.status)),
                    std::string(name_of(job.trigger)), to_rfc3339(job.created_at), shortened(job.error)});
  }
  if (line.json) return 0;
  with.out << (rows.size() == 1 ? "no jobs\n" : in_columns(rows));
  return 0;
}

int show_job(const Invocation& line, const Surroundings& with, Store& store, const Job& job) {
  if (line.json) {
    boost::json::array runs;
    for (const Run& run : store.runs_of_job(job.id)) runs.push_back(to_json(run));
    with.out << to_json_text(boost::json::object{{"job", to_json(job)}, {"runs", std::move(runs)}}) << "\n";
    return 0;
  }
  with.out << fmt::format("job {} of {}: {}, asked for by {} at {}\n", job.id, sync_name(store, job.sync_id),
                          name_of(job.status), name_of(job.trigger), to_rfc3339(job.created_at));
  if (!job.error.empty()) with.out << "  " << job.error << "\n";
  if (const std::optional<Sync> sync = store.find_sync(job.sync_id); sync && sync->hold)
    with.out << "  the sync is on hold: " << hold_in_words(*sync) << "\n";
  std::vector<std::vector<std::string>> rows = {
      {"  ATTEMPT", "STATUS", "STRATEGY", "STARTED", "READ", "WRITTEN", "DELETED", "QUARANTINED", "ERROR"}};
  for (const Run& run : store.runs_of_job(job.id))
    rows.push_back({fmt::format("  {}", run.attempt), run.status, run.strategy, to_rfc3339(run.started_at),
                    with_commas(run.figures.read), with_commas(run.figures.written),
                    with_commas(run.figures.deleted), with_commas(run.figures.quarantined),
                    shortened(run.error)});
  with.out << in_columns(rows);
  return 0;
}

int change_job(const Invocation& line, const Surroundings& with, Store& store, const Job& job) {
  const bool retry = line.action == "retry";
  const std::optional<Job> changed = retry ? store.retry_job(job.id) : store.cancel_job(job.id);
  if (!changed)
    throw Error(ErrorKind::not_found,
                fmt::format("job {} is {}; {}", job.id, name_of(job.status),
                            retry ? "only a failed job can be tried again"
                                  : "only a pending or processing job can be cancelled"));
  with.out << (line.json ? to_json_text(to_json(*changed)) + "\n"
                         : fmt::format("job {} is {} now\n", changed->id, name_of(changed->status)));
  return 0;
}

// --- migrate ---

/// Without a config file that of the usual store: people look at it before they write one.
std::string schema_of_store(const Invocation& line, const Surroundings& with) {
  std::error_code unreadable;
  if (!std::filesystem::exists(line.config_file, unreadable)) return sqlite_store_schema();
  const Config config = with.load_config(line.config_file, line.env_file);
  return is_shared_store(config) ? postgresql_store_schema() : sqlite_store_schema();
}

}  // namespace

int jobs(const Invocation& line, const Surroundings& with) {
  const Opened opened = open(line, with);
  if (line.action.empty() || line.action == "list") return list_jobs(line, with, *opened.store);
  const std::optional<Job> job = opened.store->find_job(line.id);
  if (!job) throw Error(ErrorKind::not_found, fmt::format("there is no job {}", line.id));
  return line.action == "show" ? show_job(line, with, *opened.store, *job)
                               : change_job(line, with, *opened.store, *job);
}

int quarantine(const Invocation& line, const Surroundings& with) {
  const Opened opened = open(line, with);
  Store& store = *opened.store;
  std::vector<std::vector<std::string>> rows = {
      {"SYNC", "TABLE", "KEY", "FIELD", "ATTEMPTS", "LAST SEEN", "REASON"}};
  std::vector<std::string> sync_ids;
  for (const std::string& name : line.syncs) sync_ids.push_back(sync_named(store, name).id);
  if (sync_ids.empty()) sync_ids.emplace_back();
  for (const std::string& sync_id : sync_ids) {
    Page page;
    page.sync_id = sync_id;
    page.limit = line.limit;
    for (const QuarantinedRow& row : store.list_quarantine(page).items) {
      const std::string name = sync_name(store, row.sync_id);
      if (line.json) {
        boost::json::object shown = to_json(row);
        shown["sync"] = name;
        with.out << to_json_text(shown) << "\n";
      }
      rows.push_back({name, row.table, row.key.to_json(), row.field, std::to_string(row.attempts),
                      to_rfc3339(row.last_seen_at), row.reason});
    }
  }
  if (!line.json) with.out << (rows.size() == 1 ? "no rows in quarantine\n" : in_columns(rows));
  return 0;
}

int resume(const Invocation& line, const Surroundings& with) {
  const Opened opened = open(line, with);
  const Sync sync = sync_named(*opened.store, line.name);
  if (sync.hold && sync.hold->kind == "removed")
    throw Error(
        ErrorKind::not_found,
        fmt::format(
            "sync {} left {}; put it back there, or drop what is kept for it with `syncflow forget {}`",
            sync.name, line.config_file, sync.name));
  if (!opened.store->lift_hold(sync.id))
    throw Error(ErrorKind::not_found, fmt::format("sync {} is not on hold", sync.name));
  say(line, with, fmt::format("sync {} goes on", sync.name),
      {{"sync", sync.name}, {"sync_id", sync.id}, {"team_id", sync.team_id}, {"resumed", true}});
  return 0;
}

int forget(const Invocation& line, const Surroundings& with) {
  const Opened opened = open(line, with);
  const Sync sync = left_sync_named(*opened.store, line.name);
  for (const SyncDefinition& kept : opened.config.syncs)
    if (kept.id == sync.id)
      throw Error(
          ErrorKind::not_found,
          fmt::format(
              "sync {} still stands in {}; take it out there first, and apply the file with `run` or `serve`",
              sync.name, line.config_file));
  opened.store->forget_sync(sync.id);
  say(line, with, fmt::format("sync {} is forgotten; its tables stay as they are", sync.name),
      {{"sync", sync.name}, {"sync_id", sync.id}, {"team_id", sync.team_id}, {"forgotten", true}});
  return 0;
}

int migrate(const Invocation& line, const Surroundings& with) {
  if (line.print) {
    const std::string schema = schema_of_store(line, with);
    with.out << (line.json ? to_json_text(boost::json::object{{"sql", schema}}) + "\n" : schema);
    return 0;
  }
  const Config config = with.load_config(line.config_file, line.env_file);
  open_store(config, with.clock)->ping();
  say(line, with, fmt::format("the store {} is up to date", store_name(config)),
      {{"store", is_shared_store(config) ? store_name(config) : config.store}, {"up_to_date", true}});
  return 0;
}

}  // namespace syncflow::cli
