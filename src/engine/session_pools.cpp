#include "engine/session_pools.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

/// Who waits here holds a worker that could do what other connections have to be done.
constexpr auto kPatience = 1s;
constexpr auto kLater = 3s;
/// One to read or write with, one for a question meanwhile.
constexpr std::size_t kSessionsOfARun = 2;

std::size_t most_connections(const ConnectionConfig& connection) {
  return static_cast<std::size_t>(std::max(0L, connection.options.number("max_connections", 0)));
}

}  // namespace

SessionPool& SessionPools::of(const ConnectionConfig& connection) {
  const std::lock_guard lock(mutex_);
  auto& pool = pools_[connection.name];
  if (!pool) {
    SessionPool::Limits limits;
    limits.most_open = most_connections(connection);
    pool = std::make_unique<SessionPool>(fmt::format("connection {}", connection.name), limits, clock_);
  }
  return *pool;
}

std::size_t SessionPools::most_runs(const ConnectionConfig& connection) {
  const std::size_t most = most_connections(connection);
  return most == 0 ? 0 : std::max<std::size_t>(1, most / kSessionsOfARun);
}

SessionPools::Turn SessionPools::take_turn(const ConnectionConfig& source,
                                           const ConnectionConfig& destination, const std::stop_token& stop) {
  // A sync within one connection needs as much of it as two others.
  const std::size_t share = source.name == destination.name ? 2 : 1;
  const auto has_room = [&](const ConnectionConfig& connection) {
    const std::size_t most = most_runs(connection), now = runs_[connection.name];
    return most == 0 || now == 0 || now + share <= most;
  };
  std::unique_lock lock(mutex_);
  // Both or none: a run that held one and waited for the other could wait for ever.
  if (!freed_.wait_for(lock, stop, kPatience, [&] { return has_room(source) && has_room(destination); })) {
    if (stop.stop_requested()) throw Error(ErrorKind::cancelled, "asked to stop before the run began");
    const std::string& full = has_room(source) ? destination.name : source.name;
    Error busy(ErrorKind::rate_limited,
               fmt::format("other runs use all that connection {} bears (max_connections)", full));
    busy.retry_after(kLater);
    throw Error(busy);
  }
  Turn turn;
  turn.source_ = source.name;
  turn.destination_ = destination.name;
  turn.pools_ = this;
  ++runs_[source.name];
  ++runs_[destination.name];
  return turn;
}

void SessionPools::end_turn(const Turn& turn) {
  {
    const std::lock_guard lock(mutex_);
    --runs_[turn.source_];
    --runs_[turn.destination_];
  }
  freed_.notify_all();
}

SessionPools::Turn::Turn(Turn&& other) noexcept
    : pools_(std::exchange(other.pools_, nullptr)),
      source_(std::move(other.source_)),
      destination_(std::move(other.destination_)) {}

SessionPools::Turn::~Turn() {
  if (pools_) pools_->end_turn(*this);
}

void SessionPools::close_idle() {
  std::vector<SessionPool*> pools;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, pool] : pools_) pools.push_back(pool.get());
  }
  for (SessionPool* pool : pools) pool->close_idle();
}

}  // namespace syncflow
