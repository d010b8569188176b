#include "core/batch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <type_traits>
#include <unordered_set>

#include "core/error.h"

namespace syncflow {
namespace {

std::shared_ptr<const Schema> orders() {
  Schema schema;
  schema.table = "orders";
  for (const auto& [name, type] :
       {std::pair{"shop", Type::text}, std::pair{"total", Type::decimal}, std::pair{"id", Type::int64}}) {
    Field field;
    field.name = name;
    field.type = type;
    schema.fields.push_back(field);
  }
  schema.key = {2, 0};
  return std::make_shared<const Schema>(schema);
}

TEST(Batch, AddsChangesWithNullCells) {
  Batch batch(orders());
  const Change& change = batch.add(Operation::upsert);
  ASSERT_EQ(change.row.size(), 3u);
  for (const Value& cell : change.row) EXPECT_TRUE(cell.is_null());
  EXPECT_EQ(batch.add(Operation::move).old_key.size(), 2u);
  EXPECT_TRUE(batch.add(Operation::truncate).row.empty());
  EXPECT_EQ(batch.rows(), 3u);
}

TEST(Batch, RefusesItsLastChange) {
  Batch batch(orders());
  batch.add(Operation::upsert);
  batch.add(Operation::upsert);
  batch.refuse("total", "is no number");
  EXPECT_EQ(batch.changes[0].refusal, -1);
  ASSERT_EQ(batch.changes[1].refusal, 0);
  EXPECT_EQ(batch.refusals[0].field, "total");
}

TEST(Batch, CanBeMovedAndNotCopied) {
  static_assert(!std::is_copy_constructible_v<Batch>);
  static_assert(!std::is_copy_assignable_v<Batch>);
  Batch batch(orders());
  batch.add(Operation::upsert).row[0] = Value::text(batch.arena().copy("moved along"));
  const Batch moved = std::move(batch);
  EXPECT_EQ(moved.changes[0].row[0].view(), "moved along");
}

TEST(Batch, KeepsAnotherOnesRowsAlive) {
  Batch mapped(orders());
  {
    Batch source(orders());
    source.add(Operation::upsert).row[0] = Value::text(source.arena().copy(std::string(100'000, 'x')));
    mapped.changes.push_back(source.changes[0]);
    mapped.keep(source);
  }
  EXPECT_EQ(mapped.changes[0].row[0].view(), std::string(100'000, 'x'));
}

TEST(BatchKey, IsInTheOrderOfTheSchemasKeyAndReadsBack) {
  Batch batch(orders());
  Change& change = batch.add(Operation::upsert);
  change.row[0] = Value::text("a\"b\\\n\xc3\xa4");
  change.row[2] = Value::of(std::int64_t{-7});
  const Key key = key_of(*orders(), change);
  EXPECT_EQ(key.parts, (std::vector<std::string>{"-7", "a\"b\\\n\xc3\xa4"}));
  EXPECT_EQ(Key::from_json(key.to_json()), key);
  Arena arena;
  const std::vector<Value> cells = parse_key(*orders(), key, arena);
  EXPECT_EQ(cells[0], change.row[2]);
  EXPECT_EQ(cells[1], change.row[0]);
}

TEST(BatchKey, KeepsAnyText) {
  for (const std::string& text :
       {std::string(), std::string("\0", 1), std::string("\x7f\x01\x1f"), std::string("\xf0\x9f\xa6\x94"),
        std::string("\\u0000"), std::string("[\"")}) {
    const Key key{{text, text}};
    EXPECT_EQ(Key::from_json(key.to_json()), key);
  }
}

TEST(BatchKey, RefusesWhatWasNeverStored) {
  Arena arena;
  for (const char* json : {"", "{}", "7", "[7]", "[null]", "[\"a\"", "[\"a\"]x"}) {
    try {
      Key::from_json(json);
      ADD_FAILURE() << "accepted " << json;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bug);
    }
  }
  EXPECT_THROW(parse_key(*orders(), Key{{"1"}}, arena), Error);
}

RowHash hash_of(std::initializer_list<Value> cells) { return hash_row({cells.begin(), cells.size()}); }

TEST(RowHash, TellsRowsApartByContentTypeAndPlace) {
  const Value one = Value::of(std::int64_t{1});
  const RowHash hashes[] = {hash_of({}),
                            hash_of({one}),
                            hash_of({one, Value::null()}),
                            hash_of({Value::null(), one}),
                            hash_of({Value::absent(), one}),
                            hash_of({Value::of(true)}),
                            hash_of({Value::of(1.0)}),
                            hash_of({Value::decimal("1")}),
                            hash_of({Value::text("1")}),
                            hash_of({Value::text("ab"), Value::text("c")}),
                            hash_of({Value::text("a"), Value::text("bc")}),
                            hash_of({Value::text("abc")}),
                            hash_of({Value::text("abc"), Value::text("")}),
                            hash_of({Value::text(""), Value::text("abc")}),
                            hash_of({Value::bytes("abc")}),
                            hash_of({Value::date(1)}),
                            hash_of({Value::time(1)}),
                            hash_of({Value::time(1, 1)}),
                            hash_of({Value::timestamp(1)}),
                            hash_of({Value::timestamp_tz(1)}),
                            hash_of({Value::of(0.0)}),
                            hash_of({Value::of(-0.0)}),
                            hash_of({Value::of(UINT64_MAX)}),
                            hash_of({Value::of(std::int64_t{-1})})};
  for (std::size_t i = 0; i < std::size(hashes); ++i)
    for (std::size_t j = 0; j < i; ++j) EXPECT_FALSE(hashes[i] == hashes[j]) << i << " and " << j;
}

TEST(RowHash, IsTheSameWhateverBatchTheRowIsIn) {
  const std::string elsewhere = "text";
  EXPECT_EQ(hash_of({Value::text("text")}), hash_of({Value::text(elsewhere)}));
  EXPECT_EQ(hash_of({Value::decimal("1.50")}), hash_of({Value::decimal("01.5")}));
  EXPECT_EQ(hash_of({Value::of(std::uint64_t{5})}), hash_of({Value::of(std::int64_t{5})}));
  EXPECT_EQ(hash_of({Value::of(std::nan("1"))}), hash_of({Value::of(-std::nan("2"))}));
  Batch batch(orders());
  Change& change = batch.add(Operation::upsert);
  change.row[0] = Value::text("shop");
  change.row[2] = Value::of(std::int64_t{7});
  EXPECT_EQ(hash_key(*orders(), change), hash_of({Value::of(std::int64_t{7}), Value::text("shop")}));
}

/// Stored states hold these hashes: another one in a new version would write every row again.
TEST(RowHash, DoesNotChangeFromVersionToVersion) {
  const RowHash hash =
      hash_of({Value::of(std::int64_t{42}), Value::text("answer"), Value::null(), Value::decimal("1.5")});
  EXPECT_EQ(hash.low, 17252011783316173767u);
  EXPECT_EQ(hash.high, 16800898205099141876u);
}

TEST(Arena, HandsOutPiecesThatStayWhereTheyAre) {
  Arena arena;
  std::mt19937_64 random(1);
  std::vector<std::pair<std::string_view, char>> pieces;
  for (int i = 0; i < 3000; ++i) {
    const auto letter = static_cast<char>('a' + i % 26);
    const std::size_t size = i % 500 == 0 ? 700'000 : random() % 900;
    pieces.emplace_back(arena.copy(std::string(size, letter)), letter);
  }
  for (const auto& [piece, letter] : pieces) {
    EXPECT_EQ(piece.find_first_not_of(letter), std::string_view::npos);
    if (!piece.empty()) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(piece.data()) % alignof(Value), 0u);
    }
  }
}

TEST(Arena, CountsWhatItHandedOutSinceItWasCleared) {
  Arena arena;
  arena.allocate(1);
  arena.allocate(8);
  EXPECT_EQ(arena.used_bytes(), 16u);
  arena.allocate(0);
  EXPECT_EQ(arena.used_bytes(), 16u);
  arena.clear();
  EXPECT_EQ(arena.used_bytes(), 0u);
}

TEST(Arena, UsesItsBlocksAgainEvenBesideAHugeValue) {
  Arena arena;
  std::unordered_set<const char*> first_round;
  constexpr std::size_t kPiece = 200 * 1024;
  // One piece fills most of a block, so each piece is its block's beginning.
  for (int i = 0; i < 8; ++i) first_round.insert(arena.allocate(kPiece));
  for (int round = 0; round < 5; ++round) {
    arena.clear();
    arena.allocate(10 * 1024 * 1024);
    for (int i = 0; i < 8; ++i)
      EXPECT_EQ(first_round.count(arena.allocate(kPiece)), 1u) << "round " << round << ", piece " << i;
  }
}

TEST(Arena, IsEmptyAfterItWasMovedFrom) {
  Arena arena;
  const std::string_view kept = arena.copy("kept");
  Arena other = std::move(arena);
  const std::string_view fresh =
      arena.copy("new!");  // NOLINT(bugprone-use-after-move): that is what is tested
  other.copy("more");
  EXPECT_EQ(kept, "kept");
  EXPECT_EQ(fresh, "new!");
  arena = std::move(other);
  EXPECT_EQ(kept, "kept");
  EXPECT_EQ(other.used_bytes(), 0u);  // NOLINT(bugprone-use-after-move)
}

}  // namespace
}  // namespace syncflow
