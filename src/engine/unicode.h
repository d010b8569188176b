#pragma once

#include <string>
#include <string_view>

namespace syncflow {

/// Takes the first character off `text`, which is UTF-8 and not empty. A byte that begins no character
/// counts as one.
char32_t next_character(std::string_view& text);

/// Simple mappings of the Unicode character database: one character becomes one character, whatever the
/// locale. So "ß" has no upper case, and "İ" becomes a plain "i".
std::string to_upper(std::string_view utf8);
std::string to_lower(std::string_view utf8);

/// Simple case folding: two characters that differ only in case fold into the same one.
char32_t folded(char32_t character);

/// Without the white space (Unicode's White_Space, so the no-break ones too) at both ends.
std::string_view trimmed(std::string_view utf8);

/// Characters, not bytes.
std::size_t length_of(std::string_view utf8);

}  // namespace syncflow
