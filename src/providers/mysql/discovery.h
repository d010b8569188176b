#pragma once

#include "provider/provider.h"
#include "providers/mysql/catalog.h"

namespace syncflow::mysql {

/// What `discover` says of a table; `name` as a mapping would write it, always the same for one table.
TableInfo describe(const TableDef& table, const std::string& name);

/// What the login may do, in words.
Access describe_access(Session& session);

/// Server and table (Connection::identify).
std::string identify(Session& session, const TableDef& table);

}  // namespace syncflow::mysql
