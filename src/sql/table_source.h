#pragma once

#include <memory>

#include "provider/source.h"
#include "sql/table_reader.h"

namespace syncflow::sql {

/// Reads a table of a database by strategy `cursor` or `diff`, whatever the database.
///
/// `overlap` of the spec empty: 5 s with Visibility::exact, 5 min with horizon, 15 min with none.
std::unique_ptr<Source> open_table_source(const SourceSpec& spec, std::unique_ptr<TableReader> reader,
                                          Clock& clock);

}  // namespace syncflow::sql
