#include "sql/postgresql_encode.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <utility>

#include "core/calendar.h"
#include "core/decimal.h"
#include "core/error.h"
#include "core/text.h"
#include "sql/json_scanner.h"

namespace syncflow::sql::pg {
namespace {

// The ranges of the manual, chapter 8.5; the ends are exclusive.
constexpr std::int64_t kFirstMoment = -211'813'488'000'000'000;
constexpr std::int64_t kEndOfMoments = 9'223'371'331'200'000'000;
constexpr std::int64_t kFirstDay = -2'451'545;
constexpr std::int64_t kEndOfDays = 2'147'483'494 - 2'451'545;
// Numerics: digits before and after the point.
constexpr std::size_t kMostWholeDigits = 131'072;
constexpr std::size_t kMostScale = 16'383;

template <typename Number>
bool put_number(Number number, std::string& out) {
  put_network_order(static_cast<std::int32_t>(sizeof number), out);
  put_network_order(number, out);
  return true;
}

bool put_bytes(std::string_view bytes, std::string& out) {
  put_network_order(static_cast<std::int32_t>(bytes.size()), out);
  out += bytes;
  return true;
}

std::size_t characters(std::string_view utf8) {
  std::size_t count = 0;
  for (const char c : utf8) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

bool ends_with_zeros_only(std::string_view digits) {
  return digits.find_first_not_of('0') == std::string_view::npos;
}

/// One value on its way into one field. Members return false after setting `reason`.
class Field {
 public:
  Field(const Encoding& encoding, const Value& value, Arena& scratch, std::string& text, std::string& out,
        std::string& reason)
      : encoding_(encoding), value_(value), scratch_(scratch), text_(text), out_(out), reason_(reason) {}

  bool put() {
    if (value_.is_null()) {
      put_network_order(std::int32_t{-1}, out_);
      return true;
    }
    if (value_.type() == Type::text && !is_text_form()) return put_parsed();
    switch (encoding_.form) {
      case Form::boolean: return put_boolean();
      case Form::int2: return put_integer<std::int16_t>();
      case Form::int4: return put_integer<std::int32_t>();
      case Form::int8: return put_integer<std::int64_t>();
      case Form::uint4: return put_integer<std::uint32_t>();
      case Form::uint8: return put_integer<std::uint64_t>();
      case Form::float4: return put_float<float>();
      case Form::float8: return put_float<double>();
      case Form::numeric: return put_numeric();
      case Form::text:
      case Form::padded_text:
      case Form::native_text: return put_text();
      case Form::bytes: return put_byte_string();
      case Form::date: return put_date();
      case Form::time: return put_time();
      case Form::timestamp:
      case Form::timestamp_tz: return put_moment();
      case Form::uuid: return put_uuid();
      case Form::json:
      case Form::jsonb: return put_json();
      case Form::array: return put_array();
    }
    return wrong_type();
  }

 private:
  bool is_text_form() const {
    switch (encoding_.form) {
      case Form::text:
      case Form::padded_text:
      case Form::native_text:
      case Form::json:
      case Form::jsonb:
      case Form::array: return true;
      default: return false;
    }
  }

  bool refuse(std::string reason) {
    reason_ = std::move(reason);
    return false;
  }
  bool wrong_type() {
    return refuse(fmt::format("a {} cannot go into a column of type {}", name_of(value_.type()),
                              type_name(encoding_.form)));
  }
  bool out_of_range() {
    return refuse(fmt::format("it is out of the range of {}", type_name(encoding_.form)));
  }

  /// A text is as good as the value that it is the canonical text of.
  bool put_parsed() {
    try {
      scratch_.clear();
      const Value parsed = parse_value(type_of(encoding_.form), value_.view(), scratch_);
      return Field(encoding_, parsed, scratch_, text_, out_, reason_).put();
    } catch (const Error&) {
      return refuse(fmt::format("the text is not a {}", name_of(type_of(encoding_.form))));
    }
  }

  bool put_boolean() {
    const Type type = value_.type();
    if (type == Type::boolean) return put_number<char>(value_.as_bool() ? 1 : 0, out_);
    if (type != Type::int64 && type != Type::uint64) return wrong_type();
    if (value_.as_uint64() > 1) return refuse("only 0 and 1 can become a boolean");
    return put_number<char>(static_cast<char>(value_.as_int64()), out_);
  }

  template <typename Number>
  bool put_integer() {
    switch (value_.type()) {
      case Type::boolean:
      case Type::int64:
        if (!std::in_range<Number>(value_.as_int64())) return out_of_range();
        return put_number(static_cast<Number>(value_.as_int64()), out_);
      case Type::uint64:
        if (!std::in_range<Number>(value_.as_uint64())) return out_of_range();
        return put_number(static_cast<Number>(value_.as_uint64()), out_);
      case Type::float64: {
        const double number = value_.as_double();
        if (std::trunc(number) != number || std::abs(number) > 9007199254740992.0)
          return refuse("it is not a whole number that can be told exactly");
        if (!std::in_range<Number>(static_cast<std::int64_t>(number))) return out_of_range();
        return put_number(static_cast<Number>(number), out_);
      }
      case Type::decimal: {
        const std::string_view text = value_.view();
        const auto point = std::min(text.find('.'), text.size());
        if (point < text.size() && !ends_with_zeros_only(text.substr(point + 1)))
          return refuse("it is not a whole number");
        const std::string_view whole = text.substr(0, point);
        Number number{};
        const bool negative_zero = whole.starts_with('-') && ends_with_zeros_only(whole.substr(1));
        const auto [end, problem] =
            std::from_chars(whole.data() + (negative_zero ? 1 : 0), whole.data() + whole.size(), number);
        if (problem != std::errc() || end != whole.data() + whole.size()) return out_of_range();
        return put_number(number, out_);
      }
      default: return wrong_type();
    }
  }

  template <typename Number>
  bool put_float() {
    using Bits = std::conditional_t<sizeof(Number) == 4, std::uint32_t, std::uint64_t>;
    switch (value_.type()) {
      case Type::float64: {
        const double number = value_.as_double();
        const auto narrow = static_cast<Number>(number);
        if (!std::isnan(number) && static_cast<double>(narrow) != number)
          return refuse(fmt::format("{} cannot hold it exactly", type_name(encoding_.form)));
        return put_number(std::bit_cast<Bits>(narrow), out_);
      }
      case Type::boolean:
      case Type::int64:
      case Type::uint64:
      case Type::decimal: return put_digits_as_float<Number, Bits>();
      case Type::native: {
        const std::string_view text = value_.view();
        if (text == "NaN")
          return put_number(std::bit_cast<Bits>(std::numeric_limits<Number>::quiet_NaN()), out_);
        if (text == "Infinity")
          return put_number(std::bit_cast<Bits>(std::numeric_limits<Number>::infinity()), out_);
        if (text == "-Infinity")
          return put_number(std::bit_cast<Bits>(-std::numeric_limits<Number>::infinity()), out_);
        return wrong_type();
      }
      default: return wrong_type();
    }
  }

  /// Exact when the shortest text of the float is the same number again.
  template <typename Number, typename Bits>
  bool put_digits_as_float() {
    text_ = value_.type() == Type::boolean ? std::string(value_.as_bool() ? "1" : "0") : to_text(value_);
    Number number{};
    const auto [end, problem] = std::from_chars(text_.data(), text_.data() + text_.size(), number);
    if (problem != std::errc() || end != text_.data() + text_.size()) return out_of_range();
    char shortest[400];
    const auto written =
        std::to_chars(shortest, shortest + sizeof shortest, number, std::chars_format::fixed);
    const std::string_view back(shortest, static_cast<std::size_t>(written.ptr - shortest));
    if (compare_decimals(text_, back) != 0)
      return refuse(fmt::format("{} cannot hold it exactly", type_name(encoding_.form)));
    return put_number(std::bit_cast<Bits>(number), out_);
  }

  bool put_numeric() {
    switch (value_.type()) {
      case Type::decimal: return put_decimal(value_.view());
      case Type::boolean:
      case Type::int64:
      case Type::uint64:
        text_.clear();
        append_text(value_.type() == Type::boolean ? Value::of(value_.as_int64()) : value_, text_);
        return put_decimal(text_);
      case Type::float64: {
        const double number = value_.as_double();
        if (!std::isfinite(number))
          return put_special(std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
        char digits[400];
        const auto written = std::to_chars(digits, digits + sizeof digits, number, std::chars_format::fixed);
        return put_decimal({digits, static_cast<std::size_t>(written.ptr - digits)});
      }
      case Type::native: return put_special(value_.view());
      default: return wrong_type();
    }
  }

  bool put_special(std::string_view text) {
    const std::uint16_t sign = text == "NaN"         ? 0xc000
                               : text == "Infinity"  ? 0xd000
                               : text == "-Infinity" ? 0xf000
                                                     : 0;
    if (sign == 0) return wrong_type();
    if (sign != 0xc000 && encoding_.precision) return out_of_range();
    put_network_order(std::int32_t{8}, out_);
    for (const std::uint16_t part : {std::uint16_t{0}, std::uint16_t{0}, sign, std::uint16_t{0}})
      put_network_order(part, out_);
    return true;
  }

  bool put_decimal(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    const auto point = std::min(text.find('.'), text.size());
    std::string_view whole = text.substr(0, point);
    std::string_view fraction = point < text.size() ? text.substr(point + 1) : std::string_view();
    while (!whole.empty() && whole.front() == '0') whole.remove_prefix(1);
    if (!fits_numeric(whole, fraction)) return false;
    if (encoding_.precision)
      fraction = fraction.substr(0, static_cast<std::size_t>(std::max(encoding_.scale, 0)));

    const std::size_t at = out_.size();
    out_.append(12, '\0');
    const std::size_t whole_groups = (whole.size() + 3) / 4;
    // Leading groups of the fraction that are zero count as weight, not as digits, when there is no whole part.
    int weight = static_cast<int>(whole_groups) - 1;
    std::size_t groups = 0;
    std::size_t significant = 0;
    const auto put_group = [&](unsigned group) {
      if (groups == 0 && group == 0) {
        --weight;
        return;
      }
      put_network_order(static_cast<std::uint16_t>(group), out_);
      ++groups;
      if (group != 0) significant = groups;
    };
    for (std::size_t i = 0; i < whole_groups; ++i) {
      const std::size_t begin = i == 0 ? 0 : whole.size() - 4 * (whole_groups - i);
      const std::size_t end = whole.size() - 4 * (whole_groups - i - 1);
      unsigned group = 0;
      for (std::size_t j = begin; j < end; ++j) group = group * 10 + static_cast<unsigned>(whole[j] - '0');
      put_group(group);
    }
    for (std::size_t i = 0; i < fraction.size(); i += 4) {
      unsigned group = 0;
      for (std::size_t j = i; j < i + 4; ++j)
        group = group * 10 + (j < fraction.size() ? static_cast<unsigned>(fraction[j] - '0') : 0);
      put_group(group);
    }
    out_.resize(at + 12 + 2 * significant);

    std::string head;
    put_network_order(static_cast<std::int32_t>(8 + 2 * significant), head);
    put_network_order(static_cast<std::uint16_t>(significant), head);
    put_network_order(static_cast<std::int16_t>(significant == 0 ? 0 : weight), head);
    put_network_order(static_cast<std::uint16_t>(negative && significant > 0 ? 0x4000 : 0), head);
    // A column with a scale shows it whatever the value had.
    const std::size_t scale =
        encoding_.precision ? static_cast<std::size_t>(std::max(encoding_.scale, 0)) : fraction.size();
    put_network_order(static_cast<std::uint16_t>(scale), head);
    out_.replace(at, 12, head);
    return true;
  }

  bool fits_numeric(std::string_view whole, std::string_view fraction) {
    if (!encoding_.precision) {
      if (whole.size() > kMostWholeDigits || fraction.size() > kMostScale) return out_of_range();
      return true;
    }
    const auto scale = static_cast<std::size_t>(std::max(encoding_.scale, 0));
    const bool cut = fraction.size() > scale && !ends_with_zeros_only(fraction.substr(scale));
    const auto rounded_away = static_cast<std::size_t>(std::max(-encoding_.scale, 0));
    const bool rounded =
        rounded_away > 0 && !whole.empty() &&
        !ends_with_zeros_only(whole.substr(whole.size() - std::min(rounded_away, whole.size())));
    if (cut || rounded)
      return refuse(fmt::format("numeric({},{}) would round it", *encoding_.precision, encoding_.scale));
    if (static_cast<int>(whole.size()) > std::max(*encoding_.precision - encoding_.scale, 0))
      return refuse(fmt::format("it has more digits before the point than numeric({},{}) holds",
                                *encoding_.precision, encoding_.scale));
    // A scale above the precision leaves no room right behind the point either.
    const int leading = encoding_.scale - *encoding_.precision;
    if (leading > 0 && !ends_with_zeros_only(fraction.substr(0, static_cast<std::size_t>(leading))))
      return out_of_range();
    return true;
  }

  bool put_text() {
    if (value_.type() == Type::bytes) return refuse("bytes are not text");
    std::string_view text = value_.view();
    if (!value_.is_textual() || value_.type() == Type::uuid) {
      text_.clear();
      append_text(value_, text_);
      text = text_;
    }
    if (text.find('\0') != std::string_view::npos)
      return refuse("PostgreSQL text cannot hold a NUL character");
    if (encoding_.length && text.size() > *encoding_.length && characters(text) > *encoding_.length)
      return refuse(
          fmt::format("it has {} characters, the column holds {}", characters(text), *encoding_.length));
    if (encoding_.exact_length && text.size() != encoding_.length)
      return refuse(
          fmt::format("it has {} characters, the column holds exactly {}", text.size(), *encoding_.length));
    if (encoding_.length_bytes && text.size() > *encoding_.length_bytes)
      return refuse(
          fmt::format("it has {} bytes, the column holds {}", text.size(), *encoding_.length_bytes));
    if (encoding_.second_digits < 6 && digits_of_second(text) > encoding_.second_digits) return too_fine();
    if (encoding_.padded && text.ends_with(' '))
      return refuse("a char(n) column would lose its trailing blanks");
    return put_bytes(text, out_);
  }

  /// Of an interval or a time with zone, in the server's notation.
  static int digits_of_second(std::string_view text) {
    const auto point = text.find('.');
    if (point == std::string_view::npos) return 0;
    const std::string_view digits = text.substr(point + 1);
    auto count = std::min(digits.find_first_not_of("0123456789"), digits.size());
    while (count > 0 && digits[count - 1] == '0') --count;
    return static_cast<int>(count);
  }

  bool put_byte_string() {
    if (value_.type() != Type::bytes) return wrong_type();
    return put_bytes(value_.view(), out_);
  }

  /// 'infinity' and '-infinity': 1 and -1; other texts of the source's own: 0.
  int infinite() const {
    if (value_.type() != Type::native) return 0;
    return value_.view() == "infinity" ? 1 : value_.view() == "-infinity" ? -1 : 0;
  }

  bool put_date() {
    if (const int sign = infinite()) return put_number(sign > 0 ? INT32_MAX : INT32_MIN, out_);
    if (value_.type() != Type::date) return wrong_type();
    const std::int64_t days = value_.as_int64() - kEpochDays;
    if (days < kFirstDay || days >= kEndOfDays) return out_of_range();
    return put_number(static_cast<std::int32_t>(days), out_);
  }

  bool has_finer_digits(std::int64_t microseconds) const {
    static constexpr std::int64_t kUnits[] = {1'000'000, 100'000, 10'000, 1'000, 100, 10, 1};
    return value_.nanoseconds() != 0 || microseconds % kUnits[encoding_.second_digits] != 0;
  }
  bool too_fine() {
    return refuse(
        fmt::format("the column keeps {} digits of the second and would round it", encoding_.second_digits));
  }

  bool put_time() {
    if (value_.type() != Type::time) return wrong_type();
    if (has_finer_digits(value_.as_int64())) return too_fine();
    return put_number(value_.as_int64(), out_);
  }

  bool put_moment() {
    if (const int sign = infinite()) return put_number(sign > 0 ? INT64_MAX : INT64_MIN, out_);
    const bool into_zone = encoding_.form == Form::timestamp_tz;
    std::int64_t since_2000 = 0;
    switch (value_.type()) {
      case Type::date:
        if (into_zone) return wrong_type();
        if (!is_day_of_moment(value_.as_int64())) return out_of_range();
        since_2000 = (value_.as_int64() - kEpochDays) * kMicrosecondsPerDay;
        break;
      case Type::timestamp:
      case Type::timestamp_tz:
        if (value_.as_int64() < kFirstMoment + kEpochMicroseconds) return out_of_range();
        since_2000 = value_.as_int64() - kEpochMicroseconds;
        if (value_.type() == Type::timestamp && into_zone) since_2000 -= encoding_.zone_offset;
        if (value_.type() == Type::timestamp_tz && !into_zone) since_2000 += encoding_.zone_offset;
        break;
      case Type::native: {
        const auto far = far_moment(value_.view());
        if (!far) return wrong_type();
        since_2000 = *far;
        break;
      }
      default: return wrong_type();
    }
    if (since_2000 < kFirstMoment || since_2000 >= kEndOfMoments) return out_of_range();
    if (has_finer_digits(since_2000)) return too_fine();
    return put_number(since_2000, out_);
  }

  static bool is_day_of_moment(std::int64_t days_since_1970) {
    const std::int64_t days = days_since_1970 - kEpochDays;
    return days >= kFirstDay && days <= kEndOfMoments / kMicrosecondsPerDay;
  }

  /// What Decoder gives for instants beyond the year 294246: "294276-12-31 23:59:59.999999+00".
  static std::optional<std::int64_t> far_moment(std::string_view text) {
    if (text.ends_with("+00")) text.remove_suffix(3);
    const auto blank = text.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    const auto day = parse_iso("+" + std::string(text.substr(0, blank)));
    const auto time = parse_time_of_day(text.substr(blank + 1));
    if (!day || !time || !is_day_of_moment(day->days)) return std::nullopt;
    return (day->days - kEpochDays) * kMicrosecondsPerDay + time->microseconds;
  }

  bool put_uuid() {
    if (value_.type() != Type::uuid) return wrong_type();
    return put_bytes(value_.view(), out_);
  }

  bool put_json() {
    std::string_view text = value_.view();
    switch (value_.type()) {
      case Type::json:
      case Type::array:
      case Type::text: break;
      case Type::boolean:
      case Type::int64:
      case Type::uint64:
      case Type::decimal:
      case Type::float64:
        text_ = to_text(value_);
        text = text_;
        break;
      default: return wrong_type();
    }
    const bool binary = encoding_.form == Form::jsonb;
    if (std::string problem = json_problem(text, binary || encoding_.jsonb_text); !problem.empty())
      return refuse(std::move(problem));
    if (!binary) return put_bytes(text, out_);
    put_network_order(static_cast<std::int32_t>(text.size() + 1), out_);
    out_ += '\1';
    out_ += text;
    return true;
  }

  bool put_array() {
    switch (value_.type()) {
      case Type::native:
      case Type::text: return put_text();
      case Type::array:
      case Type::json: break;
      default: return wrong_type();
    }
    try {
      const std::string literal = array_literal(value_.view(), type_of(encoding_.element));
      if (literal.find('\0') != std::string::npos)
        return refuse("PostgreSQL text cannot hold a NUL character");
      return put_bytes(literal, out_);
    } catch (const Error&) {
      return refuse("it is no JSON array");
    }
  }

  const Encoding& encoding_;
  const Value& value_;
  Arena& scratch_;
  std::string& text_;
  std::string& out_;
  std::string& reason_;
};

}  // namespace

bool can_hold(const Encoding& encoding, Type type) {
  const auto is_one_of = [&](std::initializer_list<Type> types) {
    return std::find(types.begin(), types.end(), type) != types.end();
  };
  // Texts and the source's own notations are judged one by one.
  if (is_one_of({Type::null, Type::absent, Type::text, Type::native}))
    return encoding.form != Form::bytes || type != Type::text;
  switch (encoding.form) {
    case Form::boolean: return is_one_of({Type::boolean, Type::int64, Type::uint64});
    case Form::int2:
    case Form::int4:
    case Form::int8:
    case Form::uint4:
    case Form::uint8:
    case Form::float4:
    case Form::float8:
    case Form::numeric:
      return is_one_of({Type::boolean, Type::int64, Type::uint64, Type::float64, Type::decimal});
    case Form::text:
    case Form::padded_text:
    case Form::native_text: return type != Type::bytes;
    case Form::bytes: return type == Type::bytes;
    case Form::date: return type == Type::date;
    case Form::time: return type == Type::time;
    case Form::timestamp: return is_one_of({Type::date, Type::timestamp, Type::timestamp_tz});
    case Form::timestamp_tz: return is_one_of({Type::timestamp, Type::timestamp_tz});
    case Form::uuid: return type == Type::uuid;
    case Form::json:
    case Form::jsonb:
      return is_one_of(
          {Type::json, Type::array, Type::boolean, Type::int64, Type::uint64, Type::decimal, Type::float64});
    case Form::array: return is_one_of({Type::array, Type::json});
  }
  return false;
}

bool Encoder::append(const Encoding& encoding, const Value& value, std::string& out, std::string& reason) {
  return Field(encoding, value, scratch_, text_, out, reason).put();
}

}  // namespace syncflow::sql::pg
