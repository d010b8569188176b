#pragma once

#include <string>

#include "engine/node.h"

namespace syncflow::app {

/// Reads one YAML document. Anchors and aliases are followed; merge keys, tags of one's own and a second
/// document are refused.
///
/// Throws Error(bad_config) that begins with `file` and the line.
Node parse_yaml(const std::string& yaml, const std::string& file);

}  // namespace syncflow::app
