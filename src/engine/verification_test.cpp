#include <gmock/gmock.h>

#include "core/failpoint.h"
#include "testkit/engine_test.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;

class Verify : public EngineTest {
 protected:
  static SyncDefinition once(const TableMapping& mapping) {
    SyncDefinition sync = sync_of({mapping});
    sync.retry.max_retries = 0;
    return sync;
  }
  TableVerification verified(const TableMapping& mapping) {
    return engine_of(once(mapping))->verify("people", {}).tables.at(0);
  }
  SyncReport repaired(const TableMapping& mapping) {
    return engine_of(once(mapping))->repair("people", {}, {});
  }
  void put_people(int from, int to) {
    for (int id = from; id <= to; ++id) put(id, "row " + std::to_string(id));
  }
  static TableMapping cursor_mapping(Deletes deletes) {
    TableMapping mapping = people_mapping();
    mapping.strategy = WantedStrategy::cursor;
    mapping.deletes = deletes;
    return mapping;
  }
  void spoil() {
    to_.put("people", {integer(2), Value::text("spoiled"), Value::text("Ulm")});
    to_.remove("people", {integer(3)});
  }
};

TEST_F(Verify, TellsWhatDiffersByKeyAndField) {
  put_people(1, 30);
  for (const TableMapping& mapping : {cursor_mapping(Deletes::hard), diff_mapping(Deletes::hard)}) {
    run(once(mapping));
    EXPECT_TRUE(verified(mapping).is_equal());
    EXPECT_EQ(verified(mapping).equal, 30);
    spoil();
    const TableVerification found = verified(mapping);
    EXPECT_EQ(found.differing, 1);
    EXPECT_EQ(found.missing, 1);
    EXPECT_EQ(found.equal, 28);
    ASSERT_EQ(found.differences.size(), 2u);
    EXPECT_EQ(found.differences[0].key, "[\"2\"]");
    EXPECT_EQ(found.differences[0].fields, std::vector<std::string>{"name"});
    EXPECT_EQ(found.differences[1].kind, "missing");
    const SyncReport report = repaired(mapping);
    EXPECT_EQ(report.status, "completed") << report.error;
    EXPECT_TRUE(report.figures.add_up());
    expect_equal();
    EXPECT_TRUE(verified(mapping).is_equal());
    to_.drop_table("people");
    store_->forget_sync(once(mapping).id);
  }
}

TEST_F(Verify, TellsWhatTheNextRunCarriesFromWhatDiffers) {
  put_people(1, 10);
  const TableMapping mapping = cursor_mapping(Deletes::ignore);
  run(once(mapping));
  from_.advance(1h);
  put(4, "changed");
  put(11, "new");
  const TableVerification found = verified(mapping);
  EXPECT_EQ(found.waiting, 2);
  EXPECT_TRUE(found.is_equal());
  EXPECT_EQ(found.equal, 9);
}

TEST_F(Verify, ARowThatChangesWhileItIsComparedIsNoDifference) {
  put_people(1, 10);
  const TableMapping mapping = cursor_mapping(Deletes::ignore);
  run(once(mapping));
  to_.put("people", {integer(2), Value::text("not yet"), Value::text("Ulm")});
  to_.calls().on(Call::fetch, [&](const std::string&) {
    to_.put("people", {integer(2), Value::text("row 2"), Value::text("Ulm")});
  });
  EXPECT_EQ(verified(mapping).equal, 10);
}

TEST_F(Verify, RowsInQuarantineDiffer) {
  put_people(1, 5);
  create_destination();
  to_.refuse_writing("people", [](std::span<const Value> row) -> std::optional<Refusal> {
    if (row[0].as_int64() != 4) return std::nullopt;
    return Refusal{"name", "too long"};
  });
  const TableMapping mapping = cursor_mapping(Deletes::ignore);
  run(once(mapping));
  const TableVerification found = verified(mapping);
  EXPECT_EQ(found.quarantined, 1);
  EXPECT_EQ(found.missing, 0);
  EXPECT_FALSE(found.is_equal());
}

