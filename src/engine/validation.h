#pragma once

#include <stop_token>
#include <vector>

#include "engine/sync_run.h"

namespace syncflow {

/// Looks at every connection and mapping of the config without changing anything. Throws only
/// Error(cancelled); everything else is a finding.
std::vector<Finding> validate(const EngineParts& parts, std::stop_token stop);

}  // namespace syncflow
