#include "sql/postgresql_forms.h"

#include <fmt/core.h>

#include "core/calendar.h"
#include "core/error.h"
#include "core/text.h"
#include "sql/json_scanner.h"

namespace syncflow::sql::pg {
namespace {

/// Years before 1 are told as `BC`, and there is no year 0.
void append_day(std::int64_t days, std::string& out) {
  const CivilDay day = civil_from_days(days);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}", day.year > 0 ? day.year : 1 - day.year,
                 day.month, day.day);
}

bool is_before_christ(std::int64_t days) { return civil_from_days(days).year <= 0; }

void append_time(std::int64_t microseconds, const Value& value, std::string& out) {
  append_time_of_day(microseconds, value.nanoseconds(), out);
}

void append_moment(const Value& value, std::string& out) {
  const std::int64_t days = floor_divide(value.as_int64(), kMicrosecondsPerDay);
  append_day(days, out);
  out += ' ';
  append_time(value.as_int64() - days * kMicrosecondsPerDay, value, out);
  if (value.type() == Type::timestamp_tz) out += "+00";
  if (is_before_christ(days)) out += " BC";
}

void append_quoted_element(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

[[noreturn]] void no_array(std::string_view json) {
  throw Error(ErrorKind::bad_config, fmt::format("\"{}\" is no JSON array", shortened(json)));
}

}  // namespace

Type type_of(Form form) {
  switch (form) {
    case Form::boolean: return Type::boolean;
    case Form::int2:
    case Form::int4:
    case Form::int8:
    case Form::uint4: return Type::int64;
    case Form::uint8: return Type::uint64;
    case Form::float4:
    case Form::float8: return Type::float64;
    case Form::numeric: return Type::decimal;
    case Form::text:
    case Form::padded_text: return Type::text;
    case Form::native_text: return Type::native;
    case Form::bytes: return Type::bytes;
    case Form::date: return Type::date;
    case Form::time: return Type::time;
    case Form::timestamp: return Type::timestamp;
    case Form::timestamp_tz: return Type::timestamp_tz;
    case Form::uuid: return Type::uuid;
    case Form::json:
    case Form::jsonb: return Type::json;
    case Form::array: return Type::array;
  }
  return Type::text;
}

std::string_view type_name(Form form) {
  switch (form) {
    case Form::boolean: return "pg_catalog.bool";
    case Form::int2: return "pg_catalog.int2";
    case Form::int4: return "pg_catalog.int4";
    case Form::int8: return "pg_catalog.int8";
    case Form::uint4: return "pg_catalog.oid";
    case Form::uint8: return "pg_catalog.xid8";
    case Form::float4: return "pg_catalog.float4";
    case Form::float8: return "pg_catalog.float8";
    case Form::numeric: return "pg_catalog.numeric";
    case Form::bytes: return "pg_catalog.bytea";
    case Form::date: return "pg_catalog.date";
    case Form::time: return "pg_catalog.time";
    case Form::timestamp: return "pg_catalog.timestamp";
    case Form::timestamp_tz: return "pg_catalog.timestamptz";
    case Form::uuid: return "pg_catalog.uuid";
    case Form::text:
    case Form::padded_text:
    case Form::native_text:
    case Form::json:
    case Form::jsonb:
    case Form::array: return "pg_catalog.text";
  }
  return "pg_catalog.text";
}

std::string exact_text(const Value& value) {
  std::string out;
  switch (value.type()) {
    case Type::date:
      append_day(value.as_int64(), out);
      if (is_before_christ(value.as_int64())) out += " BC";
      return out;
    case Type::timestamp:
    case Type::timestamp_tz: append_moment(value, out); return out;
    case Type::bytes: return "\\x" + to_hex(value.view());
    default: return to_text(value);
  }
}

std::string exact_text(Type type, std::string_view canonical) {
  switch (type) {
    case Type::bytes: return "\\x" + std::string(canonical);
    case Type::date:
    case Type::timestamp:
    case Type::timestamp_tz: {
      // Only years of other than four digits are told in another way; infinities stand as they are.
      if (canonical.empty() || (canonical[0] != '+' && canonical[0] != '-') || canonical == "-infinity")
        return std::string(canonical);
      Arena arena;
      return exact_text(parse_value(type, canonical, arena));
    }
    default: return std::string(canonical);
  }
}

std::string canonical_text(Type type, std::string_view exact) {
  if (type == Type::bytes) return std::string(exact.substr(exact.starts_with("\\x") ? 2 : 0));
  if (type != Type::date && type != Type::timestamp && type != Type::timestamp_tz) return std::string(exact);
  std::string text(exact);
  const bool before_christ = text.ends_with(" BC");
  if (before_christ) text.resize(text.size() - 3);
  if (text.ends_with("+00")) text.replace(text.size() - 3, 3, "Z");
  if (const auto blank = text.find(' '); blank != std::string::npos) text[blank] = 'T';
  const auto dash = text.find('-');
  if (dash == std::string::npos || dash == 0 || (dash == 4 && !before_christ)) return text;
  const long long told = std::stoll(text.substr(0, dash));
  const long long year = before_christ ? 1 - told : told;
  return year >= 0 && year <= 9999 ? fmt::format("{:04}{}", year, text.substr(dash))
                                   : fmt::format("{:+06}{}", year, text.substr(dash));
}

std::string array_literal(std::string_view json, Type element) try {
  using Token = JsonScanner::Token;
  JsonScanner scanner(json);
  std::string out;
  int depth = 0;
  const auto separate = [&] {
    if (!out.empty() && out.back() != '{') out += ',';
  };
  for (auto token = scanner.next(); token != Token::end; token = scanner.next()) {
    if (depth == 0 && token != Token::begin_array) no_array(json);
    switch (token) {
      case Token::begin_array:
        separate();
        out += '{';
        ++depth;
        break;
      case Token::end_array:
        out += '}';
        --depth;
        break;
      case Token::null:
        separate();
        out += "NULL";
        break;
      case Token::string:
        separate();
        append_quoted_element(exact_text(element, scanner.unescaped()), out);
        break;
      case Token::number:
      case Token::boolean:
        separate();
        append_quoted_element(scanner.raw(), out);
        break;
      case Token::begin_object: {
        // A document inside an array: its text is the element.
        separate();
        const std::size_t begin = scanner.offset();
        for (int open = 1; open > 0;) {
          token = scanner.next();
          if (token == Token::begin_object) ++open;
          if (token == Token::end_object) --open;
        }
        append_quoted_element(json.substr(begin, scanner.offset() + 1 - begin), out);
        break;
      }
      case Token::end_object:
      case Token::name:
      case Token::end: break;
    }
  }
  return out;
} catch (const Error&) {
  no_array(json);
}

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace syncflow::sql::pg
