#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace syncflow {

/// Compares two decimals in canonical notation as numbers: 1.50 equals 1.5, -0 equals 0.
std::strong_ordering compare_decimals(std::string_view a, std::string_view b);

/// The same number without leading zeros, trailing zeros after the point, and "-0": equal numbers, equal texts.
std::string normalized_decimal(std::string_view text);

/// A double as the decimal that it exactly is; empty for NaN and infinities.
std::optional<std::string> exact_decimal(double value);

}  // namespace syncflow
