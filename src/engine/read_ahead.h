#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include "provider/source.h"

namespace syncflow {

/// Reads an opened source in a thread of its own, a short bounded queue ahead of who writes.
///
/// The source belongs to this thread until `finish` or destruction. `next` and `finish` are called by one
/// other thread.
class ReadAhead {
 public:
  struct Limits {
    std::size_t rows = 0;
    std::size_t bytes = 0;
    std::size_t batches = 1;  ///< that wait in the queue
  };
  ReadAhead(Source& source, Limits limits);
  ~ReadAhead();

  /// The next batch; empty after the one that was caught up. Throws what the source threw.
  std::optional<Batch> next();

  /// Ends the reading; the source is the caller's again.
  void finish();

 private:
  void read();

  Source& source_;
  const Limits limits_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> ready_;
  std::exception_ptr failure_;
  bool ended_ = false;
  bool stopping_ = false;
  std::jthread thread_;
};

}  // namespace syncflow
