#pragma once

#include <memory>

#include "providers/sqlite/table_rows.h"
#include "sql/table_reader.h"

namespace syncflow::sqlite {

/// The rows of a query, in the way that suits it:
/// - one look-up for each of the query's keys;
/// - chunks, where an index gives the order: each begins by keyset where the last one ended;
/// - a list of the keys in order, in a temporary table beside the file, where rows must be sorted first.
/// None keeps a read transaction between two calls. `database` and `rows` outlive it.
std::unique_ptr<sql::RowStream> open_row_stream(Database& database, const TableRows& rows,
                                                const sql::RowQuery& query);

}  // namespace syncflow::sqlite
