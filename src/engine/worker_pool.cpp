#include "engine/worker_pool.h"

#include <optional>
#include <utility>

#include "core/error.h"
#include "core/log.h"
#include "core/uuid.h"
#include "engine/counting.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLookForJobsEvery = 1s;
constexpr Duration kStoreTrouble = 2s;

}  // namespace

WorkerPool::WorkerPool(const EngineParts& parts, int workers)
    : parts_(parts), working_(static_cast<std::size_t>(workers)) {
  for (int i = 0; i < workers; ++i)
    threads_.emplace_back([this](std::stop_token stop) { work(std::move(stop)); });
}

WorkerPool::~WorkerPool() { request_stop(); }

void WorkerPool::request_stop() {
  for (std::jthread& thread : threads_) thread.request_stop();
}

bool WorkerPool::wait(Duration patience) {
  std::unique_lock lock(mutex_);
  return ended_.wait_for(lock, patience, [&] { return working_ == 0; });
}

void WorkerPool::work(std::stop_token stop) {
  const std::string owner = random_uuid();
  std::optional<Claim> next;
  while (next || !stop.stop_requested()) {
    try {
      if (!next) next = parts_.store.claim(owner, parts_.config.engine.lease);
      if (const auto claim = std::exchange(next, std::nullopt))
        next = run_claim_and_take_next(parts_, *claim, stop);
      else parts_.store.wait_for_jobs(kLookForJobsEvery, stop);
    } catch (const std::exception& error) {
      const auto* known = dynamic_cast<const Error*>(&error);
      count_failure(known ? known->kind() : ErrorKind::bug, "queue");
      log::error("The queue cannot be read; trying again.", {{"error", error.what()}});
      parts_.clock.sleep(kStoreTrouble, stop);
    }
  }
  const std::lock_guard lock(mutex_);
  --working_;
  ended_.notify_all();
}

}  // namespace syncflow
