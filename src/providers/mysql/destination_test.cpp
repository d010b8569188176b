#include <fmt/core.h>

#include <thread>

#include "providers/mysql/test_live.h"

namespace syncflow::mysql {
namespace {

using namespace std::chrono_literals;
using testkit::Cell;

std::string show_all(const std::vector<testkit::TextRow>& rows) {
  std::string out;
  for (const auto& row : rows) out += testkit::show(row);
  return out;
}

class MysqlDestination : public MysqlLive {
 protected:
  std::unique_ptr<Destination> open(const std::shared_ptr<const Schema>& schema, Connection& connection) {
    auto destination = connection.open_destination(writing(schema->table, *schema));
    destination->prepare();
    return destination;
  }
  std::unique_ptr<Destination> open(const std::shared_ptr<const Schema>& schema) {
    connection_ = connect();
    return open(schema, *connection_);
  }
  WriteResult write(Destination& destination, const Batch& batch, WriteMode mode = WriteMode::upsert) {
    const WriteResult result = destination.write(batch, mode, fence_);
    EXPECT_EQ(result.written + result.deleted + result.unchanged + result.rejected.size(), batch.rows());
    return result;
  }
  void expect_rows(const std::string& sql, const std::vector<testkit::TextRow>& wanted) {
    EXPECT_EQ(show_all(rows(sql)), show_all(wanted));
  }

  std::unique_ptr<Connection> connection_;
};
SYNCFLOW_ON_MYSQL_SERVERS(MysqlDestination);

// --- keys that fold -----------------------------------------------------------------------------------------------

TEST_P(MysqlDestination, TwoKeysOfOneBatchThatTheCollationFoldsAreBothRejected) {
  database().run("CREATE TABLE words (w VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, n INT)");
  const auto schema = make_schema("words", {field("w", Type::text), field("n", Type::int64)});
  for (const WriteMode mode : {WriteMode::append, WriteMode::upsert}) {
    database().run("DELETE FROM words");
    const auto result =
        write(*open(schema),
              BatchBuilder(schema).upsert({"a", 1}).upsert({"b", 2}).upsert({"A", 3}).upsert({"Á", 4}).upsert(
                  {"c", 5}),
              mode);
    ASSERT_EQ(result.rejected.size(), 3U);
    for (const Rejection& rejection : result.rejected) {
      EXPECT_EQ(rejection.cause, RejectionCause::unique);
      EXPECT_EQ(rejection.field, "w");
    }
    EXPECT_EQ(result.rejected[0].change, 0U);
    EXPECT_EQ(result.rejected[1].change, 2U);
    EXPECT_EQ(result.rejected[2].change, 3U);
    expect_rows("SELECT w, CAST(n AS CHAR) FROM words ORDER BY w", {{"b", "2"}, {"c", "5"}});
  }
}

TEST_P(MysqlDestination, AKeyThatFoldsIntoAStoredOneIsRejectedAndTheStoredOneStays) {
  database().run("CREATE TABLE words (w VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, n INT)");
  database().run("INSERT INTO words VALUES ('a', 1), ('x', 1)");
  const auto schema = make_schema("words", {field("w", Type::text), field("n", Type::int64)});
  const auto destination = open(schema);
  const auto result =
      write(*destination, BatchBuilder(schema).upsert({"A", 2}).upsert({"a ", 3}).upsert({"x", 2}));
  EXPECT_EQ(result.rejected.size(), 2U);
  EXPECT_EQ(result.written, 1U);
  EXPECT_EQ(write(*destination, BatchBuilder(schema).remove({"A"}).remove({"X"})).unchanged, 2U);
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({"a", Cell::kept()})).unchanged, 1U);
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({"A", Cell::kept()})).rejected.size(), 1U);
  expect_rows("SELECT w, CAST(n AS CHAR) FROM words ORDER BY w", {{"a", "1"}, {"x", "2"}});
}

TEST_P(MysqlDestination, CreatedTextKeysTellEveryTwoTextsApart) {
  const auto schema =
      make_schema("made", {field("w", Type::text), field("b", Type::bytes), field("n", Type::int64)}, 2);
  const auto destination = open(schema);
  BatchBuilder builder(schema);
  int n = 0;
  for (const char* word : {"a", "A", "á", "a ", "a\t", "ａ"})
    for (const char* bytes : {"", "00", "0000"}) builder.upsert({word, bytes, ++n});
  EXPECT_EQ(write(*destination, builder).written, 18U);
  EXPECT_EQ(write(*destination, builder).unchanged, 18U);
}

