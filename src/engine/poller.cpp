#include "engine/poller.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "core/log.h"
#include "engine/retry_policy.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

constexpr Duration kIdle = 1s;
/// Taken from the store at once: few, for other processes want some too.
constexpr std::size_t kTakenAtOnce = 16;
/// How long a look may take before others may look too, which costs a second look and nothing else.
constexpr Duration kLongestLook = 2min;
/// Looks are spread by up to this share of their interval, so that syncs made together do not stay together.
constexpr double kJitter = 0.1;

}  // namespace

/// While it lives no other thread looks at the sync. It ends by an error too: when the store is in trouble, a sync
/// must not be passed over from then on.
class Poller::Looking {
 public:
  Looking(Poller& poller, const std::string& sync_id) : poller_(poller), sync_id_(sync_id) {}
  ~Looking() {
    const std::lock_guard lock(poller_.mutex_);
    poller_.looking_at_.erase(sync_id_);
  }
  Looking(const Looking&) = delete;
  Looking& operator=(const Looking&) = delete;

 private:
  Poller& poller_;
  const std::string sync_id_;
};

Poller::Poller(const EngineParts& parts, int threads) : parts_(parts) {
  for (int i = 0; i < threads; ++i)
    threads_.emplace_back([this](std::stop_token stop) { poll(std::move(stop)); });
}

Poller::~Poller() { request_stop(); }

void Poller::request_stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

void Poller::poll(std::stop_token stop) {
  while (!stop.stop_requested()) {
    try {
      const auto sync = take_due();
      if (!sync) {
        parts_.clock.sleep(kIdle, stop);
        continue;
      }
      const Looking looking(*this, sync->id);
      look_at(*sync, stop);
    } catch (const std::exception& error) {
      log::error("The store cannot be read; trying again.", {{"error", error.what()}});
      parts_.clock.sleep(kIdle, stop);
    }
  }
}

std::optional<Sync> Poller::take_due() {
  const std::lock_guard lock(mutex_);
  // What waited here for long is due for others by now: the store gives it again.
  if (parts_.clock.monotonic() - taken_at_ > kLongestLook / 2) taken_.clear();
  if (taken_.empty()) {
    taken_at_ = parts_.clock.monotonic();
    for (Sync& sync : parts_.store.take_due_syncs(kTakenAtOnce, kLongestLook))
      taken_.push_back(std::move(sync));
  }
  while (!taken_.empty()) {
    Sync sync = std::move(taken_.front());
    taken_.pop_front();
    // A look may outlast the time for which it was taken.
    if (looking_at_.insert(sync.id).second) return sync;
  }
  return std::nullopt;
}

void Poller::look_at(const Sync& sync, std::stop_token stop) {
  try {
    if (connection_waits(sync)) return;
    const Looked looked = look_for_changes(parts_, plans_, sync, stop);
    if (looked.changed) parts_.store.enqueue(sync.id, Trigger::schedule);
    note_success(sync);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) return;
    note_failure(sync, error);
  } catch (const std::exception& error) {
    note_failure(sync, Error(ErrorKind::bug, fmt::format("an invariant broke: {}", error.what())));
  }
}

Time Poller::next_look(const Sync& sync) const {
  const Duration interval = parse_schedule(sync.schedule);
  const double share = kJitter * random_fraction();
  return parts_.store.clock().now() + interval -
         Duration(static_cast<std::int64_t>(static_cast<double>(interval.count()) * share));
}

void Poller::note_success(const Sync& sync) {
  {
    const std::lock_guard lock(mutex_);
    troubles_.erase(sync.source);
  }
  parts_.store.polled(sync.id, parts_.store.clock().now(), next_look(sync), 0, "");
}

bool Poller::connection_waits(const Sync& sync) {
  Time until;
  {
    const std::lock_guard lock(mutex_);
    const auto trouble = troubles_.find(sync.source);
    if (trouble == troubles_.end() || parts_.store.clock().now() >= trouble->second.until) return false;
    until = trouble->second.until;
  }
  parts_.store.polled(
      sync.id, parts_.store.clock().now(), until, sync.failed_polls,
      fmt::format("waits for connection {}, which is in trouble, until {}", sync.source, to_rfc3339(until)));
  return true;
}

void Poller::note_failure(const Sync& sync, const Error& error) {
  const SyncDefinition definition = definition_from_json(sync.definition);
  const Time now = parts_.store.clock().now();
  const int failures = sync.failed_polls + 1;
  log::warn("A sync could not be looked at.", {{"sync", sync.name}, {"error", error.what()}});
  // A person must act, or it failed too often: a job fails with the reason where people look for it.
  if (needs_a_person(error.kind()) || failures > definition.retry.max_retries)
    parts_.store.enqueue(sync.id, Trigger::schedule);
  Time next = now + std::max(retry_wait(failures, definition.retry, random_fraction()),
                             error.retry_after() ? Duration(*error.retry_after()) : Duration(0));
  if (failures > definition.retry.max_retries) next = std::max(next, next_look(sync));
  if (error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::rate_limited) {
    const std::lock_guard lock(mutex_);
    Trouble& trouble = troubles_[sync.source];
    ++trouble.failures;
    trouble.until = next = std::max(next, now + retry_wait(trouble.failures, {}, random_fraction()));
  }
  parts_.store.polled(sync.id, now, next, failures, error.what());
}

}  // namespace syncflow
