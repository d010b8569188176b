#include <fmt/core.h>

#include "core/error.h"
#include "testkit/destination_contract.h"

namespace syncflow::testkit {

// Any test binary may link this without wanting it.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DestinationDeleteContract);

int link_destination_delete_contract() { return 0; }

namespace {

const std::vector<std::string> kIdAndMark = {"id", "deleted_at"};

Batch three_items(const std::shared_ptr<const Schema>& schema) {
  BatchBuilder builder(schema);
  builder.upsert({1, "a", "x"}).upsert({2, "b", "x"}).upsert({3, "c", "x"});
  Batch batch(schema);
  batch.keep(builder.batch());
  batch.changes = builder.batch().changes;
  return batch;
}

}  // namespace

// A test binary that links other parts of the testkit may get this one too.

TEST_P(DestinationDeleteContract, RemovesAreCountedOnlyWhereTheyFoundTheirRow) {
  create_items();
  const auto destination = open_items();
  write(*destination, three_items(item_schema()));
  const auto result =
      write(*destination, BatchBuilder(item_schema()).remove({2}).remove({77}).upsert({4, "d", "x"}));
  EXPECT_EQ(result.deleted, 1u);
  EXPECT_EQ(result.unchanged, 1u);
  EXPECT_EQ(result.written, 1u);
  expect_rows({{"1", "a", "x"}, {"3", "c", "x"}, {"4", "d", "x"}});
}

TEST_P(DestinationDeleteContract, RemovesInAnAppendedBatchAreDoneToo) {
  create_items();
  const auto destination = open_items();
  write(*destination, three_items(item_schema()));
  EXPECT_EQ(
      write(*destination, BatchBuilder(item_schema()).remove({2}).upsert({4, "d", "x"}), WriteMode::append)
          .deleted,
      1u);
  expect_rows({{"1", "a", "x"}, {"3", "c", "x"}, {"4", "d", "x"}});
}

// Which deletes come at all is the engine's to decide (`deletes`, `on_leave`).
TEST_P(DestinationDeleteContract, ARemoveThatComesIsDoneAlsoWhereDeletesAreIgnored) {
  create_items();
  DestinationSpec ignoring = spec(item_schema());
  ignoring.deletes = Deletes::ignore;
  const auto destination = open(ignoring);
  write(*destination, three_items(item_schema()));
  EXPECT_EQ(write(*destination, BatchBuilder(item_schema()).remove({2})).deleted, 1u);
  expect_rows({{"1", "a", "x"}, {"3", "c", "x"}});
}

TEST_P(DestinationDeleteContract, AbsentCellsKeepWhatTheRowHas) {
  create_items();
  const auto destination = open_items();
  write(*destination, three_items(item_schema()));
  const auto result = write_twice(*destination, BatchBuilder(item_schema())
                                                    .upsert({1, Cell::kept(), "new"})
                                                    .upsert({2, "new", Cell::kept()})
                                                    .upsert({3, Cell::kept(), Cell::kept()})
                                                    .upsert({4, Cell::kept(), "alone"}));
  EXPECT_EQ(result.written, 3u);
  EXPECT_EQ(result.unchanged, 1u);
  expect_rows({{"1", "a", "new"}, {"2", "new", "x"}, {"3", "c", "x"}, {"4", std::nullopt, "alone"}});
}

TEST_P(DestinationDeleteContract, AnAbsentCellOfAFieldThatMustHaveAValueKeepsIt) {
  create_table("strict_items", fmt::format("id {} NOT NULL, name {} NOT NULL, note {}, PRIMARY KEY (id)",
                                           dialect().integer, dialect().text, dialect().text));
  const auto schema = make_schema(
      "strict_items", {field("id", Type::int64), field("name", Type::text), field("note", Type::text)});
  const auto destination = open(spec(schema));
  write(*destination, BatchBuilder(schema).upsert({1, "a", "x"}));
  const auto result =
      write(*destination, BatchBuilder(schema).upsert({1, Cell::kept(), "y"}).upsert({2, Cell::kept(), "y"}));
  EXPECT_EQ(result.written, 1u);
  ASSERT_EQ(result.rejected.size(), 1u);
  EXPECT_EQ(result.rejected[0].change, 1u);
  expect_rows({{"1", "a", "y"}}, "strict_items");
}

TEST_P(DestinationDeleteContract, AMoveTakesTheRowToItsNewKey) {
  create_items();
  const auto destination = open_items();
  write(*destination, three_items(item_schema()));
  const auto result = write_twice(
      *destination, BatchBuilder(item_schema()).move({1}, {10, "a", "moved"}).upsert({4, "d", "x"}));
  EXPECT_EQ(result.written, 2u);
  expect_rows({{"2", "b", "x"}, {"3", "c", "x"}, {"4", "d", "x"}, {"10", "a", "moved"}});
}

TEST_P(DestinationDeleteContract, AMoveKeepsAbsentCells) {
  create_items();
  const auto destination = open_items();
  write(*destination, three_items(item_schema()));
  write_twice(*destination, BatchBuilder(item_schema()).move({1}, {10, Cell::kept(), "moved"}));
  expect_rows({{"2", "b", "x"}, {"3", "c", "x"}, {"10", "a", "moved"}});
}

TEST_P(DestinationDeleteContract, AMoveOfARowThatIsNotThereIsAnUpsert) {
  create_items();
  const auto destination = open_items();
  EXPECT_EQ(write_twice(*destination, BatchBuilder(item_schema()).move({1}, {10, "a", "x"})).written, 1u);
  expect_rows({{"10", "a", "x"}});
}

TEST_P(DestinationDeleteContract, AMoveOntoARowThatIsThereLeavesOneRow) {
  create_items();
  const auto destination = open_items();
  write(*destination, three_items(item_schema()));
  EXPECT_EQ(write_twice(*destination, BatchBuilder(item_schema()).move({1}, {2, "moved", "x"})).written, 1u);
  expect_rows({{"2", "moved", "x"}, {"3", "c", "x"}});
}

TEST_P(DestinationDeleteContract, ARefusedMoveLeavesBothRowsAsTheyWere) {
  create_items(fmt::format(", CHECK ({} <> 'bad')", dialect().quoted("name")));
  const auto destination = open_items();
  write(*destination, three_items(item_schema()));
  const auto result =
      write(*destination, BatchBuilder(item_schema()).move({1}, {10, "bad", "x"}).move({3}, {2, "bad", "y"}));
  EXPECT_EQ(result.rejected.size(), 2u);
  expect_rows({{"1", "a", "x"}, {"2", "b", "x"}, {"3", "c", "x"}});
}

TEST_P(DestinationDeleteContract, ATruncateEmptiesTheTable) {
  create_items();
  const auto destination = open_items();
  write(*destination, three_items(item_schema()));
  write(*destination, BatchBuilder(item_schema()).truncate());
  expect_rows({});
  EXPECT_EQ(write(*destination, three_items(item_schema())).written, 3u);
}

TEST_P(DestinationDeleteContract, RemoveAllCountsWhatItRemoved) {
  create_items();
  const auto destination = open_items();
  write(*destination, three_items(item_schema()));
  EXPECT_EQ(destination->remove_all(fence_), 3u);
  EXPECT_EQ(destination->remove_all(fence_), 0u);
  expect_rows({});
}

TEST_P(DestinationDeleteContract, NothingIsRemovedOnceTheLeaseIsOver) {
  create_items();
  const auto destination = open_items();
  // Where many rows go piece by piece, a piece that found nothing was the last: its checks are those of one piece.
  TestFence counting;
  destination->remove_all(counting);
  ASSERT_GE(counting.checks(), 2) << "the lease is checked after BEGIN and before COMMIT";
  write(*destination, three_items(item_schema()));
  for (int check = 1; check <= counting.checks(); ++check) {
    TestFence fence;
    fence.close_at(check);
    try {
      destination->remove_all(fence);
      ADD_FAILURE() << "emptied though the lease was over at check " << check;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::lease_lost);
    }
    EXPECT_EQ(rows().size(), 3u) << "at check " << check;
  }
  EXPECT_EQ(destination->remove_all(fence_), 3u);
}

