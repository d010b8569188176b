#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/value.h"

namespace syncflow {

/// Reads what a person (or a text field) writes for a value of type `type`: every canonical text, and
/// - numbers also with an exponent ("1.5e3"); a whole number may be written with zeros after the point;
/// - times also with a blank instead of the T, without seconds, and with any offset. A timestamp with zone
///   written without one is taken as UTC, a date alone as its midnight;
/// - JSON must be one document, an array a JSON array.
/// Empty: it is none. Bytes of the value go into `arena`.
std::optional<Value> read_literal(Type type, std::string_view text, Arena& arena);

/// The same, or Error(bad_config): "yesterday" is not a date; write it like 2024-02-29.
Value literal(Type type, std::string_view text, Arena& arena);

/// `text` with its exponent worked in, as a canonical decimal: "1.5e3" is 1500. Empty: not a number, or one
/// of more than some thousand digits.
std::optional<std::string> plain_decimal(std::string_view text);

/// "a text", "an int64": for sentences.
std::string with_article(Type type);

/// Rounds a canonical decimal half away from zero to `digits` after the point, or before it when negative.
/// Never adds digits; zero has no sign.
std::string round_decimal(std::string_view decimal, int digits);

}  // namespace syncflow
