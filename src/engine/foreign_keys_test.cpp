// Tables whose rows need rows of other tables: what order they are written and removed in, and what waits.

#include <gmock/gmock.h>

#include "engine/table_order.h"
#include "testkit/engine_test.h"

namespace syncflow::testkit {
namespace {

using ::testing::ElementsAre;

TableMapping mapping_to(const std::string& table) {
  TableMapping mapping;
  mapping.source = mapping.destination = table;
  return mapping;
}

std::vector<std::size_t> order_of(const std::vector<std::string>& tables,
                                  const std::vector<Reference>& references) {
  std::vector<TableMapping> mappings;
  for (const std::string& table : tables) mappings.push_back(mapping_to(table));
  return order_of_writing(mappings, references);
}

TEST(TableOrder, IsThatOfTheMappingsWhereNothingRefersToAnything) {
  EXPECT_THAT(order_of({"a", "b", "c"}, {}), ElementsAre(0, 1, 2));
}

TEST(TableOrder, PutsWhatIsReferredToFirst) {
  EXPECT_THAT(order_of({"lines", "orders", "customers", "notes"},
                       {{"lines", "orders"}, {"orders", "customers"}, {"lines", "lines"}}),
              ElementsAre(2, 1, 0, 3));
}

TEST(TableOrder, PutsCirclesLast) {
  EXPECT_THAT(order_of({"a", "b", "c"}, {{"a", "b"}, {"b", "a"}}), ElementsAre(2, 0, 1));
}

/// At the destination: lines refer to orders, and orders to customers.
class ForeignKeys : public EngineTest {
 protected:
  ForeignKeys() {
    create("customers", "");
    create("orders", "customers");
    create("lines", "orders");
  }

  void create(const std::string& name, const std::string& parent) {
    MemoryTable table;
    table.name = name;
    table.fields = {memory_field("id", Type::int64, false), memory_field("parent", Type::int64)};
    table.key = {"id"};
    from_.create_table(table);
    if (!parent.empty()) table.foreign_keys = {{{"parent"}, parent}};
    to_.create_table(table);
  }

  void put_row(const std::string& table, std::int64_t id, std::int64_t parent) {
    from_.put(table, {integer(id), integer(parent)});
  }
  void remove_row(const std::string& table, std::int64_t id) {
    from_.remove(table, {integer(id), integer(0)});
  }

  static SyncDefinition sync(const std::vector<std::string>& tables) {
    std::vector<TableMapping> mappings;
    for (const std::string& table : tables) {
      mappings.push_back(mapping_to(table));
      mappings.back().strategy = WantedStrategy::diff;
      mappings.back().deletes = Deletes::hard;
    }
    SyncDefinition sync = sync_of(mappings);
    sync.retry.max_retries = 0;  // a second attempt would hide a wrong order
    return sync;
  }

  void expect_all_equal() {
    for (const char* table : {"customers", "orders", "lines"})
      EXPECT_EQ(from_.contents(table), to_.contents(table)) << table;
  }
};

TEST_F(ForeignKeys, DecideTheOrderOfWritingWhateverTheOrderOfTheMappings) {
  const SyncDefinition all = sync({"lines", "orders", "customers"});
  for (int id = 1; id <= 50; ++id) {
    put_row("customers", id, 0);
    put_row("orders", id, id);
    put_row("lines", id, id);
  }
  std::size_t refused = 0;
  to_.refuse_writing("lines", [&](auto) -> std::optional<Refusal> {
    refused += to_.size("orders") == 50 ? 0 : 1;
    return std::nullopt;
  });
  const SyncReport report = run(all);
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.written, 150);
  EXPECT_EQ(refused, 0u) << "lines were written before their orders";
  expect_all_equal();
  to_.refuse_writing("lines", {});
  expect_quiet(all);
}

TEST_F(ForeignKeys, LetRowsGoBeforeTheRowsThatTheyReferTo) {
  const SyncDefinition all = sync({"customers", "orders", "lines"});
  for (int id = 1; id <= 20; ++id) {
    put_row("customers", id, 0);
    put_row("orders", id, id);
    put_row("lines", id, id);
  }
  EXPECT_EQ(run(all).status, "completed");
  for (int id = 5; id <= 15; ++id)
    for (const char* table : {"lines", "orders", "customers"}) remove_row(table, id);
  const SyncReport report = run(all);
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.deleted, 33);
  expect_all_equal();
  expect_quiet(all);
}

TEST_F(ForeignKeys, ThatACircleOfTablesHasAreTriedAgainUntilNothingMoves) {
  // Each row's parent comes after it, in a later batch; and there are more than are tried again in one step.
  MemoryTable staff_table;
  staff_table.name = "staff";
  staff_table.fields = {memory_field("id", Type::int64, false), memory_field("parent", Type::int64)};
  staff_table.key = {"id"};
  from_.create_table(staff_table);
  staff_table.foreign_keys = {{{"parent"}, "staff"}};
  to_.create_table(staff_table);
  constexpr int kRows = 1'300;
  for (int id = 1; id < kRows; ++id) put_row("staff", id, id + 1);
  from_.put("staff", {integer(kRows), {}});
  SyncDefinition staff = sync({"staff"});
  const SyncReport report = run(staff);
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.written, kRows);
  EXPECT_EQ(report.figures.quarantined, 0);
  EXPECT_TRUE(report.figures.add_up());
  EXPECT_EQ(report.in_quarantine, 0u);
  EXPECT_EQ(from_.contents("staff"), to_.contents("staff"));
}

TEST_F(ForeignKeys, ToRowsThatNeverComeLeaveTheRowInQuarantine) {
  put_row("customers", 1, 0);
  put_row("orders", 1, 1);
  put_row("orders", 2, 99);
  const SyncDefinition all = sync({"orders", "customers"});
  const SyncReport report = run(all);
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.figures.quarantined, 1);
  EXPECT_EQ(report.in_quarantine, 1u);
  EXPECT_EQ(store_->list_quarantine({}).items.at(0).attempts, 1);
  put_row("customers", 99, 0);
  EXPECT_EQ(run(all).in_quarantine, 0u);
  expect_all_equal();
}

}  // namespace
}  // namespace syncflow::testkit
