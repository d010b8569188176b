#pragma once

#include "provider/provider.h"

namespace syncflow::postgresql {

/// PostgreSQL 13 or newer: strategies cursor and diff, and a destination that creates its tables.
Provider provider();

}  // namespace syncflow::postgresql
