#include "testkit/source_contract.h"

#include <fmt/core.h>

#include <future>
#include <set>

#include "core/error.h"

namespace syncflow::testkit {

// Any test binary may link this without wanting it.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SourceContract);
namespace {

using namespace std::chrono_literals;

const Time kLongAgo = instant("2024-01-01T00:00:00Z");  // no overlap reaches it

/// A read that never ends would hang the tests.
constexpr int kMostBatches = 5000;

/// A source may have to begin its last round again after each restart, and would then never come to an end.
constexpr int kMostRestarts = 40;

std::map<Key, TextRow> by_key(const std::vector<TextRow>& rows) {
  std::map<Key, TextRow> out;
  for (const TextRow& row : rows) out[Key{{row.at(0).value()}}] = row;
  return out;
}

std::set<std::string> keys_of(const Batch& batch) {
  std::set<std::string> keys;
  for (const Change& change : batch.changes) keys.insert(key_of(batch.schema(), change).to_json());
  return keys;
}

}  // namespace

int link_source_contract() { return 0; }

void SourceContract::SetUp() {
  database_ = GetParam()->make();
  if (!database_) GTEST_SKIP() << GetParam()->name << " is not there";
  items_ = std::make_unique<ItemsTable>(*database_, dialect());
}

SourceSpec SourceContract::spec(Strategy strategy) const {
  SourceSpec spec;
  spec.table = items_->name();
  spec.strategy = strategy;
  if (strategy == Strategy::cursor) spec.cursor = "updated_at";
  spec.overlap = GetParam()->overlap;
  return spec;
}

Position SourceContract::read_on(Source& source, const Position& position, Replica& replica,
                                 std::size_t max_rows) {
  source.open(position);
  for (int count = 0; count < kMostBatches; ++count) {
    const Batch batch = source.next(max_rows, 8u << 20);
    EXPECT_LE(batch.rows(), max_rows);
    replica.apply(batch);
    if (batch.caught_up) return batch.resume;
  }
  ADD_FAILURE() << "the read did not come to an end";
  return {};
}

Position SourceContract::read_with_restarts(const SourceSpec& spec, Position position, Replica& replica,
                                            std::size_t max_rows) {
  for (int count = 0; count < kMostRestarts; ++count) {
    const auto source = connection().open_source(spec);
    source->open(position);
    const Batch batch = source->next(max_rows, 8u << 20);
    replica.apply(batch);
    position = batch.resume;
    if (batch.caught_up) return position;
  }
  return read_on(*connection().open_source(spec), position, replica, max_rows);
}

Replica SourceContract::read_all(const SourceSpec& spec, std::size_t max_rows) {
  Replica replica(spec.strategy == Strategy::diff);
  read_on(*connection().open_source(spec), {}, replica, max_rows);
  return replica;
}

void SourceContract::expect_in_step(const Replica& replica) {
  std::map<Key, TextRow> read;
  for (const auto& [key, row] : replica.rows()) read[key] = {row.at(0), row.at(1)};
  const std::map<Key, TextRow> there = by_key(items().rows());
  for (const auto& [key, row] : there) {
    const auto found = read.find(key);
    if (found == read.end()) ADD_FAILURE() << "row " << show(row) << " was not handed out";
    else EXPECT_EQ(show(found->second), show(row));
  }
  for (const auto& [key, row] : read)
    EXPECT_TRUE(there.count(key)) << "row " << show(row) << " was handed out but is not there";
  for (const auto& [key, refusal] : replica.refused())
    ADD_FAILURE() << "row " << key.to_json() << " was refused: " << refusal.field << ": " << refusal.reason;
}

TEST_P(SourceContract, HandsOutEveryRowOfATableInBoundedBatches) {
  items().create();
  items().insert_many(1, 25, kLongAgo);
  expect_in_step(read_all(spec(), 4));
  expect_in_step(read_all(spec(Strategy::diff), 4));
}

TEST_P(SourceContract, AnOldStampIsFoundWhenItLiesAboveWhatWasRead) {
  items().create();
  items().insert_many(1, 3, kLongAgo);
  Replica replica;
  Position end = read_on(*open_source(), {}, replica, 2);
  for (int id = 4; id <= 6; ++id) {
    items().insert(id, "later", kLongAgo + id * 24h);
    EXPECT_NE(open_source()->has_changes(end).changed, Changed::no);
    end = read_on(*open_source(), end, replica, 2);
  }
  expect_in_step(replica);
}

TEST_P(SourceContract, AnEmptyTableIsCaughtUpAtOnceAndItsFirstRowIsFound) {
  items().create();
  const auto source = open_source();
  Replica replica;
  const Position end = read_on(*source, {}, replica);
  EXPECT_EQ(replica.changes(), 0u);
  items().insert(1, "first", now());
  read_on(*source, end, replica);
  expect_in_step(replica);
}

TEST_P(SourceContract, NamesFieldsAndKeyOfTheTable) {
  items().create();
  const auto schema = open_source()->schema();
  ASSERT_EQ(schema->fields.size(), 3u);
  EXPECT_EQ(schema->fields[0].name, "id");
  EXPECT_EQ(schema->fields[0].type, Type::int64);
  EXPECT_EQ(schema->fields[1].name, "name");
  EXPECT_EQ(schema->fields[1].type, Type::text);
  EXPECT_EQ(schema->key, std::vector<std::size_t>{0});
  EXPECT_FALSE(schema->provider.empty());
}

TEST_P(SourceContract, ReadingTwiceFromOnePositionGivesTheSame) {
  items().create();
  items().insert_many(1, 20, kLongAgo);
  const auto source = open_source();
  source->open({});
  Position position;
  for (bool caught_up = false; !caught_up;) {
    source->open(position);
    const auto first = keys_of(source->next(3, 8u << 20));
    source->open(position);
    Batch batch = source->next(3, 8u << 20);
    EXPECT_EQ(keys_of(batch), first);
    position = batch.resume;
    caught_up = batch.caught_up;
  }
}

TEST_P(SourceContract, ARestartAtEveryBatchBoundaryGivesTheUnion) {
  items().create();
  items().insert_many(1, 23, kLongAgo);
  Replica replica;
  const Position end = read_with_restarts(spec(), {}, replica, 2);
  expect_in_step(replica);
  items().insert_many(24, 40, now(), 0s);
  read_with_restarts(spec(), end, replica, 2);
  expect_in_step(replica);
}

TEST_P(SourceContract, RowsThatShareOneStampAreAllHandedOutThoughABatchIsSmaller) {
  items().create();
  items().insert_many(1, 30, kLongAgo, 0s);
  Replica replica;
  Position end = read_with_restarts(spec(), {}, replica, 4);
  expect_in_step(replica);
  items().insert_many(31, 60, now(), 0s);
  end = read_with_restarts(spec(), end, replica, 4);
  expect_in_step(replica);
  items().insert_many(61, 70, now(), 1us);
  read_with_restarts(spec(), end, replica, 4);
  expect_in_step(replica);
}

TEST_P(SourceContract, FindsWhatWasAddedAndChangedBetweenTwoReads) {
  items().create();
  items().insert_many(1, 10, kLongAgo);
  const auto source = open_source();
  Replica replica;
  Position end = read_on(*source, {}, replica);
  for (int round = 1; round <= 3; ++round) {
    items().update(round, fmt::format("changed in round {}", round), now());
    items().insert(100 + round, "new", now());
    EXPECT_NE(source->has_changes(end).changed, Changed::no);
    end = read_on(*source, end, replica);
    expect_in_step(replica);
  }
}

TEST_P(SourceContract, AQuietTableHasNothingForSure) {
  items().create();
  items().insert_many(1, 10, kLongAgo);
  const auto source = open_source();
  EXPECT_EQ(source->has_changes({}).changed, Changed::yes);
  Replica replica;
  Position end = read_on(*source, {}, replica);
  EXPECT_NE(source->has_changes(end).changed, Changed::yes);
  end = read_on(*source, end, replica);
  EXPECT_NE(source->has_changes(end).changed, Changed::yes);
}

TEST_P(SourceContract, FindsTheRowsOfATransactionThatCommitsLate) {
  items().create();
  items().insert_many(1, 10, kLongAgo);
  const auto source = open_source();
  Replica replica;
  Position end = read_on(*source, {}, replica);

  const auto writer = database_->open_session();
  writer->run(dialect().begin);
  writer->run(items().insert_sql(100, "late", now()));
  for (int poll = 0; poll < 3; ++poll) {
    if (GetParam()->several_writers) items().insert(200 + poll, "in time", now());
    end = read_on(*source, end, replica);
  }
  expect_in_step(replica);
  writer->run("COMMIT");
  EXPECT_NE(source->has_changes(end).changed, Changed::no);
  end = read_on(*source, end, replica);
  expect_in_step(replica);
}

TEST_P(SourceContract, FindsTheRowsOfATransactionThatWasOpenDuringTheWholeFirstLoad) {
  items().create();
  items().insert_many(1, 10, kLongAgo);
  const auto writer = database_->open_session();
  writer->run(dialect().begin);
  writer->run(items().insert_sql(5000, "late", now()));
  writer->run(items().insert_sql(-5000, "late and before the first", now()));

  Replica replica;
  const Position end = read_with_restarts(spec(), {}, replica, 3);
  expect_in_step(replica);
  writer->run("COMMIT");
  read_with_restarts(spec(), end, replica, 3);
  expect_in_step(replica);
}

TEST_P(SourceContract, AFirstLoadSurvivesChangesUnderIt) {
  items().create();
  items().insert_many(1, 30, kLongAgo);
  const auto source = open_source();
  source->open({});
  Replica replica;
  Position end;
  for (int count = 0; count < kMostBatches; ++count) {
    const Batch batch = source->next(4, 8u << 20);
    replica.apply(batch);
    end = batch.resume;
    if (batch.caught_up) break;
    if (count >= 6) continue;
    items().update(1 + count, fmt::format("behind the read, {}", count), now());
    items().update(30 - count, fmt::format("ahead of the read, {}", count), now());
    items().insert(1000 + count, "added at the end", now());
    items().insert(-1000 - count, "added at the front", now());
  }
  read_on(*source, end, replica);
  expect_in_step(replica);
}

TEST_P(SourceContract, RowsWithoutACursorValueAreHandedOutAndLaterOnesFound) {
  items().create();
  items().insert_many(1, 5, kLongAgo);
  items().insert(6, "no stamp", std::nullopt);
  Replica replica;
  Position end = read_with_restarts(spec(), {}, replica, 2);
  expect_in_step(replica);
  items().insert(3000, "no stamp, later", std::nullopt);
  items().insert(-3000, "no stamp, later, lower key", std::nullopt);
  EXPECT_NE(open_source()->has_changes(end).changed, Changed::no);
  end = read_with_restarts(spec(), end, replica, 2);
  expect_in_step(replica);
  items().update(6, "no stamp, changed in place", std::nullopt);
  EXPECT_NE(open_source()->has_changes(end).changed, Changed::no);
  read_with_restarts(spec(), end, replica, 2);
  expect_in_step(replica);
}

TEST_P(SourceContract, WhereTheKeyAscendsNewRowsWithoutACursorValueAreFoundByIt) {
  items().create({.key = ItemsTable::Key::ascending});
  items().insert(1, "no stamp", std::nullopt);
  items().insert(2, "stamped", kLongAgo);
  Replica replica;
  Position end = read_with_restarts(spec(), {}, replica, 1);
  expect_in_step(replica);
  items().insert(3, "no stamp, later", std::nullopt);
  EXPECT_NE(open_source()->has_changes(end).changed, Changed::no);
  end = read_with_restarts(spec(), end, replica, 1);
  expect_in_step(replica);
}

TEST_P(SourceContract, ARowStampedFarInTheFutureDoesNotHideLaterOnes) {
  items().create();
  items().insert_many(1, 5, kLongAgo);
  items().insert(6, "far future", instant("2037-12-31T23:59:59Z"));
  const auto source = open_source();
  Replica replica;
  Position end = read_on(*source, {}, replica);
  expect_in_step(replica);
  items().insert(7, "now", now());
  EXPECT_NE(source->has_changes(end).changed, Changed::no);
  end = read_on(*source, end, replica);
  expect_in_step(replica);
  items().update(6, "far future, changed", instant("2037-12-31T23:59:58Z"));
  end = read_on(*source, end, replica);
  expect_in_step(replica);
}

TEST_P(SourceContract, ACursorFieldWithoutAnIndexWorks) {
  items().create({.index = false});
  items().insert_many(1, 20, kLongAgo);
  Replica replica;
  const Position end = read_with_restarts(spec(), {}, replica, 3);
  items().insert_many(21, 30, now(), 1us);
  read_with_restarts(spec(), end, replica, 3);
  expect_in_step(replica);
}

TEST_P(SourceContract, DiffListsTheWholeTableSoThatDeletesAreSeen) {
  items().create();
  items().insert_many(1, 10, kLongAgo);
  const auto source = connection().open_source(spec(Strategy::diff));
  Replica replica(true);
  const Position end = read_on(*source, {}, replica, 3);
  items().remove(4);
  items().insert(11, "new", std::nullopt);
  EXPECT_NE(source->has_changes(end).changed, Changed::no);
  read_on(*source, end, replica, 3);
  expect_in_step(replica);
}

TEST_P(SourceContract, BatchesAreBoundedByBytes) {
  items().create();
  for (int id = 1; id <= 10; ++id) items().insert(id, std::string(100'000, 'x'), kLongAgo + id * 1s);
  const auto source = open_source();
  source->open({});
  Replica replica;
  for (bool caught_up = false; !caught_up;) {
    const Batch batch = source->next(1000, 250'000);
    EXPECT_LE(batch.size_bytes(), 400'000u);
    replica.apply(batch);
    caught_up = batch.caught_up;
  }
  expect_in_step(replica);
}

TEST_P(SourceContract, FetchGivesRowsAsTheyAreAndLeavesOutWhatIsGone) {
  items().create();
  items().insert_many(1, 5, kLongAgo);
  const auto source = open_source();
  items().update(2, "as it is now", kLongAgo);
  items().remove(3);
  Replica replica;
  replica.apply(source->fetch({Key{{"2"}}, Key{{"3"}}, Key{{"5"}}, Key{{"77"}}}));
  ASSERT_EQ(replica.rows().size(), 2u);
  EXPECT_EQ(replica.rows().at(Key{{"2"}}).at(1), "as it is now");
  EXPECT_EQ(replica.rows().at(Key{{"5"}}).at(1), "row 5");
}

TEST_P(SourceContract, FetchTakesMoreKeysThanOneStatementHolds) {
  items().create();
  items().insert_many(1, 700, kLongAgo);
  std::vector<Key> keys;
  for (int id = 1; id <= 1400; ++id) keys.push_back(Key{{std::to_string(id)}});
  EXPECT_EQ(open_source()->fetch(keys).rows(), 700u);
}

TEST_P(SourceContract, ScanKeysListsEveryKeyInOrderPageByPage) {
  items().create();
  items().insert_many(-5, 17, kLongAgo);
  const auto source = open_source();
  std::vector<std::string> keys;
  std::optional<Key> after;
  for (bool caught_up = false; !caught_up;) {
    const Batch page = source->scan_keys(after, 4);
    EXPECT_LE(page.rows(), 4u);
    for (const Change& change : page.changes) {
      EXPECT_EQ(change.operation, Operation::remove);
      after = key_of(page.schema(), change);
      keys.push_back(after->parts.at(0));
    }
    caught_up = page.caught_up;
  }
  std::vector<std::string> wanted;
  for (int id = -5; id <= 17; ++id) wanted.push_back(std::to_string(id));
  EXPECT_EQ(keys, wanted);
}

TEST_P(SourceContract, CountsExactlyUpToALimit) {
  items().create();
  items().insert_many(1, 25, kLongAgo);
  const auto source = open_source();
  EXPECT_EQ(source->count(1000), 25u);
  EXPECT_EQ(source->count(10), 10u);
}

TEST_P(SourceContract, APositionOfAnotherTableIsLost) {
  items().create();
  items().insert_many(1, 3, kLongAgo);
  Replica replica;
  const Position end = read_on(*open_source(), {}, replica);
  ItemsTable others(*database_, dialect(), "others");
  others.create();
  SourceSpec other = spec();
  other.table = "others";
  try {
    connection().open_source(other)->open(end);
    FAIL() << "the position of another table was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::position_lost) << error.what();
  }
}

TEST_P(SourceContract, AMissingTableOrFieldIsNamedWithTheNearestThereIs) {
  items().create();
  const auto kind_of_opening = [&](const SourceSpec& spec, const std::string& named) {
    try {
      connection().open_source(spec);
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(named), std::string::npos) << error.what();
      return error.kind();
    }
    return ErrorKind::bug;
  };
  SourceSpec wrong = spec();
  wrong.table = "itemz";
  EXPECT_EQ(kind_of_opening(wrong, "items"), ErrorKind::not_found);
  wrong = spec();
  wrong.cursor = "updatedat";
  EXPECT_EQ(kind_of_opening(wrong, "updated_at"), ErrorKind::bad_config);
  wrong = spec();
  wrong.fields = {"id", "nama"};
  EXPECT_EQ(kind_of_opening(wrong, "name"), ErrorKind::bad_config);
}

TEST_P(SourceContract, DiscoverTellsKeyAndCursorFields) {
  items().create();
  items().insert_many(1, 25, kLongAgo);
  const auto tables = connection().discover("items");
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0].schema.fields.size(), 3u);
  EXPECT_EQ(tables[0].schema.key, std::vector<std::size_t>{0});
  ASSERT_FALSE(tables[0].cursor_candidates.empty());
  EXPECT_EQ(tables[0].cursor_candidates[0].field, "updated_at");
  EXPECT_TRUE(tables[0].cursor_candidates[0].indexed);
  try {
    connection().discover("itemz");
    FAIL() << "a table that is not there was described";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
    EXPECT_NE(std::string(error.what()).find("items"), std::string::npos) << error.what();
  }
}

TEST_P(SourceContract, DiscoverSaysWhenACursorFieldHasNoIndex) {
  items().create({.index = false});
  const auto tables = connection().discover();
  ASSERT_EQ(tables.size(), 1u);
  ASSERT_FALSE(tables[0].cursor_candidates.empty());
  EXPECT_FALSE(tables[0].cursor_candidates[0].indexed);
}

TEST_P(SourceContract, AStopRequestEndsAWaitingRead) {
  if (GetParam()->block_readers.empty()) return;  // nothing makes a read wait here
  items().create();
  items().insert_many(1, 5, kLongAgo);
  const auto source = open_source();
  source->open({});
  const auto blocker = database_->open_session();
  for (const std::string& statement : GetParam()->block_readers) blocker->run(statement);
  auto reading = std::async(std::launch::async, [&] {
    try {
      Replica replica;
      read_on(*source, {}, replica);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::bug;
  });
  EXPECT_EQ(reading.wait_for(300ms), std::future_status::timeout) << "the read did not wait for the lock";
  database_->stop().request_stop();
  ASSERT_EQ(reading.wait_for(2s), std::future_status::ready) << "the read went on waiting";
  EXPECT_EQ(reading.get(), ErrorKind::cancelled);
}

}  // namespace syncflow::testkit