// --- soft marks and stamps ---

TEST_P(DestinationDeleteContract, ASoftMarkIsSetOnceAndClearedByTheNextUpsert) {
  DestinationSpec soft = spec(item_schema());
  soft.deletes = Deletes::soft;
  const auto destination = open(soft);
  write(*destination, three_items(item_schema()));
  expect_rows({{"1", std::nullopt}, {"2", std::nullopt}, {"3", std::nullopt}}, "items", kIdAndMark);

  EXPECT_EQ(write(*destination, BatchBuilder(item_schema()).remove({2}).remove({77})).deleted, 1u);
  const auto marked = rows("items", kIdAndMark);
  ASSERT_EQ(marked.size(), 3u);
  ASSERT_TRUE(marked[1][1].has_value());
  EXPECT_EQ(write(*destination, BatchBuilder(item_schema()).remove({2})).unchanged, 1u);
  EXPECT_EQ(rows("items", kIdAndMark), marked) << "the mark was set anew";

  EXPECT_EQ(write(*destination, BatchBuilder(item_schema()).upsert({2, "b", "x"})).written, 1u);
  expect_rows({{"1", std::nullopt}, {"2", std::nullopt}, {"3", std::nullopt}}, "items", kIdAndMark);
  EXPECT_EQ(write(*destination, BatchBuilder(item_schema()).upsert({2, "b", "x"})).unchanged, 1u);
}

