#include "app/dotenv.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "core/text.h"
#include "engine/variables.h"

namespace syncflow::app {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/// Reads the file from front to back.
class Lines {
 public:
  Lines(std::string_view text, const std::string& file) : rest_(text), file_(file) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (rest_.substr(0, kByteOrderMark.size()) == kByteOrderMark) rest_.remove_prefix(kByteOrderMark.size());
  }

  std::map<std::string, std::string> read() {
    std::map<std::string, std::string> values;
    for (; !rest_.empty(); end_line()) {
      skip_blanks();
      if (at_end_of_line()) continue;
      const std::string name = read_name();
      skip_blanks();
      values[name] = read_value();
    }
    return values;
  }

 private:
  [[noreturn]] void fail(int line, const std::string& what) const {
    throw Error(ErrorKind::bad_config, fmt::format("{}:{}: {}", file_, line, what));
  }

  char peek() const { return rest_.empty() ? '\n' : rest_.front(); }
  char take() {
    const char c = rest_.front();
    if (c == '\n') ++line_;
    rest_.remove_prefix(1);
    return c;
  }
  void skip_blanks() {
    while (is_blank(peek())) take();
  }
  bool at_end_of_line() const { return peek() == '\n' || peek() == '#'; }
  void end_line() {
    while (!rest_.empty() && take() != '\n') continue;
  }

  std::string read_name() {
    std::string name = read_word();
    if (name == "export" && peek() != '=') {
      skip_blanks();
      name = read_word();
    }
    skip_blanks();
    if (!is_variable_name(name) || peek() != '=') fail(line_, "this is no line like NAME=value");
    take();
    return name;
  }
  std::string read_word() {
    std::string word;
    while (!is_blank(peek()) && peek() != '\n' && peek() != '=') word += take();
    return word;
  }

  std::string read_value() {
    if (peek() != '"' && peek() != '\'') return read_bare();
    const std::string value = read_quoted(take());
    skip_blanks();
    if (!at_end_of_line()) fail(line_, "something follows the closing quote");
    return value;
  }
  std::string read_bare() {
    std::string value;
    while (peek() != '\n') {
      const bool comment = peek() == '#' && (value.empty() || is_blank(value.back()));
      if (comment) break;
      value += take();
    }
    while (!value.empty() && is_blank(value.back())) value.pop_back();
    return value;
  }
  std::string read_quoted(char quote) {
    const int begin = line_;
    std::string value;
    while (!rest_.empty() && rest_.front() != quote) {
      const char c = take();
      if (c == '\\' && quote == '"' && !rest_.empty()) value += unescaped(take());
      else value += c;
    }
    if (rest_.empty()) fail(begin, "the quote that begins here is never closed");
    take();
    return value;
  }
  static std::string unescaped(char c) {
    switch (c) {
      case 'n': return "\n";
      case 'r': return "\r";
      case 't': return "\t";
      case '"':
      case '$':
      case '\\': return std::string(1, c);
      default: return {'\\', c};
    }
  }

  std::string_view rest_;
  const std::string& file_;
  int line_ = 1;
};

}  // namespace

std::map<std::string, std::string> parse_dotenv(const std::string& text, const std::string& file) {
  return Lines(text, file).read();
}

}  // namespace syncflow::app
