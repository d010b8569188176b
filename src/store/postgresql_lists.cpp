#include <fmt/format.h>

#include "store/page_cursor.h"
#include "store/postgresql_store.h"
#include "store/table_reports.h"

namespace syncflow::postgresql_store {
namespace {

/// `sql` with the page's filters in place of {}; the limit is one row more than the page, to see whether there is a
/// next.
Call page_call(const std::string& sql, const Page& page, const char* sync_id, const char* team_id) {
  Call call("");
  call.number(seq_below(page)).number(static_cast<std::int64_t>(std::max<std::size_t>(page.limit, 1)) + 1);
  std::string filter;
  int parameter = 2;
  if (!page.sync_id.empty()) {
    filter += fmt::format(" AND sync_id = {}", fmt::format(fmt::runtime(sync_id), ++parameter));
    call.id(page.sync_id);
  }
  if (!page.team_id.empty()) {
    filter += fmt::format(" AND team_id = {}", fmt::format(fmt::runtime(team_id), ++parameter));
    call.id(page.team_id);
  }
  // Of a few words that were checked: as a constant it finds the index that holds only such rows.
  if (!page.status.empty()) filter += fmt::format(" AND status = '{}'", page.status);
  return Call(fmt::format(fmt::runtime(sql), filter), std::move(call));
}

/// Rows of a page, newest first; the first column is their seq, the cursor of the next page the last one's.
template <typename T, typename Read>
Listed<T> read_page(const libpq::Rows& rows, const Page& page, Read read) {
  const int limit = static_cast<int>(std::max<std::size_t>(page.limit, 1));
  Listed<T> listed;
  for (int row = 0; row < std::min(rows.size(), limit); ++row) listed.items.push_back(read(rows, row));
  if (rows.size() > limit) listed.next = rows.string(limit - 1, 0);
  return listed;
}

constexpr std::string_view kRunColumns =
    "r.seq, r.id, r.job_id, r.sync_id, r.attempt, r.status, r.strategy, r.read, r.written, r.deleted, "
    "r.unchanged, "
    "r.filtered, r.collapsed, r.quarantined, r.bytes, syncflow_us(r.started_at), syncflow_us(r.finished_at), "
    "r.error, "
    "r.tables";

Run read_run(const libpq::Rows& rows, int row) {
  Run run;
  run.id = rows.string(row, 1);
  run.job_id = rows.string(row, 2);
  run.sync_id = rows.string(row, 3);
  run.attempt = static_cast<int>(rows.integer(row, 4));
  run.status = rows.string(row, 5);
  run.strategy = rows.string(row, 6);
  run.figures = {rows.integer(row, 7),  rows.integer(row, 8),  rows.integer(row, 9),  rows.integer(row, 10),
                 rows.integer(row, 11), rows.integer(row, 12), rows.integer(row, 13), rows.integer(row, 14)};
  run.started_at = read_time(rows, row, 15);
  run.finished_at = read_optional_time(rows, row, 16);
  run.error = rows.string(row, 17);
  run.tables = tables_from_json(rows.text(row, 18));
  return run;
}

std::vector<Run> read_runs(const libpq::Rows& rows) {
  std::vector<Run> runs;
  for (int row = 0; row < rows.size(); ++row) runs.push_back(read_run(rows, row));
  return runs;
}

constexpr std::string_view kEntryColumns =
    "seq, id, sync_id, mapping, \"table\", key, field, reason, attempts, syncflow_us(first_seen_at), "
    "syncflow_us(last_seen_at), row_hash";

QuarantinedRow read_entry(const libpq::Rows& rows, int row) {
  QuarantinedRow entry;
  entry.id = rows.string(row, 1);
  entry.sync_id = rows.string(row, 2);
  entry.mapping = rows.string(row, 3);
  entry.table = rows.string(row, 4);
  entry.key = Key::from_json(read_bytes(rows, row, 5));
  entry.field = rows.string(row, 6);
  entry.reason = rows.string(row, 7);
  entry.attempts = static_cast<int>(rows.integer(row, 8));
  entry.first_seen_at = read_time(rows, row, 9);
  entry.last_seen_at = read_time(rows, row, 10);
  entry.row_hash = read_hash(rows, row, 11);
  return entry;
}

constexpr const char* kPlain = "${}";

}  // namespace

Listed<Job> PostgresqlStore::list_jobs(const Page& page) {
  if (!page.status.empty() && !job_status_named(page.status))
    throw Error(
        ErrorKind::bad_config,
        fmt::format("\"{}\" is no status of a job: pending, processing, completed or failed", page.status));
  // The columns keep the types that they had before us: our texts are turned into those.
  Call call = page_call(
      "SELECT * FROM syncflow_jobs(ARRAY(SELECT seq FROM data_sync_jobs WHERE seq < $1{} ORDER BY seq DESC "
      "LIMIT "
      "$2)) ORDER BY seq DESC",
      page, "syncflow_sync_id(${})", "syncflow_team_id(${})");
  return read_page<Job>(run(call), page,
                        [](const libpq::Rows& rows, int row) { return read_job(rows, row, 0); });
}

Listed<Run> PostgresqlStore::list_runs(const Page& page) {
  Page without_status = page;
  without_status.status.clear();
  Call call = page_call(
      fmt::format("SELECT {} FROM sync_runs r WHERE seq < $1{{}} ORDER BY seq DESC LIMIT $2", kRunColumns),
      without_status, kPlain, kPlain);
  return read_page<Run>(run(call), page, read_run);
}

std::vector<Run> PostgresqlStore::runs_of_job(const std::string& job_id) {
  const auto job = find_job(job_id);
  if (!job) return {};
  static const std::string sql = fmt::format(
      "SELECT {} FROM sync_run_jobs rj JOIN sync_runs r ON r.seq = rj.run_seq WHERE rj.job_seq = (SELECT seq "
      "FROM "
      "data_sync_jobs WHERE id = syncflow_id($1)) ORDER BY r.seq",
      kRunColumns);
  return read_runs(run(Call(sql).text(job->id)));
}

std::optional<Run> PostgresqlStore::find_run(const std::string& id) {
  static const std::string sql = fmt::format("SELECT {} FROM sync_runs r WHERE r.id = $1", kRunColumns);
  const auto found = read_runs(run(Call(sql).id(id)));
  if (found.empty()) return std::nullopt;
  return found.front();
}

Listed<QuarantinedRow> PostgresqlStore::list_quarantine(const Page& page) {
  Page without_status = page;
  without_status.status.clear();
  Call call =
      page_call(fmt::format("SELECT {} FROM sync_row_errors WHERE seq < $1{{}} ORDER BY seq DESC LIMIT $2",
                            kEntryColumns),
                without_status, kPlain, kPlain);
  return read_page<QuarantinedRow>(run(call), page, read_entry);
}

std::vector<QuarantinedRow> PostgresqlStore::quarantine_of(const std::string& sync_id,
                                                           const std::string& mapping, std::size_t limit) {
  static const std::string sql = fmt::format(
      "SELECT {} FROM sync_row_errors WHERE sync_id = $1 AND mapping = $2 ORDER BY last_seen_at, seq LIMIT "
      "$3",
      kEntryColumns);
  const libpq::Rows rows = run(Call(sql).id(sync_id).text(mapping).number(static_cast<std::int64_t>(limit)));
  std::vector<QuarantinedRow> entries;
  for (int row = 0; row < rows.size(); ++row) entries.push_back(read_entry(rows, row));
  return entries;
}

std::size_t PostgresqlStore::count_quarantine(const std::string& sync_id) {
  return static_cast<std::size_t>(
      run(Call("SELECT count(*) FROM sync_row_errors WHERE sync_id = $1").id(sync_id)).integer(0, 0));
}

}  // namespace syncflow::postgresql_store
