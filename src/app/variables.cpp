#include "app/variables.h"

#include <fmt/core.h>

#include "app/dotenv.h"
#include "core/error.h"
#include "core/text.h"

namespace syncflow::app {
namespace {

class Filler {
 public:
  Filler(const Variables& variables, const std::string& file) : variables_(variables), file_(file) {}

  void fill(Node& node, const std::string& path) {
    if (node.kind == Node::Kind::scalar) node.text = filled(node, path);
    for (std::size_t i = 0; i < node.items.size(); ++i) fill(node.items[i], fmt::format("{}[{}]", path, i));
    for (Member& member : node.members)
      fill(member.value, path.empty() ? member.key : path + "." + member.key);
  }

 private:
  [[noreturn]] void fail(const Node& node, const std::string& path, const std::string& what) const {
    throw Error(ErrorKind::bad_config, fmt::format("{}:{}: {}: {}", file_, node.line, path, what));
  }

  std::string filled(const Node& node, const std::string& path) const {
    std::string out;
    std::string_view rest = node.text;
    for (auto at = rest.find("${"); at != std::string_view::npos; at = rest.find("${")) {
      const bool escaped = at > 0 && rest[at - 1] == '$';
      out += rest.substr(0, escaped ? at - 1 : at);
      rest.remove_prefix(at + 2);
      if (escaped) {
        out += "${";
        continue;
      }
      const auto end = rest.find('}');
      if (end == std::string_view::npos)
        fail(node, path, "a \"${\" has no closing brace; write $${ for the text ${ itself");
      out += value_of(node, path, std::string(rest.substr(0, end)));
      rest.remove_prefix(end + 1);
    }
    out += rest;
    return out;
  }

  std::string value_of(const Node& node, const std::string& path, const std::string& name) const {
    if (!is_variable_name(name))
      fail(node, path,
           fmt::format("\"${{{}}}\" names no variable; write $${{ for the text ${{ itself", shortened(name)));
    if (auto value = variables_.find(name)) return std::move(*value);
    fail(node, path,
         fmt::format("${{{}}} is not set; set it in the environment or in {}", name, variables_.dotenv_file));
  }

  const Variables& variables_;
  const std::string& file_;
};

}  // namespace

std::optional<std::string> Variables::find(const std::string& name) const {
  if (auto value = environment(name)) return value;
  const auto found = dotenv.find(name);
  return found == dotenv.end() ? std::nullopt : std::optional(found->second);
}

void fill_in(Node& document, const Variables& variables, const std::string& file) {
  Filler(variables, file).fill(document, "");
}

}  // namespace syncflow::app
