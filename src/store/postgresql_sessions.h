#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "store/postgresql_place.h"

namespace syncflow::postgresql_store {

/// How many sessions a store has for its calls: more would only wait for each other in the server.
inline constexpr std::size_t kMostSessions = 12;
/// And for heartbeats alone, which must not wait behind commits. One that waits for its own sync's commit should not
/// hold up those of others.
inline constexpr std::size_t kMostHeartbeats = 4;

/// Connections to the store's server, handed out one for each user at a time, `most` of them. Thread-safe.
class Sessions {
 public:
  Sessions(Place place, std::size_t most) : place_(std::move(place)), most_(most) {}

  /// Gives its session back when it goes; one that was lost is dropped.
  class Lent {
   public:
    Lent(Sessions& sessions, std::unique_ptr<libpq::Session> session)
        : sessions_(sessions), session_(std::move(session)) {}
    ~Lent() { sessions_.give_back(std::move(session_)); }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    libpq::Session& operator*() { return *session_; }
    libpq::Session* operator->() { return session_.get(); }

   private:
    Sessions& sessions_;
    std::unique_ptr<libpq::Session> session_;
  };
  /// Throws Error as a login does, and Error(unavailable) when none gets free in time.
  Lent lend();
  /// Closes those that nobody uses: where one was lost, the others are as well, or soon will be.
  void drop_idle();
  const Place& place() const { return place_; }

 private:
  void give_back(std::unique_ptr<libpq::Session> session) noexcept;

  const Place place_;
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<std::unique_ptr<libpq::Session>> idle_;
  std::size_t open_ = 0;
};

}  // namespace syncflow::postgresql_store
