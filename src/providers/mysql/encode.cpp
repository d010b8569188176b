#include "providers/mysql/encode.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <cstring>

#include "core/calendar.h"
#include "core/decimal.h"
#include "core/text.h"
#include "core/uuid.h"
#include "providers/mysql/charset.h"
#include "providers/mysql/json_check.h"

namespace syncflow::mysql {
namespace {

constexpr std::int64_t kYear0 = -62'167'219'200'000'000;            // 0000-01-01
constexpr std::int64_t kYear10000 = 253'402'300'800'000'000;        // 10000-01-01
constexpr std::int64_t kFirstTimestamp = 1'000'000;                 // 1970-01-01 00:00:01
constexpr std::int64_t kPastLastTimestamp = 2'147'483'648'000'000;  // 2038-01-19 03:14:08

bool is_numeric(Type type) {
  return type == Type::boolean || type == Type::int64 || type == Type::uint64 || type == Type::decimal ||
         type == Type::float64;
}

bool is_moment(Type type) {
  return type == Type::date || type == Type::timestamp || type == Type::timestamp_tz || type == Type::native;
}

/// A number as a canonical decimal; a double as the shortest that reads back as the same.
std::string decimal_text(const Value& value) {
  switch (value.type()) {
    case Type::boolean: return value.as_bool() ? "1" : "0";
    case Type::int64: return std::to_string(value.as_int64());
    case Type::uint64: return std::to_string(value.as_uint64());
    case Type::float64: {
      char digits[400];
      const auto end =
          std::to_chars(digits, digits + sizeof digits, value.as_double(), std::chars_format::fixed).ptr;
      return normalized_decimal({digits, static_cast<std::size_t>(end - digits)});
    }
    default: return normalized_decimal(value.view());
  }
}

void check_finite(const Value& value) {
  if (value.type() == Type::float64 && !std::isfinite(value.as_double()))
    throw Misfit{fmt::format("MySQL has no number {}", to_text(value))};
}

struct IntegerRange {
  std::int64_t least = 0;
  std::uint64_t most = 0;
};

IntegerRange range_of(const ColumnInfo& column) {
  int bits = 64;
  if (column.type == "tinyint") bits = 8;
  else if (column.type == "smallint") bits = 16;
  else if (column.type == "mediumint") bits = 24;
  else if (column.type == "int") bits = 32;
  if (column.is_unsigned) return {0, bits == 64 ? UINT64_MAX : (1ULL << bits) - 1};
  const std::uint64_t most = (1ULL << (bits - 1)) - 1;
  return {-static_cast<std::int64_t>(most) - 1, most};
}

/// DOUBLE(10,2) and FLOAT(7,4) are rounded to their digits.
bool rounds(const ColumnInfo& column) { return column.native.find(',') != std::string::npos; }

/// Whether the server's own notation of a value without a canonical form looks like one: digits and punctuation only.
bool is_native_moment(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789-:. ") == std::string_view::npos;
}

}  // namespace

void bind_encoded(Statement& statement, std::size_t index, const Encoded& value) {
  switch (value.form) {
    case Encoded::Form::null: return statement.bind_null(index);
    case Encoded::Form::integer: return statement.bind(index, value.number);
    case Encoded::Form::natural: return statement.bind(index, static_cast<std::uint64_t>(value.number));
    case Encoded::Form::real: return statement.bind(index, value.real);
    case Encoded::Form::text: return statement.bind_text(index, value.text);
    case Encoded::Form::bytes: return statement.bind_bytes(index, value.text);
  }
}

void Encoder::refuse(const std::string& why) const { throw Misfit{why}; }

void Encoder::refuse_type(Type type) const {
  refuse(fmt::format("a value of type {} does not fit a column of type {}", name_of(type), column_.native));
}

bool Encoder::takes(Type type) const {
  if (type == Type::null || type == Type::absent) return true;
  switch (column_.kind) {
    case Kind::integer:
    case Kind::decimal:
    case Kind::real: return is_numeric(type);
    case Kind::bit:
      return type == Type::boolean || type == Type::int64 || type == Type::uint64 || type == Type::decimal;
    case Kind::year: return type == Type::int64 || type == Type::uint64 || type == Type::decimal;
    case Kind::date:
    case Kind::datetime:
    case Kind::timestamp: return is_moment(type);
    case Kind::time: return type == Type::time || type == Type::native;
    case Kind::text: return type != Type::bytes;
    case Kind::enumeration:
    case Kind::address: return type == Type::text || type == Type::native;
    case Kind::set: return type == Type::array || type == Type::text;
    case Kind::bytes: return type == Type::bytes || type == Type::uuid;
    case Kind::geometry: return type == Type::bytes;
    case Kind::json: return type == Type::json || type == Type::array;
    case Kind::vector: return type == Type::array || type == Type::json;
    case Kind::uuid: return type == Type::uuid || type == Type::text;
    case Kind::unknown: return false;
  }
  return false;
}

Encoded Encoder::encode(const Value& value, Arena& arena) const {
  if (value.is_null()) return {};
  if (!takes(value.type())) refuse_type(value.type());
  switch (column_.kind) {
    case Kind::integer:
    case Kind::year: return integer(value);
    case Kind::decimal: return decimal(value, arena);
    case Kind::real: return real(value);
    case Kind::bit: return bit(value);
    case Kind::date:
    case Kind::datetime:
    case Kind::timestamp: return moment(value, arena);
    case Kind::time: return time(value, arena);
    case Kind::text: return text(value, arena);
    case Kind::enumeration: return label(value);
    case Kind::set: return labels(value, arena);
    case Kind::bytes:
    case Kind::geometry: return bytes(value);
    case Kind::json: return json(value, arena);
    case Kind::vector: return vector(value, arena);
    case Kind::uuid: return uuid(value, arena);
    case Kind::address: return Encoded::of_text(value.view());
    case Kind::unknown: break;
  }
  refuse_type(value.type());
}

Encoded Encoder::integer(const Value& value) const {
  check_finite(value);
  const std::string text = decimal_text(value);
  const auto too_big = [&] {
    return fmt::format("{} is out of the range of {}", shortened(text), column_.native);
  };
  if (text.find('.') != std::string::npos)
    refuse(fmt::format("{} has digits after the point, which {} has not", shortened(text), column_.native));
  const bool negative = text.front() == '-';
  std::uint64_t size = 0;
  const char* const begin = text.data() + (negative ? 1 : 0);
  const auto [end, problem] = std::from_chars(begin, text.data() + text.size(), size);
  IntegerRange range = range_of(column_);
  if (column_.kind == Kind::year) {
    range = {0, 2155};
    if (size != 0 && size < 1901) refuse(too_big());
  }
  const std::uint64_t lowest = static_cast<std::uint64_t>(-(range.least + 1)) + 1;
  if (problem != std::errc() || end != text.data() + text.size()) refuse(too_big());
  if (negative && (range.least == 0 || size > lowest)) refuse(too_big());
  if (!negative && size > range.most) refuse(too_big());
  if (!negative) return Encoded::of(size);
  return Encoded::of(static_cast<std::int64_t>(0 - size));
}

Encoded Encoder::decimal(const Value& value, Arena& arena) const {
  check_finite(value);
  const std::string text = decimal_text(value);
  std::string_view digits = text;
  if (digits.front() == '-') {
    if (column_.is_unsigned)
      refuse(fmt::format("{} is negative, and the column is {}", shortened(text), column_.native));
    digits.remove_prefix(1);
  }
  const auto point = digits.find('.');
  const std::string_view whole = digits.substr(0, point);
  const std::size_t fraction = point == std::string_view::npos ? 0 : digits.size() - point - 1;
  if (fraction > static_cast<std::size_t>(column_.scale))
    refuse(fmt::format("{} has more digits after the point than {} holds", shortened(text), column_.native));
  if (whole != "0" && whole.size() > static_cast<std::size_t>(column_.precision - column_.scale))
    refuse(fmt::format("{} is out of the range of {}", shortened(text), column_.native));
  return Encoded::of_text(arena.copy(text));
}

Encoded Encoder::real(const Value& value) const {
  check_finite(value);
  double number = value.as_double();
  if (value.type() != Type::float64) {
    const std::string text = decimal_text(value);
    std::from_chars(text.data(), text.data() + text.size(), number);
    // The shortest decimal that means this double must be the number that was given.
    if (!std::isfinite(number) || compare_decimals(decimal_text(Value::of(number)), text) != 0)
      refuse(fmt::format("{} has more digits than {} holds exactly", shortened(text), column_.native));
  }
  if (column_.is_unsigned && number < 0)
    refuse(fmt::format("{} is negative, and the column is {}", number, column_.native));
  if (column_.type == "float" && static_cast<double>(static_cast<float>(number)) != number)
    refuse(fmt::format("{} has more digits than {} holds exactly", number, column_.native));
  if (rounds(column_)) {
    const std::string text = decimal_text(Value::of(number));
    const auto point = text.find('.');
    const std::size_t fraction = point == std::string::npos ? 0 : text.size() - point - 1;
    if (fraction > static_cast<std::size_t>(column_.scale))
      refuse(
          fmt::format("{} has more digits after the point than {} holds", shortened(text), column_.native));
  }
  return Encoded::of(number);
}

Encoded Encoder::bit(const Value& value) const {
  const std::string text = decimal_text(value);
  std::uint64_t bits = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), bits);
  const bool fits = column_.precision >= 64 || bits < (1ULL << column_.precision);
  if (problem != std::errc() || end != text.data() + text.size() || !fits)
    refuse(fmt::format("{} is out of the range of {}", shortened(text), column_.native));
  return Encoded::of(bits);
}

