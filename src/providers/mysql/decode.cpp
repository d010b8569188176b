#include "providers/mysql/decode.h"

#include <fmt/core.h>

#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <cstring>

#include "core/calendar.h"
#include "core/text.h"
#include "core/uuid.h"

namespace syncflow::mysql {
namespace {

/// Columns may change between the catalogue's answer and the row's.
void expect_size(const Column& sent_as, const Cell& cell, std::size_t least, std::size_t most) {
  // Powers of two, as numbers are.
  if (cell.size < least || cell.size > most || (cell.size & (cell.size - 1)) != 0)
    throw Unreadable{fmt::format("column {} came in another form than its type's", sent_as.name)};
}

Value decode_real(const Column& sent_as, const Cell& cell) {
  const std::size_t size = sent_as.type == MYSQL_TYPE_FLOAT ? sizeof(float) : sizeof(double);
  expect_size(sent_as, cell, size, size);
  return Value::of(real_of(sent_as, cell));
}

Value decode_integer(const Column& sent_as, const Cell& cell, Type type) {
  expect_size(sent_as, cell, 1, 8);
  const std::int64_t number = integer_of(sent_as, cell);
  return type == Type::uint64 ? Value::of(static_cast<std::uint64_t>(number)) : Value::of(number);
}

/// Most significant byte first.
Value decode_bits(const Cell& cell) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < cell.size; ++i) bits = bits << 8 | cell.data[i];
  return Value::of(bits);
}

/// ZEROFILL columns come with leading zeros.
std::string_view plain_decimal(std::string_view text) {
  while (text.size() > 1 && text[0] == '0' && text[1] != '.') text.remove_prefix(1);
  return text;
}

Value as_native(const std::string& text, Arena& arena) { return Value::native(arena.copy(text)); }

Value decode_moment(const ColumnInfo& column, const Cell& cell, Arena& arena) {
  const Moment moment = moment_of(cell);
  const bool with_time = column.kind != Kind::date;
  if (!is_day(moment))
    return as_native(to_text(moment, with_time, static_cast<unsigned>(column.fraction)), arena);
  const std::int64_t time = microseconds_of(moment);
  switch (column.kind) {
    case Kind::date: return Value::date(floor_divide(time, kMicrosecondsPerDay));
    case Kind::timestamp: return Value::timestamp_tz(time);
    default: return Value::timestamp(time);
  }
}

Value decode_interval(const ColumnInfo& column, const Cell& cell, Arena& arena) {
  const Interval interval = interval_of(cell);
  const std::int64_t microseconds =
      ((interval.hours * 60LL + interval.minute) * 60 + interval.second) * 1'000'000 + interval.microsecond;
  if (interval.negative || microseconds > kMicrosecondsPerDay)
    return as_native(to_text(interval, static_cast<unsigned>(column.fraction)), arena);
  return Value::time(microseconds);
}

std::string_view checked_text(std::string_view text) {
  if (!is_utf8(text)) throw Unreadable{"the text is not valid UTF-8"};
  return text;
}

Value decode_set(std::string_view text, Arena& arena) {
  boost::json::array labels;
  if (!text.empty())
    for (const std::string& label : split(checked_text(text), ',')) labels.emplace_back(label);
  return Value::array(arena.copy(boost::json::serialize(labels)));
}

/// Little-endian floats, each as the shortest text that reads back as the same float.
Value decode_vector(std::string_view bytes, Arena& arena) {
  std::string out = "[";
  for (std::size_t i = 0; i + sizeof(float) <= bytes.size(); i += sizeof(float)) {
    float number;
    std::memcpy(&number, bytes.data() + i, sizeof number);
    if (!std::isfinite(number)) throw Unreadable{"the vector holds a number that is not finite"};
    if (i > 0) out += ',';
    char digits[32];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
  }
  return Value::array(arena.copy(out + ']'));
}

Value decode_uuid(std::string_view text, Arena& arena) {
  if (!is_uuid(text)) throw Unreadable{"the server sent no UUID"};
  return parse_value(Type::uuid, text, arena);
}

}  // namespace

bool is_day(const Moment& moment) { return is_civil_day(moment.year, moment.month, moment.day); }

std::int64_t microseconds_of(const Moment& moment) {
  const std::int64_t days = days_from_civil({moment.year, moment.month, moment.day});
  return days * kMicrosecondsPerDay +
         ((moment.hour * 60LL + moment.minute) * 60 + moment.second) * 1'000'000 + moment.microsecond;
}

Value decode(const ColumnInfo& column, const Column& sent_as, const Cell& cell, Arena& arena) {
  if (cell.is_null()) return Value::null();
  switch (column.kind) {
    case Kind::integer:
      return decode_integer(sent_as, cell,
                            column.is_unsigned && column.type == "bigint" ? Type::uint64 : Type::int64);
    case Kind::year: return decode_integer(sent_as, cell, Type::int64);
    case Kind::decimal: return Value::decimal(arena.copy(plain_decimal(cell.view())));
    case Kind::real: return decode_real(sent_as, cell);
    case Kind::bit: return decode_bits(cell);
    case Kind::date:
    case Kind::datetime:
    case Kind::timestamp: return decode_moment(column, cell, arena);
    case Kind::time: return decode_interval(column, cell, arena);
    case Kind::text:
    case Kind::enumeration:
    case Kind::address: return Value::text(arena.copy(checked_text(cell.view())));
    case Kind::set: return decode_set(cell.view(), arena);
    case Kind::bytes:
    case Kind::geometry: return Value::bytes(arena.copy(cell.view()));
    case Kind::json: return Value::json(arena.copy(checked_text(cell.view())));
    case Kind::vector: return decode_vector(cell.view(), arena);
    case Kind::uuid: return decode_uuid(cell.view(), arena);
    case Kind::unknown: break;
  }
  throw Unreadable{fmt::format("columns of type {} cannot be read", column.native)};
}

}  // namespace syncflow::mysql