// --- other unique indexes -----------------------------------------------------------------------------------------

TEST_P(MysqlDestination, RowsMaySwapAUniqueValueInOneBatchByWayOfARemoveOrAChange) {
  database().run("CREATE TABLE people (id INT PRIMARY KEY, email VARCHAR(20), UNIQUE (email))");
  database().run("INSERT INTO people VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  const auto schema = make_schema("people", {field("id", Type::int64), field("email", Type::text)});
  const auto destination = open(schema);
  // 3 wants what 2 gives up later in the batch, and 4 what 1 leaves behind.
  const auto result = write(
      *destination, BatchBuilder(schema).upsert({3, "b"}).upsert({2, "z"}).upsert({4, "a"}).remove({1}));
  EXPECT_TRUE(result.rejected.empty()) << result.rejected[0].reason;
  expect_rows("SELECT CAST(id AS CHAR), email FROM people ORDER BY id", {{"2", "z"}, {"3", "b"}, {"4", "a"}});
}

TEST_P(MysqlDestination, ARejectionByAnotherUniqueIndexNamesIt) {
  database().run("CREATE TABLE people (id INT PRIMARY KEY, email VARCHAR(20), UNIQUE one_email (email))");
  database().run("INSERT INTO people VALUES (1, 'a')");
  const auto schema = make_schema("people", {field("id", Type::int64), field("email", Type::text)});
  const auto result = write(*open(schema), BatchBuilder(schema).upsert({2, "a"}));
  ASSERT_EQ(result.rejected.size(), 1U);
  EXPECT_EQ(result.rejected[0].cause, RejectionCause::unique);
  EXPECT_NE(result.rejected[0].reason.find("one_email"), std::string::npos) << result.rejected[0].reason;
}

TEST_P(MysqlDestination, ATableThatRefersToItselfIsWrittenInTheOrderOfTheChanges) {
  database().run(
      "CREATE TABLE tree (id INT PRIMARY KEY, parent INT, name VARCHAR(20), FOREIGN KEY (parent) REFERENCES "
      "tree (id) ON DELETE CASCADE)");
  database().run("INSERT INTO tree VALUES (1, NULL, 'root'), (2, 1, 'child'), (3, NULL, 'other')");
  const auto schema = make_schema(
      "tree", {field("id", Type::int64), field("parent", Type::int64), field("name", Type::text)});
  const auto destination = open(schema);
  // Done first, the remove would take the child with it.
  const auto result = write(*destination, BatchBuilder(schema)
                                              .upsert({2, 3, Cell::kept()})
                                              .remove({1})
                                              .upsert({9, 8, "grand"})
                                              .upsert({8, 2, "new"}));
  EXPECT_TRUE(result.rejected.empty()) << result.rejected[0].reason;
  expect_rows("SELECT CAST(id AS CHAR), name FROM tree ORDER BY id",
              {{"2", "child"}, {"3", "other"}, {"8", "new"}, {"9", "grand"}});
}

// --- what the server would do in silence --------------------------------------------------------------------------

TEST_P(MysqlDestination, AKeyOfZeroStaysZeroThoughTheColumnCountsUp) {
  database().run("CREATE TABLE items (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20))");
  const auto schema = make_schema("items", {field("id", Type::int64), field("name", Type::text)});
  const auto destination = open(schema);
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({0, "zero"}).upsert({7, "seven"})).written, 2U);
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({0, "zero"})).unchanged, 1U);
  expect_rows("SELECT CAST(id AS CHAR), name FROM items ORDER BY id", {{"0", "zero"}, {"7", "seven"}});
}

