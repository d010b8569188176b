#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "engine/free_text.h"

namespace syncflow {

struct Member;

/// A document as it was written: what YAML and JSON have in common. Scalars keep their own text, so that
/// a number of forty digits keeps all of them.
struct Node {
  enum class Kind { null, scalar, list, map };
  Kind kind = Kind::null;
  std::string text;                    ///< scalar
  std::optional<std::string> written;  ///< its text before variables were filled in; empty: none were
  int line = 0;                        ///< 1 is the first; 0: not known
  std::vector<Node> items;             ///< list
  std::vector<Member> members;         ///< map, in the order written; no key twice
};

struct Member {
  std::string key;
  int line = 0;
  Node value;
};

/// Throws Error(bad_config) for what is not one JSON document, and for a key that an object has twice.
Node parse_json(std::string_view json);

/// A place in a document: reads what is there, and says in words where it is when that is wrong.
///
/// All members throw Error(bad_config): `syncflow.yaml:12: syncs[0].name: …`. Cheap to copy; the document
/// and the variables must outlive it.
class Reader {
 public:
  /// `file` begins each sentence; empty: none does. `variables` are for free texts; none: those that hold a variable
  /// are not filled in.
  explicit Reader(const Node& node, std::string file = "", const Variables* variables = nullptr);

  const Node& node() const { return *node_; }
  int line() const { return line_; }
  bool is_null() const { return node_->kind == Node::Kind::null; }
  bool is_map() const { return node_->kind == Node::Kind::map; }
  bool is_list() const { return node_->kind == Node::Kind::list; }

  /// `syncflow.yaml:12: syncs[0].name`
  std::string where() const;
  [[noreturn]] void fail(const std::string& what) const;

  /// Refuses what is not a map, and a key that is not among `known`, naming the nearest.
  void expect_keys(const std::vector<std::string>& known) const;
  /// The value of a key; empty when the key is missing or its value is null.
  std::optional<Reader> find(std::string_view key) const;
  /// Fails when it is missing.
  Reader at(std::string_view key) const;
  /// All members of a map, or of none when null.
  std::vector<std::pair<std::string, Reader>> members() const;
  /// All items of a list, or of none when null.
  std::vector<Reader> items() const;

  std::string text() const;
  /// A text that may hold a secret: kept as it was written too.
  FreeText free_text() const;
  /// Text that is not empty.
  std::string name() const;
  bool boolean() const;
  long number(long least, long most) const;
  Duration duration() const;
  /// One of `choices`; names them and the nearest otherwise.
  std::size_t choice(const std::vector<std::string>& choices) const;
  /// A list of texts.
  std::vector<std::string> names() const;

 private:
  Reader(const Node& node, const Reader& parent, const std::string& step, int line);
  std::string sort() const;

  const Node* node_;
  std::string file_;
  std::string path_;
  const Variables* variables_ = nullptr;
  int line_ = 0;
};

}  // namespace syncflow
