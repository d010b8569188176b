#include "providers/mysql/charset.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace syncflow::mysql {
namespace {

/// What Windows code page 1252, which MySQL calls latin1, has beyond U+00FF.
constexpr std::array<char32_t, 27> kWindows1252 = {0x0152, 0x0153, 0x0160, 0x0161, 0x0178, 0x017d, 0x017e,
                                                   0x0192, 0x02c6, 0x02dc, 0x2013, 0x2014, 0x2018, 0x2019,
                                                   0x201a, 0x201c, 0x201d, 0x201e, 0x2020, 0x2021, 0x2022,
                                                   0x2026, 0x2030, 0x2039, 0x203a, 0x20ac, 0x2122};

/// The code points in 0x80 to 0x9f of it: five that it leaves where they are.
bool is_left_in_place(char32_t c) { return c == 0x81 || c == 0x8d || c == 0x8f || c == 0x90 || c == 0x9d; }

bool is_in_latin1(char32_t c) {
  if (c < 0x80 || (c >= 0xa0 && c <= 0xff) || is_left_in_place(c)) return true;
  return std::binary_search(kWindows1252.begin(), kWindows1252.end(), c);
}

using Holds = bool (*)(char32_t);

Holds repertoire(std::string_view charset) {
  if (charset == "utf8mb3" || charset == "utf8" || charset == "ucs2")
    return [](char32_t c) { return c < 0x10000; };
  if (charset == "ascii") return [](char32_t c) { return c < 0x80; };
  if (charset == "latin1") return is_in_latin1;
  return nullptr;
}

bool is_first_byte(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

/// The code point at `text[at]`, and where the next begins. The text is well-formed.
char32_t code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at++);
  if (first < 0x80) return first;
  char32_t c = first < 0xe0 ? first & 0x1f : first < 0xf0 ? first & 0x0f : first & 0x07;
  while (at < text.size() && !is_first_byte(text[at])) c = c << 6 | (byte(at++) & 0x3f);
  return c;
}

}  // namespace

std::size_t count_characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), is_first_byte));
}

std::string missing_character(std::string_view utf8, std::string_view charset) {
  const Holds holds = repertoire(charset);
  if (!holds) return "";
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t begin = at;
    if (!holds(code_point(utf8, at))) return std::string(utf8.substr(begin, at - begin));
  }
  return "";
}

std::optional<std::size_t> bytes_in(std::string_view utf8, std::string_view charset) {
  if (charset == "utf8mb4" || charset == "utf8mb3" || charset == "utf8") return utf8.size();
  if (charset == "ascii" || charset == "latin1") return count_characters(utf8);
  if (charset == "ucs2") return 2 * count_characters(utf8);
  return std::nullopt;
}

}  // namespace syncflow::mysql
