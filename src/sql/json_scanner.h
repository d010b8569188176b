#pragma once

#include <string>
#include <string_view>

namespace syncflow::sql {

/// Walks over one JSON document token by token, without building anything: numbers keep every digit,
/// objects their doubled members, and depth costs one byte a level.
class JsonScanner {
 public:
  enum class Token {
    begin_array,
    end_array,
    begin_object,
    end_object,
    name,
    string,
    number,
    boolean,
    null,
    end
  };

  /// `json` must outlive the scanner and be UTF-8.
  explicit JsonScanner(std::string_view json) : json_(json) {}

  /// The next token; `end` once the document is complete. Throws Error(bad_config) with the byte where
  /// it stops being JSON.
  Token next();
  /// The token as it stands in the document: strings and names with their quotes.
  std::string_view raw() const { return raw_; }
  /// A string or name without quotes and escapes. A lone surrogate becomes U+FFFD.
  std::string unescaped() const;
  /// Whether the string or name holds \u0000, or a surrogate without its other half.
  bool holds_nul() const;
  bool holds_lone_surrogate() const;
  /// Where the token begins.
  std::size_t offset() const { return static_cast<std::size_t>(raw_.data() - json_.data()); }

 private:
  /// What may come next inside the array or object that is open.
  enum class State { value, value_or_end, name, name_or_end, comma_or_end, finished };

  Token value();
  Token take(std::size_t size, Token token);
  Token take_string(Token token);
  Token take_number();
  Token take_word(std::string_view word, Token token);
  Token close(char bracket);
  void after_value();
  void skip_blanks();
  [[noreturn]] void fail() const;

  std::string_view json_;
  std::size_t at_ = 0;
  std::string_view raw_;
  std::string open_;  ///< the brackets around the place we are at
  State state_ = State::value;
};

/// Why PostgreSQL would refuse the text as json, or as jsonb, which also refuses NUL characters and
/// surrogates without their other half. Empty: it would not.
std::string json_problem(std::string_view text, bool as_jsonb);

}  // namespace syncflow::sql
