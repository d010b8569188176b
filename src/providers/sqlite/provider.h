#pragma once

#include "provider/provider.h"

namespace syncflow::sqlite {

/// Tables of a SQLite file, as source and as destination.
Provider provider();

}  // namespace syncflow::sqlite
