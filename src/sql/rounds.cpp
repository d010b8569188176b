#include "sql/rounds.h"

#include <algorithm>

namespace syncflow::sql {
namespace {

/// More would only make positions long: dropping one between others makes a later start, never a gap.
constexpr std::size_t kMostMarks = 32;

bool some_ended(const Mark& mark, const std::set<std::string>& open) {
  return std::any_of(mark.open.begin(), mark.open.end(),
                     [&](const std::string& name) { return open.count(name) == 0; });
}

void forget_ended(Mark& mark, const std::set<std::string>& open) {
  std::erase_if(mark.open, [&](const std::string& name) { return open.count(name) == 0; });
}

void thin_out(std::vector<Mark>& marks) {
  // The oldest and the newest stay; between them every other one goes.
  for (std::size_t i = 1; marks.size() > kMostMarks && i + 1 < marks.size(); ++i)
    marks.erase(marks.begin() + static_cast<std::ptrdiff_t>(i));
}

}  // namespace

Floor RoundPlanner::floor_of(const Mark& mark) const {
  Floor floor;
  if (kind_ == CursorKind::time)
    floor.time = std::min(mark.at, mark.oldest_start.value_or(mark.at)) - overlap_;
  else if (!mark.top_cursor.empty()) floor.text = mark.top_cursor;
  floor.key = mark.top_key;
  return floor;
}

bool RoundPlanner::is_quiet(const Mark& mark, Time now, const std::set<std::string>& open) const {
  if (visibility_ == Visibility::none) return now >= mark.at + overlap_;
  return std::none_of(mark.open.begin(), mark.open.end(),
                      [&](const std::string& name) { return open.count(name) != 0; });
}

Round RoundPlanner::begin(const CursorPosition& position, const Mark& mark) const {
  Round round;
  round.mark = mark;
  round.waited = mark.at >= position.looked_at + overlap_;
  round.high_cursor = position.high_cursor;
  round.high_key = position.high_key;
  const bool fresh_is_quiet = is_quiet(mark, mark.at, mark.open);
  const auto newest_quiet =
      std::find_if(position.marks.rbegin(), position.marks.rend(),
                   [&](const Mark& older) { return is_quiet(older, mark.at, mark.open); });
  const bool settles = position.marks.empty() || newest_quiet != position.marks.rend();

  round.settles = settles;
  round.start = settles ? position.floor : unsettled_start(position, mark.open);
  round.next_floor = position.floor;
  if (settles && fresh_is_quiet) round.next_floor = floor_of(mark);
  else if (newest_quiet != position.marks.rend()) round.next_floor = floor_of(*newest_quiet);
  if (times_settle_at_once()) {
    // Keys are marked only where rows without a cursor are read by them.
    round.settles = settles || !mark.top_key;
    round.start.time = position.floor.time;
    round.next_floor.time = floor_of(mark).time;
  }

  for (auto older = newest_quiet.base(); older != position.marks.end(); ++older) {
    round.next_marks.push_back(*older);
    forget_ended(round.next_marks.back(), mark.open);
  }
  if (!fresh_is_quiet) round.next_marks.push_back(mark);
  thin_out(round.next_marks);
  return round;
}

/// One transaction that stays open must not hide what others commit meanwhile: the rows of one that has ended
/// are stamped at or above the floor of the last mark at which it had not begun.
Floor RoundPlanner::unsettled_start(const CursorPosition& position, const std::set<std::string>& open) const {
  for (std::size_t i = 0; i < position.marks.size(); ++i)
    if (some_ended(position.marks[i], open)) return i == 0 ? position.floor : floor_of(position.marks[i - 1]);
  return position.recent;
}

void RoundPlanner::after_load(CursorPosition& position, const Mark& mark, bool quiet) const {
  position.recent = floor_of(mark);
  position.floor = {};
  position.marks.clear();
  if (quiet) {
    position.floor = floor_of(mark);
    return;
  }
  // Rows of transactions that were open when the load began may have been passed by it. Where their starts
  // are known the floor covers them; else everything is read once more when they have ended.
  if (times_settle_at_once()) position.floor.time = floor_of(mark).time;
  position.marks.push_back(mark);
}

void RoundPlanner::after_round(CursorPosition& position) const {
  const Round& round = position.round;
  position.floor = round.next_floor;
  position.recent = floor_of(round.mark);
  position.marks = round.next_marks;
  if (round.settles || times_settle_at_once() || visibility_ == Visibility::exact)
    position.looked_at = round.mark.at;
  position.closed =
      round.waited && position.high_cursor == round.high_cursor && position.high_key == round.high_key;
}

bool RoundPlanner::look_is_due(const CursorPosition& position, Time now,
                               const std::set<std::string>& open) const {
  if (visibility_ != Visibility::exact && now >= position.looked_at + overlap_ / 4) return true;
  if (!position.closed && now >= position.looked_at + overlap_) return true;
  return std::any_of(position.marks.begin(), position.marks.end(),
                     [&](const Mark& mark) { return some_ended(mark, open); });
}

}  // namespace syncflow::sql
