#include "engine/unicode.h"

#include <utf8proc.h>

namespace syncflow {
namespace {

// utf8proc gives the capital sharp s here, which the character database has no simple mapping to and which
// databases do not give either.
constexpr char32_t kSharpS = 0xdf;
// The Turkish letters fold only under Turkish rules.
constexpr char32_t kDottedCapitalI = 0x130;
constexpr char32_t kDotlessSmallI = 0x131;

char32_t upper(char32_t c) {
  return c == kSharpS ? c : static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
}
char32_t lower(char32_t c) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000;
}

template <typename AsciiRule, typename Rule>
std::string each_mapped(std::string_view text, AsciiRule ascii, Rule rule) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto first = static_cast<unsigned char>(text.front());
    if (first < 0x80) {
      out += ascii(text.front());
      text.remove_prefix(1);
      continue;
    }
    const std::string_view before = text;
    const char32_t c = next_character(text);
    const char32_t to = rule(c);
    utf8proc_uint8_t bytes[4];
    if (to == c) {
      out += before.substr(0, before.size() - text.size());
    } else {
      const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(to), bytes);
      out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    }
  }
  return out;
}

}  // namespace

char32_t next_character(std::string_view& text) {
  utf8proc_int32_t c = 0;
  const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                     static_cast<utf8proc_ssize_t>(text.size()), &c);
  if (size <= 0) {
    // Beyond Unicode, so that it equals no character.
    const char32_t byte = 0x110000 + static_cast<unsigned char>(text.front());
    text.remove_prefix(1);
    return byte;
  }
  text.remove_prefix(static_cast<std::size_t>(size));
  return static_cast<char32_t>(c);
}

std::string to_upper(std::string_view utf8) {
  return each_mapped(
      utf8, [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }, upper);
}

std::string to_lower(std::string_view utf8) {
  return each_mapped(
      utf8, [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }, lower);
}

char32_t folded(char32_t character) {
  if (character >= 'A' && character <= 'Z') return character - 'A' + 'a';
  if (character < 0x80) return character;
  if (character == kDottedCapitalI || character == kDotlessSmallI || character > 0x10ffff) return character;
  // Up, then down: that joins the forms that share a capital only, as the two small sigmas do.
  return lower(upper(character));
}

std::string_view trimmed(std::string_view utf8) {
  for (std::string_view rest = utf8; !rest.empty(); utf8 = rest)
    if (!is_white_space(next_character(rest))) break;
  while (!utf8.empty()) {
    std::size_t begin = utf8.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(utf8[begin]) & 0xc0) == 0x80) --begin;
    std::string_view last = utf8.substr(begin);
    if (!is_white_space(next_character(last))) break;
    utf8 = utf8.substr(0, begin);
  }
  return utf8;
}

std::size_t length_of(std::string_view utf8) {
  std::size_t count = 0;
  for (const char c : utf8)
    if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) ++count;
  return count;
}

}  // namespace syncflow
