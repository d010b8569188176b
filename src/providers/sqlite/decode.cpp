#include <fmt/core.h>
#include <sqlite3.h>

#include <cmath>

#include "core/calendar.h"
#include "core/text.h"
#include "core/uuid.h"
#include "providers/sqlite/codec.h"
#include "providers/sqlite/codec_parts.h"

namespace syncflow::sqlite {
namespace {

using Reason = std::optional<std::string>;
using Class = Stored::Class;

Reason contradicts(const Stored& stored, std::string_view wanted) {
  return fmt::format("it holds {}, which is not {}", show(stored), wanted);
}

std::string padded(std::string decimal, const ColumnType& type) {
  if (type.scale.value_or(0) <= 0) return decimal;
  auto point = decimal.find('.');
  if (point == std::string::npos) point = decimal.size(), decimal += '.';
  const std::size_t fraction = decimal.size() - point - 1;
  if (const auto scale = static_cast<std::size_t>(*type.scale); fraction < scale)
    decimal.append(scale - fraction, '0');
  return decimal;
}

Reason decode_timestamp(const Stored& stored, const ColumnType& type, const Spelling& spelling, Value& out) {
  const auto parsed = stored.storage == Class::text ? parse_iso(stored.bytes) : std::nullopt;
  if (!parsed || !parsed->has_time) return contradicts(stored, "a date and time like 2024-02-29T12:30:00.5Z");
  std::int64_t microseconds = parsed->days * kMicrosecondsPerDay + parsed->microseconds;
  const std::int64_t naive_offset = std::chrono::microseconds(spelling.offset).count();
  if (parsed->offset_minutes)
    microseconds -= std::chrono::microseconds(std::chrono::minutes(*parsed->offset_minutes)).count();
  else microseconds -= naive_offset;
  out = type.canonical == Type::timestamp_tz
            ? Value::timestamp_tz(microseconds, parsed->nanoseconds)
            : Value::timestamp(microseconds + naive_offset, parsed->nanoseconds);
  return std::nullopt;
}

Reason decode_boolean(const Stored& stored, Value& out) {
  if (stored.storage == Class::integer && (stored.integer == 0 || stored.integer == 1)) {
    out = Value::of(stored.integer == 1);
    return std::nullopt;
  }
  for (const auto& [text, truth] : {std::pair{"true", true}, {"t", true}, {"false", false}, {"f", false}})
    if (stored.storage == Class::text && sqlite3_stricmp(std::string(stored.bytes).c_str(), text) == 0) {
      out = Value::of(truth);
      return std::nullopt;
    }
  return contradicts(stored, "a boolean (0, 1, true or false)");
}

Reason decode_float(const Stored& stored, Value& out) {
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  if (stored.storage == Class::real) out = Value::of(stored.real);
  else if (stored.storage == Class::integer && stored.integer >= -kExact && stored.integer <= kExact)
    out = Value::of(static_cast<double>(stored.integer));
  // SQLite has no NaN: bound as a number it becomes NULL.
  else if (stored.storage == Class::text && stored.bytes == "NaN") out = Value::of(std::nan(""));
  else return contradicts(stored, "a floating-point number");
  return std::nullopt;
}

Reason decode_decimal(const Stored& stored, const ColumnType& type, Arena& arena, Value& out) {
  std::string text;
  if (stored.storage == Class::integer) text = padded(std::to_string(stored.integer), type);
  else if (stored.storage == Class::real && std::isfinite(stored.real))
    text = padded(fixed_digits(stored.real), type);
  else if (stored.storage == Class::text && is_decimal(stored.bytes)) text = stored.bytes;
  else return contradicts(stored, "a decimal number");
  out = Value::decimal(arena.copy(text));
  return check_digits(text, type);
}

Reason decode_text(const Stored& stored, Arena& arena, Value& out) {
  if (stored.storage != Class::text || !is_utf8(stored.bytes)) return contradicts(stored, "text in UTF-8");
  out = Value::text(arena.copy(stored.bytes));
  return std::nullopt;
}

Reason decode_uuid(const Stored& stored, Arena& arena, Value& out) {
  if (stored.storage == Class::blob && stored.bytes.size() == 16) out = Value::uuid(arena.copy(stored.bytes));
  else if (stored.storage == Class::text && is_uuid(stored.bytes))
    out = parse_value(Type::uuid, stored.bytes, arena);
  else return contradicts(stored, "a UUID");
  return std::nullopt;
}

Reason decode_json(const Stored& stored, Arena& arena, Value& out) {
  // A column declared JSON has NUMERIC affinity: the document 5 is an integer in it.
  std::string number;
  if (stored.storage == Class::integer) number = std::to_string(stored.integer);
  else if (stored.storage == Class::real && std::isfinite(stored.real))
    number = to_text(Value::of(stored.real));
  else if (stored.storage != Class::text || !is_utf8(stored.bytes) || !is_json(stored.bytes))
    return contradicts(stored, "a JSON document");
  out = Value::json(arena.copy(number.empty() ? stored.bytes : std::string_view(number)));
  return std::nullopt;
}

/// The SQL literal of a value that is not a text.
std::string literal_of(const Stored& stored) {
  if (stored.storage == Class::integer) return std::to_string(stored.integer);
  if (stored.storage == Class::blob) return "x'" + to_hex(stored.bytes) + "'";
  if (std::isinf(stored.real)) return stored.real < 0 ? "-9e999" : "9e999";
  std::string text = to_text(Value::of(stored.real));
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

Reason decode_dynamic(const Stored& stored, Arena& arena, Value& out) {
  if (stored.storage == Class::text) return decode_text(stored, arena, out);
  out = Value::native(arena.copy(literal_of(stored)));
  return std::nullopt;
}

Reason decode_other(const Stored& stored, const ColumnType& type, Arena& arena, Value& out) {
  if (type.canonical == Type::int64) {
    if (stored.storage != Class::integer) return contradicts(stored, "an integer of 64 bits");
    out = Value::of(stored.integer);
    return std::nullopt;
  }
  if (type.canonical == Type::bytes) {
    if (stored.storage != Class::blob)
      return contradicts(stored, "bytes: store them as a BLOB (CAST(… AS BLOB))");
    out = Value::bytes(arena.copy(stored.bytes));
    return std::nullopt;
  }
  if (type.canonical == Type::date) {
    const auto parsed = stored.storage == Class::text ? parse_iso(stored.bytes) : std::nullopt;
    if (!parsed || parsed->has_time) return contradicts(stored, "a date like 2024-02-29");
    out = Value::date(parsed->days);
    return std::nullopt;
  }
  const auto parsed = stored.storage == Class::text ? parse_time_of_day(stored.bytes) : std::nullopt;
  if (!parsed) return contradicts(stored, "a time of day like 12:30:00.5");
  out = Value::time(parsed->microseconds, parsed->nanoseconds);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> decode(const Stored& stored, const ColumnType& type, const Spelling& spelling,
                                  Arena& arena, Value& out) {
  out = Value::null();
  if (stored.storage == Class::null) return std::nullopt;
  if (type.dynamic) return decode_dynamic(stored, arena, out);
  switch (type.canonical) {
    case Type::boolean: return decode_boolean(stored, out);
    case Type::float64: return decode_float(stored, out);
    case Type::decimal: return decode_decimal(stored, type, arena, out);
    case Type::text: return decode_text(stored, arena, out);
    case Type::timestamp:
    case Type::timestamp_tz: return decode_timestamp(stored, type, spelling, out);
    case Type::uuid: return decode_uuid(stored, arena, out);
    case Type::json: return decode_json(stored, arena, out);
    default: return decode_other(stored, type, arena, out);
  }
}

}  // namespace syncflow::sqlite
