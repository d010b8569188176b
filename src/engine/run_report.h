#pragma once

#include <vector>

#include "engine/engine.h"

namespace syncflow {

/// Adds runs to the report of their sync: several, where the first ones were tried again or made room, are one to who
/// waits.
void add_runs(SyncReport& report, const std::vector<Run>& runs);

}  // namespace syncflow
