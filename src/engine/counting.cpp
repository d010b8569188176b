#include "engine/counting.h"

#include <mutex>
#include <unordered_map>

#include "core/metrics.h"
#include "engine/definition.h"

namespace syncflow {
namespace {

using metrics::Counter;
using metrics::Timing;

constexpr ErrorKind kKinds[] = {ErrorKind::bad_config, ErrorKind::unauthorized,  ErrorKind::not_found,
                                ErrorKind::forbidden,  ErrorKind::rate_limited,  ErrorKind::unavailable,
                                ErrorKind::conflict,   ErrorKind::position_lost, ErrorKind::lease_lost,
                                ErrorKind::bug};

struct Freshness {
  std::mutex mutex;
  std::unordered_map<std::string, Time> times;  ///< by sync id
};

Freshness& freshness() {
  static Freshness all;
  return all;
}

}  // namespace

void begin_counting() {
  for (const ErrorKind kind : kKinds)
    for (const char* during : {"run", "poll", "heartbeat", "queue", "request"})
      metrics::count(Counter::errors, {name_of(kind), during}, 0);
  for (const char* result : {"changed", "unchanged", "failed"}) metrics::count(Counter::polls, {result}, 0);
}

void count_figures(const SyncDefinition& sync, const Figures& figures) {
  const auto add = [&](std::string_view name, std::int64_t rows) {
    metrics::count(Counter::rows, {sync.name, sync.id, name}, static_cast<double>(rows));
  };
  for (const NamedFigure& figure : kFigures)
    if (figure.count != &Figures::read) add(figure.name, figures.*figure.count);
  metrics::count(Counter::rows_read, {sync.name, sync.id}, static_cast<double>(figures.read));
  metrics::count(Counter::read_bytes, {sync.name, sync.id}, static_cast<double>(figures.bytes));
}

void count_run(const Sync& sync, std::string_view result, std::chrono::duration<double> time) {
  metrics::count(Counter::runs, {sync.name, sync.id, result});
  metrics::observe(Timing::run, time, {result});
  if (result == "retry") metrics::count(Counter::retries);
  if (result == "lease_lost") metrics::count(Counter::lease_losses);
}

void count_poll(std::string_view result, std::chrono::duration<double> time) {
  metrics::count(Counter::polls, {result});
  metrics::observe(Timing::poll, time);
}

void count_failure(ErrorKind kind, std::string_view during) {
  if (kind == ErrorKind::cancelled) return;
  metrics::count(Counter::errors, {name_of(kind), during});
  if (during == "heartbeat") metrics::count(Counter::heartbeat_failures);
}

void note_up_to_date(const std::string& sync_id, Time at) {
  const std::lock_guard lock(freshness().mutex);
  Time& latest = freshness().times.try_emplace(sync_id, at).first->second;
  latest = std::max(latest, at);
}

std::optional<Time> noted_up_to_date(const std::string& sync_id) {
  const std::lock_guard lock(freshness().mutex);
  const auto found = freshness().times.find(sync_id);
  return found == freshness().times.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace syncflow