TEST_F(Verify, RowsThatBelongOnlyThereAreNoDifference) {
  create_destination();
  to_.put("people", {integer(99), Value::text("theirs"), Value::text("Bonn")});
  put_people(1, 5);
  for (const Deletes deletes : {Deletes::hard, Deletes::ignore}) {
    const TableMapping mapping = cursor_mapping(deletes);
    run(once(mapping));
    remove(deletes == Deletes::hard ? 2 : 3);
    const TableVerification found = verified(mapping);
    EXPECT_EQ(found.surplus, deletes == Deletes::hard ? 1 : 0);
    EXPECT_EQ(found.kept, deletes == Deletes::hard ? 1 : 2);
    EXPECT_EQ(repaired(mapping).figures.deleted, deletes == Deletes::hard ? 1 : 0);
    EXPECT_TRUE(verified(mapping).is_equal());
  }
  EXPECT_EQ(to_.size("people"), 5u) << "99, and 3, whose deletion is ignored";
}

TEST_F(Verify, InATableOfOurOwnEveryRowIsOursWhateverTheStrategy) {
  put_people(1, 5);
  for (const TableMapping& mapping : {cursor_mapping(Deletes::hard), diff_mapping(Deletes::hard)}) {
    run(once(mapping));
    to_.put("people", {integer(99), Value::text("nobody's"), Value::text("Bonn")});
    EXPECT_EQ(verified(mapping).surplus, 1);
    EXPECT_EQ(repaired(mapping).figures.deleted, 1);
    EXPECT_TRUE(verified(mapping).is_equal());
    expect_equal();
    to_.drop_table("people");
    store_->forget_sync(once(mapping).id);
  }
}

TEST_F(Verify, ARowThatIsMarkedButThereAtTheSourceIsMissing) {
  put_people(1, 5);
  const TableMapping mapping = cursor_mapping(Deletes::soft);
  run(once(mapping));
  remove(2);
  EXPECT_EQ(verified(mapping).surplus, 1);
  EXPECT_EQ(repaired(mapping).figures.deleted, 1);
  EXPECT_TRUE(verified(mapping).is_equal()) << "what is marked is gone";
  // Back under an old stamp.
  from_.put("people", {integer(2), Value::text("row 2"), Value::text("Ulm"), instant(from_.now() - 100h)});
  EXPECT_EQ(verified(mapping).missing, 1);
  EXPECT_EQ(repaired(mapping).figures.written, 1);
  EXPECT_TRUE(verified(mapping).is_equal());
}

TEST_F(Verify, ARepairThatWouldDeleteMuchWaitsForAPerson) {
  put_people(1, 300);
  const TableMapping mapping = cursor_mapping(Deletes::hard);
  run(once(mapping));
  for (int id = 1; id <= 200; ++id) remove(id);
  EXPECT_EQ(repaired(mapping).hold, "brake");
  EXPECT_EQ(to_.size("people"), 300u);
}

TEST_F(Verify, ComparesMappedRowsWithinTheFilters) {
  put_people(1, 5);
  put(6, "elsewhere", "Bonn");
  TableMapping mapping = cursor_mapping(Deletes::hard);
  mapping.filters = {{"city", Operator::eq, {"Ulm"}, false}};
  mapping.fields[1] = {"name", {"name"}, "uppercase", {}, std::nullopt};
  run(once(mapping));
  TableVerification found = verified(mapping);
  EXPECT_EQ(found.equal, 5);
  EXPECT_TRUE(found.is_equal());
  // Past the rows that the next run reads again anyway.
  from_.advance(1h);
  put(1, "row 1, again");
  run(once(mapping));
  to_.put("people", {integer(6), Value::text("ELSEWHERE"), Value::text("Bonn")});
  found = verified(mapping);
  EXPECT_EQ(found.surplus, 1);
}

}  // namespace
}  // namespace syncflow::testkit
