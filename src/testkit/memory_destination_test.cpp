#include "testkit/memory_destination.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "testkit/memory_database.h"
#include "testkit/rows.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;

class TestFence : public Fence {
 public:
  std::chrono::milliseconds left() const override { return 30s; }
  void check() const override {
    if (++checks == lost_at) throw Error(ErrorKind::lease_lost, "the lease is lost");
  }
  mutable int checks = 0;
  int lost_at = 0;
};

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

class MemoryDestinationTest : public ::testing::Test {
 protected:
  MemoryDestinationTest() {
    schema_ = make_schema(
        "people", {field("id", Type::int64, false), field("name", Type::text), field("age", Type::int64)});
    spec_.table = "people";
    spec_.incoming = *schema_;
  }

  MemoryDestination& open() {
    destination_ = std::make_unique<MemoryDestination>(database_, spec_);
    destination_->prepare();
    return *destination_;
  }
  WriteResult write(const BatchBuilder& rows) { return destination_->write(rows, WriteMode::upsert, fence_); }
  BatchBuilder rows() { return BatchBuilder(schema_); }

  MemoryDatabase database_;
  std::shared_ptr<const Schema> schema_;
  DestinationSpec spec_;
  std::unique_ptr<MemoryDestination> destination_;
  TestFence fence_;
};

using Contents = MemoryDatabase::Contents;

TEST_F(MemoryDestinationTest, WritesAndSkipsWhatIsEqual) {
  open();
  const auto write_two = [&] { return write(rows().upsert({1, "Ada", 36}).upsert({2, "Grace", nullptr})); };
  EXPECT_EQ(write_two().written, 2u);
  const WriteResult again = write_two();
  EXPECT_EQ(again.written, 0u);
  EXPECT_EQ(again.unchanged, 2u);
  EXPECT_EQ(database_.contents("people"), (Contents{{"1", "Ada", "36"}, {"2", "Grace", std::nullopt}}));
}

TEST_F(MemoryDestinationTest, KeepsWhatAnAbsentCellLeavesOut) {
  open();
  write(rows().upsert({1, "Ada", 36}));
  EXPECT_EQ(write(rows().upsert({1, Cell::kept(), 37})).written, 1u);
  EXPECT_EQ(write(rows().upsert({1, Cell::kept(), 37})).unchanged, 1u);
  write(rows().upsert({2, Cell::kept(), 1}));
  EXPECT_EQ(database_.contents("people"), (Contents{{"1", "Ada", "37"}, {"2", std::nullopt, "1"}}));
}

TEST_F(MemoryDestinationTest, RemovesMovesAndTruncates) {
  open();
  write(rows().upsert({1, "Ada", 36}).upsert({2, "Grace", 85}).upsert({3, "Mary", 67}));
  const WriteResult removed = write(rows().remove({1}).remove({7}));
  EXPECT_EQ(removed.deleted, 1u);
  EXPECT_EQ(removed.unchanged, 1u);
  EXPECT_EQ(write(rows().move({2}, {20, "Grace", Cell::kept()})).written, 1u);
  EXPECT_EQ(database_.contents("people"), (Contents{{"3", "Mary", "67"}, {"20", "Grace", "85"}}));
  EXPECT_EQ(write(rows().move({2}, {20, "Grace", Cell::kept()})).unchanged, 1u);
  EXPECT_EQ(write(rows().truncate()).deleted, 1u);
  EXPECT_EQ(write(rows().truncate()).unchanged, 1u);
  EXPECT_EQ(database_.size("people"), 0u);
}

TEST_F(MemoryDestinationTest, SetsASoftMarkOnceAndClearsItWithTheNextUpsert) {
  spec_.deletes = Deletes::soft;
  open();
  write(rows().upsert({1, "Ada", 36}));
  EXPECT_EQ(write(rows().remove({1})).deleted, 1u);
  const Contents marked = database_.contents("people");
  EXPECT_EQ(marked[0][3], "2024-01-01T00:00:00Z");
  database_.advance(1h);
  EXPECT_EQ(write(rows().remove({1})).unchanged, 1u);
  EXPECT_EQ(database_.contents("people"), marked);
  EXPECT_EQ(write(rows().upsert({1, "Ada", 36})).written, 1u);
  EXPECT_EQ(database_.contents("people")[0][3], std::nullopt);
  EXPECT_EQ(destination_->remove_all(fence_), 1u);
  EXPECT_EQ(destination_->remove_all(fence_), 0u);
  EXPECT_EQ(database_.size("people"), 1u);
}

TEST_F(MemoryDestinationTest, StampsOnlyWritesThatChangeTheRow) {
  spec_.stamp = "synced_at";
  open();
  write(rows().upsert({1, "Ada", 36}));
  database_.advance(1h);
  write(rows().upsert({1, "Ada", 36}));
  EXPECT_EQ(database_.contents("people")[0][3], "2024-01-01T00:00:00Z");
  write(rows().upsert({1, "Ada", 37}));
  EXPECT_EQ(database_.contents("people")[0][3], "2024-01-01T01:00:00Z");
}

