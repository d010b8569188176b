#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "provider/provider.h"
#include "providers/postgresql/catalog.h"
#include "providers/postgresql/settings.h"

namespace syncflow::postgresql {

/// What the login may do, and what stands in its way (Connection::check). Logs in anew.
Access check_access(const Settings& settings, std::stop_token stop);

/// The tables that the login can read, or only one (Connection::discover).
std::vector<TableInfo> discover_tables(const Settings& settings, const std::string& table,
                                       const Resources& resources);

/// Connection::identify: the table of the server that runs there now. Copies of its files are other servers.
std::string identify_table(const Settings& settings, const std::string& table, const Resources& resources);

/// The foreign keys among these tables (Connection::references).
std::vector<Reference> list_references(const Settings& settings, const std::vector<std::string>& tables,
                                       const Resources& resources);

/// Fields that say when a row was last changed, best first: by name, by type, by index.
std::vector<CursorCandidate> cursor_candidates(const Relation& relation);

}  // namespace syncflow::postgresql
