#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "drivers/libpq/session.h"
#include "provider/provider.h"
#include "providers/postgresql/settings.h"

namespace syncflow::postgresql {

/// A sort of a large table takes its time before the first row.
inline constexpr std::chrono::minutes kReadPatience{15};

/// One login that only reads: made when it is first needed, or taken from the connection's pool, and made anew when it
/// broke. Each statement outside of a transaction is REPEATABLE READ and READ ONLY. Not thread-safe.
///
/// Nothing of what one login did is left to the next: a session goes back to the pool only outside of any transaction,
/// and begins with its settings anew.
class Login {
 public:
  Login(const Settings& settings, const Resources& resources);
  ~Login();
  Login(const Login&) = delete;
  Login& operator=(const Login&) = delete;

  /// Ready for a statement. One from the pool that turns out to be broken is replaced here.
  libpq::Session& session();
  /// The session as it is; there must be one.
  libpq::Session& current() { return *kept_->session; }
  bool is_open() const { return kept_ != nullptr; }
  /// Of this session and of those that take its place.
  void use_search_path(const std::string& path);
  /// Closes the session in whatever state it is.
  void drop();

 private:
  struct Kept : SessionPool::Session {
    explicit Kept(std::unique_ptr<libpq::Session> of) : session(std::move(of)) {}
    std::unique_ptr<libpq::Session> session;
  };
  bool take_kept();
  void log_in();
  void set_up();

  libpq::Target target_;
  const Resources resources_;
  std::string search_path_;
  SessionPool::Place place_;
  std::unique_ptr<Kept> kept_;
};

}  // namespace syncflow::postgresql
