#include <fmt/core.h>

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>

#include "core/error.h"
#include "core/text.h"
#include "engine/node.h"

namespace syncflow {
namespace {

namespace json = boost::json;
using json::error_code;
using json::string_view;

/// Builds nodes from what the parser meets. A JSON value would turn long numbers into doubles and let the
/// second of two equal keys win.
struct Handler {
  // NOLINTBEGIN(readability-identifier-naming): the parser asks for these names
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);
  // NOLINTEND(readability-identifier-naming)

  Node root;
  std::string part;
  std::string key;
  std::vector<Node> open;         // lists and maps that have begun
  std::vector<std::string> keys;  // under which each of them goes
  std::string twice;

  bool put(Node node) {
    if (open.empty()) {
      root = std::move(node);
    } else if (open.back().kind == Node::Kind::list) {
      open.back().items.push_back(std::move(node));
    } else {
      std::vector<Member>& members = open.back().members;
      if (std::any_of(members.begin(), members.end(),
                      [&](const Member& member) { return member.key == key; })) {
        twice = key;
        return false;
      }
      members.push_back({key, 0, std::move(node)});
    }
    return true;
  }
  bool scalar(std::string text) {
    Node node;
    node.kind = Node::Kind::scalar;
    node.text = std::move(text);
    return put(std::move(node));
  }
  bool begin(Node::Kind kind) {
    Node node;
    node.kind = kind;
    open.push_back(std::move(node));
    keys.push_back(std::move(key));
    key.clear();
    return true;
  }
  bool end() {
    Node node = std::move(open.back());
    open.pop_back();
    key = std::move(keys.back());
    keys.pop_back();
    return put(std::move(node));
  }
  std::string whole(string_view last) {
    std::string text = std::move(part);
    part.clear();
    text.append(last.data(), last.size());
    return text;
  }

  // The parser stops without a word of its own when a handler sets no error.
  static bool checked(bool fine, error_code& error) {
    if (!fine) error = json::error::syntax;
    return fine;
  }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return begin(Node::Kind::map); }
  bool on_object_end(std::size_t, error_code& error) { return checked(end(), error); }
  bool on_array_begin(error_code&) { return begin(Node::Kind::list); }
  bool on_array_end(std::size_t, error_code& error) { return checked(end(), error); }
  bool on_key_part(string_view text, std::size_t, error_code&) { return on_part(text); }
  bool on_key(string_view text, std::size_t, error_code&) {
    key = whole(text);
    return true;
  }
  bool on_string_part(string_view text, std::size_t, error_code&) { return on_part(text); }
  bool on_string(string_view text, std::size_t, error_code& error) {
    return checked(scalar(whole(text)), error);
  }
  bool on_number_part(string_view text, error_code&) { return on_part(text); }
  bool on_int64(std::int64_t, string_view text, error_code& error) {
    return checked(scalar(whole(text)), error);
  }
  bool on_uint64(std::uint64_t, string_view text, error_code& error) {
    return checked(scalar(whole(text)), error);
  }
  bool on_double(double, string_view text, error_code& error) { return checked(scalar(whole(text)), error); }
  bool on_bool(bool value, error_code& error) { return checked(scalar(value ? "true" : "false"), error); }
  bool on_null(error_code& error) { return checked(put(Node()), error); }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

  bool on_part(string_view text) {
    part.append(text.data(), text.size());
    return true;
  }
};

}  // namespace

Node parse_json(std::string_view text) {
  json::parse_options options;
  options.max_depth = 64;
  json::basic_parser<Handler> parser(options);
  error_code problem;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), problem);
  if (!parser.handler().twice.empty())
    throw Error(ErrorKind::bad_config, fmt::format("the JSON has the key \"{}\" twice in one object",
                                                   shortened(parser.handler().twice)));
  const auto rest = text.find_first_not_of(" \t\r\n", read);
  if (problem || rest != std::string_view::npos)
    throw Error(ErrorKind::bad_config,
                fmt::format("this is no JSON document, from byte {} on: {}", read,
                            problem ? problem.message() : "something comes after its end"));
  return std::move(parser.handler().root);
}

}  // namespace syncflow
