#include "testkit/destination_contract.h"

#include <fmt/core.h>

#include <algorithm>
#include <future>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::testkit {

// Any test binary may link this without wanting it.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DestinationContract);
namespace {

using namespace std::chrono_literals;

Batch many_items(int first, int last, const std::string& note) {
  BatchBuilder builder(
      make_schema("items", {field("id", Type::int64), field("name", Type::text), field("note", Type::text)}));
  for (int id = first; id <= last; ++id) builder.upsert({id, fmt::format("row {}", id), note});
  Batch batch(builder.batch().shared_schema());
  batch.keep(builder.batch());
  batch.changes = builder.batch().changes;
  return batch;
}

std::vector<std::size_t> changes_of(const WriteResult& result) {
  std::vector<std::size_t> changes;
  for (const Rejection& rejection : result.rejected) changes.push_back(rejection.change);
  std::sort(changes.begin(), changes.end());
  return changes;
}

}  // namespace

void TestFence::check() const {
  ++checks_;
  if (checks_left_ && --*checks_left_ <= 0)
    throw Error(ErrorKind::lease_lost, "the test took the lease away");
}

int link_destination_contract() { return 0; }

void DestinationContract::SetUp() {
  database_ = GetParam()->make();
  if (!database_) GTEST_SKIP() << GetParam()->name << " is not there";
}

std::shared_ptr<const Schema> DestinationContract::item_schema(const std::string& table) {
  return make_schema(table, {field("id", Type::int64), field("name", Type::text), field("note", Type::text)});
}

void DestinationContract::create_table(const std::string& name, const std::string& columns) {
  database_->run(
      fmt::format("CREATE TABLE {} ({}){}", dialect().quoted(name), columns, dialect().table_suffix));
}

void DestinationContract::create_items(const std::string& extra) {
  create_table("items",
               fmt::format("{} {} NOT NULL, {} {}, {} {}, PRIMARY KEY ({}){}", dialect().quoted("id"),
                           dialect().integer, dialect().quoted("name"), dialect().text,
                           dialect().quoted("note"), dialect().text, dialect().quoted("id"), extra));
}

DestinationSpec DestinationContract::spec(const std::shared_ptr<const Schema>& schema) const {
  DestinationSpec spec;
  spec.table = schema->table;
  spec.incoming = *schema;
  spec.deletes = Deletes::hard;
  return spec;
}

std::unique_ptr<Destination> DestinationContract::open(const DestinationSpec& spec) {
  auto destination = connection().open_destination(spec);
  destination->prepare();
  return destination;
}

WriteResult DestinationContract::write(Destination& destination, const Batch& batch, WriteMode mode) {
  WriteResult result = destination.write(batch, mode, fence_);
  EXPECT_EQ(result.written + result.deleted + result.unchanged + result.rejected.size(), batch.rows());
  for (const Rejection& rejection : result.rejected) {
    EXPECT_LT(rejection.change, batch.rows());
    EXPECT_FALSE(rejection.reason.empty());
  }
  return result;
}

WriteResult DestinationContract::write_twice(Destination& destination, const Batch& batch,
                                             const std::string& table,
                                             const std::vector<std::string>& columns) {
  const WriteResult first = write(destination, batch);
  const auto once = rows(table, columns);
  const WriteResult second = write(destination, batch);
  EXPECT_EQ(rows(table, columns), once) << "writing twice left other rows than once";
  EXPECT_EQ(second.written, 0u);
  EXPECT_EQ(second.deleted, 0u);
  EXPECT_EQ(changes_of(second), changes_of(first));
  return first;
}

std::vector<TextRow> DestinationContract::rows(const std::string& table,
                                               const std::vector<std::string>& columns) {
  std::vector<std::string> quoted;
  for (const std::string& column : columns) quoted.push_back(dialect().quoted(column));
  return database_->query(fmt::format("SELECT {} FROM {} ORDER BY {}", join(quoted, ", "),
                                      dialect().quoted(table), quoted.front()));
}

