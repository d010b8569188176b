#pragma once

#include <string>
#include <vector>

#include "core/error.h"
#include "drivers/libmariadb/session.h"
#include "provider/destination.h"
#include "providers/mysql/catalog.h"
#include "providers/mysql/statements.h"

namespace syncflow::mysql {

/// Why the server lets this session's user only read, and what a person can do about it, to complete "the server …";
/// empty: it takes writes. Called outside of any transaction.
std::string why_no_writes(Session& session);

/// The rights on its table that a sync needs at the destination.
std::vector<std::string> needed_rights(const DestinationSpec& spec);

/// Error(forbidden) that names the rights and the GRANT that gives them to the session's user.
Error missing_rights(Session& session, const TableDef& table, const std::vector<std::string>& rights);

/// Throws it unless all that `spec` will ask for may be done: so a right that only later rows need is told of before
/// the first one is written.
void check_write_rights(Session& session, const TableDef& table, const Statements& statements,
                        const DestinationSpec& spec);

/// The same for a table that is missing, without making it: Error(forbidden) too when it may not be created.
void check_creation_rights(Session& session, const TableName& name, const DestinationSpec& spec);

/// The error of a CREATE TABLE, with what a person can do about it. The server hides a table from who has no right on
/// it, so one that is there may be taken for missing.
Error creation_error(Session& session, const TableName& name, const DestinationSpec& spec,
                     const Error& error);

}  // namespace syncflow::mysql
