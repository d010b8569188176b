#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string_view>

#include "drivers/libmariadb/session.h"
#include "provider/provider.h"
#include "providers/mysql/horizon.h"
#include "providers/mysql/settings.h"

namespace syncflow::mysql {

/// What a login is for: it decides how the session is set up.
enum class Purpose { look, read, write };

/// Hands out logins of one connection, at most `max_connections` at a time: from the connection's pool where there is
/// one. Thread-safe; outlives what it hands out.
class Sessions {
 public:
  Sessions(Settings settings, Resources resources) : settings_(std::move(settings)), resources_(resources) {}

  const Settings& settings() const { return settings_; }
  Clock& clock() const { return resources_.clock; }
  const std::stop_token& stop() const { return resources_.stop; }
  /// What all readers of the connection share; null: there is no pool, and each asks for itself.
  SharedListings* listings() const {
    return resources_.sessions ? &resources_.sessions->shared<SharedListings>() : nullptr;
  }

 private:
  friend class Login;
  void take();
  void give_back();

  const Settings settings_;
  const Resources resources_;
  std::mutex mutex_;
  std::condition_variable_any freed_;
  std::size_t open_ = 0;
};

/// One login, made when it is first needed and made anew when it broke. Not thread-safe.
///
/// Those that only read go back to the pool, outside of any transaction; all that is set for a purpose is set at the login
/// and changed by nobody.
///
/// Times are in UTC, texts in UTF-8, values that do not fit are errors, '0000-00-00' is a date and 0 is a key like any other.
class Login {
 public:
  Login(std::shared_ptr<Sessions> sessions, Purpose purpose)
      : sessions_(std::move(sessions)), purpose_(purpose) {}
  ~Login();
  Login(const Login&) = delete;
  Login& operator=(const Login&) = delete;

  /// Ready for the first statement of something: a login that the server dropped while it was idle is replaced here.
  /// What was said to an earlier session is forgotten then.
  Session& session();
  /// The login as it is, for the statements that follow.
  Session& current() { return *session_; }
  /// Counts the sessions: what was prepared on an earlier one is gone.
  std::size_t generation() const { return generation_; }

 private:
  struct Kept : SessionPool::Session {
    explicit Kept(std::unique_ptr<mysql::Session> of) : session(std::move(of)) {}
    std::unique_ptr<mysql::Session> session;
  };
  SessionPool* pool() const { return sessions_->resources_.sessions; }
  std::string_view kind() const;
  bool take_kept();
  void connect();
  void disconnect();
  void release();
  void keep();
  void set_up();

  std::shared_ptr<Sessions> sessions_;
  Purpose purpose_;
  SessionPool::Place place_;
  std::unique_ptr<Session> session_;
  std::size_t generation_ = 0;
  std::chrono::steady_clock::time_point last_used_;
};

}  // namespace syncflow::mysql
