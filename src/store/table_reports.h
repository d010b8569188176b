#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "store/model.h"

namespace syncflow {

/// How stores keep what a run did to each table: a JSON array of objects.
std::string to_json(const std::vector<TableReport>& tables);
std::vector<TableReport> tables_from_json(std::string_view json);

}  // namespace syncflow
