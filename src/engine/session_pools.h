#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>

#include "core/clock.h"
#include "engine/definition.h"
#include "provider/session_pool.h"

namespace syncflow {

/// The session pools of a config's connections, one each, and which runs may use them. Thread-safe.
class SessionPools {
 public:
  explicit SessionPools(Clock& clock) : clock_(clock) {}

  SessionPool& of(const ConnectionConfig& connection);

  /// The right of one run to its two connections. A run may need two sessions of a connection at once, and must never
  /// wait for one that another run holds which waits for its own: so runs wait for each other before they begin.
  class Turn {
   public:
    Turn() = default;
    Turn(Turn&& other) noexcept;
    Turn& operator=(Turn&&) = delete;
    ~Turn();

   private:
    friend class SessionPools;
    SessionPools* pools_ = nullptr;
    std::string source_, destination_;
  };
  /// Waits until both connections have room. Throws Error: cancelled, rate_limited (after a second: the worker is for
  /// others meanwhile, and no attempt is used up).
  Turn take_turn(const ConnectionConfig& source, const ConnectionConfig& destination,
                 const std::stop_token& stop);

  /// Closes the sessions that nobody has used for a while.
  void close_idle();

 private:
  /// How many runs a connection bears at once; 0: any number.
  static std::size_t most_runs(const ConnectionConfig& connection);
  void end_turn(const Turn& turn);

  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable_any freed_;
  std::map<std::string, std::unique_ptr<SessionPool>> pools_;  ///< by connection
  std::map<std::string, std::size_t> runs_;                    ///< by connection
};

}  // namespace syncflow
