#include "app/variables.h"

#include <fmt/core.h>

#include "core/error.h"

namespace syncflow::app {
namespace {

class Filler {
 public:
  Filler(const Variables& variables, const std::string& file) : variables_(variables), file_(file) {}

  void fill(Node& node, const std::string& path) {
    if (node.kind == Node::Kind::scalar) fill_scalar(node, path);
    for (std::size_t i = 0; i < node.items.size(); ++i) fill(node.items[i], fmt::format("{}[{}]", path, i));
    for (Member& member : node.members)
      fill(member.value, path.empty() ? member.key : path + "." + member.key);
  }

 private:
  void fill_scalar(Node& node, const std::string& path) {
    node.written = node.text;
    try {
      node.text =
          syncflow::fill_in(*node.written, [this](const std::string& name) { return variables_.at(name); });
    } catch (const Error& error) {
      throw error.while_doing(fmt::format("{}:{}: {}", file_, node.line, path));
    }
  }

  const Variables& variables_;
  const std::string& file_;
};

}  // namespace

void fill_in(Node& document, const Variables& variables, const std::string& file) {
  Filler(variables, file).fill(document, "");
}

}  // namespace syncflow::app
