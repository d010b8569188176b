#include "engine/json_view.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/clock.h"
#include "core/error.h"

namespace syncflow {
namespace {

boost::json::value time(const std::optional<Time>& time) {
  return time ? boost::json::value(to_rfc3339(*time)) : boost::json::value(nullptr);
}

boost::json::value text_or_null(const std::string& text) {
  return text.empty() ? boost::json::value(nullptr) : boost::json::value(text);
}

/// Others insert jobs too, straight into the table: what is no JSON is shown as the text it is.
boost::json::value payload(const std::string& text) {
  boost::json::error_code broken;
  boost::json::value value = boost::json::parse(text, broken);
  return broken ? boost::json::value(text) : value;
}

boost::json::value hold_of(const Sync& sync) {
  if (!sync.hold) return nullptr;
  return boost::json::object{
      {"kind", sync.hold->kind}, {"reason", hold_in_words(sync)}, {"since", to_rfc3339(sync.hold->since)}};
}

/// As a shell takes it without quotes.
bool is_plain(const std::string& name) {
  return !name.empty() && name.front() != '-' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

std::string_view name_of_wanted(WantedStrategy strategy) {
  switch (strategy) {
    case WantedStrategy::automatic: return "auto";
    case WantedStrategy::cursor: return "cursor";
    case WantedStrategy::feed: return "feed";
    case WantedStrategy::diff: return "diff";
  }
  return "auto";
}

SyncDefinition definition_of(const Sync& sync) {
  try {
    return definition_from_json(sync.definition);
  } catch (const Error& error) {
    // Not the caller's mistake: the store holds what no version of us wrote.
    throw Error(ErrorKind::bug, "the stored definition of sync " + sync.name + ": " + error.what());
  }
}

boost::json::array tables_of(const Sync& sync) {
  boost::json::array tables;
  for (const TableMapping& table : definition_of(sync).tables) {
    tables.push_back(boost::json::object{{"source", table.source},
                                         {"destination", table.destination},
                                         {"direction", "source-to-destination"},
                                         {"strategy", name_of_wanted(table.strategy)}});
  }
  return tables;
}

double seconds_between(Time from, Time to) { return std::chrono::duration<double>(to - from).count(); }

}  // namespace

std::string hold_in_words(const Sync& sync) {
  // One that left the file is not resumed; its reason says what there is to do.
  if (sync.hold->kind == "removed") return sync.hold->reason;
  return fmt::format("{}; then `syncflow resume {}`", sync.hold->reason,
                     is_plain(sync.name) ? sync.name : sync.id);
}

void add_figures(boost::json::object& shown, const Figures& figures) {
  for (const NamedFigure& figure : kFigures) shown[figure.name] = figures.*figure.count;
}

boost::json::object job_receipt(const Job& job) {
  return {{"id", job.id},
          {"sync_id", job.sync_id},
          {"team_id", job.team_id},
          {"status", name_of(job.status)},
          {"created_at", to_rfc3339(job.created_at)},
          {"updated_at", to_rfc3339(job.updated_at)}};
}

boost::json::object to_json(const Job& job) {
  return {{"id", job.id},
          {"sync_id", job.sync_id},
          {"team_id", job.team_id},
          {"provider", job.provider},
          {"status", name_of(job.status)},
          {"payload", payload(job.payload)},
          {"error", text_or_null(job.error)},
          {"retry_count", job.retry_count},
          {"created_at", to_rfc3339(job.created_at)},
          {"updated_at", to_rfc3339(job.updated_at)},
          {"started_at", time(job.started_at)},
          {"finished_at", time(job.finished_at)},
          {"trigger", name_of(job.trigger)},
          {"run_after", to_rfc3339(job.run_after)}};
}

boost::json::object to_json(const TableReport& table) {
  boost::json::object shown{
      {"source", table.source}, {"destination", table.destination}, {"strategy", table.strategy}};
  add_figures(shown, table.figures);
  return shown;
}

boost::json::object to_json(const Run& run) {
  boost::json::object shown{{"id", run.id},           {"job_id", run.job_id}, {"sync_id", run.sync_id},
                            {"attempt", run.attempt}, {"status", run.status}, {"strategy", run.strategy}};
  add_figures(shown, run.figures);
  shown["bytes"] = run.figures.bytes;
  shown["seconds"] =
      run.finished_at ? boost::json::value(seconds_between(run.started_at, *run.finished_at)) : nullptr;
  shown["started_at"] = to_rfc3339(run.started_at);
  shown["finished_at"] = time(run.finished_at);
  shown["error"] = text_or_null(run.error);
  boost::json::array tables;
  for (const TableReport& table : run.tables) tables.push_back(to_json(table));
  shown["tables"] = std::move(tables);
  return shown;
}

boost::json::object to_json(const Sync& sync, const std::optional<Run>& last_run) {
  return {{"id", sync.id},
          {"name", sync.name},
          {"team_id", sync.team_id},
          {"status", name_of(sync.status)},
          {"hold", hold_of(sync)},
          {"source", sync.source},
          {"destination", sync.destination},
          {"schedule", sync.schedule},
          {"tables", tables_of(sync)},
          {"last_polled_at", time(sync.last_polled_at)},
          {"next_run_at", time(sync.next_run_at)},
          {"last_run", last_run ? boost::json::value(to_json(*last_run)) : boost::json::value(nullptr)},
          {"message", text_or_null(sync.message)}};
}

boost::json::object to_json(const QuarantinedRow& row) {
  return {{"id", row.id},
          {"sync_id", row.sync_id},
          {"table", row.table},
          {"key", boost::json::parse(row.key.to_json())},
          {"field", text_or_null(row.field)},
          {"reason", row.reason},
          {"attempts", row.attempts},
          {"first_seen_at", to_rfc3339(row.first_seen_at)},
          {"last_seen_at", to_rfc3339(row.last_seen_at)}};
}

}  // namespace syncflow
