#pragma once

#include <string>

#include "engine/node.h"
#include "engine/variables.h"

namespace syncflow::app {

/// Fills in every `${NAME}` in the document's scalars and keeps what was written beside it. Throws
/// Error(bad_config) with file, line and key for a variable that is not set.
void fill_in(Node& document, const Variables& variables, const std::string& file);

}  // namespace syncflow::app
