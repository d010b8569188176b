#pragma once

#include "provider/provider.h"

namespace syncflow::mysql {

/// MySQL 8 and newer, and MariaDB.
Provider provider();

}  // namespace syncflow::mysql