void DestinationContract::expect_rows(const std::vector<TextRow>& wanted, const std::string& table,
                                      const std::vector<std::string>& columns) {
  const std::vector<TextRow> there = rows(table, columns);
  EXPECT_EQ(there.size(), wanted.size());
  for (std::size_t i = 0; i < std::min(there.size(), wanted.size()); ++i)
    EXPECT_EQ(show(there[i]), show(wanted[i]));
}

// --- preparing ---

// A test binary that links other parts of the testkit may get this one too.

TEST_P(DestinationContract, CreatesAMissingTableWithTheKeyAsPrimaryKey) {
  const auto schema =
      make_schema("made", {field("a", Type::int64), field("b", Type::int64), field("name", Type::text)}, 2);
  const auto destination = connection().open_destination(spec(schema));
  const Prepared prepared = destination->prepare();
  EXPECT_TRUE(prepared.created);
  EXPECT_TRUE(prepared.empty);
  EXPECT_FALSE(prepared.ddl.empty());
  const auto tables = connection().discover("made");
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0].schema.key, (std::vector<std::size_t>{0, 1}));
  EXPECT_TRUE(tables[0].schema.fields.at(2).nullable);
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({1, 2, nullptr})).written, 1u);
}

TEST_P(DestinationContract, PreparingAgainFindsTheTableAndWhetherItHasRows) {
  const auto destination = open_items();
  Prepared again = open_items() ? connection().open_destination(spec(item_schema()))->prepare() : Prepared{};
  EXPECT_FALSE(again.created);
  EXPECT_TRUE(again.empty);
  write(*destination, BatchBuilder(item_schema()).upsert({1, "a", "b"}));
  again = connection().open_destination(spec(item_schema()))->prepare();
  EXPECT_FALSE(again.created);
  EXPECT_FALSE(again.empty);
}

TEST_P(DestinationContract, ADryRunSaysWhatItWouldCreateAndChangesNothing) {
  const Prepared prepared = connection().open_destination(spec(item_schema()))->prepare(true);
  EXPECT_NE(prepared.ddl.find("CREATE TABLE"), std::string::npos) << prepared.ddl;
  EXPECT_TRUE(connection().discover().empty());
}

TEST_P(DestinationContract, AMissingTableIsAnErrorThatNamesItUnlessItMayBeCreated) {
  create_items();
  DestinationSpec wrong = spec(item_schema("itemz"));
  wrong.create = false;
  try {
    connection().open_destination(wrong)->prepare();
    FAIL() << "a missing table was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    EXPECT_NE(std::string(error.what()).find("itemz"), std::string::npos) << error.what();
  }
}

TEST_P(DestinationContract, AMissingFieldIsAnErrorThatNamesIt) {
  create_items();
  const auto schema = make_schema("items", {field("id", Type::int64), field("nickname", Type::text)});
  try {
    connection().open_destination(spec(schema))->prepare();
    FAIL() << "a missing field was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    EXPECT_NE(std::string(error.what()).find("nickname"), std::string::npos) << error.what();
  }
}

TEST_P(DestinationContract, TheKeyMustHaveAUniqueIndexOnExactlyItsFieldsNotNull) {
  const std::string a = fmt::format("a {} NOT NULL, ", dialect().integer),
                    b = fmt::format("b {} NOT NULL", dialect().integer);
  const std::string nullable_a = fmt::format("a {}, ", dialect().integer);
  create_table("bare", a + b);
  create_table("wider", a + b + ", PRIMARY KEY (a, b)");
  create_table("other", a + b + ", PRIMARY KEY (b)");
  create_table("nullable", nullable_a + b + ", UNIQUE (a)");
  create_table("right", a + b + ", PRIMARY KEY (b), UNIQUE (a)");
  const auto prepare = [&](const std::string& table) {
    connection()
        .open_destination(spec(make_schema(table, {field("a", Type::int64), field("b", Type::int64)})))
        ->prepare();
  };
  for (const std::string table : {"bare", "wider", "other", "nullable"}) {
    try {
      prepare(table);
      ADD_FAILURE() << "the key of table " << table << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config) << error.what();
      EXPECT_NE(std::string(error.what()).find(table), std::string::npos) << error.what();
    }
  }
  EXPECT_NO_THROW(prepare("right"));
}

