#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <stop_token>

#include "drivers/libmariadb/session.h"
#include "provider/provider.h"
#include "providers/mysql/settings.h"

namespace syncflow::mysql {

/// What a login is for: it decides how the session is set up.
enum class Purpose { look, read, write };

/// Hands out logins of one connection, at most `max_connections` at a time. Thread-safe; outlives what it hands out.
class Sessions {
 public:
  Sessions(Settings settings, Resources resources) : settings_(std::move(settings)), resources_(resources) {}

  const Settings& settings() const { return settings_; }
  Clock& clock() const { return resources_.clock; }
  const std::stop_token& stop() const { return resources_.stop; }

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
  void connect();
  void disconnect();
  void set_up();

  std::shared_ptr<Sessions> sessions_;
  Purpose purpose_;
  std::unique_ptr<Session> session_;
  std::size_t generation_ = 0;
  std::chrono::steady_clock::time_point last_used_;
};

}  // namespace syncflow::mysql
