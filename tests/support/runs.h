#pragma once

#include <string>

#include "support/database.h"

namespace syncflow::tests {

/// Two runs of one sync that were at work at the same time, by the clock of the PostgreSQL store that `store` is logged
/// in to, in words; empty: none were.
std::string overlapping_runs(Session& store);

}  // namespace syncflow::tests
