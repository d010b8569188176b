#include "engine/range_comparison.h"

#include <gmock/gmock.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "testkit/engine_test.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kRows = 2000;

/// Two systems that can hash ranges of their rows.
class RangeComparison : public EngineTest {
 protected:
  RangeComparison() {
    from_.set_hashes(true);
    to_.set_hashes(true);
  }
  static TableMapping cursor_mapping() {
    TableMapping mapping = people_mapping();
    mapping.strategy = WantedStrategy::cursor;
    mapping.deletes = Deletes::hard;
    return mapping;
  }
  static SyncDefinition once(const TableMapping& mapping) {
    SyncDefinition sync = sync_of({mapping});
    sync.batch.rows = 1000;
    sync.retry.max_retries = 0;
    return sync;
  }
  static MemoryRow person(std::int64_t id) {
    static std::vector<std::string> names;
    if (names.empty())
      for (int i = 0; i <= kRows; ++i) names.push_back("row " + std::to_string(i));
    return {integer(id), Value::text(names.at(static_cast<std::size_t>(id))), Value::text("Ulm")};
  }
  /// The same rows at both sides.
  void fill(const TableMapping& mapping, int rows = kRows) {
    for (int id = 1; id <= rows; ++id) put(id, "row " + std::to_string(id));
    ASSERT_EQ(run(once(mapping)).figures.written, rows);
    to_.set_piece_rows(1);  // so that what is read of it can be counted
    from_.calls().forget();
    to_.calls().forget();
  }
  TableVerification verified(const TableMapping& mapping) {
    return engine_of(once(mapping))->verify("people", {}).tables.at(0);
  }
  /// Rows, or a few more, that were read of the destination since this was last asked.
  std::size_t rows_read() {
    const std::size_t all = to_.calls().count(Call::read);
    return all - std::exchange(read_before_, all);
  }

 private:
  std::size_t read_before_ = 0;
};

TEST_F(RangeComparison, ReadsNoRowOfEqualTables) {
  fill(cursor_mapping());
  const TableVerification found = verified(cursor_mapping());
  EXPECT_TRUE(found.is_equal());
  EXPECT_EQ(found.equal, kRows);
  EXPECT_EQ(found.at_source, kRows);
  EXPECT_EQ(found.at_destination, kRows);
  EXPECT_EQ(rows_read(), 0u);
  EXPECT_EQ(from_.calls().count(Call::hash), 1u);
  EXPECT_EQ(to_.calls().count(Call::hash), 1u);
}

TEST_F(RangeComparison, OfEmptyTablesFindsNothing) {
  create_destination();
  EXPECT_TRUE(verified(cursor_mapping()).is_equal());
  to_.put("people", person(1));
  EXPECT_EQ(verified(cursor_mapping()).kept, 1);
}

TEST_F(RangeComparison, ReadsOnlyTheRangeThatHoldsADifference) {
  fill(cursor_mapping());
  for (const std::int64_t id : {1, kRows / 2, kRows}) {
    SCOPED_TRACE(id);
    to_.put("people", {integer(id), Value::text("spoiled"), Value::text("Ulm")});
    TableVerification found = verified(cursor_mapping());
    ASSERT_EQ(found.differing, 1);
    EXPECT_EQ(found.equal, kRows - 1);
    EXPECT_EQ(found.differences.front().key, "[\"" + std::to_string(id) + "\"]");
    EXPECT_THAT(found.differences.front().fields, ElementsAre("name"));
    EXPECT_LT(rows_read(), kRows / 4u);

    to_.remove("people", {integer(id)});
    found = verified(cursor_mapping());
    EXPECT_EQ(found.missing, 1);
    EXPECT_EQ(found.at_source, kRows);
    EXPECT_EQ(found.at_destination, kRows - 1);
    EXPECT_LT(rows_read(), kRows / 4u);
    to_.put("people", person(id));
  }
  remove(kRows);
  const TableVerification found = verified(cursor_mapping());
  EXPECT_EQ(found.surplus, 1);
  EXPECT_EQ(found.equal, kRows - 1);
  EXPECT_LT(rows_read(), kRows / 4u);
}

TEST_F(RangeComparison, OfAFewRowsReadsThemAll) {
  fill(cursor_mapping(), 5);
  to_.put("people", {integer(5), Value::null(), Value::text("Ulm")});
  EXPECT_EQ(verified(cursor_mapping()).differing, 1);
  EXPECT_EQ(to_.calls().count(Call::hash), 1u);
}

TEST_F(RangeComparison, TellsSwappedCellsAndAnEmptyTextFromNull) {
  fill(cursor_mapping());
  to_.put("people", {integer(7), Value::text("row 8"), Value::text("Ulm")});
  to_.put("people", {integer(8), Value::text("row 7"), Value::text("Ulm")});
  to_.put("people", {integer(9), Value::text("Ulm"), Value::text("row 9")});
  to_.put("people", {integer(10), Value::text(""), Value::text("Ulm")});
  from_.put("people", {integer(10), Value::null(), Value::text("Ulm"), instant(from_.now() - 100h)});
  EXPECT_EQ(verified(cursor_mapping()).differing, 4);
}

