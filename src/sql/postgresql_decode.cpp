#include "sql/postgresql_decode.h"

#include <fmt/core.h>

#include <array>
#include <cmath>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::sql::pg {
namespace {

[[noreturn]] void malformed(Form form, std::size_t size) {
  throw Error(ErrorKind::bug,
              fmt::format("PostgreSQL sent {} bytes that are no binary {}", size, type_name(form)));
}

void expect(Form form, std::string_view bytes, std::size_t size) {
  if (bytes.size() != size) malformed(form, bytes.size());
}

Value infinity(std::int64_t value) { return Value::native(value < 0 ? "-infinity" : "infinity"); }

Value date_value(std::string_view bytes) {
  const auto days = network_order<std::int32_t>(bytes.data());
  if (days == INT32_MAX || days == INT32_MIN) return infinity(days);
  return Value::date(days + kEpochDays);
}

/// The last 29 years that the server knows lie beyond what microseconds since 1970 can count.
Value far_moment(std::int64_t since_2000, bool with_zone, Arena& arena) {
  // Taken as a count since 1970 the time of day is right, and the day is thirty years too early.
  const std::string early =
      exact_text(with_zone ? Value::timestamp_tz(since_2000) : Value::timestamp(since_2000));
  const Value day = Value::date(since_2000 / 86'400'000'000 + kEpochDays);
  return Value::native(arena.copy(exact_text(day) + early.substr(early.find(' '))));
}

Value moment_value(std::string_view bytes, bool with_zone, Arena& arena) {
  const auto since_2000 = network_order<std::int64_t>(bytes.data());
  if (since_2000 == INT64_MAX || since_2000 == INT64_MIN) return infinity(since_2000);
  if (since_2000 > INT64_MAX - kEpochMicroseconds) return far_moment(since_2000, with_zone, arena);
  const std::int64_t since_1970 = since_2000 + kEpochMicroseconds;
  return with_zone ? Value::timestamp_tz(since_1970) : Value::timestamp(since_1970);
}

constexpr std::uint16_t kNegative = 0x4000;
constexpr std::uint16_t kNaN = 0xc000;
constexpr std::uint16_t kInfinity = 0xd000;
constexpr std::uint16_t kNegativeInfinity = 0xf000;

void put_four_digits(unsigned group, char* out) {
  out[0] = static_cast<char>('0' + group / 1000);
  out[1] = static_cast<char>('0' + group / 100 % 10);
  out[2] = static_cast<char>('0' + group / 10 % 10);
  out[3] = static_cast<char>('0' + group % 10);
}

/// Groups of four decimal digits, the first with weight 10000^weight; `scale` digits after the point are shown.
Value numeric_value(std::string_view bytes, Arena& arena) {
  if (bytes.size() < 8) malformed(Form::numeric, bytes.size());
  const auto groups = network_order<std::uint16_t>(bytes.data());
  const int weight = network_order<std::int16_t>(bytes.data() + 2);
  const auto sign = network_order<std::uint16_t>(bytes.data() + 4);
  const std::size_t scale = network_order<std::uint16_t>(bytes.data() + 6);
  if (sign == kNaN) return Value::native("NaN");
  if (sign == kInfinity) return Value::native("Infinity");
  if (sign == kNegativeInfinity) return Value::native("-Infinity");
  expect(Form::numeric, bytes, 8 + 2u * groups);
  const auto group = [&](int index) -> unsigned {
    return index < 0 || index >= groups ? 0 : network_order<std::uint16_t>(bytes.data() + 8 + 2 * index);
  };

  const std::size_t whole_groups = weight < 0 ? 1 : static_cast<std::size_t>(weight) + 1;
  char* const text = arena.allocate(1 + 4 * whole_groups + 1 + scale + 3);
  char* out = text;
  if (sign == kNegative) *out++ = '-';
  char* const whole = out;
  for (int i = 0; i <= weight; ++i, out += 4) put_four_digits(group(i), out);
  // The first group may begin with zeros.
  char* first = whole;
  while (first < out && *first == '0') ++first;
  std::memmove(whole, first, static_cast<std::size_t>(out - first));
  out -= first - whole;
  if (out == whole) *out++ = '0';
  if (scale > 0) {
    *out++ = '.';
    char* const fraction = out;
    for (int i = weight + 1; static_cast<std::size_t>(out - fraction) < scale; ++i, out += 4)
      put_four_digits(group(i), out);
    out = fraction + scale;
  }
  return Value::decimal({text, static_cast<std::size_t>(out - text)});
}

/// Whether elements of this type stand bare in a JSON array.
bool is_bare(const Value& value) {
  switch (value.type()) {
    case Type::boolean:
    case Type::int64:
    case Type::uint64:
    case Type::decimal: return true;
    case Type::float64: return std::isfinite(value.as_double());
    default: return false;
  }
}

}  // namespace

bool Decoder::decode(Form form, Form element, std::string_view bytes, Arena& arena, Value& out) {
  const char* const data = bytes.data();
  switch (form) {
    case Form::boolean:
      expect(form, bytes, 1);
      out = Value::of(data[0] != 0);
      return true;
    case Form::int2:
      expect(form, bytes, 2);
      out = Value::of(std::int64_t{network_order<std::int16_t>(data)});
      return true;
    case Form::int4:
      expect(form, bytes, 4);
      out = Value::of(std::int64_t{network_order<std::int32_t>(data)});
      return true;
    case Form::int8:
      expect(form, bytes, 8);
      out = Value::of(network_order<std::int64_t>(data));
      return true;
    case Form::uint4:
      expect(form, bytes, 4);
      out = Value::of(std::int64_t{network_order<std::uint32_t>(data)});
      return true;
    case Form::uint8:
      expect(form, bytes, 8);
      out = Value::of(network_order<std::uint64_t>(data));
      return true;
    case Form::float4:
      expect(form, bytes, 4);
      out = Value::of(double{std::bit_cast<float>(network_order<std::uint32_t>(data))});
      return true;
    case Form::float8:
      expect(form, bytes, 8);
      out = Value::of(std::bit_cast<double>(network_order<std::uint64_t>(data)));
      return true;
    case Form::numeric: out = numeric_value(bytes, arena); return true;
    case Form::padded_text:
      while (!bytes.empty() && bytes.back() == ' ') bytes.remove_suffix(1);
      [[fallthrough]];
    case Form::text:
      if (!is_utf8(bytes)) return false;
      out = Value::text(arena.copy(bytes));
      return true;
    case Form::native_text:
      if (!is_utf8(bytes)) return false;
      out = Value::native(arena.copy(bytes));
      return true;
    case Form::bytes: out = Value::bytes(arena.copy(bytes)); return true;
    case Form::date:
      expect(form, bytes, 4);
      out = date_value(bytes);
      return true;
    case Form::time:
      expect(form, bytes, 8);
      out = Value::time(network_order<std::int64_t>(data));
      return true;
    case Form::timestamp:
    case Form::timestamp_tz:
      expect(form, bytes, 8);
      out = moment_value(bytes, form == Form::timestamp_tz, arena);
      return true;
    case Form::uuid:
      expect(form, bytes, 16);
      out = Value::uuid(arena.copy(bytes));
      return true;
    case Form::jsonb:
      if (bytes.empty() || bytes.front() != 1) malformed(form, bytes.size());
      bytes.remove_prefix(1);
      [[fallthrough]];
    case Form::json:
      if (!is_utf8(bytes)) return false;
      out = Value::json(arena.copy(bytes));
      return true;
    case Form::array: return decode_array(element, bytes, arena, out);
  }
  return false;
}

bool Decoder::decode_array(Form element, std::string_view bytes, Arena& arena, Value& out) {
  constexpr int kMostDimensions = 6;
  if (bytes.size() < 12) malformed(Form::array, bytes.size());
  const auto dimensions = network_order<std::int32_t>(bytes.data());
  if (dimensions < 0 || dimensions > kMostDimensions ||
      bytes.size() < 12 + 8u * static_cast<unsigned>(dimensions))
    malformed(Form::array, bytes.size());
  json_.clear();
  if (dimensions == 0) {
    out = Value::array(arena.copy("[]"));
    return true;
  }

  std::array<std::int32_t, kMostDimensions> sizes{};
  bool begins_at_one = true;
  literal_.clear();
  for (int i = 0; i < dimensions; ++i) {
    sizes[static_cast<std::size_t>(i)] = network_order<std::int32_t>(bytes.data() + 12 + 8 * i);
    const auto lower = network_order<std::int32_t>(bytes.data() + 16 + 8 * i);
    if (sizes[static_cast<std::size_t>(i)] <= 0) malformed(Form::array, bytes.size());
    begins_at_one = begins_at_one && lower == 1;
    literal_ += fmt::format("[{}:{}]", lower, std::int64_t{lower} + sizes[static_cast<std::size_t>(i)] - 1);
  }
  bytes.remove_prefix(12 + 8 * static_cast<std::size_t>(dimensions));

  const auto put_element = [&] {
    if (bytes.size() < 4) malformed(Form::array, bytes.size());
    const auto size = network_order<std::int32_t>(bytes.data());
    bytes.remove_prefix(4);
    if (size < 0) {
      json_ += "null";
      return true;
    }
    if (bytes.size() < static_cast<std::size_t>(size)) malformed(Form::array, bytes.size());
    Value value;
    if (!decode(element, Form::text, bytes.substr(0, static_cast<std::size_t>(size)), arena, value))
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
    if (is_bare(value)) append_text(value, json_);
    else append_json_string(to_text(value), json_);
    return true;
  };
  const auto put_dimension = [&](const auto& self, int dimension) -> bool {
    json_ += '[';
    for (std::int32_t i = 0; i < sizes[static_cast<std::size_t>(dimension)]; ++i) {
      if (i > 0) json_ += ',';
      if (dimension + 1 == dimensions ? !put_element() : !self(self, dimension + 1)) return false;
    }
    json_ += ']';
    return true;
  };
  if (!put_dimension(put_dimension, 0)) return false;
  if (begins_at_one) out = Value::array(arena.copy(json_));
  else out = Value::native(arena.copy(literal_ + "=" + array_literal(json_, type_of(element))));
  return true;
}

}  // namespace syncflow::sql::pg
