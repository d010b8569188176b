#include "providers/mysql/json_check.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <set>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "sql/json_scanner.h"

namespace syncflow::mysql {
namespace {

using Token = sql::JsonScanner::Token;

/// A number as its significant digits and the power of ten of the last: 2.50 and 25e-1 are (25, -1).
struct Digits {
  bool negative = false;
  std::string digits;
  long exponent = 0;
  bool operator==(const Digits&) const = default;
};

Digits digits_of(std::string_view text) {
  Digits out;
  if (!text.empty() && text.front() == '-') {
    out.negative = true;
    text.remove_prefix(1);
  }
  const auto e = text.find_first_of("eE");
  if (e != std::string_view::npos) {
    std::string_view power = text.substr(e + 1);
    if (!power.empty() && power.front() == '+') power.remove_prefix(1);
    std::from_chars(power.data(), power.data() + power.size(), out.exponent);
  }
  bool after_point = false;
  for (const char c : text.substr(0, e)) {
    if (c == '.') {
      after_point = true;
      continue;
    }
    if (after_point) --out.exponent;
    if (c != '0' || !out.digits.empty()) out.digits += c;
  }
  while (!out.digits.empty() && out.digits.back() == '0') {
    out.digits.pop_back();
    ++out.exponent;
  }
  if (out.digits.empty()) out = {};
  return out;
}

bool is_whole(std::string_view text) { return text.find_first_of(".eE") == std::string_view::npos; }

/// Whole numbers of 64 bits are kept; all others become doubles.
bool is_number_kept(std::string_view text) {
  if (is_whole(text)) {
    std::int64_t negative = 0;
    std::uint64_t natural = 0;
    const char* const end = text.data() + text.size();
    if (std::from_chars(text.data(), end, natural).ec == std::errc()) return true;
    if (text.front() == '-' && std::from_chars(text.data(), end, negative).ec == std::errc()) return true;
  }
  double number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc() ||
      !std::isfinite(number))
    return false;
  char shortest[40];
  const auto end = std::to_chars(shortest, shortest + sizeof shortest, number).ptr;
  return digits_of({shortest, static_cast<std::size_t>(end - shortest)}) == digits_of(text);
}

}  // namespace

std::string why_not_kept(std::string_view json) try {
  sql::JsonScanner scanner(json);
  std::vector<std::set<std::string>> members;
  for (Token token = scanner.next(); token != Token::end; token = scanner.next()) {
    switch (token) {
      case Token::begin_object: members.emplace_back(); break;
      case Token::end_object: members.pop_back(); break;
      case Token::name:
        if (!members.back().insert(scanner.unescaped()).second)
          return fmt::format("the JSON document has the member {} twice, of which MySQL keeps one",
                             shortened(scanner.raw()));
        break;
      case Token::number:
        if (!is_number_kept(scanner.raw()))
          return fmt::format("MySQL's JSON would round the number {}", shortened(scanner.raw()));
        break;
      default: break;
    }
  }
  return "";
} catch (const Error& error) {
  return error.what();
}

}  // namespace syncflow::mysql
