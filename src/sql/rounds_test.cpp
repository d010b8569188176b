#include "sql/rounds.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace syncflow::sql {
namespace {

using namespace std::chrono_literals;

Time at(int second) { return Time(std::chrono::seconds(1'704'067'200 + second)); }

Mark mark(int second, std::set<std::string> open = {}, std::optional<int> oldest = {}) {
  Mark out;
  out.at = at(second);
  out.open = std::move(open);
  if (oldest) out.oldest_start = at(*oldest);
  return out;
}

Mark mark_of_number(int second, std::string top, std::set<std::string> open = {}) {
  Mark out = mark(second, std::move(open));
  out.top_cursor = std::move(top);
  return out;
}

/// What stands after a round that began at `mark` has been read.
CursorPosition after(const RoundPlanner& planner, CursorPosition position, const Mark& mark) {
  position.round = planner.begin(position, mark);
  planner.after_round(position);
  return position;
}

CursorPosition loaded(const RoundPlanner& planner, const Mark& mark, bool quiet = true) {
  CursorPosition position;
  position.looked_at = mark.at;
  planner.after_load(position, mark, quiet);
  return position;
}

TEST(RoundPlannerWithStarts, BeginsAnOverlapBeforeTheOldestOpenTransaction) {
  const RoundPlanner planner(CursorKind::time, Visibility::exact, 5s);
  EXPECT_EQ(planner.floor_of(mark(100)).time, at(95));
  EXPECT_EQ(planner.floor_of(mark(100, {"a"}, 40)).time, at(35));
  // A start that is younger than the mark's clock reading does not raise it.
  EXPECT_EQ(planner.floor_of(mark(100, {"a"}, 101)).time, at(95));
}

TEST(RoundPlannerWithStarts, MovesItsFloorAtOnce) {
  const RoundPlanner planner(CursorKind::time, Visibility::exact, 5s);
  CursorPosition position = loaded(planner, mark(100));
  const Round round = planner.begin(position, mark(200, {"a"}, 150));
  EXPECT_EQ(round.start.time, at(95));
  EXPECT_EQ(round.next_floor.time, at(145));
  EXPECT_TRUE(round.settles);
  position = after(planner, position, mark(200, {"a"}, 150));
  EXPECT_EQ(planner.begin(position, mark(300)).start.time, at(145));
}

TEST(RoundPlannerWithTheHorizon, HoldsItsFloorUntilEveryMarkedTransactionHasEnded) {
  const RoundPlanner planner(CursorKind::time, Visibility::horizon, 300s);
  CursorPosition position = loaded(planner, mark(1000));
  EXPECT_EQ(position.floor.time, at(700));

  position = after(planner, position, mark(2000, {"a"}));
  EXPECT_EQ(position.floor.time, at(700));
  EXPECT_EQ(position.recent.time, at(1700));

  const Round waiting = planner.begin(position, mark(3000, {"a", "b"}));
  EXPECT_FALSE(waiting.settles);
  EXPECT_EQ(waiting.start.time, at(1700));
  EXPECT_EQ(waiting.next_floor.time, at(700));
  position = after(planner, position, mark(3000, {"a", "b"}));
  ASSERT_EQ(position.marks.size(), 2u);

  // "a" has ended: the mark of 2000 is quiet, the one of 3000 is not.
  const Round settling = planner.begin(position, mark(4000, {"b"}));
  EXPECT_TRUE(settling.settles);
  EXPECT_EQ(settling.start.time, at(700));
  EXPECT_EQ(settling.next_floor.time, at(1700));
  position = after(planner, position, mark(4000, {"b"}));
  ASSERT_EQ(position.marks.size(), 2u);

  position = after(planner, position, mark(5000));
  EXPECT_EQ(position.floor.time, at(4700));
  EXPECT_TRUE(position.marks.empty());
}

TEST(RoundPlannerWithTheHorizon, ReadsWhatOthersCommittedBesideATransactionThatStaysOpen) {
  const RoundPlanner planner(CursorKind::time, Visibility::horizon, 300s);
  CursorPosition position = loaded(planner, mark(1000));
  position = after(planner, position, mark(2000, {"idle"}));
  position = after(planner, position, mark(3000, {"idle"}));
  position = after(planner, position, mark(4000, {"idle", "late"}));
  position = after(planner, position, mark(5000, {"idle", "late"}));
  // "late" began after the mark of 3000.
  const Round round = planner.begin(position, mark(6000, {"idle"}));
  EXPECT_FALSE(round.settles);
  EXPECT_EQ(round.start.time, at(2700));
  // And only once.
  position = after(planner, position, mark(6000, {"idle"}));
  EXPECT_EQ(planner.begin(position, mark(7000, {"idle"})).start.time, at(5700));
}

TEST(RoundPlannerWithTheHorizon, ReadsFromTheFloorWhenOneOfTheFirstMarkHasEnded) {
  const RoundPlanner planner(CursorKind::time, Visibility::horizon, 300s);
  CursorPosition position = loaded(planner, mark(1000));
  position = after(planner, position, mark(2000, {"idle", "late"}));
  const Round round = planner.begin(position, mark(3000, {"idle"}));
  EXPECT_FALSE(round.settles);
  EXPECT_EQ(round.start.time, at(700));
}

TEST(RoundPlannerWithTheHorizon, ReadsEverythingOnceMoreWhenTheLoadWasNotQuiet) {
  const RoundPlanner planner(CursorKind::time, Visibility::horizon, 300s);
  CursorPosition position = loaded(planner, mark(1000, {"a"}), false);
  EXPECT_EQ(position.floor, Floor());
  EXPECT_EQ(position.recent.time, at(700));
  position = after(planner, position, mark(2000, {"a"}));
  EXPECT_EQ(planner.begin(position, mark(3000)).start, Floor());
  position = after(planner, position, mark(3000));
  EXPECT_EQ(position.floor.time, at(2700));
}

TEST(RoundPlannerWithTheHorizon, KeepsFewMarksAndLosesNoneThatMatters) {
  const RoundPlanner planner(CursorKind::time, Visibility::horizon, 300s);
  CursorPosition position = loaded(planner, mark(0));
  const Floor floor = position.floor;
  for (int second = 10; second < 5000; second += 10) {
    position = after(planner, position, mark(second, {"idle", "t" + std::to_string(second)}));
    ASSERT_LE(position.marks.size(), 32u);
    EXPECT_EQ(position.floor, floor);
    EXPECT_EQ(position.marks.front().at, at(10));
    EXPECT_EQ(position.marks.back().at, at(second));
  }
  position = after(planner, position, mark(5000));
  EXPECT_EQ(position.floor.time, at(4700));
}

TEST(RoundPlannerWithoutSight, GoesByTheClockAlone) {
  const RoundPlanner planner(CursorKind::time, Visibility::none, 900s);
  CursorPosition position = loaded(planner, mark(1000), false);
  EXPECT_EQ(position.floor.time, at(100));
  EXPECT_EQ(planner.begin(position, mark(1060)).start.time, at(100));
  position = after(planner, position, mark(1060));
  EXPECT_EQ(position.floor.time, at(160));
}

TEST(RoundPlannerWithoutSight, HoldsBackNumbersUntilTheOverlapHasPassed) {
  const RoundPlanner planner(CursorKind::ascending, Visibility::none, 900s);
  CursorPosition position = loaded(planner, mark_of_number(1000, "#10"), false);
  EXPECT_EQ(position.floor, Floor());
  position = after(planner, position, mark_of_number(1100, "#20"));
  EXPECT_EQ(position.floor, Floor());
  EXPECT_EQ(position.recent.text, "#20");
  const Round round = planner.begin(position, mark_of_number(1950, "#30"));
  EXPECT_TRUE(round.settles);
  EXPECT_EQ(round.start, Floor());
  EXPECT_EQ(round.next_floor.text, "#10");
}

TEST(RoundPlannerOfNumbers, MovesToTheHighestNumberOfAQuietMark) {
  const RoundPlanner planner(CursorKind::ascending, Visibility::exact, 5s);
  CursorPosition position = loaded(planner, mark_of_number(1000, "#10"));
  EXPECT_EQ(position.floor.text, "#10");
  position = after(planner, position, mark_of_number(1100, "#20", {"a"}));
  EXPECT_EQ(position.floor.text, "#10");
  position = after(planner, position, mark_of_number(1200, "#30"));
  EXPECT_EQ(position.floor.text, "#30");
}

TEST(RoundPlannerOfNullCursors, SettlesTheirKeysOnlyWhenTheMarkIsQuiet) {
  const RoundPlanner planner(CursorKind::time, Visibility::exact, 5s);
  const auto with_key = [](Mark mark, const char* key) {
    mark.top_key = Key{{key}};
    return mark;
  };
  CursorPosition position = loaded(planner, with_key(mark(100), "10"));
  position = after(planner, position, with_key(mark(200, {"a"}, 150), "20"));
  EXPECT_EQ(position.floor.time, at(145));
  EXPECT_EQ(position.floor.key, Key{{"10"}});
  const Round waiting = planner.begin(position, with_key(mark(300, {"a"}, 150), "30"));
  EXPECT_FALSE(waiting.settles);
  EXPECT_EQ(waiting.start.key, Key{{"20"}});
  const Round settling = planner.begin(position, with_key(mark(400), "40"));
  EXPECT_TRUE(settling.settles);
  EXPECT_EQ(settling.start.key, Key{{"10"}});
  EXPECT_EQ(settling.next_floor.key, Key{{"40"}});
}

TEST(Look, IsDueWhenAMarkedTransactionHasEnded) {
  const RoundPlanner planner(CursorKind::time, Visibility::exact, 5s);
  CursorPosition position = loaded(planner, mark(100));
  position = after(planner, position, mark(200, {"a", "b"}, 150));
  position.closed = true;
  EXPECT_FALSE(planner.look_is_due(position, at(5000), {"a", "b", "c"}));
  EXPECT_TRUE(planner.look_is_due(position, at(201), {"b", "c"}));
}

TEST(Look, IsDueOnceMoreAfterTheHighPositionMoved) {
  const RoundPlanner planner(CursorKind::time, Visibility::exact, 5s);
  CursorPosition position = loaded(planner, mark(100));
  position.round = planner.begin(position, mark(100));
  position.high_cursor = "@100";
  planner.after_round(position);
  EXPECT_FALSE(planner.look_is_due(position, at(104), {}));
  EXPECT_TRUE(planner.look_is_due(position, at(105), {}));
  // A round too early says nothing; one an overlap later does.
  EXPECT_FALSE(after(planner, position, mark(103)).closed);
  EXPECT_TRUE(after(planner, position, mark(105)).closed);
  EXPECT_FALSE(planner.look_is_due(after(planner, position, mark(105)), at(5000), {}));
}

TEST(Look, IsDueByTheClockWhereStartsCannotBeSeen) {
  for (const Visibility visibility : {Visibility::horizon, Visibility::none}) {
    const RoundPlanner planner(CursorKind::time, visibility, 400s);
    CursorPosition position = after(planner, loaded(planner, mark(1000)), mark(2000));
    position.closed = true;
    EXPECT_FALSE(planner.look_is_due(position, at(2099), {}));
    EXPECT_TRUE(planner.look_is_due(position, at(2100), {}));
  }
}

TEST(CursorPositionText, KeepsEveryPart) {
  CursorPosition position;
  position.identity = "server \"1\"\n";
  position.cursor = "changed";
  position.key = {"a", "b"};
  position.stage = Stage::future;
  position.round.mark = mark_of_number(7, "#9", {"x", "y"});
  position.round.mark.oldest_start = at(3);
  position.round.mark.top_key = Key{{"1", "\xc3\xa4"}};
  position.round.start.text = "#1";
  position.round.next_floor.time = at(5);
  position.round.next_floor.key = Key{{"", "2"}};
  position.round.next_marks = {mark(1, {"z"})};
  position.round.settles = true;
  position.round.waited = true;
  position.round.high_cursor = "#3";
  position.round.high_key = Key{{"5", "6"}};
  position.after_cursor = "#4";
  position.after_key = Key{{"3", "4"}};
  position.floor.time = at(-100);
  position.recent.text = "";
  position.marks = {mark(2), mark(3, {"t"})};
  position.looked_at = at(8);
  position.closed = true;
  position.high_cursor = "";
  position.high_key = Key{{"7", "8"}};
  position.high_null_key = Key{{"9", "0"}};
  const Position text = position.to_position();
  const CursorPosition again = CursorPosition::from(text);
  EXPECT_EQ(again.to_position(), text);
  EXPECT_EQ(again.identity, position.identity);
  EXPECT_EQ(again.round.mark.oldest_start, position.round.mark.oldest_start);
  EXPECT_EQ(again.round.mark.top_key, position.round.mark.top_key);
  EXPECT_EQ(again.round.next_floor, position.round.next_floor);
  EXPECT_EQ(again.round.high_key, position.round.high_key);
  EXPECT_EQ(again.recent, position.recent);
  EXPECT_EQ(again.high_cursor, position.high_cursor);
  EXPECT_EQ(again.high_null_key, position.high_null_key);
  EXPECT_TRUE(again.closed);
}

/// Cut anywhere, a stored position is refused; it never reads on from somewhere else.
TEST(CursorPositionText, IsRefusedWhenItIsDamaged) {
  CursorPosition position;
  position.stage = Stage::sweep;
  position.high_cursor = "#1";
  const std::string token = position.to_position().token;
  for (std::size_t size = 0; size < token.size(); ++size) {
    try {
      CursorPosition::from({token.substr(0, size)});
      ADD_FAILURE() << "accepted " << token.substr(0, size);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::position_lost);
    }
  }
}

}  // namespace
}  // namespace syncflow::sql
