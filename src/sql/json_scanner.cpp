#include "sql/json_scanner.h"

#include <fmt/core.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "core/error.h"

namespace syncflow::sql {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<unsigned> hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  unsigned code = 0;
  for (const char c : text.substr(0, 4)) {
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    code = code * 16 + static_cast<unsigned>(digit);
  }
  return code;
}

bool is_high(unsigned code) { return code >= 0xd800 && code < 0xdc00; }
bool is_low(unsigned code) { return code >= 0xdc00 && code < 0xe000; }

void append_utf8(unsigned code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

/// Calls `plain` for each piece without escapes and `escaped` for each code point that was escaped.
template <typename Plain, typename Escaped>
void walk(std::string_view inside, const Plain& plain, const Escaped& escaped) {
  while (!inside.empty()) {
    const auto backslash = std::min(inside.find('\\'), inside.size());
    if (backslash > 0) plain(inside.substr(0, backslash));
    inside.remove_prefix(backslash);
    if (inside.size() < 2) return;
    const char kind = inside[1];
    inside.remove_prefix(2);
    switch (kind) {
      case 'b': escaped(8u); break;
      case 'f': escaped(12u); break;
      case 'n': escaped(10u); break;
      case 'r': escaped(13u); break;
      case 't': escaped(9u); break;
      case 'u': {
        unsigned code = hex4(inside).value_or(0xfffd);
        inside.remove_prefix(4);
        if (is_high(code) && inside.substr(0, 2) == "\\u") {
          if (const auto low = hex4(inside.substr(2)); low && is_low(*low)) {
            code = 0x10000 + ((code - 0xd800) << 10) + (*low - 0xdc00);
            inside.remove_prefix(6);
          }
        }
        escaped(code);
        break;
      }
      default: escaped(static_cast<unsigned char>(kind)); break;
    }
  }
}

bool any_escaped(std::string_view raw, const std::function<bool(unsigned)>& is_it) {
  bool found = false;
  walk(
      raw.substr(1, raw.size() - 2), [](std::string_view) {},
      [&](unsigned code) { found = found || is_it(code); });
  return found;
}

}  // namespace

void JsonScanner::fail() const {
  throw Error(ErrorKind::bad_config, fmt::format("not JSON from byte {} on", at_ + 1));
}

void JsonScanner::skip_blanks() {
  while (at_ < json_.size() &&
         (json_[at_] == ' ' || json_[at_] == '\n' || json_[at_] == '\r' || json_[at_] == '\t'))
    ++at_;
}

JsonScanner::Token JsonScanner::take(std::size_t size, Token token) {
  raw_ = json_.substr(at_, size);
  at_ += size;
  return token;
}

void JsonScanner::after_value() { state_ = open_.empty() ? State::finished : State::comma_or_end; }

JsonScanner::Token JsonScanner::next() {
  skip_blanks();
  if (state_ == State::finished) {
    if (at_ < json_.size()) fail();
    return take(0, Token::end);
  }
  if (at_ >= json_.size()) fail();
  const char c = json_[at_];
  if (state_ == State::comma_or_end) {
    if (c != ',') return close(c);
    ++at_;
    skip_blanks();
    if (at_ >= json_.size()) fail();
    state_ = open_.back() == '{' ? State::name : State::value;
    return next();
  }
  if (state_ == State::name_or_end && c == '}') return close(c);
  if (state_ == State::value_or_end && c == ']') return close(c);
  if (state_ == State::name || state_ == State::name_or_end) {
    if (c != '"') fail();
    const Token token = take_string(Token::name);
    skip_blanks();
    if (at_ >= json_.size() || json_[at_] != ':') fail();
    ++at_;
    state_ = State::value;
    return token;
  }
  return value();
}

JsonScanner::Token JsonScanner::close(char bracket) {
  if ((bracket == ']' && open_.back() == '[') || (bracket == '}' && open_.back() == '{')) {
    open_.pop_back();
    after_value();
    return take(1, bracket == ']' ? Token::end_array : Token::end_object);
  }
  fail();
}

JsonScanner::Token JsonScanner::value() {
  const char c = json_[at_];
  if (c == '[' || c == '{') {
    open_ += c;
    state_ = c == '[' ? State::value_or_end : State::name_or_end;
    return take(1, c == '[' ? Token::begin_array : Token::begin_object);
  }
  Token token = Token::null;
  if (c == '"') token = take_string(Token::string);
  else if (c == 't') token = take_word("true", Token::boolean);
  else if (c == 'f') token = take_word("false", Token::boolean);
  else if (c == 'n') token = take_word("null", Token::null);
  else token = take_number();
  after_value();
  return token;
}

JsonScanner::Token JsonScanner::take_word(std::string_view word, Token token) {
  if (json_.substr(at_, word.size()) != word) fail();
  return take(word.size(), token);
}

JsonScanner::Token JsonScanner::take_number() {
  std::size_t end = at_;
  const auto digits = [&] {
    const std::size_t begin = end;
    while (end < json_.size() && is_digit(json_[end])) ++end;
    return end > begin;
  };
  if (json_[end] == '-') ++end;
  const std::size_t first = end;
  if (!digits() || (json_[first] == '0' && end > first + 1)) fail();
  if (end < json_.size() && json_[end] == '.' && (++end, !digits())) fail();
  if (end < json_.size() && (json_[end] == 'e' || json_[end] == 'E')) {
    ++end;
    if (end < json_.size() && (json_[end] == '+' || json_[end] == '-')) ++end;
    if (!digits()) fail();
  }
  return take(end - at_, Token::number);
}

JsonScanner::Token JsonScanner::take_string(Token token) {
  std::size_t end = at_ + 1;
  for (;; ++end) {
    if (end >= json_.size() || static_cast<unsigned char>(json_[end]) < 0x20) fail();
    if (json_[end] == '"') return take(end + 1 - at_, token);
    if (json_[end] != '\\') continue;
    if (++end >= json_.size() || std::string_view("\"\\/bfnrtu").find(json_[end]) == std::string_view::npos)
      fail();
    if (json_[end] != 'u') continue;
    if (!hex4(json_.substr(end + 1))) fail();
    end += 4;
  }
}

std::string JsonScanner::unescaped() const {
  std::string out;
  walk(
      raw_.substr(1, raw_.size() - 2), [&](std::string_view piece) { out += piece; },
      [&](unsigned code) { append_utf8(is_high(code) || is_low(code) ? 0xfffd : code, out); });
  return out;
}

bool JsonScanner::holds_nul() const {
  return any_escaped(raw_, [](unsigned code) { return code == 0; });
}

bool JsonScanner::holds_lone_surrogate() const {
  return any_escaped(raw_, [](unsigned code) { return is_high(code) || is_low(code); });
}

std::string json_problem(std::string_view text, bool as_jsonb) try {
  if (text.find('\0') != std::string_view::npos) return "it holds a NUL character";
  JsonScanner scanner(text);
  for (auto token = scanner.next(); token != JsonScanner::Token::end; token = scanner.next()) {
    if (!as_jsonb || (token != JsonScanner::Token::string && token != JsonScanner::Token::name)) continue;
    if (scanner.raw().find("\\u") == std::string_view::npos) continue;
    if (scanner.holds_nul()) return "jsonb cannot hold the NUL character \\u0000";
    if (scanner.holds_lone_surrogate()) return "jsonb cannot hold a surrogate without its other half";
  }
  return {};
} catch (const Error& error) {
  return error.what();
}

}  // namespace syncflow::sql