TEST_F(RangeComparison, ReadsAllWhereMuchDiffers) {
  fill(cursor_mapping());
  for (int id = 1; id <= kRows; id += 2) to_.remove("people", {integer(id)});
  EXPECT_EQ(verified(cursor_mapping()).missing, kRows / 2);
  EXPECT_EQ(to_.calls().count(Call::hash), 1u) << "the numbers of rows say enough";
  for (int id = 1; id <= kRows; id += 2)
    to_.put("people", {integer(id), Value::text("spoiled"), Value::text("Ulm")});
  EXPECT_EQ(verified(cursor_mapping()).differing, kRows / 2);
}

TEST_F(RangeComparison, RowsThatChangeMeanwhileAreNoDifference) {
  fill(cursor_mapping());
  // The sync writes it while the ranges are hashed.
  to_.remove("people", {integer(3)});
  to_.calls().on(Call::hash, [this](const std::string&) {
    if (to_.calls().count(Call::hash) == 2) to_.put("people", person(3));
  });
  EXPECT_EQ(verified(cursor_mapping()).equal, kRows);
  // It writes it while the range is read.
  to_.remove("people", {integer(3)});
  to_.calls().on(Call::hash, {});
  to_.calls().on(Call::fetch, [this](const std::string&) { to_.put("people", person(3)); });
  EXPECT_EQ(verified(cursor_mapping()).equal, kRows);
}

TEST_F(RangeComparison, ReadsRowsThatAreChosenOrChangedOnTheirWay) {
  TableMapping filtered = cursor_mapping();
  filtered.filters = {{"city", Operator::eq, {"Ulm"}, false}};
  TableMapping changed = cursor_mapping();
  changed.fields[1] = {"name", {"name"}, "uppercase", {}, std::nullopt};
  for (const TableMapping& mapping : {filtered, changed}) {
    fill(mapping, 20);
    EXPECT_EQ(verified(mapping).equal, 20);
    EXPECT_EQ(from_.calls().count(Call::hash), 0u);
    to_.drop_table("people");
    store_->forget_sync(once(mapping).id);
  }
}

TEST_F(RangeComparison, ReadsRowsWhereOneSystemCannotHash) {
  to_.set_hashes(false);
  fill(cursor_mapping(), 20);
  EXPECT_EQ(verified(cursor_mapping()).equal, 20);
  EXPECT_EQ(from_.calls().count(Call::hash), 0u);
}

TEST_F(RangeComparison, LeavesOutRowsThatAreMarkedAsDeleted) {
  TableMapping mapping = cursor_mapping();
  mapping.deletes = Deletes::soft;
  fill(mapping);
  remove(5);
  EXPECT_EQ(engine_of(once(mapping))->repair("people", {}, {}).figures.deleted, 1);
  const TableVerification found = verified(mapping);
  EXPECT_EQ(found.equal, kRows - 1);
  EXPECT_EQ(found.at_destination, kRows - 1);
  EXPECT_TRUE(found.is_equal());
}

TEST_F(RangeComparison, FailsWhenOneSideDoes) {
  fill(cursor_mapping(), 20);
  for (MemoryDatabase* side : {&from_, &to_}) {
    side->calls().fail(Call::hash, ErrorKind::unavailable);
    EXPECT_THROW(verified(cursor_mapping()), Error);
    side->calls().forget();
  }
  EXPECT_TRUE(verified(cursor_mapping()).is_equal());
}

TEST_F(RangeComparison, IsWhatARepairFindsItsRowsBy) {
  fill(cursor_mapping());
  to_.put("people", {integer(1), Value::text("spoiled"), Value::text("Ulm")});
  to_.remove("people", {integer(kRows)});
  const SyncReport report = engine_of(once(cursor_mapping()))->repair("people", {}, {});
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.written, 2);
  expect_equal();
  EXPECT_GT(to_.calls().count(Call::hash), 0u);
}

TEST(FieldsPassedOn, AreNamedAsTheSourceDoesInTheDestinationsOrder) {
  Schema outgoing;
  outgoing.fields = {memory_field("name", Type::text), memory_field("id", Type::int64)};
  TableMapping mapping;
  EXPECT_THAT(fields_passed_on(mapping, outgoing), ElementsAre("name", "id"));
  mapping.fields = {{"name", {"full_name"}, "", {}, std::nullopt}, {"id", {"number"}, "", {}, std::nullopt}};
  EXPECT_THAT(fields_passed_on(mapping, outgoing), ElementsAre("full_name", "number"));
  mapping.fields[0].transform = "trim";
  EXPECT_THAT(fields_passed_on(mapping, outgoing), IsEmpty());
  mapping.fields[0] = {"name", {}, "", {}, FreeText("shop")};
  EXPECT_THAT(fields_passed_on(mapping, outgoing), IsEmpty());
}

}  // namespace
}  // namespace syncflow::testkit
