#pragma once

#include <string>

#include "provider/provider.h"
#include "testkit/memory_database.h"

namespace syncflow::testkit {

/// A provider whose connections all lead to `database`, as source (cursor, diff) and destination. It takes one
/// option, `password`, a secret that nothing is done with. The database outlives the provider.
Provider provider(MemoryDatabase& database, const std::string& id = "memory");

}  // namespace syncflow::testkit
