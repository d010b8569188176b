#include <fmt/format.h>

#include "core/failpoint.h"
#include "core/uuid.h"
#include "store/postgresql_store.h"
#include "store/table_reports.h"

namespace syncflow::postgresql_store {
namespace {

std::string_view word_for(Outcome::Kind kind) {
  switch (kind) {
    case Outcome::Kind::completed: return "completed";
    case Outcome::Kind::failed: return "failed";
    case Outcome::Kind::retry: return "retry";
    case Outcome::Kind::give_back: return "give_back";
  }
  throw Error(ErrorKind::bug, "an outcome without a word");
}

/// What the functions that end a run take first.
Call& add_end(Call& call, const Lease& lease, const Outcome& outcome) {
  call.lease(lease)
      .id(random_uuid())
      .text(word_for(outcome.kind))
      .text(outcome.error)
      .duration(outcome.wait)
      .text(outcome.strategy)
      .text(to_json(outcome.tables));
  if (!outcome.hold) return call.null().null().null();
  return call.text(outcome.hold->kind).text(outcome.hold->reason).time(outcome.hold->since);
}

Call& add_ids(Call& call, const std::vector<std::string>& ids) {
  return call.array(ids, [](std::string& out, const std::string& id) { append_id(out, id); });
}

/// A claim that is about to be sent, with what the server is not to choose.
Claim new_claim(Clock& clock, const std::string& owner) {
  Claim claim;
  claim.sent = clock.monotonic();
  claim.sent_at = clock.now();
  claim.lease.run_id = random_uuid();
  claim.lease.owner = owner;
  return claim;
}

/// Of `SELECT epoch, attempt, (sync).*, (job).*`, a row for each job. Empty: there is nothing to do.
std::optional<Claim> read_claim(const libpq::Rows& rows, Claim claim) {
  if (rows.size() == 0) return std::nullopt;
  claim.sync = read_sync(rows, 0, 2);
  claim.lease.sync_id = claim.sync.id;
  claim.lease.epoch = rows.integer(0, 0);
  claim.attempt = static_cast<int>(rows.integer(0, 1));
  for (int row = 0; row < rows.size(); ++row) claim.jobs.push_back(read_job(rows, row, 2 + kSyncColumns));
  return claim;
}

}  // namespace

std::optional<Job> PostgresqlStore::one_job(Call& call) {
  const libpq::Rows rows = run(call);
  if (rows.size() == 0) return std::nullopt;
  return read_job(rows, 0, 0);
}

// --- asking ---

Store::Enqueued PostgresqlStore::enqueue(const std::string& sync_id, Trigger trigger, int priority,
                                         const std::string& payload) {
  Call call("SELECT created, (job).* FROM syncflow_enqueue($1, $2, $3, $4, $5, $6, $7)");
  call.id(sync_id).id(random_uuid()).text(name_of(trigger)).number(priority).text(payload);
  const libpq::Rows rows = run(now(call).again(), Retry::told);
  wake_waiters();
  return {read_job(rows, 0, 1), rows.boolean(0, 0)};
}

std::optional<Job> PostgresqlStore::find_job(const std::string& id) {
  // A table that was there before us may have other ids than uuids.
  return one_job(Call("SELECT * FROM syncflow_find_job($1)").text(id));
}

std::optional<Job> PostgresqlStore::retry_job(const std::string& id) {
  Call call("SELECT * FROM syncflow_retry_once($1, $2, $3, $4)");
  const auto retried = one_job(now(call.id(random_uuid()).text(id).number(kPersonPriority)));
  if (retried) wake_waiters();
  return retried;
}

std::optional<Job> PostgresqlStore::cancel_job(const std::string& id) {
  Call call("SELECT * FROM syncflow_cancel_once($1, $2, $3)");
  return one_job(now(call.id(random_uuid()).text(id)));
}

std::size_t PostgresqlStore::pending_jobs() {
  return static_cast<std::size_t>(
      run(Call("SELECT count(*) FROM data_sync_jobs WHERE status = 'pending'")).integer(0, 0));
}

// --- working ---

std::optional<Claim> PostgresqlStore::claim(const std::string& owner, Duration lease,
                                            const std::vector<std::string>& only) {
  Claim claim = new_claim(clock(), owner);
  Call call("SELECT epoch, attempt, (sync).*, (job).* FROM syncflow_claim($1, $2, $3, $4, $5, $6)");
  add_ids(call.text(owner).id(claim.lease.run_id).duration(lease), only);
  return read_claim(run(now(call).again(), Retry::told), std::move(claim));
}

std::optional<Time> PostgresqlStore::next_job(const std::vector<std::string>& only) {
  static const std::string news =
      "EXISTS (SELECT FROM data_sync_jobs WHERE status = 'pending' AND NOT noticed)";
  Call call(
      only.empty()
          ? "SELECT " + news +
                ", syncflow_us(least((SELECT min(waiting_at) FROM sync_state WHERE waiting_at IS NOT NULL), "
                "(SELECT min(lease_until) FROM sync_state WHERE lease_until IS NOT NULL)))"
          : "SELECT " + news +
                ", (SELECT syncflow_us(min(coalesce(waiting_at, lease_until))) FROM sync_state "
                "WHERE sync_id = ANY($1::text[]))");
  if (!only.empty()) add_ids(call, only);
  const libpq::Rows rows = run(call);
  if (rows.boolean(0, 0)) return clock().now();
  return read_optional_time(rows, 0, 1);
}

bool PostgresqlStore::heartbeat(const Lease& lease, Duration time) {
  Call call("SELECT syncflow_heartbeat($1, $2, $3, $4, $5, $6)");
  return run(heartbeats_, now(call.lease(lease).duration(time)), Retry::plain).boolean(0, 0);
}

bool PostgresqlStore::is_to_end(const Lease& lease) {
  Call call(
      "SELECT NOT EXISTS (SELECT FROM data_sync_jobs WHERE run_id = $1 AND status = 'processing') "
      "OR EXISTS (SELECT FROM sync_state WHERE sync_id = $2 AND lease_run = $1 AND lease_version <> "
      "definition_version)");
  return run(heartbeats_, call.id(lease.run_id).id(lease.sync_id), Retry::plain).boolean(0, 0);
}

void PostgresqlStore::finish(const Lease& lease, const Outcome& outcome) {
  failpoint("store.job_state");
  Call call(
      outcome.yields
          ? "SELECT syncflow_finish_yielded($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
          : "SELECT syncflow_finish($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)");
  run(now(add_end(call, lease, outcome)).again(), Retry::told);
  wake_waiters();
}

std::optional<Claim> PostgresqlStore::finish_and_claim(const Lease& lease, const Outcome& outcome,
                                                       Duration next_lease) {
  failpoint("store.job_state");
  Claim claim = new_claim(clock(), lease.owner);
  Call call(
      "SELECT epoch, attempt, (sync).*, (job).* FROM syncflow_finish_and_claim($1, $2, $3, $4, $5, $6, $7, "
      "$8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)");
  add_end(call, lease, outcome).boolean(outcome.yields).id(claim.lease.run_id).duration(next_lease);
  auto next = read_claim(run(now(call).again(), Retry::told), std::move(claim));
  wake_waiters();
  return next;
}

std::size_t PostgresqlStore::release_all() {
  Call call("SELECT syncflow_release_all($1)");
  const auto released = run(now(call)).integer(0, 0);
  wake_waiters();
  return static_cast<std::size_t>(released);
}

}  // namespace syncflow::postgresql_store
