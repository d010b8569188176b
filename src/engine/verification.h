#pragma once

#include <stop_token>

#include "engine/sync_run.h"

namespace syncflow {

/// Compares every table of a sync row by row, in the form that the destination holds, and changes nothing.
///
/// Needs no lease: rows that change meanwhile are read again, and those that the sync has yet to carry are told apart.
/// Throws Error when a side cannot be read to its end.
Verification verify_sync(const EngineParts& parts, const SyncDefinition& sync, std::stop_token stop);

}  // namespace syncflow
