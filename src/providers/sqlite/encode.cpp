#include <fmt/core.h>

#include <charconv>
#include <cmath>

#include "core/calendar.h"
#include "core/decimal.h"
#include "core/text.h"
#include "core/uuid.h"
#include "providers/sqlite/codec.h"
#include "providers/sqlite/codec_parts.h"

namespace syncflow::sqlite {
namespace {

using Reason = std::optional<std::string>;
using Class = Stored::Class;

// --- numbers ---

/// What NUMERIC affinity would take for a number.
bool looks_like_a_number(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  if (!text.empty() && (text.front() == '+' || text.front() == '-')) text.remove_prefix(1);
  std::size_t digits = 0, at = 0;
  const auto skip_digits = [&] {
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) ++digits;
  };
  skip_digits();
  if (at < text.size() && text[at] == '.') ++at, skip_digits();
  if (digits == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const std::size_t before = digits;
    skip_digits();
    if (digits == before) return false;
  }
  return at == text.size();
}

std::optional<std::int64_t> whole_number(std::string_view digits) {
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (problem != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

/// A decimal as the number that a column of floating-point numbers would keep of it, if none of it is lost.
std::optional<Stored> number_of(std::string_view decimal) {
  const std::string plain = normalized_decimal(decimal);
  if (const auto whole = whole_number(plain)) return Stored::of(*whole);
  double number = 0;
  if (std::from_chars(plain.data(), plain.data() + plain.size(), number).ec != std::errc())
    return std::nullopt;
  if (normalized_decimal(fixed_digits(number)) != plain) return std::nullopt;
  return Stored::of(number);
}

// --- times ---

std::optional<std::chrono::minutes> offset_of(std::string_view zone) {
  const auto parsed = parse_iso("2000-01-01T00:00:00" + std::string(zone));
  if (!parsed || !parsed->offset_minutes) return std::nullopt;
  return std::chrono::minutes(*parsed->offset_minutes);
}

void append_two_digits(std::int64_t number, std::string& out) {
  out += static_cast<char>('0' + number / 10);
  out += static_cast<char>('0' + number % 10);
}

/// Of a time of day. Written for every row of many a table, and mostly without a fraction.
void append_clock(std::int64_t microseconds, unsigned nanoseconds, std::optional<int> digits,
                  std::string& out) {
  const std::int64_t seconds = microseconds / 1'000'000;
  const bool whole = microseconds % 1'000'000 == 0 && nanoseconds == 0;
  const std::string fraction =
      whole ? std::string(9, '0') : fmt::format("{:06}{:03}", microseconds % 1'000'000, nanoseconds);
  const std::size_t needed = fraction.find_last_not_of('0') + 1;
  append_two_digits(seconds / 3600, out);
  out += ':';
  append_two_digits(seconds / 60 % 60, out);
  if (digits == -1 && needed == 0 && seconds % 60 == 0) return;
  out += ':';
  append_two_digits(seconds % 60, out);
  std::size_t shown = static_cast<std::size_t>(std::max(0, digits.value_or(0)));
  if (needed > shown) shown = !digits ? needed : needed > 6 ? 9 : 6;
  if (shown > 0) out += '.' + fraction.substr(0, shown);
}

std::string spell_timestamp(std::int64_t utc, unsigned nanoseconds, std::string_view zone,
                            const Spelling& spelling) {
  const auto offset = zone.empty() ? spelling.offset : offset_of(zone).value_or(std::chrono::minutes(0));
  const std::int64_t local = utc + std::chrono::microseconds(offset).count();
  const std::int64_t days = floor_divide(local, kMicrosecondsPerDay);
  std::string out;
  append_date(days, out);
  out += spelling.separator;
  append_clock(local - days * kMicrosecondsPerDay, nanoseconds, spelling.fraction_digits, out);
  out += zone;
  return out;
}

// --- one function a type of column ---

Reason cannot_hold(const Value& value, std::string_view column) {
  std::string shown;
  if (value.type() != Type::bytes) shown = " " + shortened(to_text(value));
  return fmt::format("a {} field cannot hold the {}{}", column, name_of(value.type()), shown);
}

Reason hold_text(std::string text, Arena& arena, Stored& out) {
  out = Stored::text(arena.copy(text));
  return std::nullopt;
}

/// The decimal digits of any number that has some.
std::optional<std::string> digits_of(const Value& value) {
  switch (value.type()) {
    case Type::int64:
    case Type::uint64: return to_text(value);
    case Type::decimal: return std::string(value.view());
    case Type::float64:
      if (!std::isfinite(value.as_double())) return std::nullopt;
      return fixed_digits(value.as_double());
    default: return std::nullopt;
  }
}

Reason encode_boolean(const Value& value, Stored& out) {
  const bool bit = value.type() == Type::int64 && (value.as_int64() == 0 || value.as_int64() == 1);
  if (value.type() != Type::boolean && !bit) return cannot_hold(value, "boolean");
  out = Stored::of(std::int64_t{value.as_int64() != 0});
  return std::nullopt;
}

Reason encode_int64(const Value& value, Stored& out) {
  if (value.type() == Type::int64 || value.type() == Type::boolean) {
    out = Stored::of(value.as_int64());
    return std::nullopt;
  }
  const auto digits = digits_of(value);
  const auto whole = digits ? whole_number(normalized_decimal(*digits)) : std::nullopt;
  if (!whole) return cannot_hold(value, "64-bit integer");
  out = Stored::of(*whole);
  return std::nullopt;
}

Reason encode_float(const Value& value, Stored& out) {
  if (value.type() == Type::float64) {
    out = std::isnan(value.as_double()) ? Stored::text("NaN") : Stored::of(value.as_double());
    return std::nullopt;
  }
  const auto digits = digits_of(value);
  const auto number = digits ? number_of(*digits) : std::nullopt;
  const bool exact =
      number && (number->storage == Class::real || std::abs(number->integer) <= std::int64_t{1} << 53);
  if (!exact) return cannot_hold(value, "floating-point");
  out = number->storage == Class::real ? *number : Stored::of(static_cast<double>(number->integer));
  return std::nullopt;
}

Reason encode_decimal(const Value& value, const ColumnType& type, Arena& arena, Stored& out) {
  const auto digits = digits_of(value);
  if (!digits) return cannot_hold(value, "decimal");
  if (auto reason = check_digits(*digits, type)) return reason;
  if (type.affinity == Affinity::text || type.affinity == Affinity::blob)
    return hold_text(*digits, arena, out);
  const auto number = number_of(*digits);
  if (!number)
    return fmt::format(
        "SQLite keeps numbers with a fraction as floating point in a DECIMAL field, which cannot hold {}: "
        "declare the field DECIMAL_TEXT",
        shortened(*digits));
  out = *number;
  return std::nullopt;
}

/// A text for a column whose affinity may turn it into a number.
Reason encode_guarded(std::string_view text, const ColumnType& type, Stored& out) {
  out = Stored::text(text);
  if (type.affinity == Affinity::text || type.affinity == Affinity::blob || !looks_like_a_number(text))
    return std::nullopt;
  if (const auto whole = whole_number(text); whole && std::to_string(*whole) == text) return std::nullopt;
  if (is_decimal(text))
    if (const auto number = number_of(text);
        number && number->storage == Class::real && fixed_digits(number->real) == text)
      return std::nullopt;
  return fmt::format(
      "SQLite would turn the text {} into a number here: declare the field with TEXT in its type",
      shortened(text));
}

Reason encode_text(const Value& value, Arena& arena, Stored& out) {
  if (value.type() == Type::bytes) return cannot_hold(value, "text");
  if (value.is_textual() && value.type() != Type::uuid) out = Stored::text(value.view());
  else return hold_text(to_text(value), arena, out);
  return std::nullopt;
}

Reason encode_timestamp(const Value& value, const ColumnType& type, const Spelling& spelling, Arena& arena,
                        Stored& out) {
  const bool naive = value.type() == Type::timestamp;
  if (!naive && value.type() != Type::timestamp_tz) return cannot_hold(value, "timestamp");
  const std::int64_t utc =
      value.as_int64() - (naive ? std::chrono::microseconds(spelling.offset).count() : 0);
  const bool bare = type.canonical == Type::timestamp && naive && !spelling.zone_on_naive;
  return hold_text(spell_timestamp(utc, value.nanoseconds(), bare ? "" : spelling.zone, spelling), arena,
                   out);
}

Reason encode_uuid(const Value& value, const Spelling& spelling, Arena& arena, Stored& out) {
  Value uuid = value;
  if (value.type() == Type::text && is_uuid(value.view()))
    uuid = parse_value(Type::uuid, value.view(), arena);
  if (uuid.type() != Type::uuid) return cannot_hold(value, "UUID");
  if (spelling.uuid == Spelling::Uuid::blob) {
    out = Stored::blob(uuid.view());
    return std::nullopt;
  }
  std::string text = to_text(uuid);
  if (spelling.uuid == Spelling::Uuid::upper)
    for (char& c : text) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  return hold_text(std::move(text), arena, out);
}

/// A literal as decode_dynamic wrote it.
Reason encode_literal(std::string_view literal, Arena& arena, Stored& out) {
  if (literal.size() >= 3 && literal.substr(0, 2) == "x'") {
    out = Stored::blob(arena.copy(from_hex(literal.substr(2, literal.size() - 3))));
    return std::nullopt;
  }
  if (const auto whole = whole_number(literal)) {
    out = Stored::of(*whole);
    return std::nullopt;
  }
  double number = 0;
  const bool infinite = literal == "9e999" || literal == "-9e999";
  if (infinite) number = literal.front() == '-' ? -HUGE_VAL : HUGE_VAL;
  const auto [end, problem] = std::from_chars(literal.data(), literal.data() + literal.size(), number);
  if (!infinite && (problem != std::errc() || end != literal.data() + literal.size())) {
    out = Stored::text(literal);
    return std::nullopt;
  }
  if (infinite) number = literal.front() == '-' ? -HUGE_VAL : HUGE_VAL;
  out = Stored::of(number);
  return std::nullopt;
}

Reason encode_dynamic(const Value& value, const ColumnType& type, Arena& arena, Stored& out) {
  switch (value.type()) {
    case Type::native: return encode_literal(value.view(), arena, out);
    case Type::boolean:
    case Type::int64: out = Stored::of(value.as_int64()); return std::nullopt;
    case Type::float64: return encode_float(value, out);
    case Type::bytes: out = Stored::blob(value.view()); return std::nullopt;
    default: break;
  }
  Stored text;
  encode_text(value, arena, text);
  return encode_guarded(text.bytes, type, out);
}

}  // namespace

std::optional<std::string> encode(const Value& value, const ColumnType& type, const Spelling& spelling,
                                  Arena& arena, Stored& out) {
  out = {};
  if (value.is_null()) return std::nullopt;
  if (type.dynamic) return encode_dynamic(value, type, arena, out);
  switch (type.canonical) {
    case Type::boolean: return encode_boolean(value, out);
    case Type::int64: return encode_int64(value, out);
    case Type::float64: return encode_float(value, out);
    case Type::decimal: return encode_decimal(value, type, arena, out);
    case Type::timestamp:
    case Type::timestamp_tz: return encode_timestamp(value, type, spelling, arena, out);
    case Type::uuid: return encode_uuid(value, spelling, arena, out);
    case Type::bytes:
      if (value.type() != Type::bytes) return cannot_hold(value, "BLOB");
      out = Stored::blob(value.view());
      return std::nullopt;
    case Type::json:
      if (value.type() != Type::json && value.type() != Type::array &&
          !(value.type() == Type::text && is_json(value.view())))
        return cannot_hold(value, "JSON");
      return encode_guarded(value.view(), type, out);
    case Type::date:
      if (value.type() != Type::date) return cannot_hold(value, "date");
      return hold_text(to_text(value), arena, out);
    case Type::time: {
      if (value.type() != Type::time) return cannot_hold(value, "time");
      std::string text;
      append_clock(value.as_int64(), value.nanoseconds(), spelling.time_digits, text);
      return hold_text(std::move(text), arena, out);
    }
    default: return encode_text(value, arena, out);
  }
}

}  // namespace syncflow::sqlite