TEST_P(MysqlDestination, NothingIsCutThoughTheServerIsNotStrict) {
  database().run(
      "CREATE TABLE items (id INT PRIMARY KEY, j VARCHAR(3) CHARACTER SET latin2, e DECIMAL(3,1))");
  const std::string mode = database().value("SELECT @@GLOBAL.sql_mode");
  const auto schema =
      make_schema("items", {field("id", Type::int64), field("j", Type::text), field("e", Type::decimal)});
  const auto connection = connect();
  const auto destination = open(schema, *connection);
  // Only the server knows what latin2 lacks.
  const auto result =
      write(*destination,
            BatchBuilder(schema).upsert({1, "ok", "1.5"}).upsert({2, "日", "1.5"}).upsert({3, "ok", "1.25"}));
  ASSERT_EQ(result.rejected.size(), 2U);
  EXPECT_EQ(result.rejected[0].field, "j");
  EXPECT_EQ(result.rejected[1].field, "e");
  EXPECT_EQ(database().value("SELECT COUNT(*) FROM items"), "1");
}

TEST_P(MysqlDestination, AColumnThatUpdatesItselfMovesOnlyWithARealChange) {
  database().run(
      "CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(20), u TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6) "
      "ON UPDATE CURRENT_TIMESTAMP(6))");
  const auto schema = make_schema("items", {field("id", Type::int64), field("name", Type::text)});
  const auto destination = open(schema);
  write(*destination, BatchBuilder(schema).upsert({1, "a"}).upsert({2, "b"}));
  const auto before = rows("SELECT CAST(u AS CHAR) FROM items ORDER BY id");
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({1, "a"}).upsert({2, "B"})).unchanged, 1U);
  const auto after = rows("SELECT CAST(u AS CHAR) FROM items ORDER BY id");
  EXPECT_EQ(after[0], before[0]);
  EXPECT_NE(after[1], before[1]);
}

TEST_P(MysqlDestination, StampsAndMarksInADatetimeAreInTheConnectionsZone) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, stamped DATETIME(6), gone DATETIME)");
  const auto schema = make_schema("items", {field("id", Type::int64)});
  const auto connection = connect({{"timezone", "+03:00"}});
  DestinationSpec spec = writing("items", *schema);
  spec.stamp = "stamped";
  spec.deletes = Deletes::soft;
  spec.soft_delete = "gone";
  const auto destination = connection->open_destination(spec);
  destination->prepare();
  write(*destination, BatchBuilder(schema).upsert({1}).upsert({2}));
  write(*destination, BatchBuilder(schema).remove({2}));
  const std::string near = "ABS(TIMESTAMPDIFF(SECOND, {}, UTC_TIMESTAMP() + INTERVAL 3 HOUR)) < 60";
  EXPECT_EQ(
      database().value("SELECT COUNT(*) FROM items WHERE " + fmt::format(fmt::runtime(near), "stamped")),
      "2");
  EXPECT_EQ(database().value("SELECT COUNT(*) FROM items WHERE " + fmt::format(fmt::runtime(near), "gone")),
            "1");
}

TEST_P(MysqlDestination, InstantsGoIntoADatetimeInTheConnectionsZoneOnlyWhereThatSaysThemAll) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, at DATETIME(6), ts TIMESTAMP(6) NULL)");
  const auto connection = connect({{"timezone", "Europe/Berlin"}});
  const auto instants = make_schema("items", {field("id", Type::int64), field("at", Type::timestamp_tz)});
  auto result = write(*open(instants, *connection), BatchBuilder(instants)
                                                        .upsert({1, "2024-07-01T12:00:00.000001Z"})
                                                        .upsert({2, "2024-10-27T00:30:00Z"})
                                                        .upsert({3, "2024-10-27T01:30:00Z"}));
  EXPECT_EQ(result.rejected.size(), 2U) << "half past two is shown twice that night";
  expect_rows("SELECT CAST(at AS CHAR) FROM items", {{"2024-07-01 14:00:00.000001"}});

  const auto locals = make_schema("items", {field("id", Type::int64), field("ts", Type::timestamp)});
  result = write(*open(locals, *connection), BatchBuilder(locals)
                                                 .upsert({1, "2024-07-01T14:00:00"})
                                                 .upsert({2, "2024-10-27T02:30:00"})
                                                 .upsert({3, "2024-03-31T02:30:00"}));
  EXPECT_EQ(result.rejected.size(), 2U);
  expect_rows("SELECT CAST(ts AS CHAR) FROM items", {{"2024-07-01 12:00:00.000000"}});
}