TEST_P(DestinationDeleteContract, UnderSoftDeletesATruncateMarksEveryRow) {
  DestinationSpec soft = spec(item_schema());
  soft.deletes = Deletes::soft;
  soft.soft_delete = "gone_since";
  const auto destination = open(soft);
  write(*destination, three_items(item_schema()));
  write(*destination, BatchBuilder(item_schema()).remove({2}));
  write(*destination, BatchBuilder(item_schema()).truncate());
  for (const TextRow& row : rows("items", {"id", "gone_since"})) EXPECT_TRUE(row[1].has_value()) << show(row);
  EXPECT_EQ(destination->remove_all(fence_), 0u);
  EXPECT_EQ(rows().size(), 3u);
}

TEST_P(DestinationDeleteContract, UnderSoftDeletesAMoveLeavesNoMarkBehindOnTheNewKey) {
  DestinationSpec soft = spec(item_schema());
  soft.deletes = Deletes::soft;
  const auto destination = open(soft);
  write(*destination, three_items(item_schema()));
  write(*destination, BatchBuilder(item_schema()).remove({1}));
  write(*destination, BatchBuilder(item_schema()).move({1}, {10, "a", "x"}));
  const auto there = rows("items", kIdAndMark);
  EXPECT_EQ(show(there.back()), show({"10", std::nullopt}));
}

TEST_P(DestinationDeleteContract, ASoftDeleteFieldThatIsMissingIsNamed) {
  create_items();
  DestinationSpec soft = spec(item_schema());
  soft.deletes = Deletes::soft;
  try {
    connection().open_destination(soft)->prepare();
    FAIL() << "a table without the field was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    EXPECT_NE(std::string(error.what()).find("deleted_at"), std::string::npos) << error.what();
  }
}

TEST_P(DestinationDeleteContract, TheStampIsSetOnEachWriteThatChangesTheRow) {
  DestinationSpec stamped = spec(item_schema());
  stamped.stamp = "synced_at";
  const auto destination = open(stamped);
  const std::vector<std::string> columns = {"id", "synced_at"};
  write(*destination, three_items(item_schema()));
  const auto first = rows("items", columns);
  for (const TextRow& row : first) EXPECT_TRUE(row[1].has_value()) << show(row);

  write(*destination, BatchBuilder(item_schema()).upsert({1, "a", "x"}).upsert({2, "changed", "x"}));
  const auto second = rows("items", columns);
  ASSERT_EQ(second.size(), 3u);
  EXPECT_EQ(second[0], first[0]) << "an equal row was stamped";
  EXPECT_NE(second[1], first[1]) << "a changed row was not stamped";
  EXPECT_EQ(second[2], first[2]);
}

TEST_P(DestinationDeleteContract, AStampFieldThatIsMissingIsNamed) {
  create_items();
  DestinationSpec stamped = spec(item_schema());
  stamped.stamp = "synced_at";
  try {
    connection().open_destination(stamped)->prepare();
    FAIL() << "a table without the field was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    EXPECT_NE(std::string(error.what()).find("synced_at"), std::string::npos) << error.what();
  }
}

}  // namespace syncflow::testkit
