#include <boost/json.hpp>
#include <ctime>

#include "app/config.h"
#include "bench/measures.h"
#include "cli/stores.h"
#include "core/error.h"
#include "core/json.h"
#include "engine/look.h"
#include "providers/registry.h"

namespace syncflow::bench {
namespace {

/// What the poller keeps from its looks, plans and sessions, it has after these.
constexpr std::size_t kWarmingLooks = 3;

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace

std::string measure_looks(const std::string& config_file, const std::string& sync_name, std::size_t count) {
  const Registry providers = built_in_providers();
  SystemClock clock;
  const Config config = app::load_config(config_file, ".env", providers);
  const std::unique_ptr<Store> store = cli::open_existing_store(config, clock);
  const EngineParts parts{*store, providers, clock, config, {}, std::make_shared<SessionPools>(clock)};
  const Sync sync = cli::sync_named(*store, sync_name);
  PlanCache plans;
  std::int64_t changed = 0;
  for (std::size_t i = 0; i < kWarmingLooks; ++i) look_for_changes(parts, plans, sync, {});
  boost::json::array seconds;
  const double cpu_before = cpu_seconds();
  for (std::size_t i = 0; i < count; ++i) {
    const auto began = clock.monotonic();
    if (look_for_changes(parts, plans, sync, {}).changed) ++changed;
    seconds.emplace_back(std::chrono::duration<double>(clock.monotonic() - began).count());
  }
  return to_json_text(boost::json::object{
      {"changed", changed}, {"cpu_seconds", cpu_seconds() - cpu_before}, {"seconds", std::move(seconds)}});
}

}  // namespace syncflow::bench
