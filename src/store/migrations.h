#pragma once

#include <string_view>
#include <vector>

namespace syncflow {

/// One numbered SQL file of `migrations/`. The schema's version is the number of the last one applied.
struct Migration {
  int number = 0;
  std::string_view name;  ///< "0001_spine"
  std::string_view sql;
};

namespace migrations {
/// Those of the PostgreSQL store, in order, as `sqlite`.
const std::vector<Migration>& postgresql();
/// Those of the SQLite store, in order. Generated from the files (cmake/migrations.cmake).
const std::vector<Migration>& sqlite();
}  // namespace migrations

}  // namespace syncflow
