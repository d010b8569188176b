#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/schema.h"
#include "core/value.h"

namespace syncflow::sqlite {

/// What SQLite turns a value into when it is stored (https://sqlite.org/datatype3.html, section 3.1).
enum class Affinity { integer, text, blob, real, numeric };

/// What a declared type means.
///
/// SQLite itself knows nothing of DATE or DECIMAL and lets any value into any column: the declared type
/// tells what is meant, and a value that contradicts it cannot be carried.
struct ColumnType {
  Type canonical = Type::text;
  Affinity affinity = Affinity::blob;
  /// The declaration says nothing of the kind of value: texts are text, all else travels as the SQL
  /// literal it is (Type::native).
  bool dynamic = false;
  std::optional<int> precision;  ///< decimal: digits in all
  std::optional<int> scale;      ///< decimal: digits after the point
  bool operator==(const ColumnType&) const = default;
};

/// `declared` as in CREATE TABLE: "DECIMAL(10,2)"; empty: no type. `strict`: of a STRICT table.
ColumnType column_type(std::string_view declared, bool strict = false);

/// The type that `create` declares for a field: the widest that holds every value of it.
///
/// A field of SQLite's own keeps its declared type. Decimals become DECIMAL_TEXT, not DECIMAL: SQLite turns a
/// text that looks like a number into a floating-point number wherever the type's name does not ask for text.
std::string declared_type(const Field& field, std::string_view provider);

}  // namespace syncflow::sqlite
