#include "core/value.h"

#include <fmt/core.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "core/calendar.h"
#include "core/decimal.h"
#include "core/error.h"
#include "core/text.h"
#include "core/uuid.h"

namespace syncflow {

std::string_view name_of(Type type) {
  switch (type) {
    case Type::absent: return "absent";
    case Type::null: return "null";
    case Type::boolean: return "boolean";
    case Type::int64: return "int64";
    case Type::uint64: return "uint64";
    case Type::float64: return "float64";
    case Type::decimal: return "decimal";
    case Type::text: return "text";
    case Type::bytes: return "bytes";
    case Type::date: return "date";
    case Type::time: return "time";
    case Type::timestamp: return "timestamp without zone";
    case Type::timestamp_tz: return "timestamp with zone";
    case Type::uuid: return "uuid";
    case Type::json: return "json";
    case Type::array: return "array";
    case Type::native: return "native";
  }
  return "unknown";
}

bool is_number(Type type) {
  return type == Type::int64 || type == Type::uint64 || type == Type::decimal || type == Type::float64;
}

Value Value::pointing(Type type, std::string_view bytes) {
  if (bytes.size() > UINT32_MAX)
    throw Error(ErrorKind::bug, fmt::format("a value of {} bytes is beyond 4 GiB", bytes.size()));
  Value value(type);
  value.size_ = static_cast<std::uint32_t>(bytes.size());
  value.pointer_ = bytes.data() ? bytes.data() : "";
  return value;
}

Value Value::counting(Type type, std::int64_t count, unsigned nanoseconds) {
  Value value(type);
  value.integer_ = count;
  value.nanoseconds_ = static_cast<std::uint16_t>(nanoseconds);
  return value;
}

Value Value::of(bool value) { return counting(Type::boolean, value ? 1 : 0); }
Value Value::of(std::int64_t value) { return counting(Type::int64, value); }
Value Value::of(std::uint64_t value) { return counting(Type::uint64, static_cast<std::int64_t>(value)); }
Value Value::of(double value) {
  Value out(Type::float64);
  out.number_ = value;
  return out;
}
Value Value::date(std::int64_t days) { return counting(Type::date, days); }
Value Value::time(std::int64_t microseconds, unsigned nanoseconds) {
  return counting(Type::time, microseconds, nanoseconds);
}
Value Value::timestamp(std::int64_t microseconds, unsigned nanoseconds) {
  return counting(Type::timestamp, microseconds, nanoseconds);
}
Value Value::timestamp_tz(std::int64_t microseconds, unsigned nanoseconds) {
  return counting(Type::timestamp_tz, microseconds, nanoseconds);
}

bool Value::is_textual() const {
  switch (type_) {
    case Type::decimal:
    case Type::text:
    case Type::bytes:
    case Type::uuid:
    case Type::json:
    case Type::array:
    case Type::native: return true;
    default: return false;
  }
}

Value Value::copied_to(Arena& arena) const {
  return is_textual() ? pointing(type_, arena.copy(view())) : *this;
}

namespace {

/// Types that `compare` treats as one kind.
int kind_rank(Type type) {
  switch (type) {
    case Type::int64:
    case Type::uint64:
    case Type::decimal:
    case Type::float64: return static_cast<int>(Type::int64);
    default: return static_cast<int>(type);
  }
}

std::string decimal_text(const Value& value) {
  switch (value.type()) {
    case Type::int64: return std::to_string(value.as_int64());
    case Type::uint64: return std::to_string(value.as_uint64());
    default: return std::string(value.view());
  }
}

/// NaN above everything, as PostgreSQL sorts it; -0 just below 0.
std::strong_ordering compare_doubles(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) <=> std::isnan(b);
  if (a < b) return std::strong_ordering::less;
  if (a > b) return std::strong_ordering::greater;
  return std::signbit(b) <=> std::signbit(a);
}

std::strong_ordering compare_double_and_exact(double a, const Value& b) {
  if (std::isnan(a) || a == HUGE_VAL) return std::strong_ordering::greater;
  if (a == -HUGE_VAL) return std::strong_ordering::less;
  const auto order = compare_decimals(*exact_decimal(a), decimal_text(b));
  // -0 is below the double 0, so it must be below every other zero too.
  return order == 0 && a == 0 && std::signbit(a) ? std::strong_ordering::less : order;
}

std::strong_ordering reversed(std::strong_ordering order) { return 0 <=> order; }

std::strong_ordering compare_numbers(const Value& a, const Value& b) {
  if (a.type() == Type::int64 && b.type() == Type::int64) return a.as_int64() <=> b.as_int64();
  if (a.type() == Type::uint64 && b.type() == Type::uint64) return a.as_uint64() <=> b.as_uint64();
  if (a.type() == Type::float64 && b.type() == Type::float64)
    return compare_doubles(a.as_double(), b.as_double());
  if (a.type() == Type::float64) return compare_double_and_exact(a.as_double(), b);
  if (b.type() == Type::float64) return reversed(compare_double_and_exact(b.as_double(), a));
  return compare_decimals(decimal_text(a), decimal_text(b));
}

[[noreturn]] void refuse(Type type, std::string_view text) {
  throw Error(ErrorKind::bad_config, fmt::format("\"{}\" is not a {}", shortened(text), name_of(type)));
}

template <typename Number>
Number parse_number(Type type, std::string_view text) {
  Number number{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size()) refuse(type, text);
  return number;
}

double parse_double(std::string_view text) {
  if (text == "NaN") return std::nan("");
  if (text == "Infinity") return HUGE_VAL;
  if (text == "-Infinity") return -HUGE_VAL;
  const double number = parse_number<double>(Type::float64, text);
  // from_chars also takes "inf", "nan(7)" and the like.
  if (!std::isfinite(number)) refuse(Type::float64, text);
  return number;
}

void append_double(double number, std::string& out) {
  if (std::isnan(number)) {
    out += "NaN";
  } else if (std::isinf(number)) {
    out += number < 0 ? "-Infinity" : "Infinity";
  } else {
    char digits[40];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  }
}

void append_uuid(std::string_view bytes, std::string& out) {
  const std::string hex = to_hex(bytes);
  for (std::size_t i = 0; i < hex.size(); ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) out += '-';
    out += hex[i];
  }
}

