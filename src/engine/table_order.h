#pragma once

#include <vector>

#include "engine/definition.h"
#include "provider/provider.h"

namespace syncflow {

/// The indexes of the mappings, those whose destination table others refer to first; else in their own order.
/// Tables that refer to each other in a circle come last, in their own order.
std::vector<std::size_t> order_of_writing(const std::vector<TableMapping>& mappings,
                                          const std::vector<Reference>& references);

}  // namespace syncflow
