#pragma once

#include "drivers/libpq/session.h"

namespace syncflow::postgresql_store {

/// Makes or upgrades the store in the session's current schema, in one transaction under a lock: processes that start
/// at once take turns, and the later ones find nothing to do. Throws Error(bad_config) for a newer schema and for
/// tables in the way, Error(not_found) when there is no schema, Error(forbidden) when a right is missing.
void migrate(libpq::Session& session);

/// Whether there is a store, of any version.
bool has_store(libpq::Session& session);

}  // namespace syncflow::postgresql_store