Value parse_uuid(std::string_view text, Arena& arena) {
  if (!is_uuid(text)) refuse(Type::uuid, text);
  std::string hex(text);
  std::erase(hex, '-');
  return Value::uuid(arena.copy(from_hex(hex)));
}

Value parse_timestamp(Type type, std::string_view text) {
  const auto parsed = parse_iso(text);
  const bool wants_zone = type == Type::timestamp_tz;
  if (!parsed || !parsed->has_time || parsed->offset_minutes.has_value() != wants_zone) refuse(type, text);
  const auto instant = microseconds_since_1970(*parsed);
  if (!instant) refuse(type, text);
  return wants_zone ? Value::timestamp_tz(*instant, parsed->nanoseconds)
                    : Value::timestamp(*instant, parsed->nanoseconds);
}

}  // namespace

bool operator==(const Value& a, const Value& b) {
  const bool integers = (a.type() == Type::int64 || a.type() == Type::uint64) &&
                        (b.type() == Type::int64 || b.type() == Type::uint64);
  if (!integers && a.type() != b.type()) return false;
  return compare(a, b) == 0;
}

std::strong_ordering compare(const Value& a, const Value& b) {
  if (const auto order = kind_rank(a.type()) <=> kind_rank(b.type()); order != 0) return order;
  switch (a.type()) {
    case Type::absent:
    case Type::null: return std::strong_ordering::equal;
    case Type::int64:
    case Type::uint64:
    case Type::float64:
    case Type::decimal: return compare_numbers(a, b);
    case Type::boolean:
    case Type::date: return a.as_int64() <=> b.as_int64();
    case Type::time:
    case Type::timestamp:
    case Type::timestamp_tz:
      if (const auto order = a.as_int64() <=> b.as_int64(); order != 0) return order;
      return a.nanoseconds() <=> b.nanoseconds();
    default:
      // char_traits<char> compares as unsigned bytes, which for UTF-8 is the order of code points.
      return a.view().compare(b.view()) <=> 0;
  }
}

void append_text(const Value& value, std::string& out) {
  switch (value.type()) {
    case Type::absent:
    case Type::null: return;
    case Type::boolean: out += value.as_bool() ? "true" : "false"; return;
    case Type::int64: out += std::to_string(value.as_int64()); return;
    case Type::uint64: out += std::to_string(value.as_uint64()); return;
    case Type::float64: append_double(value.as_double(), out); return;
    case Type::bytes: out += to_hex(value.view()); return;
    case Type::date: append_date(value.as_int64(), out); return;
    case Type::time: append_time_of_day(value.as_int64(), value.nanoseconds(), out); return;
    case Type::timestamp:
    case Type::timestamp_tz:
      append_timestamp(value.as_int64(), value.nanoseconds(), out);
      if (value.type() == Type::timestamp_tz) out += 'Z';
      return;
    case Type::uuid: append_uuid(value.view(), out); return;
    case Type::decimal:
    case Type::text:
    case Type::json:
    case Type::array:
    case Type::native: out += value.view(); return;
  }
}

std::string to_text(const Value& value) {
  std::string out;
  append_text(value, out);
  return out;
}

bool is_decimal(std::string_view text) {
  if (!text.empty() && text.front() == '-') text.remove_prefix(1);
  const auto point = text.find('.');
  const auto digits_only = [](std::string_view part) {
    return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (point == std::string_view::npos) return digits_only(text);
  return digits_only(text.substr(0, point)) && digits_only(text.substr(point + 1));
}

Value parse_value(Type type, std::string_view text, Arena& arena) {
  switch (type) {
    case Type::absent: return Value::absent();
    case Type::null: return Value::null();
    case Type::boolean:
      if (text != "true" && text != "false") refuse(type, text);
      return Value::of(text == "true");
    case Type::int64: return Value::of(parse_number<std::int64_t>(type, text));
    case Type::uint64: return Value::of(parse_number<std::uint64_t>(type, text));
    case Type::float64: return Value::of(parse_double(text));
    case Type::decimal:
      if (!is_decimal(text)) refuse(type, text);
      return Value::decimal(arena.copy(text));
    case Type::text:
      if (!is_utf8(text)) refuse(type, text);
      return Value::text(arena.copy(text));
    case Type::bytes: return Value::bytes(arena.copy(from_hex(text)));
    case Type::date: {
      const auto parsed = parse_iso(text);
      if (!parsed || parsed->has_time) refuse(type, text);
      return Value::date(parsed->days);
    }
    case Type::time: {
      const auto parsed = parse_time_of_day(text);
      if (!parsed) refuse(type, text);
      return Value::time(parsed->microseconds, parsed->nanoseconds);
    }
    case Type::timestamp:
    case Type::timestamp_tz: return parse_timestamp(type, text);
    case Type::uuid: return parse_uuid(text, arena);
    case Type::json: return Value::json(arena.copy(text));
    case Type::array: return Value::array(arena.copy(text));
    case Type::native: return Value::native(arena.copy(text));
  }
  refuse(type, text);
}

}  // namespace syncflow
