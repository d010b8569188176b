#include "engine/held_lease.h"

#include <algorithm>

#include "core/error.h"
#include "engine/counting.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

template <typename TimePoint>
std::int64_t in_microseconds(TimePoint time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

}  // namespace

HeldLease::HeldLease(Store& store, const Claim& claim, const EngineSettings& settings, std::stop_token outer)
    : store_(store),
      lease_(claim.lease),
      settings_(settings),
      asked_at_(claim.sent),
      on_outer_stop_(std::move(outer), [this] { stop_.request_stop(); }) {
  count_from(claim.sent, claim.sent_at);
  // A claim whose answer took long, or whose worker stood still since: what it was granted may be over.
  if (is_due() && !extend()) stop_.request_stop();
  beating_ = std::jthread([this](std::stop_token stop) { beat(std::move(stop)); });
}

HeldLease::~HeldLease() {
  beating_.request_stop();
  beating_.join();
}

// Counted by the clock: a question may take seconds, and a sleep longer than it was to.
bool HeldLease::is_due() const { return store_.clock().monotonic() - asked_at_ >= settings_.heartbeat; }

bool HeldLease::extend() {
  const auto sent = store_.clock().monotonic();
  const Time sent_at = store_.clock().now();
  asked_at_ = sent;
  const bool goes_on = store_.heartbeat(lease_, settings_.lease);
  count_from(sent, sent_at);
  return goes_on;
}

void HeldLease::count_from(std::chrono::steady_clock::time_point sent, Time sent_at) {
  valid_until_ = in_microseconds(sent) + settings_.lease.count();
  store_valid_until_ = in_microseconds(sent_at) + settings_.lease.count();
}

void HeldLease::beat(std::stop_token stop) {
  const log::Scope scope(log_fields_);
  const Duration step = std::min<Duration>(settings_.heartbeat, 500ms);
  while (store_.clock().sleep(step, stop)) {
    try {
      // Who cancels a job or changes a sync should not wait for the next heartbeat.
      if (!is_due() && (stop_.stop_requested() || !store_.is_to_end(lease_))) continue;
      if (!extend() && !stop_.stop_requested()) {
        log::info("The sync was changed, paused or removed: its run ends after its batch.",
                  {{"sync", lease_.sync_id}, {"run", lease_.run_id}});
        stop_.request_stop();
      }
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::cancelled) cancelled_ = true;
      if (error.kind() == ErrorKind::lease_lost)
        log::warn("The lease on a sync is lost: its run stops and writes nothing more.",
                  {{"sync", lease_.sync_id}, {"run", lease_.run_id}, {"error", error.what()}});
      if (error.kind() == ErrorKind::cancelled || error.kind() == ErrorKind::lease_lost) {
        stop_.request_stop();
        return;
      }
      count_failure(error.kind(), "heartbeat");
      // The lease still runs: the next heartbeat may get through before it is over.
      log::warn("A heartbeat did not reach the store.", {{"error", error.what()}});
    }
  }
}

std::chrono::milliseconds HeldLease::left() const {
  const std::int64_t left = std::min(valid_until_ - in_microseconds(store_.clock().monotonic()),
                                     store_valid_until_ - in_microseconds(store_.clock().now()));
  return std::chrono::milliseconds(left > 0 ? left / 1000 : 0);
}

void HeldLease::check() const {
  if (left().count() > 0) return;
  throw Error(ErrorKind::lease_lost,
              "the lease on this sync ran out before its write was done; another worker goes on");
}

}  // namespace syncflow