/// What the value is where the column's times are: UTC for a TIMESTAMP, the connection's time zone for a DATETIME.
std::int64_t Encoder::local_microseconds(const Value& value) const {
  if (value.type() == Type::date) {
    if (column_.kind == Kind::timestamp) refuse_type(value.type());
    if (value.as_int64() > 10'000'000 || value.as_int64() < -10'000'000)
      refuse("the year is out of the range 0 to 9999");
    return value.as_int64() * kMicrosecondsPerDay;
  }
  const std::int64_t time = value.as_int64();
  if (column_.kind == Kind::timestamp && value.type() == Type::timestamp) {
    const auto instant = zone_.to_instant(time);
    if (!instant)
      refuse(fmt::format("{} is not one moment in {}: clocks were put forward or back", to_text(value),
                         zone_.name()));
    return *instant;
  }
  if (column_.kind != Kind::timestamp && value.type() == Type::timestamp_tz) {
    const std::int64_t local = zone_.to_local(time);
    if (zone_.to_instant(local) != time)
      refuse(fmt::format("{} shares its local time in {} with another moment", to_text(value), zone_.name()));
    return local;
  }
  return time;
}

void Encoder::check_fraction(std::int64_t microseconds, unsigned nanoseconds) const {
  std::int64_t unit = 1'000'000;
  for (int i = 0; i < column_.fraction; ++i) unit /= 10;
  if (nanoseconds != 0 || microseconds % unit != 0)
    refuse(fmt::format("it has more digits of the second than {} holds", column_.native));
}

