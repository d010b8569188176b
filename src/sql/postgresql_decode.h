#pragma once

#include <string>
#include <string_view>

#include "core/arena.h"
#include "core/value.h"
#include "sql/postgresql_forms.h"

namespace syncflow::sql::pg {

/// Turns fields in binary format into values. Not thread-safe. Bytes go into the arena that is given;
/// nothing else is allocated, but for arrays, whose buffer is kept.
///
/// What has no canonical form becomes Type::native in PostgreSQL's notation: infinite times, NaN and
/// infinite numerics, arrays whose subscripts do not begin at 1, instants beyond the year 294246.
class Decoder {
 public:
  /// False: the bytes are no UTF-8, which a database of encoding SQL_ASCII may hold.
  /// Throws Error(bug) when they are not of that form at all. `element`: of Form::array.
  bool decode(Form form, Form element, std::string_view bytes, Arena& arena, Value& out);

 private:
  bool decode_array(Form element, std::string_view bytes, Arena& arena, Value& out);

  std::string json_;
  std::string literal_;
};

}  // namespace syncflow::sql::pg
