#include "store/postgresql_sessions.h"

#include <fmt/core.h>

#include "core/error.h"

namespace syncflow::postgresql_store {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;

}  // namespace

Sessions::Lent Sessions::lend() {
  {
    std::unique_lock lock(mutex_);
    if (!freed_.wait_for(lock, kPatience, [&] { return !idle_.empty() || open_ < most_; }))
      throw Error(ErrorKind::unavailable,
                  fmt::format("the store in PostgreSQL {}: none of {} connections got free within {} s",
                              place_.target.place(), most_, kPatience / 1s));
    if (!idle_.empty()) {
      auto session = std::move(idle_.back());
      idle_.pop_back();
      return {*this, std::move(session)};
    }
    idle_.reserve(most_);  // giving back must not throw
    ++open_;
  }
  try {
    return {*this, connect(place_)};
  } catch (...) {
    const std::lock_guard lock(mutex_);
    --open_;
    freed_.notify_one();
    throw;
  }
}

void Sessions::give_back(std::unique_ptr<libpq::Session> session) noexcept {
  const std::lock_guard lock(mutex_);
  if (session->usable()) idle_.push_back(std::move(session));
  else --open_;
  freed_.notify_one();
}

void Sessions::drop_idle() {
  std::vector<std::unique_ptr<libpq::Session>> dropped;
  const std::lock_guard lock(mutex_);
  open_ -= idle_.size();
  dropped.swap(idle_);
}

}  // namespace syncflow::postgresql_store
