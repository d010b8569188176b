#include "store/postgresql_store.h"

#include <fmt/format.h>

#include "core/log.h"
#include "core/options.h"
#include "store/postgresql_schema.h"

namespace syncflow {
namespace postgresql_store {
namespace {

using namespace std::chrono_literals;

/// A lost connection is replaced that often, a statement that the server broke off to end a deadlock is sent that often.
constexpr int kTries = 5;
constexpr Duration kFirstPause = 50ms;
/// Trying on must not double the time that a silent server takes already.
constexpr auto kLongestTrying = 10s;
constexpr int kSweptAtOnce = 1000;
/// Of what mappings have noted, in each of so many transactions.
constexpr int kNotesSweptAtOnce = 5000;
constexpr int kSweepSteps = 20;
/// How soon a job is seen whose notification was missed.
constexpr Duration kLookInterval = 1s;

}  // namespace

PostgresqlStore::PostgresqlStore(Place place, Clock& clock, StoreTime time)
    : clock_(clock),
      time_(time),
      sessions_(place, kMostSessions),
      heartbeats_(std::move(place), kMostHeartbeats),
      server_clock_(clock) {
  // On a session of its own: an upgrade may be waited for longer than anything else, and that lasts with the session.
  migrate(*connect(sessions_.place()));
  if (time_ == StoreTime::server) server_clock_.follow(*sessions_.lend());
}

PostgresqlStore::~PostgresqlStore() = default;

Clock& PostgresqlStore::clock() {
  if (time_ == StoreTime::server) return server_clock_;
  return clock_;
}

Call& PostgresqlStore::now(Call& call) {
  return time_ == StoreTime::server ? call.null() : call.time(clock_.now());
}

libpq::Rows PostgresqlStore::run(Sessions& sessions, Call& call, Retry retry) {
  const auto began = clock_.monotonic();
  Duration pause = kFirstPause;
  for (int tries = 1;; ++tries) {
    bool sent = false;
    try {
      Sessions::Lent session = sessions.lend();
      if (time_ == StoreTime::server) server_clock_.follow(*session);
      sent = true;
      libpq::Answer answer = session->attempt_prepared(call.sql(), call.parameters());
      if (!answer.refused) {
        if (tries > 1) log::info("The store answered after all.", {{"tries", std::to_string(tries)}});
        return std::move(answer.rows);
      }
      // Deadlock or serialisation failure: it did not happen, and goes when the others are done.
      if (!answer.refused->is("40") || tries == kTries) throw to_error(*session, *answer.refused);
      continue;
    } catch (const Error& error) {
      // What else is refused is no matter of the connection.
      if (error.kind() != ErrorKind::unavailable || tries == kTries ||
          clock_.monotonic() - began > kLongestTrying)
        throw;
      const auto tell = tries == 1 ? log::warn : log::debug;
      tell("The store did not answer a call; trying again.", {{"error", error.what()}});
    }
    if (sent) call.try_again(retry == Retry::told);
    sessions.drop_idle();
    clock_.sleep(pause, {});
    pause *= 2;
  }
}

void PostgresqlStore::ping() { run(Call("SELECT FROM sync_state LIMIT 1")); }

bool PostgresqlStore::sweep(Duration age) {
  const Time before = clock().now() - age;
  for (const char* sql : {"SELECT syncflow_sweep_jobs($1, $2)", "SELECT syncflow_sweep_runs($1, $2)"}) {
    std::int64_t deleted = kSweptAtOnce;
    while (deleted == kSweptAtOnce) deleted = run(Call(sql).time(before).number(kSweptAtOnce)).integer(0, 0);
  }
  // Long after the last try of any of them.
  run(Call("DELETE FROM syncflow_calls WHERE done_at < now() - interval '1 day'"));
  const libpq::Rows deleted = run(
      Call("SELECT id FROM sync_mappings WHERE sync_id IS NULL ORDER BY id LIMIT $1").number(kSweptAtOnce));
  int steps = kSweepSteps;
  for (int row = 0; row < deleted.size(); ++row)
    if (!sweep_notes(deleted.integer(row, 0), steps)) return true;
  return deleted.size() == kSweptAtOnce;
}

/// Deletes what a deleted mapping has noted. False: there is more, but no step is left.
bool PostgresqlStore::sweep_notes(std::int64_t mapping, int& steps) {
  for (const char* sql :
       {"SELECT syncflow_sweep_rows($1, $2, $3)", "SELECT syncflow_sweep_keys($1, 0, $2, $3)",
        "SELECT syncflow_sweep_keys($1, 1, $2, $3)"}) {
    for (std::optional<RowHash> from = RowHash{}; from;) {
      if (steps-- == 0) return false;
      from = read_optional_hash(run(Call(sql).number(mapping).hash(*from).number(kNotesSweptAtOnce)), 0, 0);
    }
  }
  run(Call("DELETE FROM sync_mappings WHERE id = $1 AND sync_id IS NULL").number(mapping));
  return true;
}

void PostgresqlStore::wait_for_jobs(Duration timeout, std::stop_token stop,
                                    const std::vector<std::string>& only) {
  begin_to_listen();
  const Time until = clock().now() + timeout;
  while (!stop.stop_requested()) {
    // A stop source for each sleep: whatever is to end it (a job asked for, here or elsewhere, the caller's stop) does.
    std::stop_source woken;
    const std::stop_callback on_stop(stop, [&] { woken.request_stop(); });
    {
      const std::lock_guard lock(waiters_mutex_);
      waiters_.insert(&woken);
    }
    struct Leaves {
      PostgresqlStore& store;
      std::stop_source& woken;
      ~Leaves() {
        const std::lock_guard lock(store.waiters_mutex_);
        store.waiters_.erase(&woken);
      }
    } leaves{*this, woken};
    // Asked after the source is known: what comes in between ends the sleep.
    const std::optional<Time> next = next_job(only);
    const Time now = clock().now();
    if (now >= until || (next && *next <= now)) return;
    Duration wait = std::min(until - now, kLookInterval);
    if (next) wait = std::min(wait, *next - now);
    clock_.sleep(wait, woken.get_token());
  }
}

void PostgresqlStore::wake_waiters() {
  const std::lock_guard lock(waiters_mutex_);
  for (std::stop_source* waiter : waiters_) waiter->request_stop();
}

void PostgresqlStore::begin_to_listen() {
  const std::lock_guard lock(waiters_mutex_);
  if (!listener_.joinable())
    listener_ = std::jthread([this](std::stop_token stop) { listen(std::move(stop)); });
}

// A thread of the store's own: libpq tells of notifications only to who reads the connection, and who waits for jobs
// sleeps by the clock.
void PostgresqlStore::listen(std::stop_token stop) {
  while (!stop.stop_requested()) {
    try {
      const auto session = connect(sessions_.place(), stop);
      session->execute("SELECT set_config('application_name', 'syncflow store (waiting)', false)");
      const std::string channel = session->execute("SELECT syncflow_channel()").string(0, 0);
      session->execute("LISTEN " + libpq::quoted_name(channel));
      while (!stop.stop_requested())
        if (session->await_notification(1h)) wake_waiters();
    } catch (const Error& error) {
      // Until it is back the waits look by themselves, each second.
      if (error.kind() != ErrorKind::cancelled)
        log::debug("The store cannot listen for jobs; trying again.", {{"error", error.what()}});
      clock_.sleep(kLookInterval, stop);
    }
  }
}

}  // namespace postgresql_store

bool is_postgresql_store(std::string_view store) {
  return store.starts_with("postgresql:") || store.starts_with("postgres:");
}

void check_postgresql_store(const std::string& url) { postgresql_store::parse_place(url); }

std::unique_ptr<Store> open_postgresql_store(const std::string& url, Clock& clock, StoreTime time) {
  return std::make_unique<postgresql_store::PostgresqlStore>(postgresql_store::parse_place(url), clock, time);
}

bool postgresql_store_exists(const std::string& url) {
  return postgresql_store::has_store(*postgresql_store::connect(postgresql_store::parse_place(url)));
}

}  // namespace syncflow