// --- limits ---------------------------------------------------------------------------------------------------------

TEST_P(MysqlDestination, ARowThatTheServerWouldNotTakeIsRejectedAndTheOthersAreNot) {
  const auto schema = make_schema("blobs", {field("id", Type::int64), field("b", Type::text)});
  const auto destination = open(schema);
  const auto most = std::stoul(database().value("SELECT CAST(@@max_allowed_packet AS CHAR)"));
  BatchBuilder builder(schema);
  builder.upsert({1, "small"})
      .upsert({2, std::string(most, 'x')})
      .upsert({3, std::string(most / 3, 'y')})
      .upsert({4, std::string(most / 3, 'z')});
  const auto result = write(*destination, builder, WriteMode::append);
  ASSERT_EQ(result.rejected.size(), 1U);
  EXPECT_EQ(result.rejected[0].change, 1U);
  EXPECT_NE(result.rejected[0].reason.find("max_allowed_packet"), std::string::npos);
  EXPECT_EQ(result.written, 3U);
}

TEST_P(MysqlDestination, ATableOfManyColumnsIsWrittenInSmallerStatements) {
  std::vector<Field> fields = {field("id", Type::int64)};
  std::vector<Cell> cells = {1};
  for (int i = 0; i < 300; ++i) {
    fields.push_back(field(fmt::format("c{}", i), Type::int64));
    cells.emplace_back(i);
  }
  const auto schema = make_schema("wide", fields);
  BatchBuilder builder(schema);
  for (int id = 0; id < 500; ++id) {
    cells[0] = Cell(id);
    builder.upsert(cells);
  }
  const auto destination = open(schema);
  EXPECT_EQ(write(*destination, builder).written, 500U);
  EXPECT_EQ(write(*destination, builder).unchanged, 500U);
}

// --- the lease ------------------------------------------------------------------------------------------------------

class ShortLease : public Fence {
 public:
  std::chrono::milliseconds left() const override { return 2s; }
  void check() const override {
    if (++checks_ == 2 && on_second_) on_second_();
  }
  std::function<void()> on_second_;

 private:
  mutable int checks_ = 0;
};

TEST_P(MysqlDestination, TheServerEndsTheTransactionOfAWorkerThatWasFrozenPastItsLease) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(20))");
  const auto schema = make_schema("items", {field("id", Type::int64), field("name", Type::text)});
  const auto destination = open(schema);
  ShortLease fence;
  // Frozen just before COMMIT, until the server has let go of what the batch had locked.
  fence.on_second_ = [&] {
    Session other(database().target(), {});
    other.execute("SET SESSION innodb_lock_wait_timeout = 30");
    other.execute("INSERT INTO items VALUES (1, 'the next owner')");
  };
  EXPECT_THROW(destination->write(BatchBuilder(schema).upsert({1, "frozen"}), WriteMode::upsert, fence),
               Error);
  expect_rows("SELECT name FROM items", {{"the next owner"}});
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({2, "thawed"})).written, 1U);
}

TEST_P(MysqlDestination, AWriteThatWaitsTooLongForALockIsAConflict) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(20))");
  database().run("INSERT INTO items VALUES (1, 'a')");
  const auto schema = make_schema("items", {field("id", Type::int64), field("name", Type::text)});
  const auto destination = open(schema);
  Session blocker(database().target(), {});
  blocker.execute("START TRANSACTION");
  blocker.execute("SELECT * FROM items FOR UPDATE");
  const ShortLease fence;
  EXPECT_EQ(kind_of_throwing(
                [&] {
                  destination->write(BatchBuilder(schema).upsert({1, "b"}), WriteMode::upsert, fence);
                },
                "items"),
            ErrorKind::conflict);
  blocker.execute("ROLLBACK");
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({1, "b"})).written, 1U);
}

// --- set-up -----------------------------------------------------------------------------------------------------------

TEST_P(MysqlDestination, APrefixIndexIsNoKey) {
  database().run("CREATE TABLE items (name VARCHAR(20) NOT NULL, n INT, UNIQUE (name(5)))");
  const auto schema = make_schema("items", {field("name", Type::text), field("n", Type::int64)});
  EXPECT_EQ(kind_of_throwing([&] { open(schema); }, "ADD UNIQUE (`name`)"), ErrorKind::bad_config);
}

