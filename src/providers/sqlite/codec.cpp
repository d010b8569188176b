#include "providers/sqlite/codec.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <charconv>
#include <cmath>

#include "core/calendar.h"
#include "core/decimal.h"
#include "core/error.h"
#include "core/text.h"
#include "core/uuid.h"
#include "sql/json_scanner.h"

namespace syncflow::sqlite {
namespace {

using Reason = std::optional<std::string>;
using Class = Stored::Class;

constexpr std::int64_t kMicrosecondsPerMinute = 60'000'000;

Reason contradicts(const Stored& stored, std::string_view wanted) {
  return fmt::format("it holds {}, which is not {}", show(stored), wanted);
}

std::string fixed_digits(double number) {
  char digits[400];
  return {digits, std::to_chars(digits, digits + sizeof digits, number, std::chars_format::fixed).ptr};
}

bool is_json(std::string_view text) try {
  sql::JsonScanner scanner(text);
  while (scanner.next() != sql::JsonScanner::Token::end) {
  }
  return true;
} catch (const Error&) {
  return false;
}

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

Reason check_digits(std::string_view decimal, const ColumnType& type) {
  if (!type.precision) return std::nullopt;
  const std::string plain = normalized_decimal(decimal);
  const auto point = plain.find('.');
  const std::size_t sign = plain.front() == '-';
  const std::size_t whole = (point == std::string::npos ? plain.size() : point) - sign;
  const std::size_t fraction = point == std::string::npos ? 0 : plain.size() - point - 1;
  const bool only_zero = plain.substr(sign, whole) == "0";
  const auto scale = static_cast<std::size_t>(std::max(0, *type.scale));
  const auto room = static_cast<std::size_t>(std::max(0, *type.precision - *type.scale));
  if (fraction <= scale && (whole <= room || only_zero)) return std::nullopt;
  return fmt::format("{} has more digits than the declared ({},{})", shortened(decimal), *type.precision,
                     *type.scale);
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

// --- times ---

std::optional<std::chrono::minutes> offset_of(std::string_view zone) {
  const auto parsed = parse_iso("2000-01-01T00:00:00" + std::string(zone));
  if (!parsed || !parsed->offset_minutes) return std::nullopt;
  return std::chrono::minutes(*parsed->offset_minutes);
}

void append_clock(std::int64_t microseconds, unsigned nanoseconds, std::optional<int> digits,
                  std::string& out) {
  const std::int64_t seconds = microseconds / 1'000'000;
  const std::string fraction = fmt::format("{:06}{:03}", microseconds % 1'000'000, nanoseconds);
  const std::size_t needed = fraction.find_last_not_of('0') + 1;
  out += fmt::format("{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
  if (digits == -1 && needed == 0 && seconds % 60 == 0) return;
  out += fmt::format(":{:02}", seconds % 60);
  std::size_t shown = static_cast<std::size_t>(std::max(0, digits.value_or(0)));
  if (needed > shown) shown = !digits ? needed : needed > 6 ? 9 : 6;
  if (shown > 0) out += '.' + fraction.substr(0, shown);
}

std::string spell_timestamp(std::int64_t utc, unsigned nanoseconds, std::string_view zone,
                            const Spelling& spelling) {
  const auto offset = zone.empty() ? spelling.offset : offset_of(zone).value_or(std::chrono::minutes(0));
  const std::int64_t local = utc + offset.count() * kMicrosecondsPerMinute;
  const std::int64_t days = floor_divide(local, kMicrosecondsPerDay);
  std::string out;
  append_date(days, out);
  out += spelling.separator;
  append_clock(local - days * kMicrosecondsPerDay, nanoseconds, spelling.fraction_digits, out);
  out += zone;
  return out;
}

Reason decode_timestamp(const Stored& stored, const ColumnType& type, const Spelling& spelling, Value& out) {
  const auto parsed = stored.storage == Class::text ? parse_iso(stored.bytes) : std::nullopt;
  if (!parsed || !parsed->has_time) return contradicts(stored, "a date and time like 2024-02-29T12:30:00.5Z");
  std::int64_t microseconds = parsed->days * kMicrosecondsPerDay + parsed->microseconds;
  const std::int64_t naive_offset = spelling.offset.count() * kMicrosecondsPerMinute;
  if (parsed->offset_minutes) microseconds -= *parsed->offset_minutes * kMicrosecondsPerMinute;
  else microseconds -= naive_offset;
  out = type.canonical == Type::timestamp_tz
            ? Value::timestamp_tz(microseconds, parsed->nanoseconds)
            : Value::timestamp(microseconds + naive_offset, parsed->nanoseconds);
  return std::nullopt;
}

// --- reading, one function a type ---

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

// --- writing, one function a type of column ---

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
  const std::int64_t utc = value.as_int64() - (naive ? spelling.offset.count() * kMicrosecondsPerMinute : 0);
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

Spelling spelling_of(const Stored& sample, const ColumnType& type, const Spelling& otherwise) {
  Spelling out = otherwise;
  Arena arena;
  Value value;
  if (decode(sample, type, otherwise, arena, value) || value.is_null()) return out;
  const std::string_view text = sample.bytes;
  const auto digits_from = [&](std::size_t seconds) {
    if (seconds >= text.size() || text[seconds] != ':') return -1;
    if (seconds + 3 >= text.size() || text[seconds + 3] != '.') return 0;
    return static_cast<int>(std::min(text.find_first_not_of("0123456789", seconds + 4), text.size()) -
                            seconds - 4);
  };
  if (type.canonical == Type::uuid) {
    if (sample.storage == Class::blob) out.uuid = Spelling::Uuid::blob;
    else if (text.find_first_of("ABCDEF") != std::string_view::npos) out.uuid = Spelling::Uuid::upper;
    else if (text.find_first_of("abcdef") != std::string_view::npos) out.uuid = Spelling::Uuid::lower;
  } else if (type.canonical == Type::time) {
    out.time_digits = digits_from(5);
  } else if (type.canonical == Type::timestamp || type.canonical == Type::timestamp_tz) {
    const auto begin = text.find_first_of("Tt ");
    if (begin == std::string_view::npos) return out;
    out.separator = text[begin];
    out.fraction_digits = digits_from(begin + 6);
    const auto zone = text.find_first_of("Zz+-", begin);
    out.zone = zone == std::string_view::npos ? (type.canonical == Type::timestamp ? "Z" : "")
                                              : std::string(text.substr(zone));
    out.zone_on_naive = zone != std::string_view::npos && type.canonical == Type::timestamp;
  }
  return out;
}

Stored stored_at(const Statement& statement, int column) {
  switch (statement.type(column)) {
    case SQLITE_INTEGER: return Stored::of(statement.integer(column));
    case SQLITE_FLOAT: return Stored::of(statement.real(column));
    case SQLITE_TEXT: return Stored::text(statement.text(column));
    case SQLITE_BLOB: return Stored::blob(statement.blob(column));
    default: return {};
  }
}

void bind(Statement& statement, int index, const Stored& value) {
  switch (value.storage) {
    case Stored::Class::null: statement.bind_null(index); return;
    case Stored::Class::integer: statement.bind(index, value.integer); return;
    case Stored::Class::real: statement.bind(index, value.real); return;
    case Stored::Class::text: statement.bind_text(index, value.bytes); return;
    case Stored::Class::blob: statement.bind_blob(index, value.bytes); return;
  }
}

std::string show(const Stored& stored) {
  switch (stored.storage) {
    case Stored::Class::null: return "NULL";
    case Stored::Class::integer: return fmt::format("INTEGER {}", stored.integer);
    case Stored::Class::real: return fmt::format("REAL {}", to_text(Value::of(stored.real)));
    case Stored::Class::text:
      if (!is_utf8(stored.bytes))
        return fmt::format("TEXT x'{}', which is not UTF-8", shortened(to_hex(stored.bytes)));
      return fmt::format("TEXT '{}'", shortened(stored.bytes));
    case Stored::Class::blob: return fmt::format("BLOB x'{}'", shortened(to_hex(stored.bytes)));
  }
  return "";
}

}  // namespace syncflow::sqlite
