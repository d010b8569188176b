#pragma once

#include <thread>
#include <vector>

#include "engine/sync_run.h"

namespace syncflow {

/// Threads that take due jobs from the queue and do them.
class WorkerPool {
 public:
  /// `workers` threads begin at once.
  WorkerPool(const EngineParts& parts, int workers);
  ~WorkerPool();

  /// No new claims; runs in hand end after their batch and hand their jobs back. Does not wait.
  void request_stop();
  /// Waits up to `patience` for the runs in hand; false: some still work.
  bool wait(Duration patience);

 private:
  void work(std::stop_token stop);

  const EngineParts& parts_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t working_ = 0;
  std::vector<std::jthread> threads_;
};

}  // namespace syncflow
