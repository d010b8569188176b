#include "provider/session_pool.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

/// How long a place may be waited for where all are taken.
constexpr auto kPatience = 60s;

}  // namespace

SessionPool::Place::Place(Place&& other) noexcept
    : session(std::move(other.session)), pool_(std::exchange(other.pool_, nullptr)), since_(other.since_) {}

SessionPool::Place& SessionPool::Place::operator=(Place&& other) noexcept {
  if (this == &other) return *this;
  session.reset();
  if (pool_) pool_->free_place();
  session = std::move(other.session);
  pool_ = std::exchange(other.pool_, nullptr);
  since_ = other.since_;
  return *this;
}

SessionPool::Place::~Place() {
  session.reset();
  if (pool_) pool_->free_place();
}

SessionPool::SessionPool(std::string where, Limits limits, Clock& clock)
    : where_(std::move(where)), limits_(limits), clock_(clock) {}

SessionPool::~SessionPool() = default;

bool SessionPool::is_over(const Waiting& waiting, std::chrono::steady_clock::time_point now) const {
  return now - waiting.idle_since >= limits_.longest_idle || now - waiting.since >= limits_.longest_life;
}

SessionPool::Closed SessionPool::take_out(const std::function<bool(const Waiting&)>& wanted) {
  Closed out;
  for (auto each = idle_.begin(); each != idle_.end();) {
    const auto here = each++;
    if (!wanted(*here)) continue;
    out.splice(out.end(), idle_, here);
    --open_;
  }
  return out;
}

void SessionPool::await_room(std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
  const auto room = [&] { return limits_.most_open == 0 || open_ < limits_.most_open || !idle_.empty(); };
  if (freed_.wait_for(lock, stop, kPatience, room)) return;
  if (stop.stop_requested())
    throw Error(ErrorKind::cancelled, fmt::format("connecting to {}: asked to stop", where_));
  throw Error(ErrorKind::unavailable,
              fmt::format("connecting to {}: all {} connections are in use (max_connections)", where_,
                          limits_.most_open));
}

SessionPool::Place SessionPool::new_place(Closed& closed) {
  // Where all are taken one that is idle makes room, the one that waited longest; it is closed without the lock.
  if (limits_.most_open != 0 && open_ >= limits_.most_open) closed.splice(closed.end(), idle_, --idle_.end());
  else ++open_;
  Place place;
  place.pool_ = this;
  place.since_ = clock_.monotonic();
  return place;
}

SessionPool::Place SessionPool::take(std::string_view kind, const std::stop_token& stop) {
  Closed closed;
  std::unique_lock lock(mutex_);
  closed = take_out([&](const Waiting& each) { return is_over(each, clock_.monotonic()); });
  await_room(lock, stop);
  const auto found =
      std::find_if(idle_.begin(), idle_.end(), [&](const Waiting& each) { return each.kind == kind; });
  if (found == idle_.end()) return new_place(closed);
  Place place;
  place.pool_ = this;
  place.since_ = found->since;
  place.session = std::move(found->session);
  idle_.erase(found);
  return place;
}

SessionPool::Place SessionPool::take_fresh(std::string_view kind, const std::stop_token& stop) {
  Closed closed;
  std::unique_lock lock(mutex_);
  closed = take_out([&](const Waiting& each) { return each.kind == kind; });
  await_room(lock, stop);
  return new_place(closed);
}

void SessionPool::keep(std::string_view kind, Place place) {
  if (!place.pool_ || !place.session) return;
  const auto now = clock_.monotonic();
  Waiting waiting{std::string(kind), nullptr, place.since_, now};
  {
    const std::lock_guard lock(mutex_);
    if (idle_.size() >= limits_.most_idle || is_over(waiting, now)) return;
    idle_.push_front(std::move(waiting));
    idle_.front().session = std::move(place.session);
    place.pool_ = nullptr;
  }
  freed_.notify_one();
}

void SessionPool::free_place() {
  {
    const std::lock_guard lock(mutex_);
    --open_;
  }
  freed_.notify_one();
}

void SessionPool::close_idle() {
  Closed old;
  {
    const std::lock_guard lock(mutex_);
    old = take_out([&](const Waiting& each) { return is_over(each, clock_.monotonic()); });
  }
  if (!old.empty()) freed_.notify_all();
}

std::size_t SessionPool::open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

std::size_t SessionPool::idle() const {
  const std::lock_guard lock(mutex_);
  return idle_.size();
}

}  // namespace syncflow
