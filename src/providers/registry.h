#pragma once

#include "provider/provider.h"

namespace syncflow {

/// Every provider that is built in.
Registry built_in_providers();

}  // namespace syncflow
