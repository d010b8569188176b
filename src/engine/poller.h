#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/look.h"
#include "engine/sync_run.h"

namespace syncflow {

/// Looks at syncs whose time has come and asks for a job where something changed.
///
/// A failing connection is looked at by one sync at a time, under backoff; its other syncs wait with it.
class Poller {
 public:
  Poller(const EngineParts& parts, int threads);
  ~Poller();

  void request_stop();

 private:
  class Looking;

  void poll(std::stop_token stop);
  /// The next sync whose time has come and that nobody else looks at, here or in another process.
  std::optional<Sync> take_due();
  void look_at(const Sync& sync, std::stop_token stop);
  void note_success(const Sync& sync);
  void note_failure(const Sync& sync, const Error& error);
  bool connection_waits(const Sync& sync);
  Time next_look(const Sync& sync) const;

  struct Trouble {
    int failures = 0;
    Time until;
  };

  const EngineParts& parts_;
  PlanCache plans_;
  std::mutex mutex_;
  std::deque<Sync> taken_;  ///< from the store, not looked at yet
  std::chrono::steady_clock::time_point taken_at_;
  std::set<std::string> looking_at_;         ///< sync ids
  std::map<std::string, Trouble> troubles_;  ///< by connection
  std::vector<std::jthread> threads_;
};

}  // namespace syncflow
