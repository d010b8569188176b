#pragma once

#include "engine/definition.h"
#include "engine/node.h"

namespace syncflow {

/// Reads one sync of a config file or a request: the shape of `syncs:` in docs/configuration.md.
///
/// Throws Error(bad_config) that names the place, what is wrong and the nearest right word. What the
/// contract promises and this version lacks is refused with "not supported yet: …". Whether connections,
/// tables and fields exist is not looked at. Free texts are filled in from the reader's variables, if it has any.
SyncDefinition read_sync(const Reader& sync);

}  // namespace syncflow
