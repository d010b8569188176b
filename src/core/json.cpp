#include "core/json.h"

#include <fmt/core.h>

#include <cmath>

#include "core/text.h"

namespace syncflow {
namespace {

void append(const boost::json::value& value, std::string& out);

/// JSON is UTF-8, while a message from a server may hold anything.
void append(std::string_view text, std::string& out) {
  out += boost::json::serialize(boost::json::string(is_utf8(text) ? std::string(text) : repaired_utf8(text)));
}

void append(const boost::json::array& array, std::string& out) {
  out += '[';
  for (const boost::json::value& element : array) {
    if (&element != array.data()) out += ',';
    append(element, out);
  }
  out += ']';
}

void append(const boost::json::object& object, std::string& out) {
  out += '{';
  bool first = true;
  for (const auto& member : object) {
    if (!first) out += ',';
    first = false;
    append(std::string_view(member.key()), out);
    out += ':';
    append(member.value(), out);
  }
  out += '}';
}

void append(const boost::json::value& value, std::string& out) {
  if (const auto* object = value.if_object()) return append(*object, out);
  if (const auto* array = value.if_array()) return append(*array, out);
  if (const auto* text = value.if_string()) return append(std::string_view(*text), out);
  // JSON has no word for infinities.
  if (const auto* number = value.if_double())
    out += std::isfinite(*number) ? fmt::format("{}", *number) : "null";
  else out += boost::json::serialize(value);
}

}  // namespace

std::string to_json_text(const boost::json::value& value) {
  std::string out;
  append(value, out);
  return out;
}

}  // namespace syncflow