TEST_P(DestinationContract, AKeyMayLieOnAUniqueIndexBesideThePrimaryKey) {
  create_table("coded", fmt::format("nr {}, code {} NOT NULL, name {}, UNIQUE (code)",
                                    dialect().ascending_key, dialect().key_text, dialect().text));
  const auto schema = make_schema("coded", {field("code", Type::text), field("name", Type::text)});
  const auto destination = open(spec(schema));
  EXPECT_EQ(write_twice(*destination, BatchBuilder(schema).upsert({"x", "one"}).upsert({"y", "two"}), "coded",
                        {"code", "name"})
                .written,
            2u);
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({"x", "changed"})).written, 1u);
  expect_rows({{"x", "changed"}, {"y", "two"}}, "coded", {"code", "name"});
}

// --- writing ---

TEST_P(DestinationContract, WritingTwiceLeavesTheSameRowsAsOnce) {
  create_items();
  const auto destination = open_items();
  const auto result = write_twice(
      *destination,
      BatchBuilder(item_schema()).upsert({1, "a", nullptr}).upsert({2, "", "b"}).upsert({3, nullptr, ""}));
  EXPECT_EQ(result.written, 3u);
  expect_rows({{"1", "a", std::nullopt}, {"2", "", "b"}, {"3", std::nullopt, ""}});
}

TEST_P(DestinationContract, OnlyRowsThatDifferAreWritten) {
  create_items();
  const auto destination = open_items();
  write(*destination,
        BatchBuilder(item_schema()).upsert({1, "a", "x"}).upsert({2, "b", "x"}).upsert({3, nullptr, "x"}));
  const auto result = write(*destination, BatchBuilder(item_schema())
                                              .upsert({1, "a", "x"})
                                              .upsert({2, "b", nullptr})
                                              .upsert({3, "", "x"})
                                              .upsert({4, "new", "x"}));
  EXPECT_EQ(result.unchanged, 1u);
  EXPECT_EQ(result.written, 3u);
  expect_rows({{"1", "a", "x"}, {"2", "b", std::nullopt}, {"3", "", "x"}, {"4", "new", "x"}});
}

TEST_P(DestinationContract, AChangeOfCaseAccentOrTrailingSpaceIsAChange) {
  create_items();
  const auto destination = open_items();
  write(*destination,
        BatchBuilder(item_schema()).upsert({1, "a", "x"}).upsert({2, "a", "x"}).upsert({3, "a", "x"}));
  const auto result =
      write(*destination,
            BatchBuilder(item_schema()).upsert({1, "A", "x"}).upsert({2, "á", "x"}).upsert({3, "a ", "x"}));
  EXPECT_EQ(result.written, 3u);
  expect_rows({{"1", "A", "x"}, {"2", "á", "x"}, {"3", "a ", "x"}});
}

TEST_P(DestinationContract, RowsBesideTheBatchAreNotTouched) {
  create_items();
  database_->run(fmt::format("INSERT INTO {} VALUES (10, 'other', 'row')", dialect().quoted("items")));
  const auto destination = open_items();
  write(*destination, BatchBuilder(item_schema()).upsert({1, "a", nullptr}));
  expect_rows({{"1", "a", std::nullopt}, {"10", "other", "row"}});
}

TEST_P(DestinationContract, AnEmptyBatchIsWrittenToo) {
  create_items();
  EXPECT_EQ(write(*open_items(), Batch(item_schema())).written, 0u);
}

