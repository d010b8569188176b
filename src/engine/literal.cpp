#include "engine/literal.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "core/calendar.h"
#include "core/decimal.h"
#include "core/error.h"
#include "core/text.h"
#include "core/uuid.h"

namespace syncflow {
namespace {

constexpr int kMostExponent = 5000;

std::optional<Value> parsed(Type type, std::string_view text, Arena& arena) {
  try {
    return parse_value(type, text, arena);
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// The digits of a decimal whose fraction is nothing but zeros; else empty.
std::optional<std::string> whole_number(std::string_view text) {
  const auto decimal = plain_decimal(text);
  if (!decimal) return std::nullopt;
  std::string normal = normalized_decimal(*decimal);
  if (normal.find('.') != std::string::npos) return std::nullopt;
  return normal;
}

std::optional<Value> read_integer(Type type, std::string_view text, Arena& arena) {
  const auto digits = whole_number(text);
  return digits ? parsed(type, *digits, arena) : std::nullopt;
}

std::optional<Value> read_decimal(std::string_view text, Arena& arena) {
  if (is_decimal(text)) return Value::decimal(arena.copy(text));
  const auto decimal = plain_decimal(text);
  return decimal ? std::optional(Value::decimal(arena.copy(*decimal))) : std::nullopt;
}

std::optional<Value> read_timestamp(Type type, std::string_view text) {
  const auto time = parse_iso(text);
  if (!time) return std::nullopt;
  if (type == Type::timestamp && time->offset_minutes) return std::nullopt;
  std::int64_t microseconds = 0;
  if (__builtin_mul_overflow(time->days, kMicrosecondsPerDay, &microseconds) ||
      __builtin_add_overflow(microseconds, time->microseconds, &microseconds) ||
      __builtin_sub_overflow(microseconds, time->offset_minutes.value_or(0) * 60'000'000LL, &microseconds))
    return std::nullopt;
  return type == Type::timestamp ? Value::timestamp(microseconds, time->nanoseconds)
                                 : Value::timestamp_tz(microseconds, time->nanoseconds);
}

std::optional<Value> read_json(Type type, std::string_view text, Arena& arena) {
  boost::json::parse_options options;
  options.max_depth = 1000;
  boost::system::error_code problem;
  const boost::json::value document = boost::json::parse(text, problem, {}, options);
  if (problem) return std::nullopt;
  if (type == Type::json) return Value::json(arena.copy(text));
  return document.is_array() ? std::optional(Value::array(arena.copy(text))) : std::nullopt;
}

std::string_view example_of(Type type) {
  switch (type) {
    case Type::boolean: return "; write true or false";
    case Type::bytes: return "; write pairs of hex digits";
    case Type::date: return "; write it like 2024-02-29";
    case Type::time: return "; write it like 12:30:00.5";
    case Type::timestamp: return "; write it like 2024-02-29T12:30:00";
    case Type::timestamp_tz: return "; write it like 2024-02-29T12:30:00Z";
    default: return "";
  }
}

}  // namespace

std::optional<std::string> plain_decimal(std::string_view text) {
  const auto e = text.find_first_of("eE");
  std::string_view mantissa = text.substr(0, e);
  if (!is_decimal(mantissa)) return std::nullopt;
  if (e == std::string_view::npos) return std::string(mantissa);
  std::string_view digits = text.substr(e + 1);
  if (!digits.empty() && digits.front() == '+') digits.remove_prefix(1);
  int exponent = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
  if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  if (exponent > kMostExponent || exponent < -kMostExponent) return std::nullopt;
  const bool negative = mantissa.front() == '-';
  if (negative) mantissa.remove_prefix(1);
  const auto point = mantissa.find('.');
  std::string all(mantissa.substr(0, point));
  auto whole = static_cast<long>(all.size()) + exponent;
  if (point != std::string_view::npos) all += mantissa.substr(point + 1);
  if (whole < 1) {
    all.insert(0, static_cast<std::size_t>(1 - whole), '0');
    whole = 1;
  }
  if (static_cast<std::size_t>(whole) > all.size())
    all.append(static_cast<std::size_t>(whole) - all.size(), '0');
  if (static_cast<std::size_t>(whole) < all.size()) all.insert(static_cast<std::size_t>(whole), 1, '.');
  return (negative ? "-" : "") + all;
}

std::optional<Value> read_literal(Type type, std::string_view text, Arena& arena) {
  switch (type) {
    case Type::int64:
    case Type::uint64: return read_integer(type, text, arena);
    case Type::decimal: return read_decimal(text, arena);
    case Type::date:
    case Type::time:
    case Type::boolean:
    case Type::float64:
    case Type::text:
    case Type::bytes:
    case Type::uuid:
    case Type::native: return parsed(type, text, arena);
    case Type::timestamp:
    case Type::timestamp_tz: return read_timestamp(type, text);
    case Type::json:
    case Type::array: return read_json(type, text, arena);
    case Type::absent:
    case Type::null: return std::nullopt;
  }
  return std::nullopt;
}

Value literal(Type type, std::string_view text, Arena& arena) {
  if (const auto value = read_literal(type, text, arena)) return *value;
  throw Error(ErrorKind::bad_config,
              fmt::format("\"{}\" is not {}{}", shortened(text), with_article(type), example_of(type)));
}

std::string with_article(Type type) {
  const std::string_view name = name_of(type);
  const bool vowel = name.front() == 'a' || name.front() == 'i';
  return fmt::format("{} {}", vowel ? "an" : "a", name);
}

std::string round_decimal(std::string_view decimal, int digits) {
  const bool negative = decimal.front() == '-';
  if (negative) decimal.remove_prefix(1);
  const auto point = decimal.find('.');
  std::string all = "0" + std::string(decimal.substr(0, point));
  const auto whole = static_cast<long>(all.size());
  if (point != std::string_view::npos) all += decimal.substr(point + 1);
  const auto total = static_cast<long>(all.size());
  const long kept = whole + digits;
  if (kept < total) {
    // The digit at `kept` decides; a carry runs at most into the zero put in front. What lies before that
    // zero rounds to nothing.
    bool up = kept >= 0 && all[static_cast<std::size_t>(kept)] >= '5';
    for (long i = std::max(kept, 0L); i < total; ++i) all[static_cast<std::size_t>(i)] = '0';
    for (long i = kept - 1; up && i >= 0; --i) {
      char& digit = all[static_cast<std::size_t>(i)];
      up = digit == '9';
      digit = up ? '0' : static_cast<char>(digit + 1);
    }
    all.resize(static_cast<std::size_t>(std::max(kept, whole)));
  }
  if (all.size() > static_cast<std::size_t>(whole)) all.insert(static_cast<std::size_t>(whole), 1, '.');
  while (all.size() > 1 && all.front() == '0' && all[1] != '.') all.erase(0, 1);
  const bool zero = all.find_first_of("123456789") == std::string::npos;
  return negative && !zero ? "-" + all : all;
}

}  // namespace syncflow
