#include "engine/cast.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>

#include "core/calendar.h"
#include "core/decimal.h"
#include "core/error.h"
#include "core/text.h"
#include "engine/literal.h"

namespace syncflow {
namespace {

struct NamedType {
  std::string_view name;
  Type type;
};
constexpr NamedType kTypes[] = {
    {"boolean", Type::boolean},
    {"int64", Type::int64},
    {"uint64", Type::uint64},
    {"float64", Type::float64},
    {"decimal", Type::decimal},
    {"text", Type::text},
    {"bytes", Type::bytes},
    {"date", Type::date},
    {"time", Type::time},
    {"timestamp", Type::timestamp},
    {"timestamp_tz", Type::timestamp_tz},
    {"uuid", Type::uuid},
    {"json", Type::json},
    {"array", Type::array},
};

bool is_day(Type type) { return type == Type::date || type == Type::timestamp || type == Type::timestamp_tz; }

Cell does_not_fit(const Value& value, Type to, std::string_view why = "") {
  return Cell::refused(
      fmt::format("\"{}\" is not exactly {}{}", shortened(to_text(value)), with_article(to), why));
}

Cell in_arena(const Value& value, Type to, std::string_view text, Arena& arena) {
  const auto read = read_literal(to, text, arena);
  return read ? Cell::of(*read) : does_not_fit(value, to);
}

bool is_exactly(double number, const std::string& decimal) {
  const auto exact = exact_decimal(number);
  if (exact && compare_decimals(*exact, decimal) == 0) return true;
  const auto shown = plain_decimal(to_text(Value::of(number)));
  return shown && compare_decimals(*shown, decimal) == 0;
}

Cell decimal_to_float(const Value& value, const std::string& decimal) {
  double number = 0;
  const auto [end, problem] = std::from_chars(decimal.data(), decimal.data() + decimal.size(), number);
  if (problem != std::errc() || !is_exactly(number, decimal)) return does_not_fit(value, Type::float64);
  return Cell::of(Value::of(number));
}

/// The number as a canonical decimal; empty for NaN and infinities.
std::optional<std::string> number_text(const Value& value) {
  if (value.type() == Type::float64) return plain_decimal(to_text(value));
  return to_text(value);
}

Cell cast_number(const Value& value, Type to, Arena& arena) {
  const auto decimal = number_text(value);
  if (!decimal) return does_not_fit(value, to);
  if (to == Type::float64) return decimal_to_float(value, *decimal);
  if (to == Type::boolean) {
    if (compare_decimals(*decimal, "0") == 0) return Cell::of(Value::of(false));
    if (compare_decimals(*decimal, "1") == 0) return Cell::of(Value::of(true));
    return does_not_fit(value, to, ": only 0 and 1 are");
  }
  return in_arena(value, to, *decimal, arena);
}

Cell cast_day(const Value& value, Type to) {
  std::int64_t microseconds = value.as_int64();
  if (value.type() == Type::date &&
      __builtin_mul_overflow(value.as_int64(), kMicrosecondsPerDay, &microseconds))
    return does_not_fit(value, to);
  if (to == Type::timestamp) return Cell::of(Value::timestamp(microseconds, value.nanoseconds()));
  if (to == Type::timestamp_tz) return Cell::of(Value::timestamp_tz(microseconds, value.nanoseconds()));
  const std::int64_t days = floor_divide(microseconds, kMicrosecondsPerDay);
  if (microseconds != days * kMicrosecondsPerDay || value.nanoseconds() != 0)
    return does_not_fit(value, to, ": it has a time of day");
  return Cell::of(Value::date(days));
}

std::string_view without_blanks(std::string_view json) {
  const auto begin = json.find_first_not_of(" \t\r\n");
  return begin == std::string_view::npos ? ""
                                         : json.substr(begin, json.find_last_not_of(" \t\r\n") - begin + 1);
}

Cell cast_from_json(const Value& value, Type to, Arena& arena) {
  const std::string_view document = without_blanks(value.view());
  if (document == "null") return Cell::of(Value::null());
  if (to == Type::array) return in_arena(value, to, document, arena);
  if (document.empty() || document.front() == '{' || document.front() == '[') return does_not_fit(value, to);
  if (document.front() != '"') return in_arena(value, to, document, arena);
  boost::system::error_code problem;
  const boost::json::value string = boost::json::parse(document, problem);
  if (problem || !string.is_string()) return does_not_fit(value, to);
  return in_arena(value, to, string.get_string(), arena);
}

Cell cast_to_json(const Value& value, Arena& arena) {
  if (value.type() == Type::array) return Cell::of(Value::json(value.view()));
  if (value.type() == Type::text) return in_arena(value, Type::json, value.view(), arena);
  const std::string text = to_text(value);
  if (is_number(value.type()) || value.type() == Type::boolean) {
    const auto valid = read_literal(Type::json, text, arena);
    return valid ? Cell::of(*valid) : does_not_fit(value, Type::json);
  }
  return Cell::of(Value::json(arena.copy(boost::json::serialize(boost::json::string(text)))));
}

Cell cast_to_text(const Value& value, Arena& arena) {
  switch (value.type()) {
    case Type::decimal:
    case Type::json:
    case Type::array:
    case Type::native: return Cell::of(Value::text(value.view()));
    default: return Cell::of(Value::text(arena.copy(to_text(value))));
  }
}

}  // namespace

Type type_named(std::string_view name) {
  std::vector<std::string> names;
  for (const NamedType& type : kTypes) {
    if (type.name == name) return type.type;
    names.emplace_back(type.name);
  }
  const std::string near = nearest(name, names);
  throw Error(ErrorKind::bad_config, fmt::format("unknown type \"{}\"{}", shortened(name),
                                                 near.empty() ? "; there are " + join(names, ", ")
                                                              : "; did you mean \"" + near + "\"?"));
}

bool can_cast(Type from, Type to) {
  if (from == to || to == Type::text) return true;
  if (to == Type::native || from == Type::native) return false;
  if (from == Type::text) return true;
  if (from == Type::json) return true;
  if (to == Type::json) return true;
  if (is_number(from)) return is_number(to) || to == Type::boolean;
  if (from == Type::boolean) return is_number(to);
  if (is_day(from)) return is_day(to);
  return (from == Type::bytes && to == Type::uuid) || (from == Type::uuid && to == Type::bytes);
}

Cell cast(const Value& value, Type to, Arena& arena) {
  const Type from = value.type();
  if (from == to || from == Type::null || from == Type::absent) return Cell::of(value);
  if (!can_cast(from, to))
    return Cell::refused(fmt::format("{} \"{}\" cannot become {}", name_of(from), shortened(to_text(value)),
                                     with_article(to)));
  if (to == Type::text) return cast_to_text(value, arena);
  if (from == Type::text && to != Type::json) return in_arena(value, to, value.view(), arena);
  if (from == Type::json) return cast_from_json(value, to, arena);
  if (to == Type::json) return cast_to_json(value, arena);
  if (is_number(from)) return cast_number(value, to, arena);
  if (from == Type::boolean) return in_arena(value, to, value.as_bool() ? "1" : "0", arena);
  if (is_day(from)) return cast_day(value, to);
  if (to == Type::bytes) return Cell::of(Value::bytes(value.view()));
  if (value.view().size() != 16) return does_not_fit(value, to, ": that is 16 bytes");
  return Cell::of(Value::uuid(value.view()));
}

Field cast_field(const Field& from, Type to) {
  Field field;
  field.name = from.name;
  field.type = to;
  field.nullable = from.nullable || from.type == Type::json;  // a JSON null becomes null
  const bool times = is_day(from.type) && is_day(to);
  if (times) field.precision = from.precision;
  if (to == Type::decimal) {
    if (from.type == Type::boolean) field.precision = 1;
    if (from.type == Type::int64) field.precision = 19;
    if (from.type == Type::uint64) field.precision = 20;
    if (field.precision) field.scale = 0;
  }
  if (to == Type::text) {
    if (from.type == Type::boolean) field.length = 5;
    if (from.type == Type::int64 || from.type == Type::uint64) field.length = 20;
    if (from.type == Type::uuid) field.length = 36;
    if (from.type == Type::decimal && from.precision)
      field.length = static_cast<std::size_t>(*from.precision) + 3;
    if (from.type == Type::bytes && from.length) field.length = *from.length * 2;
  }
  if (to == Type::bytes && from.type == Type::uuid) field.length = 16;
  return field;
}

}  // namespace syncflow
