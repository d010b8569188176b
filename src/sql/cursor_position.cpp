#include "sql/cursor_position.h"

#include <boost/json.hpp>

#include "core/error.h"

namespace syncflow::sql {
namespace {

namespace json = boost::json;

constexpr const char* kStages[] = {"load", "nulls", "sweep", "future", "done"};

json::value from_time(Time time) { return time.time_since_epoch().count(); }
Time to_time(const json::value& value) { return Time(std::chrono::microseconds(value.as_int64())); }

json::array from_texts(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

std::vector<std::string> to_texts(const json::value& value) {
  std::vector<std::string> texts;
  for (const auto& text : value.as_array()) texts.emplace_back(text.as_string());
  return texts;
}

void put_key(json::object& out, const char* name, const std::optional<Key>& key) {
  if (key) out[name] = from_texts(key->parts);
}

std::optional<Key> take_key(const json::object& in, const char* name) {
  const auto* value = in.if_contains(name);
  if (!value) return std::nullopt;
  return Key{to_texts(*value)};
}

json::object from_floor(const Floor& floor) {
  json::object out;
  if (floor.time) out["time"] = from_time(*floor.time);
  if (floor.text) out["text"] = *floor.text;
  put_key(out, "key", floor.key);
  return out;
}

Floor to_floor(const json::value& value) {
  const json::object& in = value.as_object();
  Floor floor;
  if (const auto* time = in.if_contains("time")) floor.time = to_time(*time);
  if (const auto* text = in.if_contains("text")) floor.text = std::string(text->as_string());
  floor.key = take_key(in, "key");
  return floor;
}

json::object from_mark(const Mark& mark) {
  json::object out{{"at", from_time(mark.at)},
                   {"open", from_texts({mark.open.begin(), mark.open.end()})},
                   {"top", mark.top_cursor}};
  if (mark.oldest_start) out["oldest"] = from_time(*mark.oldest_start);
  put_key(out, "top_key", mark.top_key);
  return out;
}

Mark to_mark(const json::value& value) {
  const json::object& in = value.as_object();
  Mark mark;
  mark.at = to_time(in.at("at"));
  for (std::string& name : to_texts(in.at("open"))) mark.open.insert(std::move(name));
  mark.top_cursor = in.at("top").as_string();
  if (const auto* oldest = in.if_contains("oldest")) mark.oldest_start = to_time(*oldest);
  mark.top_key = take_key(in, "top_key");
  return mark;
}

json::array from_marks(const std::vector<Mark>& marks) {
  json::array out;
  for (const Mark& mark : marks) out.push_back(from_mark(mark));
  return out;
}

std::vector<Mark> to_marks(const json::value& value) {
  std::vector<Mark> marks;
  for (const auto& mark : value.as_array()) marks.push_back(to_mark(mark));
  return marks;
}

json::object from_round(const Round& round) {
  json::object out{{"mark", from_mark(round.mark)},
                   {"start", from_floor(round.start)},
                   {"next_floor", from_floor(round.next_floor)},
                   {"next_marks", from_marks(round.next_marks)},
                   {"settles", round.settles},
                   {"waited", round.waited}};
  if (round.high_cursor) out["high_cursor"] = *round.high_cursor;
  put_key(out, "high_key", round.high_key);
  return out;
}

Round to_round(const json::value& value) {
  const json::object& in = value.as_object();
  Round round;
  round.mark = to_mark(in.at("mark"));
  round.start = to_floor(in.at("start"));
  round.next_floor = to_floor(in.at("next_floor"));
  round.next_marks = to_marks(in.at("next_marks"));
  round.settles = in.at("settles").as_bool();
  round.waited = in.at("waited").as_bool();
  if (const auto* high = in.if_contains("high_cursor")) round.high_cursor = std::string(high->as_string());
  round.high_key = take_key(in, "high_key");
  return round;
}

Stage to_stage(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kStages); ++i)
    if (name == kStages[i]) return static_cast<Stage>(i);
  throw Error(ErrorKind::position_lost, "the stored position names an unknown stage");
}

}  // namespace

Position CursorPosition::to_position() const {
  json::object out{{"strategy", "cursor"},
                   {"identity", identity},
                   {"cursor", cursor},
                   {"key", from_texts(key)},
                   {"stage", kStages[static_cast<int>(stage)]},
                   {"floor", from_floor(floor)},
                   {"recent", from_floor(recent)},
                   {"marks", from_marks(marks)},
                   {"looked_at", from_time(looked_at)},
                   {"closed", closed}};
  if (high_cursor) out["high_cursor"] = *high_cursor;
  put_key(out, "high_key", high_key);
  put_key(out, "high_null_key", high_null_key);
  if (stage != Stage::done) {
    out["round"] = from_round(round);
    out["after_cursor"] = after_cursor;
    put_key(out, "after_key", after_key);
  }
  return {json::serialize(out)};
}

CursorPosition CursorPosition::from(const Position& position) try {
  const json::value parsed = json::parse(position.token);
  const json::object& in = parsed.as_object();
  if (in.at("strategy").as_string() != "cursor")
    throw Error(ErrorKind::position_lost, "the stored position is one of another strategy");
  CursorPosition out;
  out.identity = in.at("identity").as_string();
  out.cursor = in.at("cursor").as_string();
  out.key = to_texts(in.at("key"));
  out.stage = to_stage(in.at("stage").as_string());
  out.floor = to_floor(in.at("floor"));
  out.recent = to_floor(in.at("recent"));
  out.marks = to_marks(in.at("marks"));
  out.looked_at = to_time(in.at("looked_at"));
  out.closed = in.at("closed").as_bool();
  if (const auto* high = in.if_contains("high_cursor")) out.high_cursor = std::string(high->as_string());
  out.high_key = take_key(in, "high_key");
  out.high_null_key = take_key(in, "high_null_key");
  if (const auto* round = in.if_contains("round")) {
    out.round = to_round(*round);
    out.after_cursor = in.at("after_cursor").as_string();
    out.after_key = take_key(in, "after_key");
  }
  return out;
} catch (const Error&) {
  throw;
} catch (const std::exception& error) {
  // The JSON library throws system_error, invalid_argument and out_of_range, by what is wrong.
  throw Error(ErrorKind::position_lost, std::string("the stored position cannot be read: ") + error.what());
}

}  // namespace syncflow::sql
