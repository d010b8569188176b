#include "providers/mysql/sessions.h"

#include <fmt/core.h>

#include "core/error.h"

namespace syncflow::mysql {
namespace {

using namespace std::chrono_literals;

/// Longer without a word, and the login is asked whether it still lives before it is used.
constexpr auto kIdle = 500ms;
/// How long a login may be waited for where all are in use.
constexpr auto kPatience = 60s;

/// Strict, so that nothing is cut in silence; 0 and zero dates stay what they are, since sources hold them; a backslash
/// is a character like any other.
constexpr const char* kMode =
    "STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_"
    "DATES,"
    "NO_BACKSLASH_ESCAPES";

}  // namespace

void Sessions::take() {
  std::unique_lock lock(mutex_);
  const auto free = [&] { return settings_.max_connections == 0 || open_ < settings_.max_connections; };
  if (!freed_.wait_for(lock, resources_.stop, kPatience, free)) {
    const std::string where = settings_.target.shown();
    if (resources_.stop.stop_requested())
      throw Error(ErrorKind::cancelled, "connecting to " + where + ": asked to stop");
    throw Error(ErrorKind::unavailable,
                fmt::format("connecting to {}: all {} connections are in use (max_connections)", where,
                            settings_.max_connections));
  }
  ++open_;
}

void Sessions::give_back() {
  {
    const std::lock_guard lock(mutex_);
    --open_;
  }
  freed_.notify_one();
}

Login::~Login() {
  if (session_ && pool() && purpose_ != Purpose::write) keep();
  disconnect();
}

std::string_view Login::kind() const {
  switch (purpose_) {
    case Purpose::look: return "look";
    case Purpose::read: return "read";
    case Purpose::write: break;
  }
  return "write";
}

void Login::keep() {
  if (session_->is_broken() || session_->in_transaction()) return;
  session_->set_stop({});
  place_.session = std::make_unique<Kept>(std::move(session_));
  pool()->keep(kind(), std::move(place_));
}

Session& Login::session() {
  const auto now = std::chrono::steady_clock::now();
  if (session_ && now - last_used_ > kIdle && !session_->is_alive()) disconnect();
  if (session_ && session_->is_broken()) disconnect();
  if (!session_) connect();
  last_used_ = now;
  return *session_;
}

/// False: none waits, or the one that did is no longer good.
bool Login::take_kept() {
  place_ = pool()->take(kind(), sessions_->stop());
  if (!place_.session) return false;
  session_ = std::move(static_cast<Kept&>(*place_.session).session);
  place_.session.reset();
  session_->set_stop(sessions_->stop());
  if (session_->is_alive()) return true;
  session_.reset();
  place_ = {};
  place_ = pool()->take_fresh(kind(), sessions_->stop());
  return false;
}

void Login::connect() {
  if (pool()) {
    if (take_kept()) {
      ++generation_;
      return;
    }
  } else {
    sessions_->take();
  }
  try {
    session_ = std::make_unique<Session>(sessions_->settings().target, sessions_->stop());
  } catch (...) {
    release();
    throw;
  }
  ++generation_;
  try {
    set_up();
  } catch (...) {
    disconnect();
    throw;
  }
}

void Login::disconnect() {
  if (!session_) return;
  session_.reset();
  release();
}

void Login::release() {
  if (pool()) place_ = {};
  else sessions_->give_back();
}

void Login::set_up() {
  const bool mariadb = session_->server().mariadb;
  // A wait for a table's structure may otherwise last a year. Long keys are sorted by all their bytes.
  session_->execute(fmt::format(
      "SET SESSION time_zone = '+00:00', sql_mode = '{}', lock_wait_timeout = 60, max_sort_length = 8192",
      kMode));
  session_->execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  if (purpose_ != Purpose::read) return;
  // A destination that takes its time must not cost the read its connection; a statement that nobody waits for any
  // more must not run for ever.
  session_->execute(fmt::format("SET SESSION net_write_timeout = 3600, {}",
                                mariadb ? "max_statement_time = 7200" : "max_execution_time = 7200000"));
}

}  // namespace syncflow::mysql
