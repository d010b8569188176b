#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/error.h"
#include "store/model.h"

namespace syncflow {

struct SyncDefinition;

/// What the engine counts for /metrics (core/metrics.h). Process-wide and thread-safe, as that.

/// Lets every kind of failure be seen, with none so far.
void begin_counting();

/// Of a batch that is committed.
void count_figures(const SyncDefinition& sync, const Figures& figures);

/// A run that ended as `result`: completed, failed, retry, yielded, cancelled or lease_lost.
void count_run(const Sync& sync, std::string_view result, std::chrono::duration<double> time);

/// A look at a sync: changed, unchanged or failed.
void count_poll(std::string_view result, std::chrono::duration<double> time);

/// What was thrown while something was done: run, poll, heartbeat, queue or request. A request to stop is no failure.
void count_failure(ErrorKind kind, std::string_view during);

/// The source was read to its end, or was seen to have nothing new, as it was at this time.
void note_up_to_date(const std::string& sync_id, Time at);
/// The latest such time that this process knows of.
std::optional<Time> noted_up_to_date(const std::string& sync_id);

}  // namespace syncflow
