#include <fmt/core.h>
#include <gtest/gtest.h>

#include "testkit/memory_reader.h"
#include "testkit/notes_table.h"

/// Strategy `cursor` and transactions that commit after their rows' stamps were passed (DESIGN 5, "Late commits").
/// The engine here polls: it reads only when a look says that something may be new.
namespace syncflow::sql {
namespace {

using namespace std::chrono_literals;
using testkit::Call;
using testkit::instant;
using testkit::integer;
using testkit::NotesTable;

Duration overlap_of(Visibility visibility) {
  switch (visibility) {
    case Visibility::exact: return 5s;
    case Visibility::horizon: return 5min;
    case Visibility::none: return 15min;
  }
  return 15min;
}

std::string word_for(Visibility visibility) {
  switch (visibility) {
    case Visibility::exact: return "Exact";
    case Visibility::horizon: return "Horizon";
    case Visibility::none: return "None";
  }
  return "";
}

/// Polls while nothing happens, for twice the overlap.
void poll_quietly(NotesTable& notes, Visibility visibility) {
  for (int i = 0; i < 6; ++i) {
    notes.clock.advance(overlap_of(visibility) / 3 + 1s);
    notes.engine.poll();
  }
}

/// Other people's changes, polled one by one, for that long.
void poll_busily(NotesTable& notes, Duration time, Duration step = 1min) {
  static int changes = 0;
  for (Duration passed{0}; passed < time; passed += step) {
    notes.clock.advance(step);
    notes.put(900 + ++changes % 50, fmt::format("other change {}", changes));
    notes.engine.poll();
  }
}

class LateCommit : public ::testing::TestWithParam<Visibility> {
 protected:
  NotesTable notes{{.visibility = GetParam()}};
};

TEST_P(LateCommit, IsFoundThoughManyPollsPassedItsStamp) {
  notes.fill(20);
  notes.engine.read();
  const auto late = notes.database.begin();
  notes.put(*late, 5, "late update");
  notes.put(*late, 50, "late insert");
  poll_busily(notes, 14min);
  EXPECT_EQ(notes.copied_body(5), "filled");
  late->commit();
  poll_quietly(notes, GetParam());
  EXPECT_TRUE(notes.is_copied());
}

TEST_P(LateCommit, IsFoundThoughNothingElseHappens) {
  notes.fill(20);
  notes.engine.read();
  poll_quietly(notes, GetParam());
  const auto late = notes.database.begin();
  notes.put(*late, 5, "late update");
  for (int i = 0; i < 10; ++i) {
    notes.clock.advance(1min);
    notes.engine.poll();
  }
  late->commit();
  poll_quietly(notes, GetParam());
  EXPECT_TRUE(notes.is_copied());
}

TEST_P(LateCommit, IsFoundWhenEachStatementStampsItsOwnTime) {
  notes.fill(20);
  notes.engine.read();
  const auto late = notes.database.begin();
  for (std::int64_t id = 1; id <= 10; ++id) {
    notes.put(*late, id, "late", instant(notes.clock.now()));
    poll_busily(notes, 1min, 20s);
  }
  late->commit();
  poll_quietly(notes, GetParam());
  EXPECT_TRUE(notes.is_copied());
}

TEST_P(LateCommit, IsFoundAmongManyThatOverlap) {
  notes.fill(100);
  notes.engine.read();
  std::vector<std::unique_ptr<testkit::MemoryTransaction>> open;
  for (std::int64_t id = 1; id <= 60; ++id) {
    open.push_back(notes.database.begin());
    notes.put(*open.back(), id, "late");
    // They end in another order than they began, some undone.
    if (open.size() > 12) {
      const std::size_t ends = static_cast<std::size_t>(id * 7) % open.size();
      if (id % 5 == 0) open[ends]->rollback();
      else open[ends]->commit();
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(ends));
      if (open.front()->start() + 13min < notes.clock.now()) {
        open.front()->commit();
        open.erase(open.begin());
      }
    }
    poll_busily(notes, 30s, 10s);
  }
  for (auto& transaction : open) transaction->commit();
  poll_quietly(notes, GetParam());
  EXPECT_TRUE(notes.is_copied());
}

TEST_P(LateCommit, LeavesNothingBehindWhenItIsRolledBack) {
  notes.fill(20);
  notes.engine.read();
  const auto undone = notes.database.begin();
  notes.put(*undone, 5, "undone");
  poll_busily(notes, 5min);
  undone->rollback();
  poll_quietly(notes, GetParam());
  EXPECT_TRUE(notes.is_copied());
  EXPECT_EQ(notes.engine.read().applied, 0u);
  EXPECT_EQ(notes.engine.read().changes, 0u);
}

TEST_P(LateCommit, IsFoundByAnEngineThatDiesAllTheTime) {
  notes.fill(20);
  notes.engine.read();
  const auto late = notes.database.begin();
  for (std::int64_t id = 1; id <= 20; ++id) notes.put(*late, id, "late");
  for (std::size_t i = 0; i < 13; ++i) {
    notes.clock.advance(1min);
    notes.put(100 + static_cast<std::int64_t>(i), "another");
    notes.engine.poll(2, testkit::TinyEngine::Crash{i % 4, i % 2 == 0});
  }
  late->commit();
  for (std::size_t i = 0; i < 40; ++i) {
    notes.clock.advance(1min);
    notes.engine.poll(2, testkit::TinyEngine::Crash{1 + i % 3, i % 2 == 0});
  }
  poll_quietly(notes, GetParam());
  EXPECT_TRUE(notes.is_copied());
}

TEST_P(LateCommit, OfATransactionThatWasOpenWhenTheFirstLoadBeganIsFound) {
  notes.fill(50);
  const auto late = notes.database.begin();
  for (std::int64_t id = 1; id <= 50; id += 5) notes.put(*late, id, "open before the load");
  poll_busily(notes, 10min);
  EXPECT_EQ(notes.copied_body(6), "filled");
  late->commit();
  poll_quietly(notes, GetParam());
  EXPECT_TRUE(notes.is_copied());
}

TEST_P(LateCommit, WhileTheFirstLoadPassesIsFound) {
  notes.fill(200);
  const auto first = notes.database.begin();
  for (std::int64_t id = 1; id <= 200; id += 9) notes.put(*first, id, "open before the load");
  notes.clock.advance(1min);
  std::unique_ptr<testkit::MemoryTransaction> second;
  int pieces = 0;
  notes.database.calls().on(Call::read, [&](const std::string&) {
    ++pieces;
    notes.clock.advance(5s);
    if (pieces == 5) {
      second = notes.database.begin();
      for (std::int64_t id = 2; id <= 200; id += 9) notes.put(*second, id, "begun during the load");
    }
    if (pieces == 10) first->commit();
    if (pieces == 15) second->commit();
  });
  notes.engine.read(10);
  notes.database.calls().forget();
  EXPECT_GE(pieces, 20);
  poll_quietly(notes, GetParam());
  EXPECT_TRUE(notes.is_copied());
}

TEST_P(LateCommit, OfANumberThatAscendsIsFound) {
  NotesTable numbers({.visibility = GetParam(), .cursor = Type::int64});
  std::int64_t sequence = 0;
  for (std::int64_t id = 1; id <= 20; ++id) numbers.put(id, "loaded", integer(++sequence));
  numbers.engine.read();
  const auto late = numbers.database.begin();
  for (std::int64_t id = 1; id <= 5; ++id) numbers.put(*late, id, "late", integer(++sequence));
  for (std::int64_t id = 6; id <= 12; ++id) {
    numbers.clock.advance(1min);
    numbers.put(id, "meanwhile", integer(++sequence));
    numbers.engine.poll();
  }
  late->commit();
  poll_quietly(numbers, GetParam());
  EXPECT_TRUE(numbers.is_copied());
  EXPECT_EQ(numbers.engine.read().applied, 0u);
}

TEST_P(LateCommit, OfARowWithoutACursorIsFoundByItsKey) {
  NotesTable unstamped({.visibility = GetParam(), .nullable = true, .key_ascends = true});
  for (std::int64_t id = 1; id <= 20; ++id) unstamped.put(id, "loaded", Value::null());
  unstamped.engine.read();
  const auto late = unstamped.database.begin();
  unstamped.put(*late, 21, "late", Value::null());
  for (std::int64_t id = 22; id <= 30; ++id) {
    unstamped.clock.advance(1min);
    unstamped.put(id, "meanwhile", Value::null());
    unstamped.engine.poll();
  }
  late->commit();
  poll_quietly(unstamped, GetParam());
  EXPECT_TRUE(unstamped.is_copied());
  EXPECT_EQ(unstamped.engine.read().applied, 0u);
}

/// Between the mark of a read and its snapshot a transaction begins, and a later one ends.
TEST_P(LateCommit, OfATransactionThatBeganWhileAReadWasUnderWayIsFound) {
  for (const Type cursor : {Type::int64, Type::timestamp_tz}) {
    for (const bool unstamped : {false, true}) {
      NotesTable notes({.visibility = GetParam(), .cursor = cursor, .nullable = true, .key_ascends = true});
      const auto value = [&](std::int64_t number) {
        if (unstamped) return Value::null();
        return cursor == Type::int64 ? integer(number) : instant(notes.clock.now());
      };
      for (std::int64_t id = 1; id <= 5; ++id) notes.put(id, "loaded", value(id));
      notes.engine.read();
      poll_quietly(notes, GetParam());
      std::unique_ptr<testkit::MemoryTransaction> late;
      notes.put(6, "something to read", value(6));
      notes.database.calls().on(Call::select, [&](const std::string&) {
        if (late) return;
        late = notes.database.begin();
        notes.put(*late, 7, "late", value(7));
        notes.put(8, "in time", value(8));
      });
      notes.engine.poll();
      ASSERT_TRUE(late);
      late->commit();
      poll_quietly(notes, GetParam());
      EXPECT_TRUE(notes.is_copied()) << name_of(cursor) << (unstamped ? ", null" : "");
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Cursor, LateCommit,
                         ::testing::Values(Visibility::exact, Visibility::horizon, Visibility::none),
                         [](const auto& visibility) { return word_for(visibility.param); });

// --- what only some can see ---

class VeryLateCommit : public ::testing::TestWithParam<Visibility> {
 protected:
  NotesTable notes{{.visibility = GetParam()}};
};

TEST_P(VeryLateCommit, IsFoundDaysAfterItsStamp) {
  notes.fill(20);
  notes.engine.read();
  const auto late = notes.database.begin();
  notes.put(*late, 5, "late update");
  // More polls than marks are kept.
  poll_busily(notes, 72h, 20min);
  late->commit();
  notes.clock.advance(1min);
  notes.engine.poll();
  EXPECT_EQ(notes.copied_body(5), "late update");
  EXPECT_TRUE(notes.is_copied());
}

TEST_P(VeryLateCommit, DoesNotHoldBackThoseOfLaterTransactions) {
  notes.fill(20);
  notes.engine.read();
  const auto idle = notes.database.begin();
  notes.put(*idle, 1, "open for ever");
  poll_busily(notes, 5min);
  const auto late = notes.database.begin();
  notes.put(*late, 2, "late");
  poll_busily(notes, 20min);
  late->commit();
  for (int i = 0; i < 3; ++i) {
    notes.clock.advance(2min);
    notes.engine.poll();
  }
  EXPECT_EQ(notes.copied_body(2), "late");
  idle->commit();
  poll_quietly(notes, GetParam());
  EXPECT_TRUE(notes.is_copied());
}

INSTANTIATE_TEST_SUITE_P(Cursor, VeryLateCommit, ::testing::Values(Visibility::exact, Visibility::horizon),
                         [](const auto& visibility) { return word_for(visibility.param); });

TEST(ALookWithEveryTransactionVisible, SaysNoUntilTheOpenOneEnds) {
  NotesTable notes;
  notes.fill(20);
  notes.engine.read();
  notes.clock.advance(1min);
  const auto late = notes.database.begin();
  notes.put(*late, 5, "late update");
  notes.clock.advance(1min);
  notes.engine.read();
  for (int i = 0; i < 10; ++i) {
    notes.clock.advance(1min);
    EXPECT_EQ(notes.engine.look(), Changed::no);
  }
  late->commit();
  EXPECT_EQ(notes.engine.look(), Changed::perhaps);
  EXPECT_EQ(notes.engine.read().applied, 1u);
  EXPECT_TRUE(notes.is_copied());
  // Once more, for what may come below the row just read; then never.
  notes.clock.advance(1min);
  EXPECT_EQ(notes.engine.poll().applied, 0u);
  notes.clock.advance(1min);
  EXPECT_EQ(notes.engine.look(), Changed::no);
}

TEST(ALookWithEveryTransactionVisible, FindsAChangeThatTiesWithTheLastOneRead) {
  NotesTable notes;
  notes.fill(20);
  notes.engine.read();
  // Not a tick later, under a lower key than the highest one read.
  notes.put(3, "tie");
  notes.clock.advance(6s);
  EXPECT_EQ(notes.engine.look(), Changed::perhaps);
  notes.engine.read();
  EXPECT_TRUE(notes.is_copied());
  notes.clock.advance(6s);
  EXPECT_EQ(notes.engine.look(), Changed::no);
}

TEST(ALookWithEveryTransactionVisible, FindsAChangeInTheSameSecondOfACoarseClock) {
  NotesTable notes({.precision = 0});
  const auto second = [&] { return instant(std::chrono::floor<std::chrono::seconds>(notes.clock.now())); };
  notes.clock.advance(200ms);
  notes.put(1, "first", second());
  notes.put(9, "last", second());
  notes.engine.read();
  notes.clock.advance(300ms);
  notes.put(1, "changed in the same second", second());
  notes.clock.advance(6s);
  notes.engine.poll();
  EXPECT_TRUE(notes.is_copied());
}

TEST(ALookWithEveryTransactionVisible, FindsAChangeStampedByAClockThatIsBehind) {
  NotesTable notes;
  notes.fill(20);
  notes.engine.read();
  notes.clock.advance(1s);
  notes.put(3, "stamped three seconds ago", instant(notes.clock.now() - 3s));
  notes.clock.advance(6s);
  notes.engine.poll();
  EXPECT_TRUE(notes.is_copied());
}

TEST(ALookWithoutSightOfTransactions, IsDueEveryQuarterOfTheOverlap) {
  for (const Visibility visibility : {Visibility::horizon, Visibility::none}) {
    NotesTable notes({.visibility = visibility});
    notes.fill(20);
    notes.engine.read();
    poll_quietly(notes, visibility);
    notes.engine.read();
    const Duration quarter = overlap_of(visibility) / 4;
    notes.clock.advance(quarter - 1s);
    EXPECT_EQ(notes.engine.look(), Changed::no);
    notes.clock.advance(1s);
    EXPECT_EQ(notes.engine.look(), Changed::perhaps);
  }
}

TEST(Overlap, CanBeSetForTransactionsThatTakeLonger) {
  NotesTable notes({.visibility = Visibility::none, .overlap = 1h});
  notes.fill(20);
  notes.engine.read();
  const auto late = notes.database.begin();
  notes.put(*late, 5, "late update");
  poll_busily(notes, 55min);
  late->commit();
  notes.clock.advance(20min);
  notes.engine.poll();
  EXPECT_TRUE(notes.is_copied());
}

TEST(Method, SaysWhatCannotBeSeen) {
  NotesTable exact;
  EXPECT_EQ(exact.open_source()->method().find("missed"), std::string::npos);
  NotesTable none({.visibility = Visibility::none});
  const std::string words = none.open_source()->method();
  EXPECT_NE(words.find("missed"), std::string::npos) << words;
  EXPECT_NE(words.find("900 s"), std::string::npos) << words;
}

TEST(FirstLoad, WaitsASecondOrTwoForOpenTransactionsRatherThanReadEverythingTwice) {
  NotesTable notes({.visibility = Visibility::horizon});
  notes.fill(100);
  auto open = notes.database.begin();
  notes.put(*open, 5, "about to commit");
  int asked = 0;
  notes.database.calls().on(Call::open_now, [&](const std::string&) {
    if (++asked == 5) open->commit();
  });
  const auto figures = notes.engine.read(1000);
  EXPECT_GE(asked, 5);
  EXPECT_TRUE(notes.is_copied());
  // The overlap is read again, and dropped; nothing more.
  EXPECT_LE(figures.changes, 200u);
  EXPECT_EQ(figures.applied, 100u);
}

}  // namespace
}  // namespace syncflow::sql
