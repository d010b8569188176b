#pragma once

#include <string>
#include <string_view>

#include "core/error.h"
#include "drivers/libpq/handles.h"

namespace syncflow::libpq {

/// Why the server refused a statement. Holds no row data: DETAIL and CONTEXT are left out, and values
/// that the message itself quotes are blotted out.
struct ServerError {
  std::string sqlstate;  ///< five characters, never empty
  std::string message;
  std::string hint;
  std::string schema, table, column, constraint;  ///< where the server names them

  /// Whether the SQLSTATE is of this class ("23") or is this code ("23505").
  bool is(std::string_view code_or_class) const { return sqlstate.starts_with(code_or_class); }
  /// "duplicate key value violates unique constraint "t_pkey" (SQLSTATE 23505)"
  std::string sentence() const;
};

/// What happens next after a SQLSTATE, whatever statement it came from.
ErrorKind kind_of(std::string_view sqlstate);

/// libpq's own messages may have several lines, indented.
std::string one_line(std::string_view text);

/// Of a result that is an error.
ServerError server_error(const PGresult* result);

/// The message without the values that the server quotes in it: "invalid input syntax for type integer: "…"".
std::string without_values(std::string_view sqlstate, std::string_view message);

/// The SQLSTATE in a verbose libpq message ("FATAL:  28P01: password …"); empty when there is none.
std::string sqlstate_in(std::string_view verbose_message);

}  // namespace syncflow::libpq
