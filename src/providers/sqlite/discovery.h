#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "drivers/sqlite/database.h"
#include "provider/provider.h"

namespace syncflow::sqlite {

/// The tables of a file, or only `table` (Error(not_found), naming the nearest, if there is none such).
std::vector<TableInfo> discover_tables(Database& database, const std::string& table,
                                       std::chrono::minutes naive_offset);

/// File and table (Connection::identify); the table by the name that the file has for it.
std::string identify_table(const std::string& path, const std::string& table);

/// The foreign keys among these tables (Connection::references).
std::vector<Reference> list_references(Database& database, const std::vector<std::string>& tables);

}  // namespace syncflow::sqlite
