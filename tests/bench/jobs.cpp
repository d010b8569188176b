#include <fmt/core.h>

#include <boost/json.hpp>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "bench/measures.h"
#include "cli/stores.h"
#include "core/error.h"
#include "core/json.h"
#include "core/uuid.h"
#include "engine/definition.h"

namespace syncflow::bench {
namespace {

void fill(Store& store, std::size_t jobs) {
  std::vector<Sync> syncs(jobs);
  for (std::size_t i = 0; i < jobs; ++i) {
    Sync& sync = syncs[i];
    sync.id = random_uuid();
    sync.name = fmt::format("sync-{}", i);
    sync.source = "from";
    sync.destination = "to";
    sync.schedule = "every 1 hour";
    sync.definition = "{}";
  }
  store.apply_syncs(syncs);
  for (const Sync& sync : syncs) store.enqueue(sync.id, Trigger::manual);
}

std::size_t completed_jobs(Store& store) {
  std::size_t completed = 0;
  Page page;
  page.status = "completed";
  page.limit = 1000;
  do {
    const Listed<Job> found = store.list_jobs(page);
    completed += found.items.size();
    page.cursor = found.next;
  } while (!page.cursor.empty());
  return completed;
}

/// One worker's part of the queue, until nothing is due.
void work_off(Store& store, const EngineSettings& settings) {
  const std::string owner = random_uuid();
  std::optional<Claim> claim = store.claim(owner, settings.lease);
  while (claim) claim = store.finish_and_claim(claim->lease, {}, settings.lease);
}

/// Works with so many threads; throws what the first of them that failed threw.
void work_together(Store& store, const EngineSettings& settings, std::size_t concurrency) {
  std::mutex mutex;
  std::exception_ptr failure;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < concurrency; ++i)
      threads.emplace_back([&] {
        try {
          work_off(store, settings);
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!failure) failure = std::current_exception();
        }
      });
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace

std::string measure_jobs(const std::string& store_url, std::size_t concurrency, std::size_t jobs) {
  SystemClock clock;
  Config config;
  config.store = store_url;
  const std::unique_ptr<Store> store = cli::open_store(config, clock);
  fill(*store, jobs);
  const auto began = clock.monotonic();
  work_together(*store, config.engine, concurrency);
  const std::chrono::duration<double> seconds = clock.monotonic() - began;
  return to_json_text(
      boost::json::object{{"seconds", seconds.count()}, {"completed", completed_jobs(*store)}});
}

}  // namespace syncflow::bench
