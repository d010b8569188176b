#include "sql/table_source.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "testkit/memory_reader.h"
#include "testkit/notes_table.h"

/// Strategy `cursor` without late commits: order, ties, restarts, cursors that are null or absurd, positions.
namespace syncflow::sql {
namespace {

using namespace std::chrono_literals;
using testkit::Call;
using testkit::instant;
using testkit::integer;
using testkit::NotesTable;
using testkit::TinyEngine;
using Crash = TinyEngine::Crash;

template <typename Function>
ErrorKind kind_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::bug;
}

/// Reads with a death after each batch, until the copy is the table: no more deaths than there are batches.
void read_dying_after_each_batch(NotesTable& notes, std::size_t max_rows, bool after_write) {
  const std::size_t batches = notes.database.size("notes") / max_rows + 3;
  for (std::size_t deaths = 0; deaths <= 2 * batches && !notes.is_copied(); ++deaths)
    notes.engine.read(max_rows, Crash{1, after_write});
  EXPECT_TRUE(notes.is_copied());
}

TEST(CursorSource, CopiesATableAndThenOnlyWhatChanged) {
  NotesTable notes;
  notes.fill(100);
  EXPECT_TRUE(notes.engine.read(7).caught_up);
  EXPECT_TRUE(notes.is_copied());
  notes.clock.advance(1min);
  EXPECT_EQ(notes.engine.read(7).applied, 0u);
  notes.put(50, "changed");
  notes.put(101, "new");
  EXPECT_EQ(notes.engine.read(7).applied, 2u);
  EXPECT_TRUE(notes.is_copied());
}

TEST(CursorSource, ReadsNothingTwiceOnceTheOverlapHasPassed) {
  NotesTable notes;
  notes.fill(100);
  notes.engine.read();
  notes.clock.advance(10s);
  notes.engine.read();
  notes.clock.advance(10s);
  const auto figures = notes.engine.read();
  EXPECT_EQ(figures.changes, 0u);
  EXPECT_EQ(notes.engine.window_rows(), 0u);
}

TEST(CursorSource, GoesOnInsideATieThatIsLargerThanManyBatches) {
  NotesTable notes;
  notes.put(1, "first");
  notes.engine.read();
  notes.clock.advance(1h);
  notes.fill(1000, "bulk");
  const auto figures = notes.engine.read(10);
  EXPECT_EQ(figures.changes, 1000u);
  EXPECT_GE(figures.batches, 100u);
  EXPECT_TRUE(notes.is_copied());
}

class Restarts : public ::testing::TestWithParam<bool> {};

TEST_P(Restarts, AfterEachBatchOfAFirstLoadLoseNothing) {
  NotesTable notes;
  notes.fill(97);
  read_dying_after_each_batch(notes, 3, GetParam());
  notes.engine.read();
  EXPECT_EQ(notes.engine.read().applied, 0u);
}

TEST_P(Restarts, AfterEachBatchOfATieLoseNothing) {
  NotesTable notes;
  notes.fill(200);
  notes.engine.read();
  notes.clock.advance(1h);
  notes.fill(200, "bulk");
  read_dying_after_each_batch(notes, 3, GetParam());
  notes.engine.read();
  EXPECT_EQ(notes.engine.read().applied, 0u);
}

TEST_P(Restarts, InAnyOneBatchLoseNothing) {
  for (std::size_t batch = 0; batch < 40; ++batch) {
    NotesTable notes({.nullable = true});
    notes.fill(40);
    for (std::int64_t id = 50; id < 60; ++id) notes.put(id, "no cursor", Value::null());
    for (std::int64_t id = 60; id < 70; ++id) notes.put(id, "for ever", Value::native("infinity"));
    notes.engine.read(3, Crash{batch, GetParam()});
    notes.clock.advance(1min);
    notes.put(5, "changed");
    notes.put(55, "changed in place", Value::null());
    notes.put(65, "changed in place", Value::native("infinity"));
    notes.engine.read(3);
    ASSERT_TRUE(notes.is_copied()) << "after a death in batch " << batch;
    ASSERT_EQ(notes.engine.read().applied, 0u) << "after a death in batch " << batch;
  }
}

TEST_P(Restarts, WithWritersBetweenThemLoseNothing) {
  NotesTable notes;
  notes.fill(60);
  for (int i = 0; i < 200; ++i) {
    notes.clock.advance(100ms);
    notes.put(1 + i * 7 % 60, fmt::format("change {}", i));
    notes.engine.read(2, Crash{2, GetParam()});
  }
  notes.engine.read();
  EXPECT_TRUE(notes.is_copied());
}

INSTANTIATE_TEST_SUITE_P(Cursor, Restarts, ::testing::Bool(), [](const auto& param_info) {
  return param_info.param ? "AfterTheWrite" : "BeforeTheWrite";
});

TEST(CursorSource, GivesTheSameRowsAgainWhenReadTwiceFromAPosition) {
  NotesTable notes;
  notes.fill(20);
  const auto first = notes.open_source();
  first->open({});
  const Batch once = first->next(6, SIZE_MAX);
  const auto second = notes.open_source();
  second->open({});
  const Batch again = second->next(6, SIZE_MAX);
  ASSERT_EQ(once.rows(), 6u);
  ASSERT_EQ(again.rows(), 6u);
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_EQ(hash_row(once.changes[i].row), hash_row(again.changes[i].row));
  EXPECT_TRUE(once.loading);
  EXPECT_TRUE(once.listing_begins);
  EXPECT_FALSE(once.caught_up);
}

TEST(CursorSource, EndsABatchAtItsBytesToo) {
  NotesTable notes;
  notes.fill(50, std::string(1000, 'x'));
  const auto source = notes.open_source();
  source->open({});
  const Batch batch = source->next(1000, 5000);
  EXPECT_GE(batch.rows(), 1u);
  EXPECT_LE(batch.rows(), 6u);
}

TEST(CursorSource, TakesAResultInSmallPieces) {
  NotesTable notes;
  notes.database.set_piece_rows(1);
  notes.fill(50);
  EXPECT_TRUE(notes.engine.read(10).caught_up);
  EXPECT_TRUE(notes.is_copied());
}

TEST(CursorSource, BeginsANewStatementWhenOneWasReadForLong) {
  NotesTable notes;
  notes.fill(50);
  const auto source = notes.open_source();
  source->open({});
  source->next(10, SIZE_MAX);
  const auto before = notes.database.calls().count(Call::select);
  source->next(10, SIZE_MAX);
  EXPECT_EQ(notes.database.calls().count(Call::select), before);
  notes.clock.advance(3min);
  const Batch batch = source->next(10, SIZE_MAX);
  EXPECT_EQ(notes.database.calls().count(Call::select), before + 1);
  EXPECT_EQ(key_of(batch.schema(), batch.changes.front()).parts.front(), "21");
}

TEST(CursorSource, KeepsToTheEndThatWasFixedWhenTheReadBegan) {
  NotesTable notes;
  notes.fill(10);
  notes.engine.read();
  std::int64_t next = 100;
  // A writer that is faster than the reader must not keep it for ever.
  notes.database.calls().on(Call::read, [&](const std::string&) {
    notes.clock.advance(1s);
    notes.put(next, "meanwhile");
    ++next;
  });
  EXPECT_LT(notes.engine.read(1).batches, 30u);
}

TEST(CursorSource, FindsRowsThatABulkUpdateMovedBehindTheFirstLoad) {
  NotesTable notes;
  notes.fill(500);
  int pieces = 0;
  notes.database.calls().on(Call::read, [&](const std::string&) {
    if (++pieces != 25) return;
    notes.clock.advance(10min);
    notes.fill(500, "updated while the load was half done");
  });
  notes.engine.read(10);
  EXPECT_TRUE(notes.is_copied());
}

TEST(CursorSource, FindsRowsThatWereInsertedBehindTheFirstLoad) {
  NotesTable notes;
  for (std::int64_t id = 100; id < 200; ++id) notes.put(id, "loaded");
  int pieces = 0;
  notes.database.calls().on(Call::read, [&](const std::string&) {
    notes.clock.advance(30s);
    if (++pieces < 20) notes.put(pieces, "behind");
  });
  notes.engine.read(5, Crash{10, false});
  notes.engine.read(5);
  EXPECT_TRUE(notes.is_copied());
}

TEST(CursorSource, FindsWhatWasUpdatedAwayFromAheadOfTheSweep) {
  NotesTable notes;
  notes.fill(10);
  notes.engine.read();
  for (std::int64_t id = 1; id <= 50; ++id) {
    notes.clock.advance(1s);
    notes.put(id, "to be swept");
  }
  bool once = false;
  notes.database.calls().on(Call::read, [&](const std::string&) {
    if (std::exchange(once, true)) return;
    notes.clock.advance(1s);
    for (std::int64_t id = 1; id <= 50; id += 3) notes.put(id, "moved ahead");
  });
  notes.engine.read(4);
  notes.engine.read(4);
  EXPECT_TRUE(notes.is_copied());
}

// --- cursors that are null, in the future or infinite ---

TEST(CursorSource, FindsRowsWithoutACursorWhoseKeyAscends) {
  NotesTable notes({.nullable = true, .key_ascends = true});
  notes.put(1, "stamped");
  notes.put(2, "unstamped", Value::null());
  notes.engine.read();
  EXPECT_TRUE(notes.is_copied());
  EXPECT_EQ(notes.engine.look(), Changed::no);
  notes.put(3, "unstamped too", Value::null());
  EXPECT_EQ(notes.engine.look(), Changed::perhaps);
  EXPECT_EQ(notes.engine.read().applied, 1u);
  EXPECT_TRUE(notes.is_copied());
}

TEST(CursorSource, FindsChangesOfRowsWithoutACursorByComparingThem) {
  NotesTable notes({.nullable = true});
  notes.put(5, "five", Value::null());
  notes.put(9, "nine", Value::null());
  notes.put(7, "seven");
  notes.engine.read();
  EXPECT_TRUE(notes.is_copied());
  notes.put(5, "changed in place", Value::null());
  notes.put(2, "new, with a lower key", Value::null());
  notes.put(7, "lost its cursor", Value::null());
  notes.put(9, "got one");
  EXPECT_EQ(notes.engine.look(), Changed::perhaps);
  EXPECT_EQ(notes.engine.read().applied, 4u);
  EXPECT_TRUE(notes.is_copied());
  EXPECT_EQ(notes.engine.read().applied, 0u);
}

TEST(CursorSource, TreatsAStampBelowEveryTimeAsNone) {
  NotesTable notes({.nullable = true});
  notes.put(1, "before everything", Value::native("-infinity"));
  notes.engine.read();
  notes.put(1, "changed in place", Value::native("-infinity"));
  notes.put(2, "another", Value::native("-infinity"));
  EXPECT_EQ(notes.engine.read().applied, 2u);
  EXPECT_TRUE(notes.is_copied());
}

TEST(CursorSource, IsNotMovedByStampsOfTheFarFuture) {
  NotesTable notes;
  notes.put(1, "far", instant(Time(std::chrono::seconds(32'503'680'000))));
  notes.put(2, "for ever", Value::native("infinity"));
  notes.put(3, "now");
  notes.engine.read();
  EXPECT_TRUE(notes.is_copied());
  notes.clock.advance(1min);
  notes.put(4, "later");
  notes.put(1, "far, changed in place", instant(Time(std::chrono::seconds(32'503'680'000))));
  notes.put(2, "for ever, changed in place", Value::native("infinity"));
  EXPECT_EQ(notes.engine.read().applied, 3u);
  EXPECT_TRUE(notes.is_copied());
  EXPECT_EQ(notes.engine.read().applied, 0u);
}

TEST(CursorSource, TakesUpRowsOfTheFutureWhenTheirTimeHasCome) {
  NotesTable notes;
  notes.put(1, "in an hour", instant(notes.clock.now() + 1h));
  notes.engine.read();
  for (int i = 0; i < 10; ++i) {
    notes.clock.advance(10min);
    EXPECT_EQ(notes.engine.read().applied, 0u);
  }
  EXPECT_EQ(notes.engine.window_rows(), 0u);
  EXPECT_EQ(notes.engine.look(), Changed::no);
}

TEST(CursorSource, RefusesATableWithTooManyRowsWithoutACursor) {
  NotesTable notes({.nullable = true});
  const auto transaction = notes.database.begin();
  for (std::int64_t id = 1; id <= 10'000; ++id) notes.put(*transaction, id, "", Value::null());
  transaction->commit();
  notes.open_source()->open({});
  notes.put(10'001, "one too many", Value::null());
  try {
    notes.open_source()->open({});
    FAIL() << "10,001 rows were accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    EXPECT_NE(std::string(error.what()).find("changed"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("default"), std::string::npos) << error.what();
  }
}

TEST(CursorSource, AcceptsAnyNumberOfRowsWithoutACursorWhereTheKeyAscends) {
  NotesTable notes({.nullable = true, .key_ascends = true});
  const auto transaction = notes.database.begin();
  for (std::int64_t id = 1; id <= 10'001; ++id) notes.put(*transaction, id, "", Value::null());
  transaction->commit();
  notes.engine.read(4000);
  EXPECT_TRUE(notes.is_copied());
  EXPECT_EQ(notes.engine.look(), Changed::no);
}

TEST(CursorSource, ReadsByANumberThatAscends) {
  NotesTable notes({.cursor = Type::int64});
  for (std::int64_t id = 1; id <= 20; ++id) notes.put(id, "loaded", integer(id));
  notes.engine.read(3);
  EXPECT_TRUE(notes.is_copied());
  EXPECT_EQ(notes.engine.look(), Changed::no);
  notes.put(3, "changed", integer(21));
  EXPECT_EQ(notes.engine.look(), Changed::perhaps);
  EXPECT_EQ(notes.engine.read().applied, 1u);
  EXPECT_EQ(notes.engine.look(), Changed::no);
  EXPECT_TRUE(notes.is_copied());
}

TEST(CursorSource, BeginsWithAnEmptyTable) {
  for (const Type cursor : {Type::int64, Type::timestamp_tz}) {
    NotesTable notes({.cursor = cursor, .nullable = true, .key_ascends = true});
    EXPECT_TRUE(notes.engine.read().caught_up);
    EXPECT_EQ(notes.engine.look(), Changed::no);
    notes.put(1, "the first", cursor == Type::int64 ? integer(-5) : instant(notes.clock.now()));
    EXPECT_EQ(notes.engine.look(), Changed::perhaps);
    notes.engine.read();
    notes.put(2, "no cursor", Value::null());
    EXPECT_EQ(notes.engine.look(), Changed::perhaps);
    notes.engine.read();
    EXPECT_TRUE(notes.is_copied());
  }
}

// --- rows that cannot be read ---

TEST(CursorSource, HandsOutARowThatCannotBeReadWithItsKeyAndTheReason) {
  NotesTable notes;
  notes.fill(10);
  notes.database.refuse_reading("notes", [](std::span<const Value> row) -> std::optional<Refusal> {
    if (row[0].as_int64() != 4) return std::nullopt;
    return Refusal{"body", "is not UTF-8"};
  });
  notes.engine.read(3);
  ASSERT_EQ(notes.engine.refused().size(), 1u);
  EXPECT_EQ(notes.engine.refused().begin()->first, Key{{"4"}});
  EXPECT_EQ(notes.engine.copy().size(), 9u);
  notes.database.refuse_reading("notes", {});
  notes.clock.advance(1min);
  notes.put(4, "mended");
  notes.engine.read(3);
  EXPECT_TRUE(notes.is_copied());
  EXPECT_TRUE(notes.engine.refused().empty());
}

// --- positions ---

TEST(CursorSource, RefusesAPositionOfAnotherTableCursorKeyOrStrategy) {
  NotesTable notes({.nullable = true});
  notes.fill(3);
  notes.engine.read();
  const Position position = notes.engine.position();

  SourceSpec other_cursor = notes.spec();
  notes.database.add_field("notes", testkit::memory_field("other", Type::timestamp_tz, false),
                           instant(notes.clock.now()));
  other_cursor.cursor = "other";
  SourceSpec other_key = notes.spec();
  other_key.key = {"body"};
  SourceSpec other_strategy = notes.spec();
  other_strategy.strategy = Strategy::diff;
  for (const SourceSpec& spec : {other_cursor, other_key, other_strategy}) {
    EXPECT_EQ(kind_of([&] { notes.open_source(spec)->open(position); }), ErrorKind::position_lost);
    EXPECT_EQ(kind_of([&] { notes.open_source(spec)->has_changes(position); }), ErrorKind::position_lost);
  }

  const testkit::MemoryTable table = notes.database.table("notes");
  notes.database.drop_table("notes");
  notes.database.create_table(table);
  EXPECT_EQ(kind_of([&] { notes.open_source()->open(position); }), ErrorKind::position_lost);
  EXPECT_EQ(kind_of([&] { notes.open_source()->has_changes(position); }), ErrorKind::position_lost);
}

TEST(CursorSource, RefusesAPositionThatIsNone) {
  NotesTable notes;
  for (const char* token : {"{}", "[]", "7", "nonsense", R"({"strategy":"cursor"})", R"({"strategy":1})"}) {
    EXPECT_EQ(kind_of([&] { notes.open_source()->open({token}); }), ErrorKind::position_lost) << token;
    EXPECT_EQ(kind_of([&] { notes.open_source()->has_changes({token}); }), ErrorKind::position_lost) << token;
  }
}

TEST(CursorSource, ReadsTheTableAnewAfterItsPositionWasLost) {
  NotesTable notes;
  notes.fill(30);
  notes.engine.read();
  notes.engine.forget_position();
  notes.put(7, "changed");
  notes.engine.read();
  EXPECT_TRUE(notes.is_copied());
}

TEST(CursorSource, RefusesATableWithoutAKey) {
  testkit::MemoryDatabase database;
  testkit::MemoryTable table;
  table.name = "keyless";
  table.fields = {testkit::memory_field("at", Type::timestamp_tz)};
  database.create_table(table);
  testkit::FakeClock clock;
  SourceSpec spec;
  spec.table = "keyless";
  spec.cursor = "at";
  EXPECT_EQ(kind_of([&] {
              open_table_source(spec, std::make_unique<testkit::MemoryReader>(database, spec), clock);
            }),
            ErrorKind::bad_config);
}

TEST(CursorSource, AsksOneLookUpWhenNothingIsNew) {
  NotesTable notes;
  notes.fill(100);
  notes.engine.read();
  notes.clock.advance(1h);
  notes.engine.read();
  const auto before = notes.database.calls().count(Call::exists);
  EXPECT_EQ(notes.engine.look(), Changed::no);
  EXPECT_EQ(notes.database.calls().count(Call::exists), before + 1);
  EXPECT_EQ(notes.database.calls().count(Call::open_now), 1u);
}

TEST(CursorSource, MayBeLookedAtInTheMiddleOfARead) {
  NotesTable notes;
  notes.fill(20);
  notes.engine.read();
  notes.clock.advance(1min);
  notes.fill(20, "again");
  const auto source = notes.open_source();
  source->open(notes.engine.position());
  EXPECT_EQ(source->next(5, SIZE_MAX).rows(), 5u);
  EXPECT_EQ(source->has_changes(notes.engine.position()).changed, Changed::perhaps);
  EXPECT_EQ(source->next(100, SIZE_MAX).rows(), 15u);
}

}  // namespace
}  // namespace syncflow::sql
