#pragma once

#include <string>

namespace syncflow::tests {

/// The environment variable's value. Throws when it is not set.
std::string url_of(const char* variable);
/// `url` with another database in its path.
std::string with_database(const std::string& url, const std::string& name);
/// No other test's name, in this process or in one beside it.
std::string unique_name();

}  // namespace syncflow::tests
