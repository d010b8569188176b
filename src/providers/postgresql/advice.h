#pragma once

#include <string>
#include <string_view>

#include "core/error.h"
#include "drivers/libpq/session.h"
#include "providers/postgresql/settings.h"

namespace syncflow::postgresql {

/// The error of a statement on the table, with what a person can do about it: the GRANT that is missing,
/// the column that is gone, the full disk, the replica. `rights`: what the work needs ("SELECT").
Error with_advice(const Error& error, const libpq::Session& session, const TableName& table,
                  std::string_view rights);

/// Why a server lets a login only read, and what a person can do about it; it completes "PostgreSQL db:5432/shop …".
std::string why_no_writes(bool is_replica);

}  // namespace syncflow::postgresql
