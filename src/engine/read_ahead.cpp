#include "engine/read_ahead.h"

#include <utility>

namespace syncflow {

ReadAhead::ReadAhead(Source& source, Limits limits)
    : source_(source), limits_(limits), thread_([this] { read(); }) {}

ReadAhead::~ReadAhead() { finish(); }

void ReadAhead::read() {
  try {
    for (bool caught_up = false; !caught_up;) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopping_ || ready_.size() < limits_.batches; });
        if (stopping_) return;
      }
      Batch batch = source_.next(limits_.rows, limits_.bytes);
      caught_up = batch.caught_up;
      const std::lock_guard lock(mutex_);
      ready_.push_back(std::move(batch));
      ended_ = caught_up;
      changed_.notify_all();
    }
  } catch (...) {
    // The top of a thread: the writer throws it on.
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    changed_.notify_all();
  }
}

std::optional<Batch> ReadAhead::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !ready_.empty() || failure_ || ended_; });
  if (!ready_.empty()) {
    Batch batch = std::move(ready_.front());
    ready_.pop_front();
    changed_.notify_all();
    return batch;
  }
  if (failure_) std::rethrow_exception(failure_);
  return std::nullopt;
}

void ReadAhead::finish() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace syncflow
