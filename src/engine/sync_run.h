#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/session_pools.h"

namespace syncflow {

/// What running syncs share. Outlives every run.
struct EngineParts {
  Store& store;
  const Registry& providers;
  Clock& clock;
  Config config;
  OnProgress on_progress;
  std::shared_ptr<SessionPools> sessions;

  /// With the sessions of its pool.
  std::unique_ptr<Connection> connect(const std::string& connection_name, std::stop_token stop) const;
  /// Throws Error(bad_config) that names the nearest one.
  const ConnectionConfig& connection_at(const std::string& connection_name) const;
  const Provider& provider_of(const std::string& connection_name) const;
};

/// Does a claim's jobs: carries every mapping of the sync, and finishes the jobs by how that went.
///
/// Throws nothing: what goes wrong is the outcome, kept in the store and in the report. `stop`: of the engine. `only`:
/// as in Store::claim; a long run makes room for others of these.
SyncReport run_claim(const EngineParts& parts, const Claim& claim, std::stop_token stop,
                     const std::vector<std::string>& only = {});

/// The same for a worker that goes on with whatever is due: claims that in the step that ends the run. Empty: nothing is
/// due, a stop is asked for, or the end could not be noted in that step.
std::optional<Claim> run_claim_and_take_next(const EngineParts& parts, const Claim& claim,
                                             std::stop_token stop);

}  // namespace syncflow
