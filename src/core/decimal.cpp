#include "core/decimal.h"

#include <charconv>
#include <cmath>

namespace syncflow {
namespace {

struct Parts {
  bool negative = false;
  std::string_view whole;     ///< without leading zeros
  std::string_view fraction;  ///< without trailing zeros
  bool is_zero() const { return whole.empty() && fraction.empty(); }
};

Parts parts_of(std::string_view text) {
  Parts parts;
  if (!text.empty() && text.front() == '-') {
    parts.negative = true;
    text.remove_prefix(1);
  }
  const auto point = text.find('.');
  parts.whole = text.substr(0, point);
  if (point != std::string_view::npos) parts.fraction = text.substr(point + 1);
  while (!parts.whole.empty() && parts.whole.front() == '0') parts.whole.remove_prefix(1);
  while (!parts.fraction.empty() && parts.fraction.back() == '0') parts.fraction.remove_suffix(1);
  if (parts.is_zero()) parts.negative = false;
  return parts;
}

std::strong_ordering compare_sizes(const Parts& a, const Parts& b) {
  if (a.whole.size() != b.whole.size()) return a.whole.size() <=> b.whole.size();
  if (const int order = a.whole.compare(b.whole)) return order <=> 0;
  return a.fraction.compare(b.fraction) <=> 0;
}

}  // namespace

std::strong_ordering compare_decimals(std::string_view a, std::string_view b) {
  const Parts left = parts_of(a);
  const Parts right = parts_of(b);
  if (left.negative != right.negative)
    return left.negative ? std::strong_ordering::less : std::strong_ordering::greater;
  return left.negative ? compare_sizes(right, left) : compare_sizes(left, right);
}

std::string normalized_decimal(std::string_view text) {
  const Parts parts = parts_of(text);
  std::string out = parts.negative ? "-" : "";
  out += parts.whole.empty() ? "0" : parts.whole;
  if (!parts.fraction.empty()) {
    out += '.';
    out += parts.fraction;
  }
  return out;
}

std::optional<std::string> exact_decimal(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  // The smallest double needs 1074 digits after the point, the largest 309 before it.
  char digits[1500];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, 1074).ptr;
  return normalized_decimal({digits, static_cast<std::size_t>(end - digits)});
}

}  // namespace syncflow
