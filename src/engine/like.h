#pragma once

#include <string_view>
#include <vector>

namespace syncflow {

/// A pattern of LIKE: `%` stands for any text, `_` for one character, `\` takes the next one literally.
class LikePattern {
 public:
  enum class Case { exact, folded };

  /// Throws Error(bad_config) when `\` ends the pattern.
  LikePattern(std::string_view pattern, Case letters);

  /// Whether all of `utf8` fits.
  bool matches(std::string_view utf8) const;

 private:
  struct Token {
    enum class Kind { character, any_one, any_text };
    Kind kind = Kind::character;
    char32_t character = 0;
  };
  bool fits(const Token& token, char32_t character) const;

  Case letters_;
  std::vector<Token> tokens_;
};

}  // namespace syncflow