TEST_F(MemoryDestinationTest, RefusesOneRowWithoutSinkingTheOthers) {
  MemoryTable table;
  table.name = "people";
  table.fields = {memory_field("id", Type::int64, false), memory_field("name", Type::text, false),
                  memory_field("age", Type::int64)};
  table.fields[1].length = 5;
  table.key = {"id"};
  table.unique = {{"age"}};
  database_.create_table(table);
  database_.refuse_writing(
      "people",
      [](std::span<const Value> row) -> std::optional<Refusal> {
        if (row[0].as_int64() != 5) return std::nullopt;
        return Refusal{"name", "not him"};
      },
      RejectionCause::constraint);
  open();
  const WriteResult result = write(rows()
                                       .upsert({1, "Ada", 36})
                                       .upsert({2, "Augusta", 1})
                                       .upsert({3, nullptr, 2})
                                       .upsert({4, "Twin", 36})
                                       .upsert({5, "Guy", 4})
                                       .upsert({6, "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f!", 5}));
  EXPECT_EQ(result.written, 2u);
  ASSERT_EQ(result.rejected.size(), 4u);
  const RejectionCause causes[] = {RejectionCause::value, RejectionCause::constraint, RejectionCause::unique,
                                   RejectionCause::constraint};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(result.rejected[i].change, i + 1);
    EXPECT_EQ(result.rejected[i].cause, causes[i]);
    EXPECT_FALSE(result.rejected[i].reason.empty());
  }
  EXPECT_EQ(database_.size("people"), 2u);
}

TEST_F(MemoryDestinationTest, KeepsForeignKeysBothWays) {
  MemoryTable parents;
  parents.name = "cities";
  parents.fields = {memory_field("id", Type::int64, false)};
  parents.key = {"id"};
  database_.create_table(parents);
  MemoryTable table;
  table.name = "people";
  table.fields = {memory_field("id", Type::int64, false), memory_field("name", Type::text),
                  memory_field("age", Type::int64)};
  table.key = {"id"};
  table.foreign_keys = {{{"age"}, "cities"}};
  database_.create_table(table);
  open();
  EXPECT_EQ(write(rows().upsert({1, "Ada", 9})).rejected.at(0).cause, RejectionCause::foreign_key);
  EXPECT_EQ(write(rows().upsert({2, "Grace", nullptr})).written, 1u);
  database_.put("cities", {integer(9)});
  EXPECT_EQ(write(rows().upsert({1, "Ada", 9})).written, 1u);

  DestinationSpec cities;
  cities.table = "cities";
  const auto cities_schema = make_schema("cities", {field("id", Type::int64, false)});
  cities.incoming = *cities_schema;
  MemoryDestination parent(database_, cities);
  parent.prepare();
  const WriteResult kept = parent.write(BatchBuilder(cities_schema).remove({9}), WriteMode::upsert, fence_);
  EXPECT_EQ(kept.rejected.at(0).cause, RejectionCause::foreign_key);
}

TEST_F(MemoryDestinationTest, PreparesByTheRules) {
  MemoryDestination destination(database_, spec_);
  const Prepared planned = destination.prepare(true);
  EXPECT_TRUE(planned.created);
  EXPECT_EQ(planned.ddl, "create table people (id int64 not null, name text, age int64, primary key (id))");
  EXPECT_FALSE(database_.has_table("people"));
  spec_.create = false;
  EXPECT_EQ(kind_of([&] { open(); }), ErrorKind::bad_config);
  spec_.create = true;
  open();
  database_.put("people", {integer(1), Value::text("Ada"), integer(36)});
  EXPECT_FALSE(destination.prepare().empty);

  spec_.stamp = "synced_at";
  EXPECT_EQ(kind_of([&] { open(); }), ErrorKind::bad_config);
  spec_.stamp.clear();
  spec_.incoming.key = {1};
  EXPECT_EQ(kind_of([&] { open(); }), ErrorKind::bad_config);
}

TEST_F(MemoryDestinationTest, HoldsTheEngineToTheContract) {
  open();
  EXPECT_EQ(kind_of([&] { write(rows().upsert({1, "Ada", 36}).upsert({1, "Ada", 37})); }), ErrorKind::bug);
  Batch refused(schema_);
  refused.add(Operation::upsert).row[0] = integer(1);
  refused.refuse("name", "is not UTF-8");
  EXPECT_EQ(kind_of([&] { destination_->write(refused, WriteMode::upsert, fence_); }), ErrorKind::bug);
  EXPECT_EQ(database_.size("people"), 0u);
}

TEST_F(MemoryDestinationTest, WritesNothingWhenTheLeaseIsLostBeforeTheCommit) {
  open();
  for (const int check : {1, 2}) {
    fence_.checks = 0;
    fence_.lost_at = check;
    EXPECT_EQ(kind_of([&] { write(rows().upsert({1, "Ada", 36})); }), ErrorKind::lease_lost);
    EXPECT_EQ(database_.size("people"), 0u);
  }
  fence_.lost_at = 0;
  EXPECT_EQ(write(rows().upsert({1, "Ada", 36})).written, 1u);
}

TEST_F(MemoryDestinationTest, FailsBeforeOrAfterItsCommit) {
  open();
  database_.calls().fail(Call::before_commit, ErrorKind::unavailable);
  EXPECT_EQ(kind_of([&] { write(rows().upsert({1, "Ada", 36})); }), ErrorKind::unavailable);
  EXPECT_EQ(database_.size("people"), 0u);
  database_.calls().fail(Call::after_commit, ErrorKind::unavailable);
  EXPECT_EQ(kind_of([&] { write(rows().upsert({1, "Ada", 36})); }), ErrorKind::unavailable);
  EXPECT_EQ(database_.size("people"), 1u);
  EXPECT_EQ(write(rows().upsert({1, "Ada", 36})).unchanged, 1u);
}

TEST_F(MemoryDestinationTest, WaitsForNobodyWhoHasARowLocked) {
  open();
  write(rows().upsert({1, "Ada", 36}));
  const auto other = database_.begin();
  other->put("people", {integer(1), Value::text("Ada"), integer(99)});
  EXPECT_EQ(kind_of([&] { write(rows().upsert({1, "Ada", 37})); }), ErrorKind::conflict);
  other->rollback();
  EXPECT_EQ(write(rows().upsert({1, "Ada", 37})).written, 1u);
}

}  // namespace
}  // namespace syncflow::testkit
