#include "engine/poller.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/secrets.h"
#include "engine/counting.h"
#include "engine/retry_policy.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

/// How often the store is asked what is due and told what was seen, while there is something to do, and at the longest.
constexpr Duration kTick = 250ms;
constexpr Duration kIdle = 1s;
/// Taken from the store at once.
constexpr std::size_t kDueAtOnce = 256;
/// How long others leave alone what was taken. Who waits here for longer may be looked at twice, which costs a second
/// look and nothing else.
constexpr Duration kTakenFor = 1min;
/// Looks are spread by up to this share of their interval, so that syncs made together do not stay together.
constexpr double kJitter = 0.1;
/// How many intervals pass between two looks at a sync with a table that outgrew the size rule.
constexpr int kOutgrownIntervals = 10;
/// The first look of a sync may come among thousands of first looks: the second parts them.
constexpr Duration kFirstSpread = 10min;
/// How long a sync waits that cannot be looked at for now, and by how much that is spread.
constexpr Duration kPutOff = 5s;
constexpr Duration kPutOffSpread = 5s;
/// A look that takes longer is ended. A run, which has all the time it needs, does then what it could not.
constexpr auto kLongestLook = 5min;
constexpr auto kCloseIdleEvery = 10s;

Duration part_of(Duration whole) {
  return Duration(static_cast<std::int64_t>(static_cast<double>(whole.count()) * random_fraction()));
}

// What is wrong with a sync that cannot be read is said by the look that fails for it; it is put off like any other.

RetryPolicy policy_of(const Sync& sync) {
  try {
    return definition_from_json(sync.definition).retry;
  } catch (const Error&) {
    return {};
  }
}

Duration interval_of(const Sync& sync) {
  try {
    return parse_schedule(sync.schedule);
  } catch (const Error&) {
    return 1min;
  }
}

std::string waits_for(const std::string& connection, Time until) {
  return fmt::format("waits for connection {}, which is in trouble, until {}", connection, to_rfc3339(until));
}

}  // namespace

/// A look that is on its way.
struct Poller::Running {
  std::chrono::steady_clock::time_point since;
  std::stop_source stop;
  bool too_long = false;
};

/// While it lives the look is on its way and has a hand. It ends by an error too.
class Poller::Looking {
 public:
  /// Holds the lock.
  Looking(Poller& poller, Sync sync) : poller_(poller), sync_(std::move(sync)) {
    poller_.running_.push_front({poller_.parts_.clock.monotonic(), {}, false});
    running_ = poller_.running_.begin();
  }
  ~Looking() {
    const std::lock_guard lock(poller_.mutex_);
    poller_.queue_.ended(sync_.source, std::chrono::duration_cast<Duration>(poller_.parts_.clock.monotonic() -
                                                                            running_->since));
    poller_.running_.erase(running_);
  }
  Looking(const Looking&) = delete;
  Looking& operator=(const Looking&) = delete;

  const Sync& sync() const { return sync_; }
  std::stop_source stop_source() const { return running_->stop; }
  bool took_too_long() const {
    const std::lock_guard lock(poller_.mutex_);
    return running_->too_long;
  }

 private:
  Poller& poller_;
  const Sync sync_;
  std::list<Running>::iterator running_;
};

Poller::Poller(const EngineParts& parts, int hands) : parts_(parts), queue_(hands) {
  for (int i = 0; i < hands; ++i) threads_.emplace_back([this](const std::stop_token& stop) { look(stop); });
  feeder_ = std::jthread([this](const std::stop_token& stop) { feed(stop); });
}

Poller::~Poller() {
  request_stop();
  threads_.clear();
  feeder_ = {};
  try {
    write_notes();
  } catch (const std::exception& error) {
    log::warn("What the last looks came to was not noted: those syncs are looked at once more.",
              {{"error", error.what()}});
  }
}

void Poller::request_stop() {
  feeder_.request_stop();
  for (std::jthread& thread : threads_) thread.request_stop();
}