TEST_P(MysqlDestination, ATableWithoutTransactionsIsRefused) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY) ENGINE=MyISAM");
  EXPECT_EQ(
      kind_of_throwing([&] { open(make_schema("items", {field("id", Type::int64)})); }, "ENGINE=InnoDB"),
      ErrorKind::bad_config);
}

TEST_P(MysqlDestination, AColumnThatIsComputedOrOfAnotherNatureIsRefusedByName) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, twice INT AS (id * 2) STORED, at DATETIME)");
  EXPECT_EQ(kind_of_throwing(
                [&] {
                  open(make_schema("items", {field("id", Type::int64), field("twice", Type::int64)}));
                },
                "twice"),
            ErrorKind::bad_config);
  EXPECT_EQ(kind_of_throwing(
                [&] {
                  open(make_schema("items", {field("id", Type::int64), field("at", Type::text)}));
                },
                "at"),
            ErrorKind::bad_config);
}

TEST_P(MysqlDestination, WhatATableHoldsLessOfIsAWarning) {
  database().run(
      "CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(5), at DATETIME, d DECIMAL(5,1), must INT NOT "
      "NULL, nr INT AUTO_INCREMENT UNIQUE)");
  Schema incoming = *make_schema("items", {field("id", Type::int64), field("name", Type::text),
                                           field("at", Type::timestamp), field("d", Type::decimal)});
  incoming.fields[1].length = 100;
  incoming.fields[2].precision = 6;
  incoming.fields[3].precision = 10;
  incoming.fields[3].scale = 3;
  const Prepared prepared = connect()->open_destination(writing("items", incoming))->prepare();
  std::string all;
  for (const std::string& warning : prepared.warnings) all += warning + "\n";
  for (const char* part : {"name holds at most 5 characters", "at holds 0 digits", "d holds 1 digits",
                           "must must have a value", "nr counts up"})
    EXPECT_NE(all.find(part), std::string::npos) << part << " not in\n" << all;
}

TEST_P(MysqlDestination, AMissingRightIsNamedBeforeTheFirstRow) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(20))");
  const auto schema = make_schema("items", {field("id", Type::int64), field("name", Type::text)});
  const auto reader = connect_as(database().with_user({"SELECT ON {db}.*"}));
  const auto refused = [&](const DestinationSpec& spec, const char* grant) {
    return kind_of_throwing([&] { reader->open_destination(spec)->prepare(); }, grant);
  };
  DestinationSpec spec = writing("items", *schema);
  EXPECT_EQ(refused(spec, "GRANT INSERT, UPDATE, DELETE ON"), ErrorKind::forbidden);
  spec.deletes = Deletes::ignore;
  EXPECT_EQ(refused(spec, "GRANT INSERT, UPDATE ON"), ErrorKind::forbidden);
  const auto fresh = make_schema("made", {field("id", Type::int64)});
  EXPECT_EQ(refused(writing("made", *fresh), "GRANT CREATE"), ErrorKind::forbidden);
}

TEST_P(MysqlDestination, AColumnThatWasDroppedSinceIsSaid) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(20))");
  const auto schema = make_schema("items", {field("id", Type::int64), field("name", Type::text)});
  const auto destination = open(schema);
  write(*destination, BatchBuilder(schema).upsert({1, "a"}));
  database().run("ALTER TABLE items DROP COLUMN name");
  EXPECT_EQ(kind_of_throwing(
                [&] {
                  write(*destination, BatchBuilder(schema).upsert({2, "b"}));
                },
                "name"),
            ErrorKind::bad_config);
}

TEST_P(MysqlDestination, RowsWhereNoneMayBeAreRefusedAtSetUp) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY)");
  database().run("INSERT INTO items VALUES (1)");
  DestinationSpec spec = writing("items", *make_schema("items", {field("id", Type::int64)}));
  spec.existing = Existing::refuse;
  EXPECT_EQ(kind_of_throwing([&] { connect()->open_destination(spec)->prepare(); }, "has rows"),
            ErrorKind::bad_config);
}

}  // namespace
}  // namespace syncflow::mysql
