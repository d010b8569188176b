#pragma once

#include "cli/cli.h"
#include "core/options.h"

namespace syncflow::app {

/// The service: engine and HTTP API over one store, until SIGTERM or SIGINT. Returns 0; throws Error(bad_config)
/// when it cannot start. `key`: SYNCFLOW_API_KEY; empty: none, and then it listens on loopback only.
int serve(const cli::Invocation& line, const Config& config, const Secret& key,
          const cli::Surroundings& with);

}  // namespace syncflow::app
