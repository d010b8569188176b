#pragma once

#include <string>

namespace syncflow::tests {

/// `url` with another database in its path.
std::string with_database(const std::string& url, const std::string& name);
/// No other test's name, in this process or in one beside it.
std::string unique_name();

}  // namespace syncflow::tests
