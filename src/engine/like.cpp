#include "engine/like.h"

#include <fmt/core.h>

#include <optional>

#include "core/error.h"
#include "engine/unicode.h"

namespace syncflow {

LikePattern::LikePattern(std::string_view pattern, Case letters) : letters_(letters) {
  using Kind = Token::Kind;
  for (std::string_view rest = pattern; !rest.empty();) {
    char32_t c = next_character(rest);
    if (c == '%') {
      if (tokens_.empty() || tokens_.back().kind != Kind::any_text) tokens_.push_back({Kind::any_text, 0});
      continue;
    }
    if (c == '_') {
      tokens_.push_back({Kind::any_one, 0});
      continue;
    }
    if (c == '\\') {
      if (rest.empty())
        throw Error(ErrorKind::bad_config,
                    fmt::format("the pattern \"{}\" ends with a backslash; write \\\\ for a backslash itself",
                                pattern));
      c = next_character(rest);
    }
    tokens_.push_back({Kind::character, letters_ == Case::folded ? folded(c) : c});
  }
}

bool LikePattern::fits(const Token& token, char32_t character) const {
  if (token.kind == Token::Kind::any_one) return true;
  return token.character == (letters_ == Case::folded ? folded(character) : character);
}

bool LikePattern::matches(std::string_view utf8) const {
  // Only the last `%` ever has to be tried again with more text: what came before it fitted already.
  struct Retry {
    std::size_t token;
    std::string_view text;
  };
  std::optional<Retry> retry;
  std::string_view rest = utf8;
  std::size_t token = 0;
  while (!rest.empty()) {
    if (token < tokens_.size() && tokens_[token].kind == Token::Kind::any_text) {
      if (++token == tokens_.size()) return true;
      retry = {token, rest};
      continue;
    }
    std::string_view after = rest;
    const char32_t character = next_character(after);
    if (token < tokens_.size() && fits(tokens_[token], character)) {
      ++token;
      rest = after;
      continue;
    }
    if (!retry) return false;
    next_character(retry->text);
    token = retry->token;
    rest = retry->text;
  }
  while (token < tokens_.size() && tokens_[token].kind == Token::Kind::any_text) ++token;
  return token == tokens_.size();
}

}  // namespace syncflow