Encoded Encoder::moment(const Value& value, Arena& arena) const {
  if (value.type() == Type::native) {
    if (!is_native_moment(value.view()))
      refuse(fmt::format("\"{}\" is no date or time", shortened(value.view())));
    return Encoded::of_text(value.view());
  }
  const std::int64_t time = local_microseconds(value);
  if (column_.kind == Kind::timestamp) {
    if (time < kFirstTimestamp || time >= kPastLastTimestamp)
      refuse(
          fmt::format("{} is out of the range of {}, which is 1970 to 2038", to_text(value), column_.native));
  } else if (time < kYear0 || time >= kYear10000) {
    refuse(fmt::format("{} is out of the range of {}, which is the years 0 to 9999", to_text(value),
                       column_.native));
  }
  std::string out;
  if (column_.kind == Kind::date) {
    if (floor_divide(time, kMicrosecondsPerDay) * kMicrosecondsPerDay != time || value.nanoseconds() != 0)
      refuse(fmt::format("{} has a time of day, which {} has not", to_text(value), column_.native));
    append_date(floor_divide(time, kMicrosecondsPerDay), out);
  } else {
    check_fraction(time, value.nanoseconds());
    append_timestamp(time, 0, out, ' ');
  }
  return Encoded::of_text(arena.copy(out));
}

Encoded Encoder::time(const Value& value, Arena& arena) const {
  if (value.type() == Type::native) {
    if (!is_native_moment(value.view())) refuse(fmt::format("\"{}\" is no time", shortened(value.view())));
    return Encoded::of_text(value.view());
  }
  check_fraction(value.as_int64(), value.nanoseconds());
  std::string out;
  append_time_of_day(value.as_int64(), 0, out);
  return Encoded::of_text(arena.copy(out));
}

void Encoder::check_text_size(std::string_view text) const {
  if (column_.max_characters > 0) {
    if (text.size() <= column_.max_characters) return;
    const std::size_t characters = count_characters(text);
    if (characters > column_.max_characters)
      refuse(fmt::format("the text has {} characters, and the column is {}", characters, column_.native));
    return;
  }
  const auto bytes = bytes_in(text, column_.charset);
  if (column_.max_bytes > 0 && bytes.value_or(0) > column_.max_bytes)
    refuse(
        fmt::format("the text takes {} bytes, and {} holds {}", *bytes, column_.native, column_.max_bytes));
}

