#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "store/store.h"

namespace syncflow::cli {

/// Asks the process that works on a store to bring syncs up to date, and follows its jobs to their end.
///
/// One thread. Members throw Error.
class RunBeside {
 public:
  struct Watch {
    OnProgress on_progress;
    std::function<void(const SyncReport&)> on_report;
    /// Whether the other process is gone, so that nobody works any more; asked a few times a second.
    std::function<bool()> holder_gone;
    std::stop_token stop;
  };
  RunBeside(Store& store, Watch watch) : store_(store), watch_(std::move(watch)) {}

  /// Queues a job for each of them, unless one is pending already.
  /// `payload`: of a job that asks for more than that.
  void ask(const std::vector<Sync>& syncs, bool resync, const std::string& payload = "{}");

  /// Waits until all are done or the other process is gone; the names of those that are not done then.
  /// Throws Error(cancelled) when a stop is asked for: the jobs stay in the queue.
  std::vector<std::string> follow();

  /// Of those that are done.
  const std::vector<SyncReport>& reports() const { return reports_; }

 private:
  struct Asked {
    Sync sync;
    std::string job_id;
  };

  bool is_done(const Asked& asked);
  void show(const Asked& asked);
  void report(const Asked& asked, const std::string& status, const std::string& error,
              const std::string& hold);

  Store& store_;
  Watch watch_;
  std::vector<Asked> open_;
  std::vector<SyncReport> reports_;
};

}  // namespace syncflow::cli
