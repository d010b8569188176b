#pragma once

#include <optional>
#include <string>

#include "core/arena.h"
#include "core/value.h"
#include "drivers/libmariadb/statement.h"
#include "providers/mysql/catalog.h"

namespace syncflow::mysql {

/// One cell as a canonical value, bytes in `arena`. A value without a canonical form (a zero date, a TIME beyond a day)
/// becomes Type::native in the server's own notation. Throws Unreadable for what cannot be carried losslessly.
Value decode(const ColumnInfo& column, const Column& sent_as, const Cell& cell, Arena& arena);

/// Why a cell cannot be read: the row is refused, not the table.
struct Unreadable {
  std::string reason;
};

/// Whether the moment is one: month and day there, and in that month.
bool is_day(const Moment& moment);
/// Microseconds since 1970 of a moment that is one.
std::int64_t microseconds_of(const Moment& moment);

}  // namespace syncflow::mysql