void Encoder::check_characters(std::string_view text) const {
  const std::string missing = missing_character(text, column_.charset);
  if (!missing.empty())
    refuse(fmt::format("the column's character set {} has no \"{}\"", column_.charset, missing));
}

Encoded Encoder::text(const Value& value, Arena& arena) const {
  std::string_view text = value.view();
  if (!value.is_textual() || value.type() == Type::uuid) text = arena.copy(to_text(value));
  check_text_size(text);
  check_characters(text);
  if (column_.is_fixed() && text.ends_with(' '))
    refuse(fmt::format("trailing blanks are lost in a {}", column_.native));
  return Encoded::of_text(text);
}

/// The server would take a label for another that its collation takes for the same.
Encoded Encoder::label(const Value& value) const {
  if (std::find(column_.labels.begin(), column_.labels.end(), value.view()) == column_.labels.end())
    refuse(fmt::format("\"{}\" is none of the labels of {}", shortened(value.view()),
                       shortened(column_.native)));
  return Encoded::of_text(value.view());
}

Encoded Encoder::labels(const Value& value, Arena& arena) const {
  std::vector<std::string> given;
  if (value.type() == Type::text) {
    if (!value.view().empty()) given = split(value.view(), ',');
  } else {
    boost::system::error_code problem;
    const auto parsed = boost::json::parse(value.view(), problem);
    if (problem || !parsed.is_array()) refuse("it is no list of labels");
    for (const auto& each : parsed.get_array()) {
      if (!each.is_string()) refuse("a label must be a text");
      given.emplace_back(each.get_string());
    }
  }
  std::vector<bool> seen(column_.labels.size());
  for (const std::string& label : given) {
    const auto found = std::find(column_.labels.begin(), column_.labels.end(), label);
    if (found == column_.labels.end())
      refuse(fmt::format("\"{}\" is none of the labels of {}", shortened(label), shortened(column_.native)));
    auto&& again = seen[static_cast<std::size_t>(found - column_.labels.begin())];
    if (again) refuse(fmt::format("\"{}\" is in the list twice, which a SET cannot hold", shortened(label)));
    again = true;
  }
  return Encoded::of_text(arena.copy(join(given, ",")));
}

Encoded Encoder::bytes(const Value& value) const {
  const std::string_view bytes = value.view();
  if (column_.max_bytes > 0 && bytes.size() > column_.max_bytes)
    refuse(
        fmt::format("it takes {} bytes, and {} holds {}", bytes.size(), column_.native, column_.max_bytes));
  if (column_.is_fixed() && bytes.size() != column_.max_bytes)
    refuse(fmt::format("it takes {} bytes, and a {} would be filled up with zero bytes", bytes.size(),
                       column_.native));
  return Encoded::of_bytes(bytes);
}

Encoded Encoder::json(const Value& value, Arena&) const {
  // MySQL keeps a document in a form of its own; MariaDB keeps the text.
  const std::string problem = mariadb_ ? "" : why_not_kept(value.view());
  if (!problem.empty()) refuse(problem);
  return Encoded::of_text(value.view());
}

Encoded Encoder::vector(const Value& value, Arena& arena) const {
  boost::system::error_code problem;
  const auto parsed = boost::json::parse(value.view(), problem);
  if (problem || !parsed.is_array()) refuse("it is no list of numbers");
  const auto& numbers = parsed.get_array();
  char* out = arena.allocate(numbers.size() * sizeof(float) + 1);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (!numbers[i].is_number()) refuse("it is no list of numbers");
    const auto number = static_cast<float>(numbers[i].to_number<double>());
    if (!std::isfinite(number)) refuse("a number of it is out of the range of a FLOAT");
    std::memcpy(out + i * sizeof number, &number, sizeof number);
  }
  return Encoded::of_bytes({out, numbers.size() * sizeof(float)});
}

Encoded Encoder::uuid(const Value& value, Arena& arena) const {
  if (value.type() == Type::uuid) return Encoded::of_text(arena.copy(to_text(value)));
  if (!is_uuid(value.view())) refuse(fmt::format("\"{}\" is no UUID", shortened(value.view())));
  return Encoded::of_text(value.view());
}

}  // namespace syncflow::mysql
