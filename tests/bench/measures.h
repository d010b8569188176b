#pragma once

#include <cstddef>
#include <string>

namespace syncflow::bench {

/// Works off `jobs` jobs that do nothing, each of a sync of its own, with `concurrency` threads that ask the store for
/// what a worker asks it: the end of each run, together with the claim of the next.
///
/// `store`: as in a config, empty before. Returns JSON {seconds, completed}; `completed` is what the store says.
/// Throws Error.
std::string measure_jobs(const std::string& store, std::size_t concurrency, std::size_t jobs);

/// Looks `count` times whether the sync of this name of the config has anything to do, as the poller of a `serve`
/// does that has looked before.
///
/// Returns JSON {changed, cpu_seconds, seconds: [of each look]}; `changed`: looks that found something, `cpu_seconds`:
/// of this process, for all of them. Throws Error.
std::string measure_looks(const std::string& config_file, const std::string& sync_name, std::size_t count);

}  // namespace syncflow::bench
