#include "engine/node.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/text.h"
#include "engine/definition.h"

namespace syncflow {

Reader::Reader(const Node& node, std::string file, const Variables* variables)
    : node_(&node), file_(std::move(file)), variables_(variables), line_(node.line) {}

Reader::Reader(const Node& node, const Reader& parent, const std::string& step, int line)
    : node_(&node), file_(parent.file_), path_(parent.path_), variables_(parent.variables_), line_(line) {
  if (!path_.empty() && step.front() != '[') path_ += '.';
  path_ += step;
}

std::string Reader::where() const {
  std::string place = file_;
  if (!file_.empty() && line_ > 0) place += fmt::format(":{}", line_);
  if (!place.empty() && !path_.empty()) place += ": ";
  return place + path_;
}

void Reader::fail(const std::string& what) const {
  const std::string place = where();
  throw Error(ErrorKind::bad_config, place.empty() ? what : place + ": " + what);
}

std::string Reader::sort() const {
  switch (node_->kind) {
    case Node::Kind::null: return "nothing";
    case Node::Kind::scalar: return fmt::format("\"{}\"", shortened(node_->text));
    case Node::Kind::list: return "a list";
    case Node::Kind::map: return "a map";
  }
  return "unknown";
}

void Reader::expect_keys(const std::vector<std::string>& known) const {
  if (!is_map()) fail(fmt::format("here belongs a map with {}, not {}", join(known, ", "), sort()));
  for (const Member& member : node_->members) {
    if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
    const std::string near = nearest(member.key, known);
    Reader here = *this;
    here.line_ = member.line;
    here.fail(
        fmt::format("unknown key \"{}\"{}", shortened(member.key),
                    near.empty() ? "; there are " + join(known, ", ") : "; did you mean \"" + near + "\"?"));
  }
}

std::optional<Reader> Reader::find(std::string_view key) const {
  for (const Member& member : node_->members)
    if (member.key == key && member.value.kind != Node::Kind::null)
      return Reader(member.value, *this, member.key, member.line);
  return std::nullopt;
}

Reader Reader::at(std::string_view key) const {
  if (const auto found = find(key)) return *found;
  fail(fmt::format("\"{}\" is missing", key));
}

std::vector<std::pair<std::string, Reader>> Reader::members() const {
  if (!is_null() && !is_map()) fail(fmt::format("here belongs a map, not {}", sort()));
  std::vector<std::pair<std::string, Reader>> out;
  for (const Member& member : node_->members)
    out.emplace_back(member.key, Reader(member.value, *this, member.key, member.line));
  return out;
}

std::vector<Reader> Reader::items() const {
  if (!is_null() && !is_list()) fail(fmt::format("here belongs a list, not {}", sort()));
  std::vector<Reader> out;
  for (std::size_t i = 0; i < node_->items.size(); ++i)
    out.push_back(Reader(node_->items[i], *this, fmt::format("[{}]", i), node_->items[i].line));
  return out;
}

std::string Reader::text() const {
  if (node_->kind != Node::Kind::scalar) fail(fmt::format("here belongs a text, not {}", sort()));
  return node_->text;
}

FreeText Reader::free_text() const {
  const std::string filled = text();
  try {
    FreeText free = FreeText::written(node_->written.value_or(filled));
    if (variables_) free.fill_in(*variables_);
    return free;
  } catch (const Error& error) {
    fail(error.what());
  }
}

std::string Reader::name() const {
  if (text().empty()) fail("it is empty");
  return node_->text;
}

bool Reader::boolean() const {
  if (node_->kind != Node::Kind::scalar || (node_->text != "true" && node_->text != "false"))
    fail(fmt::format("it must be true or false, not {}", sort()));
  return node_->text == "true";
}

long Reader::number(long least, long most) const {
  long number = 0;
  const std::string text = node_->kind == Node::Kind::scalar ? node_->text : "";
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size() || number < least ||
      number > most)
    fail(fmt::format("it must be a whole number from {} to {}, not {}", least, most, sort()));
  return number;
}

Duration Reader::duration() const {
  try {
    return parse_duration(text());
  } catch (const Error& error) {
    fail(error.what());
  }
}

std::size_t Reader::choice(const std::vector<std::string>& choices) const {
  const std::string chosen = text();
  const auto found = std::find(choices.begin(), choices.end(), chosen);
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  const std::string near = nearest(chosen, choices);
  fail(fmt::format("\"{}\" is none of {}{}", shortened(chosen), join(choices, ", "),
                   near.empty() ? "" : "; did you mean \"" + near + "\"?"));
}

std::vector<std::string> Reader::names() const {
  std::vector<std::string> out;
  for (const Reader& item : items()) out.push_back(item.name());
  return out;
}

}  // namespace syncflow
