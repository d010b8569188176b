#pragma once

#include <vector>

#include "engine/definition.h"
#include "engine/node.h"
#include "provider/provider.h"

namespace syncflow::app {

/// That the connections of the config's last sync, which stands at `place`, exist and can be read from and
/// written to. Throws Error(bad_config) at the place.
void check_connections(const Reader& place, const Config& config, const Registry& providers);

/// What syncs must not do to each other: bear one name or id, fill one table twice, feed each other in a
/// circle. Tables that may be one by how they are spelled count as one. `places` are those of config.syncs. Throws Error(bad_config) at the later of two places.
void check_syncs(const std::vector<Reader>& places, const Config& config);

}  // namespace syncflow::app
