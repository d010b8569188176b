#include <fmt/format.h>

#include "store/sqlite_rows.h"
#include "store/sqlite_store.h"
#include "store/table_reports.h"

namespace syncflow::sqlite_store {
namespace {

constexpr std::string_view kRunColumns =
    "r.seq, r.id, r.job_id, r.sync_id, r.attempt, r.status, r.strategy, r.read, r.written, r.deleted, "
    "r.unchanged, "
    "r.filtered, r.collapsed, r.quarantined, r.bytes, r.started_at, r.finished_at, r.error, r.tables";

Run read_run(const Query& query) {
  Run run;
  run.id = query.text(1);
  run.job_id = query.text(2);
  run.sync_id = query.text(3);
  run.attempt = query.small(4);
  run.status = query.text(5);
  run.strategy = query.text(6);
  run.figures = {query.integer(7),  query.integer(8),  query.integer(9),  query.integer(10),
                 query.integer(11), query.integer(12), query.integer(13), query.integer(14)};
  run.started_at = query.time(15);
  run.finished_at = query.optional_time(16);
  run.error = query.text(17);
  run.tables = tables_from_json(query.text(18));
  return run;
}

}  // namespace

Listed<Run> SqliteStore::list_runs(const Page& page) {
  const std::string sql =
      fmt::format("SELECT {} FROM sync_runs r WHERE seq < ?1{} ORDER BY seq DESC LIMIT ?2", kRunColumns,
                  page_filter(page));
  return read([&](Connection& connection) { return read_page<Run>(connection, sql, page, read_run); });
}

std::vector<Run> SqliteStore::runs_of_job(const std::string& job_id) {
  static const std::string sql = fmt::format(
      "SELECT {} FROM data_sync_jobs j JOIN sync_run_jobs rj ON rj.job_seq = j.seq JOIN sync_runs r ON r.seq "
      "= "
      "rj.run_seq WHERE j.id = ?1 ORDER BY r.seq",
      kRunColumns);
  return read([&](Connection& connection) {
    Query query(connection, sql);
    query.bind(job_id);
    std::vector<Run> runs;
    while (query.step()) runs.push_back(read_run(query));
    return runs;
  });
}

std::optional<Run> SqliteStore::find_run(const std::string& id) {
  static const std::string sql = fmt::format("SELECT {} FROM sync_runs r WHERE r.id = ?1", kRunColumns);
  return read([&](Connection& connection) -> std::optional<Run> {
    Query query(connection, sql);
    if (!query.bind(id).step()) return std::nullopt;
    return read_run(query);
  });
}

}  // namespace syncflow::sqlite_store
