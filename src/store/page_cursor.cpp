#include "store/page_cursor.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "core/text.h"

namespace syncflow {
namespace {

Error no_cursor(const Page& page) {
  return {ErrorKind::bad_config,
          fmt::format("\"{}\" is not a cursor that an earlier page gave", page.cursor)};
}

}  // namespace

std::int64_t seq_below(const Page& page) {
  if (page.cursor.empty()) return std::numeric_limits<std::int64_t>::max();
  std::int64_t seq = 0;
  const char* end = page.cursor.data() + page.cursor.size();
  const auto [stopped, error] = std::from_chars(page.cursor.data(), end, seq);
  if (error != std::errc() || stopped != end) throw no_cursor(page);
  return seq;
}

Key sync_behind(const Page& page) {
  if (page.cursor.empty()) return Key{{"", ""}};
  try {
    Key key = Key::from_json(from_hex(page.cursor));
    if (key.parts.size() == 2) return key;
  } catch (const Error&) {
    // Of a kind that blames us: other keys than this one only the store itself writes.
  }
  throw no_cursor(page);
}

std::string cursor_behind(const Sync& last) { return to_hex(Key{{last.name, last.id}}.to_json()); }

}  // namespace syncflow