TEST_P(DestinationContract, AFullBatchOfThousandsOfRowsIsWrittenWithRightFigures) {
  create_items();
  const auto destination = open_items();
  EXPECT_EQ(write(*destination, many_items(1, 4000, "first")).written, 4000u);
  EXPECT_EQ(write(*destination, many_items(2001, 6000, "first")).unchanged, 2000u);
  const auto third = write(*destination, many_items(3001, 7000, "third"));
  EXPECT_EQ(third.written, 4000u);
  EXPECT_EQ(rows().size(), 7000u);
}

TEST_P(DestinationContract, AppendingWritesNewRowsAndMayBeRepeated) {
  const auto destination = open_items();
  EXPECT_EQ(write(*destination, many_items(1, 2000, "a"), WriteMode::append).written, 2000u);
  EXPECT_EQ(write(*destination, many_items(1, 2000, "a"), WriteMode::append).unchanged, 2000u);
  const auto overlapping = write(*destination, many_items(1001, 3000, "a"), WriteMode::append);
  EXPECT_EQ(overlapping.written, 1000u);
  EXPECT_EQ(overlapping.unchanged, 1000u);
  EXPECT_EQ(write(*destination, many_items(1, 1, "b"), WriteMode::append).written, 1u);
  EXPECT_EQ(rows().size(), 3000u);
}

// --- rows that are refused ---

TEST_P(DestinationContract, ARowThatBreaksAConstraintDoesNotSinkTheOthers) {
  create_items(fmt::format(", CHECK ({} <> 'bad')", dialect().quoted("name")));
  for (const WriteMode mode : {WriteMode::append, WriteMode::upsert}) {
    const auto destination = open_items();
    const auto result =
        write(*destination,
              BatchBuilder(item_schema()).upsert({1, "a", "x"}).upsert({2, "bad", "x"}).upsert({3, "c", "x"}),
              mode);
    ASSERT_EQ(result.rejected.size(), 1u);
    EXPECT_EQ(result.rejected[0].change, 1u);
    EXPECT_EQ(result.rejected[0].cause, RejectionCause::constraint);
    expect_rows({{"1", "a", "x"}, {"3", "c", "x"}});
  }
}

TEST_P(DestinationContract, ARefusedUpdateLeavesTheRowAsItWas) {
  create_items(fmt::format(", CHECK ({} <> 'bad')", dialect().quoted("name")));
  const auto destination = open_items();
  write(*destination, BatchBuilder(item_schema()).upsert({1, "a", "x"}));
  const auto result =
      write(*destination, BatchBuilder(item_schema()).upsert({1, "bad", "y"}).upsert({2, "b", "y"}));
  EXPECT_EQ(changes_of(result), std::vector<std::size_t>{0});
  expect_rows({{"1", "a", "x"}, {"2", "b", "y"}});
}

TEST_P(DestinationContract, ANullInAFieldThatMustHaveAValueIsRefusedByName) {
  create_table("strict_items", fmt::format("id {} NOT NULL, name {} NOT NULL, PRIMARY KEY (id)",
                                           dialect().integer, dialect().text));
  const auto schema = make_schema("strict_items", {field("id", Type::int64), field("name", Type::text)});
  for (const WriteMode mode : {WriteMode::append, WriteMode::upsert}) {
    const auto result =
        write(*open(spec(schema)), BatchBuilder(schema).upsert({1, nullptr}).upsert({2, "b"}), mode);
    ASSERT_EQ(result.rejected.size(), 1u);
    EXPECT_EQ(result.rejected[0].change, 0u);
    EXPECT_EQ(result.rejected[0].field, "name");
    EXPECT_EQ(result.rejected[0].cause, RejectionCause::constraint);
    expect_rows({{"2", "b"}}, "strict_items", {"id", "name"});
  }
}

