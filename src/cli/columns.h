#pragma once

#include <string>
#include <vector>

namespace syncflow::cli {

/// Rows of texts as aligned columns, the first row as the head. Without a row below it: nothing.
std::string in_columns(const std::vector<std::vector<std::string>>& rows);

}  // namespace syncflow::cli
