#include "app/yaml.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::app {
namespace {

/// Nodes that anchors and aliases may copy: beyond this it is a trick, not a config.
constexpr std::size_t kMostCopied = 100'000;

std::size_t count(const Node& node) {
  std::size_t nodes = 1;
  for (const Node& item : node.items) nodes += count(item);
  for (const Member& member : node.members) nodes += count(member.value);
  return nodes;
}

/// Builds nodes from what the parser meets. YAML::Node would hide a key that stands twice.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(const std::string& file) : file_(file) {}

  Node root;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(node_at(mark, Node::Kind::null), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto known = anchors_.find(anchor);
    if (known == anchors_.end()) fail(mark.line + 1, "an alias stands inside what it stands for");
    Node copy = known->second;
    copy.line = mark.line + 1;
    charge(copy);
    add(std::move(copy), 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check_tag(mark, tag);
    Node node = node_at(mark, Node::Kind::scalar);
    node.text = value;
    add(std::move(node), anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, Node::Kind::list);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, tag, anchor, Node::Kind::map);
  }
  void OnMapEnd() override { end(); }

 private:
  /// A list or map that has begun.
  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    bool has_key = false;
    std::string key;
    int key_line = 0;
  };

  [[noreturn]] void fail(int line, const std::string& what) const {
    throw Error(ErrorKind::bad_config, fmt::format("{}:{}: {}", file_, line, what));
  }

  static Node node_at(const YAML::Mark& mark, Node::Kind kind) {
    Node node;
    node.kind = kind;
    node.line = mark.line + 1;
    return node;
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag) const {
    constexpr std::string_view kStandard = "tag:yaml.org,2002:";
    if (tag.empty() || tag == "?" || tag == "!" || tag.substr(0, kStandard.size()) == kStandard) return;
    fail(mark.line + 1, fmt::format("the tag {} is not understood", shortened(tag)));
  }

  void begin(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
    check_tag(mark, tag);
    open_.push_back({node_at(mark, kind), anchor, false, {}, 0});
  }

  void end() {
    Open done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  /// Before nodes are copied: what stands in the file itself is no larger than the file, but aliases multiply.
  void charge(const Node& node) {
    copied_ += count(node);
    if (copied_ > kMostCopied) fail(node.line, "the aliases make the file too large");
  }

  void add(Node node, YAML::anchor_t anchor) {
    if (anchor != 0) {
      charge(node);
      anchors_[anchor] = node;
    }
    if (open_.empty()) {
      root = std::move(node);
    } else if (open_.back().node.kind == Node::Kind::list) {
      open_.back().node.items.push_back(std::move(node));
    } else if (open_.back().has_key) {
      Open& map = open_.back();
      map.has_key = false;
      map.node.members.push_back({std::move(map.key), map.key_line, std::move(node)});
    } else {
      take_key(std::move(node));
    }
  }

  void take_key(Node node) {
    Open& map = open_.back();
    if (node.kind != Node::Kind::scalar) fail(node.line, "a key must be a plain word or text");
    for (const Member& member : map.node.members)
      if (member.key == node.text)
        fail(node.line, fmt::format("the key \"{}\" stands twice here, first on line {}",
                                    shortened(node.text), member.line));
    map.has_key = true;
    map.key = std::move(node.text);
    map.key_line = node.line;
  }

  const std::string& file_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, Node> anchors_;
  std::size_t copied_ = 0;
};

void check_encoding(const std::string& yaml, const std::string& file) {
  if (is_utf8(yaml)) return;
  int line = 1;
  for (const std::string& text : split(yaml, '\n')) {
    if (!is_utf8(text))
      throw Error(ErrorKind::bad_config, fmt::format("{}:{}: this is not UTF-8", file, line));
    ++line;
  }
}

bool is_indented_by_tab(const std::string& yaml, int line) {
  const std::vector<std::string> lines = split(yaml, '\n');
  if (line < 1 || line > static_cast<int>(lines.size())) return false;
  const std::string& text = lines[static_cast<std::size_t>(line - 1)];
  return text.substr(0, text.find_first_not_of(" \t")).find('\t') != std::string::npos;
}

/// Inside braces and brackets a brace of `${VAR}` is one of YAML's own.
std::string hint_for(const std::string& yaml, int line) {
  const std::vector<std::string> lines = split(yaml, '\n');
  for (int at = std::max(line - 1, 1); at <= line && at <= static_cast<int>(lines.size()); ++at) {
    const std::string& text = lines[static_cast<std::size_t>(at - 1)];
    const auto variable = text.find("${");
    if (variable == std::string::npos || variable == 0) continue;
    if (text[variable - 1] != '"' && text.find_first_of("{[") < variable)
      return "; inside { } and [ ] a variable must stand in quotes: \"${NAME}\"";
  }
  return "";
}

}  // namespace

Node parse_yaml(const std::string& yaml, const std::string& file) {
  check_encoding(yaml, file);
  std::istringstream in(yaml);
  Builder builder(file);
  try {
    YAML::Parser parser(in);
    if (!parser.HandleNextDocument(builder)) return {};
    Builder second(file);
    if (parser.HandleNextDocument(second))
      throw Error(ErrorKind::bad_config,
                  fmt::format("{}:{}: a second document begins here; one is read", file, second.root.line));
  } catch (const YAML::Exception& error) {
    const int line = error.mark.is_null() ? 1 : error.mark.line + 1;
    if (is_indented_by_tab(yaml, line))
      throw Error(ErrorKind::bad_config,
                  fmt::format("{}:{}: the line is indented by a tab; YAML takes no tabs there, only blanks",
                              file, line));
    throw Error(ErrorKind::bad_config,
                fmt::format("{}:{}: this is not YAML: {}{}", file, line, error.msg, hint_for(yaml, line)));
  }
  return std::move(builder.root);
}

}  // namespace syncflow::app