TEST_P(DestinationContract, NoRowIsTouchedByWayOfAnotherUniqueIndex) {
  create_table("people", fmt::format("id {} NOT NULL, email {}, name {}, PRIMARY KEY (id), UNIQUE (email)",
                                     dialect().integer, dialect().key_text, dialect().text));
  const auto schema = make_schema(
      "people", {field("id", Type::int64), field("email", Type::text), field("name", Type::text)});
  const std::vector<std::string> columns = {"id", "email", "name"};
  const auto destination = open(spec(schema));
  write(*destination, BatchBuilder(schema)
                          .upsert({1, "a@x", "first"})
                          .upsert({2, "b@x", "second"})
                          .upsert({3, nullptr, "third"}));
  for (const WriteMode mode : {WriteMode::append, WriteMode::upsert}) {
    // A new row, and an existing one, that want what another row has.
    const auto result = write(*destination,
                              BatchBuilder(schema)
                                  .upsert({7, "a@x", "thief"})
                                  .upsert({2, "a@x", "thief"})
                                  .upsert({4, nullptr, "fourth"}),
                              mode);
    EXPECT_EQ(changes_of(result), (std::vector<std::size_t>{0, 1}));
    for (const Rejection& rejection : result.rejected)
      EXPECT_EQ(rejection.cause, RejectionCause::unique) << rejection.reason;
    expect_rows({{"1", "a@x", "first"},
                 {"2", "b@x", "second"},
                 {"3", std::nullopt, "third"},
                 {"4", std::nullopt, "fourth"}},
                "people", columns);
  }
}

TEST_P(DestinationContract, TwoNewRowsThatWantOneUniqueValueAreNotBothWritten) {
  create_table("people", fmt::format("id {} NOT NULL, email {}, PRIMARY KEY (id), UNIQUE (email)",
                                     dialect().integer, dialect().key_text));
  const auto schema = make_schema("people", {field("id", Type::int64), field("email", Type::text)});
  for (const WriteMode mode : {WriteMode::append, WriteMode::upsert}) {
    const auto result =
        write(*open(spec(schema)),
              BatchBuilder(schema).upsert({1, "a@x"}).upsert({2, "a@x"}).upsert({3, "c@x"}), mode);
    EXPECT_GE(result.rejected.size(), 1u);
    for (const Rejection& rejection : result.rejected) EXPECT_NE(rejection.change, 2u);
    EXPECT_EQ(rows("people", {"id", "email"}).size(), 3u - result.rejected.size());
    database_->run("DELETE FROM " + dialect().quoted("people"));
  }
}

TEST_P(DestinationContract, ARowWithoutItsParentIsRefusedUntilTheParentIsThere) {
  create_table("parents", fmt::format("id {} NOT NULL, PRIMARY KEY (id)", dialect().integer));
  create_table(
      "children",
      fmt::format("id {0} NOT NULL, parent {0}, PRIMARY KEY (id), FOREIGN KEY (parent) REFERENCES {1} (id)",
                  dialect().integer, dialect().quoted("parents")));
  database_->run("INSERT INTO " + dialect().quoted("parents") + " VALUES (1)");
  const auto schema = make_schema("children", {field("id", Type::int64), field("parent", Type::int64)});
  const auto destination = open(spec(schema));
  for (const WriteMode mode : {WriteMode::append, WriteMode::upsert}) {
    const auto result =
        write(*destination, BatchBuilder(schema).upsert({1, 1}).upsert({2, 99}).upsert({3, nullptr}), mode);
    ASSERT_EQ(result.rejected.size(), 1u);
    EXPECT_EQ(result.rejected[0].change, 1u);
    EXPECT_EQ(result.rejected[0].cause, RejectionCause::foreign_key) << result.rejected[0].reason;
    EXPECT_EQ(rows("children", {"id", "parent"}).size(), 2u);
  }
  database_->run("INSERT INTO " + dialect().quoted("parents") + " VALUES (99)");
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({2, 99})).written, 1u);

  const auto parents_schema = make_schema("parents", {field("id", Type::int64)});
  const auto parents = open(spec(parents_schema));
  const auto result = write(*parents, BatchBuilder(parents_schema).remove({99}).upsert({5}));
  ASSERT_EQ(result.rejected.size(), 1u);
  EXPECT_EQ(result.rejected[0].cause, RejectionCause::foreign_key) << result.rejected[0].reason;
  expect_rows({{"1"}, {"5"}, {"99"}}, "parents", {"id"});
}

