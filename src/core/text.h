#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace syncflow {

/// Whether `bytes` are well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool is_utf8(std::string_view bytes);

/// The same text with U+FFFD in place of each malformed byte: for messages and logs.
std::string repaired_utf8(std::string_view bytes);

/// The candidate nearest to `name` by edit distance, or empty when none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

/// "a, b or c"
std::string join_or(const std::vector<std::string>& names);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::vector<std::string> split(std::string_view text, char separator);
/// The same text with `A` to `Z` as small letters; any other byte stays as it is.
std::string ascii_lower(std::string text);
std::string to_hex(std::string_view bytes);
/// Throws Error(bad_config) when `hex` is not pairs of hex digits.
std::string from_hex(std::string_view hex);
/// `text` cut to about `max_bytes` at a character's edge, with an ellipsis: for messages.
std::string shortened(std::string_view text, std::size_t max_bytes = 80);

}  // namespace syncflow
