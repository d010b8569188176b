#include <fmt/format.h>

#include <map>

#include "core/uuid.h"
#include "store/page_cursor.h"
#include "store/postgresql_store.h"

namespace syncflow::postgresql_store {
namespace {

/// A column of the syncs as an array.
template <typename Get>
void add_column(Call& call, const std::vector<Sync>& syncs, Get get) {
  call.array(syncs, [&](std::string& out, const Sync& sync) { append_text(out, get(sync)); });
}

}  // namespace

std::vector<Sync> PostgresqlStore::syncs(Call& call, Retry retry) {
  const libpq::Rows rows = run(call, retry);
  std::vector<Sync> syncs;
  for (int row = 0; row < rows.size(); ++row) syncs.push_back(read_sync(rows, row, 0));
  return syncs;
}

void PostgresqlStore::apply_syncs(const std::vector<Sync>& from_file) {
  Call call("SELECT syncflow_apply_syncs($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
  call.array(from_file, [](std::string& out, const Sync& sync) { append_id(out, sync.id); });
  add_column(call, from_file, [](const Sync& sync) { return std::string_view(sync.name); });
  call.array(from_file, [](std::string& out, const Sync& sync) { append_id(out, sync.team_id); });
  add_column(call, from_file, [](const Sync& sync) { return name_of(sync.status); });
  add_column(call, from_file, [](const Sync& sync) { return std::string_view(sync.provider); });
  add_column(call, from_file, [](const Sync& sync) { return std::string_view(sync.source); });
  add_column(call, from_file, [](const Sync& sync) { return std::string_view(sync.destination); });
  add_column(call, from_file, [](const Sync& sync) { return std::string_view(sync.schedule); });
  add_column(call, from_file, [](const Sync& sync) { return std::string_view(sync.definition); });
  run(now(call));
  wake_waiters();
}

Listed<Sync> PostgresqlStore::list_syncs(const Page& page) {
  const Key after = sync_behind(page);
  const std::size_t limit = std::max<std::size_t>(page.limit, 1);
  Call call(
      fmt::format("SELECT * FROM syncflow_syncs WHERE (name, id) > ($1, $2) {} ORDER BY name, id LIMIT $3",
                  page.team_id.empty() ? "" : "AND team_id = $4"));
  call.text(after.parts[0]).text(after.parts[1]).number(static_cast<std::int64_t>(limit) + 1);
  if (!page.team_id.empty()) call.id(page.team_id);
  Listed<Sync> listed;
  listed.items = syncs(call);
  if (listed.items.size() > limit) {
    listed.items.pop_back();
    listed.next = cursor_behind(listed.items.back());
  }
  return listed;
}

std::optional<Sync> PostgresqlStore::find_sync(const std::string& id) {
  const auto found = syncs(Call("SELECT * FROM syncflow_syncs WHERE id = $1").id(id));
  if (found.empty()) return std::nullopt;
  return found.front();
}

std::optional<Sync> PostgresqlStore::find_sync_named(const std::string& name) {
  const auto found = syncs(
      Call("SELECT * FROM syncflow_syncs WHERE name = $1 ORDER BY hold_kind IS NOT DISTINCT FROM 'removed', "
           "team_id <> $2, id LIMIT 2")
          .text(name)
          .text(kDefaultTeam));
  if (found.empty()) return std::nullopt;
  const Sync& first = found.front();
  if (first.team_id == kDefaultTeam || found.size() == 1) return first;
  const auto removed = [](const Sync& sync) { return sync.hold && sync.hold->kind == "removed"; };
  const Sync& second = found.back();
  if (removed(second) && !removed(first)) return first;
  throw Error(ErrorKind::bad_config,
              fmt::format("several syncs are named {}: {} of team {} and {} of team {}; give the id", name,
                          first.id, first.team_id, second.id, second.team_id));
}

std::vector<Sync> PostgresqlStore::due_syncs(std::size_t limit) {
  Call call("SELECT * FROM syncflow_due($2, $1)");
  now(call).number(static_cast<std::int64_t>(limit));
  return syncs(call);
}

std::vector<Sync> PostgresqlStore::take_due_syncs(std::size_t limit, Duration look) {
  Call call("SELECT * FROM syncflow_take_due($1, $2, $3, $4, $5)");
  call.number(static_cast<std::int64_t>(limit)).duration(look).id(random_uuid());
  return syncs(now(call).again(), Retry::told);
}

std::optional<Time> PostgresqlStore::next_due() {
  Call call(
      "SELECT syncflow_us(nullif(n.next, '-infinity')), n.next = '-infinity' FROM syncflow_next_due($1) AS "
      "n(next)");
  const libpq::Rows rows = run(now(call));
  if (rows.boolean(0, 1)) return clock().now();  // never looked at
  return read_optional_time(rows, 0, 0);
}

void PostgresqlStore::polled(const std::string& sync_id, Time at, Time next, int failed_polls,
                             const std::string& trouble) {
  run(Call("UPDATE sync_state SET last_polled_at = $2, next_run_at = $3, failed_polls = $4, poll_trouble = "
           "$5, "
           "looked_at_until = NULL WHERE sync_id = $1")
          .id(sync_id)
          .time(at)
          .time(next)
          .number(failed_polls)
          .text(trouble));
}

void PostgresqlStore::note_looks(const std::vector<LookNote>& notes) {
  // Of two notes on one sync the later counts.
  std::map<std::string, const LookNote*> latest;
  for (const LookNote& note : notes) latest[note.sync_id] = &note;
  const auto microseconds = [](Time time) { return time.time_since_epoch().count(); };
  // In the order of the ids, in which `apply_syncs` locks them too.
  Call call(
      "WITH locked AS (SELECT sync_id FROM sync_state WHERE sync_id = ANY($1::text[]) ORDER BY sync_id FOR "
      "NO "
      "KEY UPDATE) UPDATE sync_state t SET last_polled_at = coalesce(timestamptz 'epoch' + n.at * interval "
      "'1 microsecond', t.last_polled_at), next_run_at = timestamptz 'epoch' + n.next * interval '1 "
      "microsecond', failed_polls = n.failed_polls, poll_trouble = n.trouble, looked_at_until = NULL FROM "
      "locked, unnest($1::text[], $2::bigint[], $3::bigint[], $4::integer[], $5::text[]) AS n(sync_id, at, "
      "next, failed_polls, trouble) WHERE t.sync_id = locked.sync_id AND n.sync_id = locked.sync_id");
  call.array(latest, [](std::string& out, const auto& note) { append_id(out, note.first); });
  call.array(latest, [&](std::string& out, const auto& note) {
    if (note.second->at) append_number(out, microseconds(*note.second->at));
    else out += "NULL";
  });
  call.array(latest, [&](std::string& out, const auto& note) {
    append_number(out, microseconds(note.second->next));
  });
  call.array(latest,
             [](std::string& out, const auto& note) { append_number(out, note.second->failed_polls); });
  call.array(latest, [](std::string& out, const auto& note) { append_text(out, note.second->trouble); });
  run(call);
}

void PostgresqlStore::set_message(const std::string& sync_id, const std::string& message) {
  run(Call("UPDATE sync_state SET message = $2, poll_trouble = '' WHERE sync_id = $1")
          .id(sync_id)
          .text(message));
}

void PostgresqlStore::set_hold(const std::string& sync_id, const Hold& hold) {
  run(Call("UPDATE sync_state SET hold_kind = $2, hold_reason = $3, hold_since = $4 WHERE sync_id = $1")
          .id(sync_id)
          .text(hold.kind)
          .text(hold.reason)
          .time(hold.since));
}

bool PostgresqlStore::lift_hold(const std::string& sync_id) {
  Call call("SELECT syncflow_lift_hold_once($1, $2)");
  const bool lifted = run(call.id(random_uuid()).id(sync_id)).boolean(0, 0);
  if (lifted) wake_waiters();
  return lifted;
}

bool PostgresqlStore::forget_sync(const std::string& sync_id) {
  Call call("SELECT syncflow_forget_once($1, $2)");
  return run(call.id(random_uuid()).id(sync_id)).boolean(0, 0);
}

}  // namespace syncflow::postgresql_store