TEST_P(DestinationContract, TheForeignKeysAmongItsTablesAreTold) {
  for (const char* name : {"parents", "others"})
    create_table(name, fmt::format("id {} NOT NULL, PRIMARY KEY (id)", dialect().integer));
  create_table("children",
               fmt::format("id {0} NOT NULL, parent {0}, other {0}, PRIMARY KEY (id), FOREIGN KEY (parent) "
                           "REFERENCES {1} (id), FOREIGN KEY (other) REFERENCES {2} (id)",
                           dialect().integer, dialect().quoted("parents"), dialect().quoted("others")));
  EXPECT_EQ(database_->connection().references({"children", "missing", "parents"}),
            (std::vector<Reference>{{"children", "parents"}}));
  EXPECT_EQ(database_->connection().references({"children", "others", "parents"}).size(), 2u);
  EXPECT_TRUE(database_->connection().references({"parents", "others"}).empty());
}

TEST_P(DestinationContract, ManyRefusedRowsAreEachNamed) {
  create_items(fmt::format(", CHECK ({} <> 'bad')", dialect().quoted("name")));
  BatchBuilder builder(item_schema());
  std::vector<std::size_t> wanted;
  for (int i = 0; i < 300; ++i) {
    const bool bad = i % 7 == 3;
    if (bad) wanted.push_back(static_cast<std::size_t>(i));
    builder.upsert({i, bad ? "bad" : "good", nullptr});
  }
  EXPECT_EQ(changes_of(write(*open_items(), builder)), wanted);
  EXPECT_EQ(rows().size(), 300u - wanted.size());
}

// --- the lease, and waiting ---

TEST_P(DestinationContract, NothingIsWrittenOnceTheLeaseIsOver) {
  create_items();
  const auto destination = open_items();
  TestFence counting;
  destination->write(BatchBuilder(item_schema()).upsert({1, "a", "x"}), WriteMode::upsert, counting);
  ASSERT_GE(counting.checks(), 2) << "the lease is checked after BEGIN and before COMMIT";
  for (int check = 1; check <= counting.checks(); ++check) {
    TestFence fence;
    fence.close_at(check);
    try {
      destination->write(
          BatchBuilder(item_schema()).upsert({1, "too late", "x"}).upsert({2, "too late", "x"}),
          WriteMode::upsert, fence);
      ADD_FAILURE() << "written though the lease was over at check " << check;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::lease_lost);
    }
    expect_rows({{"1", "a", "x"}});
  }
  EXPECT_EQ(write(*destination, BatchBuilder(item_schema()).upsert({2, "b", "x"})).written, 1u);
}

TEST_P(DestinationContract, AStopRequestEndsAWaitingWrite) {
  if (GetParam()->block_writers.empty()) return;  // nothing makes a write wait here
  create_items();
  const auto destination = open_items();
  write(*destination, BatchBuilder(item_schema()).upsert({1, "a", "x"}));
  const auto blocker = database_->open_session();
  for (const std::string& statement : GetParam()->block_writers) blocker->run(statement);
  auto writing = std::async(std::launch::async, [&] {
    try {
      destination->write(BatchBuilder(item_schema()).upsert({1, "b", "x"}), WriteMode::upsert, fence_);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::bug;
  });
  EXPECT_EQ(writing.wait_for(300ms), std::future_status::timeout) << "the write did not wait for the lock";
  database_->stop().request_stop();
  ASSERT_EQ(writing.wait_for(2s), std::future_status::ready) << "the write went on waiting";
  EXPECT_EQ(writing.get(), ErrorKind::cancelled);
}

}  // namespace syncflow::testkit
