#pragma once

#include <cstddef>

#include "drivers/libpq/session.h"
#include "provider/destination.h"

namespace syncflow::postgresql {

/// Shows the holder's name as the session's application name: "syncflow SYNC EPOCH".
void mark(libpq::Session& session, const Holder& holder);

/// Ends the sessions of earlier holders of the sync that are in the middle of something and wait for their client, by
/// login and database the same as `session`; returns how many. What they had open is rolled back.
std::size_t end_predecessors(libpq::Session& session, const Holder& holder);

}  // namespace syncflow::postgresql
