#pragma once

#include "drivers/libmariadb/session.h"
#include "provider/destination.h"
#include "providers/mysql/catalog.h"

namespace syncflow::mysql {

/// Asks the server whether the login may write that table as the spec wants it, `exists` or to be created, and changes
/// nothing. Throws Error(forbidden) that names all GRANTs that are missing.
void check_rights(Session& session, const TableName& table, const DestinationSpec& spec, bool exists);

}  // namespace syncflow::mysql