bool Poller::is_busy() {
  const std::lock_guard lock(mutex_);
  return queue_.is_busy();
}

// --- what is due, and what the looks came to ---

void Poller::feed(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    Duration pause = kIdle;
    try {
      pause = feed_once();
    } catch (const std::exception& error) {
      log::error("The store cannot be read or written; trying again.", {{"error", error.what()}});
    }
    parts_.clock.sleep(pause, stop);
  }
}

Duration Poller::feed_once() {
  write_notes();
  end_long_looks();
  take_in(parts_.store.take_due_syncs(kDueAtOnce, kTakenFor));
  if (const auto now = parts_.clock.monotonic(); now - tidied_ >= kCloseIdleEvery) {
    tidied_ = now;
    parts_.sessions->close_idle();
  }
  {
    const std::lock_guard lock(mutex_);
    if (queue_.is_busy() || !notes_.empty()) return kTick;
  }
  const auto next = parts_.store.next_due();
  return next ? std::clamp<Duration>(*next - parts_.store.clock().now(), kTick, kIdle) : kIdle;
}

void Poller::take_in(std::vector<Sync> due) {
  const Time now = parts_.store.clock().now();
  const std::lock_guard lock(mutex_);
  for (Sync& sync : due) {
    switch (queue_.offer(sync, now)) {
      case LookQueue::Offered::queued: work_.notify_one(); break;
      case LookQueue::Offered::known: break;
      case LookQueue::Offered::full: put_off(sync, now, sync.failed_polls > 0 ? sync.message : ""); break;
      case LookQueue::Offered::in_trouble: {
        const Time until = std::max(queue_.trouble_until(sync.source), now + kPutOff);
        put_off(sync, until - kPutOff, waits_for(sync.source, until));
        break;
      }
    }
  }
}

void Poller::put_off(const Sync& sync, Time from, const std::string& trouble) {
  notes_.push_back(
      {sync.id, std::nullopt, from + kPutOff + part_of(kPutOffSpread), sync.failed_polls, trouble});
}

void Poller::write_notes() {
  std::vector<LookNote> notes;
  {
    const std::lock_guard lock(mutex_);
    notes = std::exchange(notes_, {});
  }
  if (notes.empty()) return;
  try {
    parts_.store.note_looks(notes);
  } catch (...) {
    // Kept for the next time; until then these syncs are not looked at again.
    const std::lock_guard lock(mutex_);
    notes_.insert(notes_.begin(), std::make_move_iterator(notes.begin()),
                  std::make_move_iterator(notes.end()));
    throw;
  }
  const std::lock_guard lock(mutex_);
  for (const LookNote& note : notes) queue_.forget(note.sync_id);
}

void Poller::end_long_looks() {
  const auto now = parts_.clock.monotonic();
  std::vector<std::stop_source> too_long;
  {
    const std::lock_guard lock(mutex_);
    for (Running& look : running_)
      if (now - look.since >= kLongestLook && !std::exchange(look.too_long, true))
        too_long.push_back(look.stop);
  }
  for (std::stop_source& stop : too_long) stop.request_stop();
}

// --- the looks ---

void Poller::look(const std::stop_token& stop) {
  for (;;) {
    std::optional<Looking> looking;
    {
      std::unique_lock lock(mutex_);
      std::optional<Sync> sync;
      work_.wait(lock, stop, [&] { return (sync = queue_.take()).has_value(); });
      if (!sync) return;
      looking.emplace(*this, std::move(*sync));
      // Another hand may find a turn too.
      work_.notify_one();
    }
    look_at(*looking, stop);
  }
}

