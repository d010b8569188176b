#include "providers/mysql/parameter.h"

#include "core/batch.h"
#include "core/calendar.h"
#include "core/error.h"

namespace syncflow::mysql {
namespace {

/// `2024-02-29 12:30:00.5`, from a canonical text; anything else as it is.
std::string moment_text(const std::string& text) {
  std::string out = text;
  if (out.ends_with('Z')) out.pop_back();
  if (const auto t = out.find('T'); t != std::string::npos) out[t] = ' ';
  return out;
}

Parameter integer_parameter(Type type, const std::string& text) {
  Arena arena;
  const Value value = parse_value(type, text, arena);
  if (type == Type::uint64) return value.as_uint64();
  return value.as_int64();
}

}  // namespace

void bind_all(Statement& statement, const std::vector<Parameter>& parameters) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& parameter = parameters[i];
    if (const auto* text = std::get_if<std::string>(&parameter)) statement.bind_text(i, *text);
    else if (const auto* bytes = std::get_if<BytesParameter>(&parameter))
      statement.bind_bytes(i, bytes->bytes);
    else if (const auto* number = std::get_if<std::int64_t>(&parameter)) statement.bind(i, *number);
    else if (const auto* natural = std::get_if<std::uint64_t>(&parameter)) statement.bind(i, *natural);
    else statement.bind(i, std::get<double>(parameter));
  }
}

bool can_be_key(Kind kind) {
  switch (kind) {
    case Kind::set:
    case Kind::json:
    case Kind::geometry:
    case Kind::vector:
    case Kind::unknown: return false;
    default: return true;
  }
}

Parameter key_parameter(const ColumnInfo& column, const Field& field, const std::string& text) {
  Arena arena;
  switch (column.kind) {
    case Kind::integer:
    case Kind::year:
    case Kind::bit: return integer_parameter(field.type, text);
    case Kind::real: return parse_value(Type::float64, text, arena).as_double();
    case Kind::bytes: return BytesParameter{std::string(parse_value(Type::bytes, text, arena).view())};
    case Kind::date:
    case Kind::datetime:
    case Kind::timestamp:
    case Kind::time: return moment_text(text);
    default: return text;
  }
}

Parameter canonical_key_parameter(const ColumnInfo& column, const Field& field, const std::string& text) {
  Arena arena;
  switch (column.kind) {
    case Kind::text:
    case Kind::enumeration:
    case Kind::address: return BytesParameter{text};
    case Kind::uuid: return BytesParameter{std::string(parse_value(Type::uuid, text, arena).view())};
    default: return key_parameter(column, field, text);
  }
}

}  // namespace syncflow::mysql
