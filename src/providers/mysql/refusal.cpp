#include "providers/mysql/refusal.h"

#include <mysqld_error.h>

#include <algorithm>

namespace syncflow::mysql {
namespace {

constexpr unsigned kImpossibleConversion = 3988;  // MySQL's ER_IMPOSSIBLE_STRING_CONVERSION
constexpr unsigned kCannotConvertString = 3854;   // ER_CANNOT_CONVERT_STRING
constexpr unsigned kNoVector = 6138;              // ER_TO_VECTOR_CONVERSION
constexpr unsigned kCheckViolated = 3819;         // MySQL's ER_CHECK_CONSTRAINT_VIOLATED

bool is_foreign_key(unsigned code) {
  return code == ER_NO_REFERENCED_ROW || code == ER_NO_REFERENCED_ROW_2 || code == ER_ROW_IS_REFERENCED ||
         code == ER_ROW_IS_REFERENCED_2;
}

bool is_constraint(unsigned code) {
  return code == ER_BAD_NULL_ERROR || code == ER_NO_DEFAULT_FOR_FIELD || code == kCheckViolated ||
         code == ER_CONSTRAINT_FAILED || code == ER_SIGNAL_EXCEPTION;
}

/// About a value, but of a general SQLSTATE.
bool is_value(unsigned code) {
  switch (code) {
    case ER_TRUNCATED_WRONG_VALUE_FOR_FIELD:
    case WARN_DATA_TRUNCATED:
    case ER_WARN_DATA_OUT_OF_RANGE:
    case ER_ILLEGAL_VALUE_FOR_TYPE:
    case ER_TRUNCATED_WRONG_VALUE:
    case ER_WRONG_VALUE_FOR_TYPE:
    case ER_INVALID_CHARACTER_STRING:
    case ER_CANT_CREATE_GEOMETRY_OBJECT:
    case ER_DATETIME_FUNCTION_OVERFLOW:
    case ER_TOO_BIG_ROWSIZE:
    case ER_NET_PACKET_TOO_LARGE:
    case kCannotConvertString:
    case kImpossibleConversion:
    case kNoVector: return true;
    default:
      // MySQL's errors of JSON documents.
      return code >= 3140 && code <= 3158;
  }
}

}  // namespace

bool is_guard(const Session::ServerError& error) { return error.code == ER_SUBQUERY_NO_1_ROW; }

bool is_about_row(const Session::ServerError& error) {
  if (is_guard(error) || is_foreign_key(error.code) || is_constraint(error.code) || is_value(error.code))
    return true;
  // Data exceptions, integrity violations, and what triggers raise by themselves.
  const std::string_view state = std::string_view(error.state).substr(0, 2);
  return state == "22" || state == "23" || state == "45";
}

RejectionCause cause_of(const Session::ServerError& error) {
  if (error.code == ER_DUP_ENTRY || is_guard(error)) return RejectionCause::unique;
  if (is_foreign_key(error.code)) return RejectionCause::foreign_key;
  if (is_constraint(error.code) || error.state.starts_with("45")) return RejectionCause::constraint;
  return RejectionCause::value;
}

bool can_be_about(const Session::ServerError& error, Kind kind, std::string_view charset) {
  switch (error.code) {
    case ER_CANT_CREATE_GEOMETRY_OBJECT: return kind == Kind::geometry;
    case kNoVector: return kind == Kind::vector;
    case kCannotConvertString:
    case kImpossibleConversion: return kind == Kind::text && charset != "utf8mb4";
    default: return error.code >= 3140 && error.code <= 3158 && kind == Kind::json;
  }
}

std::string column_in(std::string_view words) {
  std::size_t begin = std::string_view::npos;
  for (const std::string_view label : {"column '", "Column '", "column `", "Field '"}) {
    begin = words.find(label);
    if (begin == std::string_view::npos) continue;
    begin += label.size() - 1;
    break;
  }
  if (begin == std::string_view::npos) return "";
  // 'v', 't.v' or `db`.`t`.`v`
  const char quote = words[begin];
  std::string_view name = words.substr(begin + 1);
  auto end = name.find(quote);
  while (quote == '`' && end != std::string_view::npos && name.substr(end, 3) == "`.`") {
    name.remove_prefix(end + 3);
    end = name.find(quote);
  }
  name = name.substr(0, end);
  const auto dot = quote == '\'' ? name.rfind('.') : std::string_view::npos;
  return std::string(dot == std::string_view::npos ? name : name.substr(dot + 1));
}

}  // namespace syncflow::mysql
