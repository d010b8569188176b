#include "drivers/libpq/server_error.h"

#include <array>
#include <utility>

#include "core/text.h"

namespace syncflow::libpq {
namespace {

/// From the PostgreSQL manual, appendix A. The longest entry that begins the code counts; whatever is not
/// listed is something in our own statement or in the table's shape that a person must look at.
constexpr std::array kKinds = std::to_array<std::pair<std::string_view, ErrorKind>>({
    {"08", ErrorKind::unavailable},     // connection exceptions
    {"08P01", ErrorKind::bug},          // protocol violation
    {"0A000", ErrorKind::bad_config},   // feature not supported
    {"25006", ErrorKind::unavailable},  // read-only: a replica, until it is promoted or its primary is back
    {"25P02", ErrorKind::bug},          // statement in a failed transaction
    {"25P03", ErrorKind::unavailable},  // idle in transaction for too long
    {"25P04", ErrorKind::unavailable},  // transaction timeout
    {"28", ErrorKind::unauthorized},
    {"3D000", ErrorKind::not_found},  // database
    {"3F000", ErrorKind::not_found},  // schema
    {"40", ErrorKind::conflict},      // deadlock, serialisation failure, cancelled by recovery
    {"42501", ErrorKind::forbidden},
    {"42601", ErrorKind::bug},        // syntax error
    {"42P01", ErrorKind::not_found},  // table
    {"42P02", ErrorKind::bug},        // undefined parameter
    {"53", ErrorKind::unavailable},   // disk full, out of memory, too many connections
    {"53400", ErrorKind::bad_config},
    {"55006", ErrorKind::conflict},   // object in use
    {"55P03", ErrorKind::conflict},   // lock not available
    {"57", ErrorKind::unavailable},   // shutdown, starting up, statement cancelled
    {"57P04", ErrorKind::not_found},  // database dropped
    {"58", ErrorKind::unavailable},   // input and output of the server
    {"F0", ErrorKind::unavailable},
    {"XX000", ErrorKind::unavailable},  // internal error: often passes, a retry shows
});

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text ? text : "";
}

}  // namespace

ErrorKind kind_of(std::string_view sqlstate) {
  std::string_view best;
  ErrorKind kind = ErrorKind::bad_config;
  for (const auto& [prefix, candidate] : kKinds) {
    if (!sqlstate.starts_with(prefix) || prefix.size() <= best.size()) continue;
    best = prefix;
    kind = candidate;
  }
  return kind;
}

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool blank = c == '\n' || c == '\t' || c == ' ';
    if (!blank) out += c;
    else if (!out.empty() && out.back() != ' ') out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string without_values(std::string_view sqlstate, std::string_view message) {
  // Only data exceptions quote values; elsewhere the quotes hold names, which help.
  if (!sqlstate.starts_with("22")) return std::string(message);
  const auto begin = message.find('"');
  const auto end = message.rfind('"');
  if (begin == std::string_view::npos || begin == end) return std::string(message);
  return std::string(message.substr(0, begin + 1)) + "…" + std::string(message.substr(end));
}

std::string ServerError::sentence() const {
  return message + (hint.empty() ? "" : " (" + hint + ")") + " (SQLSTATE " + sqlstate + ")";
}

ServerError server_error(const PGresult* result) {
  ServerError error;
  error.sqlstate = field(result, PG_DIAG_SQLSTATE);
  if (error.sqlstate.empty()) error.sqlstate = "08006";
  error.message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  if (error.message.empty()) error.message = one_line(PQresultErrorMessage(result));
  error.message = shortened(without_values(error.sqlstate, error.message), 500);
  error.hint = shortened(field(result, PG_DIAG_MESSAGE_HINT), 300);
  error.schema = field(result, PG_DIAG_SCHEMA_NAME);
  error.table = field(result, PG_DIAG_TABLE_NAME);
  error.column = field(result, PG_DIAG_COLUMN_NAME);
  error.constraint = field(result, PG_DIAG_CONSTRAINT_NAME);
  return error;
}

std::string sqlstate_in(std::string_view verbose_message) {
  const auto is_code = [](std::string_view text) {
    return text.size() == 5 &&
           text.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos &&
           text.find_first_of("0123456789") != std::string_view::npos;
  };
  for (auto at = verbose_message.find(":  "); at != std::string_view::npos;
       at = verbose_message.find(":  ", at + 3)) {
    const auto code = verbose_message.substr(at + 3, 5);
    if (is_code(code) && verbose_message.substr(at + 8, 2) == ": ") return std::string(code);
  }
  return {};
}

}  // namespace syncflow::libpq
