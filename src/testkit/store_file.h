#pragma once

#include <string>

namespace syncflow::testkit {

/// Runs SQL on a SQLite store past the store, as another program might.
void execute_in_store(const std::string& file, const std::string& sql);

}  // namespace syncflow::testkit
