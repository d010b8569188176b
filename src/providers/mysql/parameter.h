#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/schema.h"
#include "drivers/libmariadb/statement.h"
#include "providers/mysql/catalog.h"

namespace syncflow::mysql {

struct BytesParameter {
  std::string bytes;
};

/// A value to bind, with what it points to.
using Parameter = std::variant<std::int64_t, std::uint64_t, double, std::string, BytesParameter>;

/// The parameters must live until the statement has run.
void bind_all(Statement& statement, const std::vector<Parameter>& parameters);

/// The canonical text of a key's field, as that column is compared with. A text that is not canonical is one in the
/// server's own notation.
Parameter key_parameter(const ColumnInfo& column, const Field& field, const std::string& text);

/// The same, to be compared with the column's canonical order.
Parameter canonical_key_parameter(const ColumnInfo& column, const Field& field, const std::string& text);

/// Whether rows can be told apart by a column of this kind.
bool can_be_key(Kind kind);

}  // namespace syncflow::mysql
