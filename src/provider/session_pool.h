#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/clock.h"

namespace syncflow {

/// The logins of one connection of the config: how many may be open at once, and those that wait for their next use.
///
/// Thread-safe; a session belongs to one `Place` at a time. Outlives the places that it hands out.
class SessionPool {
 public:
  /// Something logged in. Whoever puts one into the pool promises that the next one finds it as a fresh login would be:
  /// no open transaction, no temporary table, no setting of its own, no stop token that is not its.
  class Session {
   public:
    virtual ~Session() = default;
  };

  struct Limits {
    std::size_t most_open = 0;  ///< idle ones count; 0: no limit
    std::size_t most_idle = 16;
    Duration longest_idle = std::chrono::seconds(60);
    /// Then a session is not used again, so that a changed role, address or certificate is noticed.
    Duration longest_life = std::chrono::minutes(15);
  };
  /// What waits for a place is called `where` in errors.
  SessionPool(std::string where, Limits limits, Clock& clock);
  ~SessionPool();
  SessionPool(const SessionPool&) = delete;
  SessionPool& operator=(const SessionPool&) = delete;

  /// The right to have one session open, until it goes out of scope. `session` is closed before others get the place.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;
    ~Place();
    explicit operator bool() const { return pool_ != nullptr; }

    /// One that was used before, or empty: log in and put it here.
    std::unique_ptr<Session> session;

   private:
    friend class SessionPool;
    SessionPool* pool_ = nullptr;
    std::chrono::steady_clock::time_point since_;  ///< of the session's login
  };

  /// A place, with a session that was kept under `kind` if there is one. While all are taken it waits; an idle session
  /// of another kind makes room. Throws Error: cancelled, unavailable (after a minute).
  Place take(std::string_view kind, const std::stop_token& stop);
  /// A place without a session: those that wait under `kind` are closed, for they are likely to be broken as well.
  Place take_fresh(std::string_view kind, const std::stop_token& stop);
  /// Gives the place back with its session, for `take(kind)`.
  void keep(std::string_view kind, Place place);

  /// Closes what has waited for too long. Called now and then; `take` never gives such a session out.
  void close_idle();

  /// One T for all sessions of the connection, made when it is first asked for; always of the same type.
  template <typename T>
  T& shared() {
    const std::lock_guard lock(mutex_);
    if (!shared_) shared_ = std::make_shared<T>();
    return *static_cast<T*>(shared_.get());
  }

  std::size_t open() const;
  std::size_t idle() const;

 private:
  struct Waiting {
    std::string kind;
    std::unique_ptr<Session> session;
    std::chrono::steady_clock::time_point since;
    std::chrono::steady_clock::time_point idle_since;
  };
  using Closed = std::list<Waiting>;

  bool is_over(const Waiting& waiting, std::chrono::steady_clock::time_point now) const;
  /// Takes these out of the idle ones; they are closed by whoever holds them, without the lock.
  Closed take_out(const std::function<bool(const Waiting&)>& wanted);
  void await_room(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);
  Place new_place(Closed& closed);
  void free_place();

  const std::string where_;
  const Limits limits_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable_any freed_;
  std::size_t open_ = 0;
  std::shared_ptr<void> shared_;
  std::list<Waiting> idle_;  ///< the one that was used last is the first
};

}  // namespace syncflow
