#include "engine/variables.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace syncflow {
namespace {

constexpr std::string_view kOpening = "${";

/// The name that `rest` begins with, up to the closing brace; takes both off.
std::string take_name(std::string_view& rest) {
  const auto end = rest.find('}');
  if (end == std::string_view::npos)
    throw Error(ErrorKind::bad_config, "a \"${\" has no closing brace; write $${ for the text ${ itself");
  std::string name(rest.substr(0, end));
  if (!is_variable_name(name))
    throw Error(
        ErrorKind::bad_config,
        fmt::format("\"${{{}}}\" names no variable; write $${{ for the text ${{ itself", shortened(name)));
  rest.remove_prefix(end + 1);
  return name;
}

}  // namespace

std::optional<std::string> Variables::find(const std::string& name) const {
  if (environment)
    if (auto value = environment(name)) return value;
  const auto found = dotenv.find(name);
  return found == dotenv.end() ? std::nullopt : std::optional(found->second);
}

std::string Variables::at(const std::string& name) const {
  if (auto value = find(name)) return std::move(*value);
  throw Error(ErrorKind::bad_config, fmt::format("${{{}}} is not set; set it in the environment{}", name,
                                                 dotenv_file.empty() ? "" : " or in " + dotenv_file));
}

bool is_variable_name(const std::string& name) {
  if (name.empty() || (name.front() >= '0' && name.front() <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
}

std::string fill_in(std::string_view text, const std::function<std::string(const std::string&)>& value_of) {
  std::string out;
  for (auto at = text.find(kOpening); at != std::string_view::npos; at = text.find(kOpening)) {
    const bool is_escaped = at > 0 && text[at - 1] == '$';
    out += text.substr(0, is_escaped ? at - 1 : at);
    text.remove_prefix(at + kOpening.size());
    if (is_escaped) out += kOpening;
    else out += value_of(take_name(text));
  }
  out += text;
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (auto at = text.find(kOpening); at != std::string_view::npos; at = text.find(kOpening)) {
    out += text.substr(0, at);
    out += "$${";
    text.remove_prefix(at + kOpening.size());
  }
  out += text;
  return out;
}

}  // namespace syncflow