void Poller::look_at(const Looking& looking, const std::stop_token& stop) {
  const Sync& sync = looking.sync();
  const log::Scope scope{{"sync", sync.name}};
  std::stop_source own = looking.stop_source();
  const std::stop_callback on_stop(stop, [&own] { own.request_stop(); });
  const Time began = parts_.store.clock().now();
  const auto began_monotonic = parts_.clock.monotonic();
  const auto took = [&] { return parts_.clock.monotonic() - began_monotonic; };
  bool has_looked = false;
  try {
    const Looked looked = look_for_changes(parts_, plans_, sync, own.get_token());
    has_looked = true;
    count_poll(looked.changed ? "changed" : "unchanged", took());
    if (looked.changed) parts_.store.enqueue(sync.id, Trigger::schedule);
    else note_up_to_date(sync.id, began);
    note_success(sync, looked);
  } catch (const Error& error) {
    // A sync whose look was cut off by the end of the poller is due at the next start.
    if (error.kind() == ErrorKind::cancelled && stop.stop_requested()) return;
    count_poll("failed", took());
    if (error.kind() == ErrorKind::cancelled && looking.took_too_long())
      return note_failure(
          sync, Error(ErrorKind::unavailable, "the look took longer than five minutes and was ended"), began,
          false);
    const bool of_store = dynamic_cast<const StoreTrouble*>(&error) != nullptr;
    note_failure(sync, error, began, !has_looked && !of_store);
  } catch (const std::exception& error) {
    note_failure(sync, Error(ErrorKind::bug, fmt::format("an invariant broke: {}", error.what())), began,
                 false);
  }
}

Time Poller::next_look(const Sync& sync, int intervals) const {
  const Duration interval = intervals * interval_of(sync);
  const Duration most =
      sync.next_run_at ? Duration(static_cast<std::int64_t>(static_cast<double>(interval.count()) * kJitter))
                       : std::min<Duration>(interval, kFirstSpread);
  return parts_.store.clock().now() + interval - part_of(most);
}

void Poller::note_success(const Sync& sync, const Looked& looked) {
  const LookNote note{sync.id, parts_.store.clock().now(),
                      next_look(sync, looked.outgrown ? kOutgrownIntervals : 1), 0, ""};
  const std::lock_guard lock(mutex_);
  if (looked.asked_source) queue_.works(sync.source);
  notes_.push_back(note);
}

/// A person must act, or it failed too often: a job fails with the reason where people look for it.
void Poller::ask_for_a_run(const Sync& sync) {
  try {
    parts_.store.enqueue(sync.id, Trigger::schedule);
  } catch (const Error& error) {
    // The next look asks again.
    log::warn("A job could not be asked for.", {{"sync", sync.name}, {"error", error.what()}});
  }
}

void Poller::note_failure(const Sync& sync, const Error& error, Time began, bool blames_connection) {
  const RetryPolicy policy = policy_of(sync);
  const Time now = parts_.store.clock().now();
  const int failures = sync.failed_polls + 1;
  count_failure(error.kind(), "poll");
  log::warn("A sync could not be looked at.", {{"error", error.what()}});
  if (needs_a_person(error.kind()) || failures > policy.max_retries) ask_for_a_run(sync);
  const Duration asked_to_wait = error.retry_after() ? Duration(*error.retry_after()) : Duration(0);
  Time next = now + std::max(retry_wait(failures, policy, random_fraction()), asked_to_wait);
  if (failures > policy.max_retries) next = std::max(next, next_look(sync));
  const bool in_trouble = error.kind() == ErrorKind::unavailable || error.kind() == ErrorKind::rate_limited;
  const std::lock_guard lock(mutex_);
  if (blames_connection && in_trouble) {
    const int in_a_row = queue_.failed(sync.source, began, now);
    const Time until = now + std::max(retry_wait(in_a_row, {}, random_fraction()), asked_to_wait);
    next = std::max(next, until);
    for (const Sync& waiting : queue_.leave_alone(sync.source, until))
      put_off(waiting, until - kPutOff, waits_for(sync.source, until));
  }
  notes_.push_back({sync.id, now, next, failures, without_secrets(error.what())});
}

}  // namespace syncflow
