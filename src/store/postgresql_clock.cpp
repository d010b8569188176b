#include "store/postgresql_clock.h"

#include "store/postgresql_rows.h"

namespace syncflow::postgresql_store {
namespace {

using namespace std::chrono_literals;

constexpr auto kAskEvery = 10s;
/// An answer that took longer says too little; the next call asks again.
constexpr auto kLongest = 250ms;

}  // namespace

Time ServerClock::now() {
  const std::lock_guard lock(mutex_);
  return server_ + std::chrono::duration_cast<Duration>(local_.monotonic() - local_at_);
}

bool ServerClock::begin_to_ask() {
  const std::lock_guard lock(mutex_);
  const auto now = local_.monotonic();
  if (asked_at_ && now - *asked_at_ < kAskEvery) return false;
  asked_at_ = now;
  return true;
}

void ServerClock::follow(libpq::Session& session) {
  if (!begin_to_ask()) return;
  const auto sent = local_.monotonic();
  const libpq::Rows rows =
      session.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
  const auto answered = local_.monotonic();
  const std::lock_guard lock(mutex_);
  if (answered - sent > kLongest && is_set_) {
    asked_at_.reset();
    return;
  }
  is_set_ = true;
  server_ = read_time(rows, 0, 0);
  local_at_ = sent + (answered - sent) / 2;
}

}  // namespace syncflow::postgresql_store
