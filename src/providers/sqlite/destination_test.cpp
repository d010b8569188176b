#include "providers/sqlite/destination.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "core/error.h"
#include "providers/sqlite/test_database.h"
#include "testkit/destination_contract.h"
#include "testkit/fake_clock.h"

namespace syncflow::sqlite {
namespace {

using namespace std::chrono_literals;
using namespace testkit;

class SqliteDestination : public ::testing::Test {
 protected:
  static std::shared_ptr<const Schema> items() {
    return make_schema("items", {field("id", Type::int64), field("name", Type::text)});
  }

  DestinationSpec spec(const std::shared_ptr<const Schema>& schema = items()) const {
    DestinationSpec spec;
    spec.table = schema->table;
    spec.incoming = *schema;
    spec.deletes = Deletes::hard;
    return spec;
  }

  std::unique_ptr<Destination> open(const DestinationSpec& spec) {
    auto destination = file_.connection().open_destination(spec);
    prepared_ = destination->prepare();
    return destination;
  }

  ErrorKind kind_of_preparing(const DestinationSpec& spec) {
    try {
      open(spec);
    } catch (const Error& error) {
      last_error_ = error.what();
      return error.kind();
    }
    return ErrorKind::bug;
  }

  WriteResult write(Destination& destination, const Batch& batch, WriteMode mode = WriteMode::upsert) {
    return destination.write(batch, mode, fence_);
  }

  std::string rows(const std::string& sql = "SELECT id, name FROM items ORDER BY id") {
    std::string out;
    for (const TextRow& row : file_.query(sql)) out += testkit::show(row);
    return out;
  }

  FakeClock clock_;
  TestFile file_{"wal", {}, &clock_};
  TestFence fence_;
  Prepared prepared_;
  std::string last_error_;
};

// --- other constraints, triggers ---

TEST_F(SqliteDestination, AConstraintThatSaysReplaceDoesNotDeleteTheOtherRow) {
  file_.run(
      "CREATE TABLE items (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, name TEXT UNIQUE ON CONFLICT "
      "REPLACE)");
  const auto destination = open(spec());
  for (const WriteMode mode : {WriteMode::append, WriteMode::upsert}) {
    write(*destination, BatchBuilder(items()).upsert({1, "a"}).upsert({2, "b"}), mode);
    const auto result = write(*destination, BatchBuilder(items()).upsert({3, "a"}).upsert({2, "a"}), mode);
    EXPECT_EQ(result.rejected.size(), 2u);
    EXPECT_EQ(rows(), "(\"1\", \"a\")(\"2\", \"b\")");
  }
}

TEST_F(SqliteDestination, ATriggerThatRollsBackCostsOnlyItsOwnRow) {
  file_.run("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)");
  file_.run(
      "CREATE TRIGGER guard BEFORE INSERT ON items WHEN new.name = 'bad' BEGIN SELECT RAISE(ROLLBACK, "
      "'never'); END");
  const auto result =
      write(*open(spec()),
            BatchBuilder(items()).upsert({1, "a"}).upsert({2, "bad"}).upsert({3, "bad"}).upsert({4, "d"}));
  EXPECT_EQ(result.written, 2u);
  ASSERT_EQ(result.rejected.size(), 2u);
  EXPECT_EQ(result.rejected[0].change, 1u);
  EXPECT_EQ(result.rejected[0].cause, RejectionCause::constraint);
  EXPECT_EQ(rows(), "(\"1\", \"a\")(\"4\", \"d\")");
}

TEST_F(SqliteDestination, ATriggerThatLeavesARowOutMakesARejectionNotAnUnchangedRow) {
  file_.run("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT)");
  file_.run(
      "CREATE TRIGGER guard BEFORE INSERT ON items WHEN new.name = 'bad' BEGIN SELECT RAISE(IGNORE); END");
  const auto destination = open(spec());
  for (int round = 0; round < 2; ++round) {
    const auto result = write(*destination, BatchBuilder(items()).upsert({1, "a"}).upsert({2, "bad"}));
    EXPECT_EQ(result.unchanged, round == 0 ? 0u : 1u);
    ASSERT_EQ(result.rejected.size(), 1u);
    EXPECT_EQ(result.rejected[0].change, 1u);
  }
}

TEST_F(SqliteDestination, WhatATriggerDidBeforeARowWasRefusedIsUndone) {
  file_.run("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT CHECK (name <> 'bad'))");
  file_.run("CREATE TABLE log (id INTEGER)");
  file_.run("CREATE TRIGGER note BEFORE INSERT ON items BEGIN INSERT INTO log VALUES (new.id); END");
  write(*open(spec()), BatchBuilder(items()).upsert({1, "a"}).upsert({2, "bad"}));
  EXPECT_EQ(rows("SELECT id FROM log"), "(\"1\")");
}

TEST_F(SqliteDestination, AForeignKeyThatIsCheckedAtCommitCostsOnlyItsOwnRow) {
  file_.run(
      "CREATE TABLE items (id INTEGER PRIMARY KEY, name INTEGER REFERENCES items DEFERRABLE INITIALLY "
      "DEFERRED)");
  const auto schema = make_schema("items", {field("id", Type::int64), field("name", Type::int64)});
  const auto destination = open(spec(schema));
  // A child before its parent is fine where the parent comes in the same batch.
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({1, 2}).upsert({2, nullptr})).written, 2u);
  const auto result = write(*destination, BatchBuilder(schema).upsert({3, 99}).upsert({4, 1}));
  EXPECT_EQ(result.written, 1u);
  ASSERT_EQ(result.rejected.size(), 1u);
  EXPECT_EQ(result.rejected[0].change, 0u);
  EXPECT_EQ(result.rejected[0].cause, RejectionCause::foreign_key);
  EXPECT_EQ(rows("SELECT id FROM items ORDER BY id"), "(\"1\")(\"2\")(\"4\")");
}

TEST_F(SqliteDestination, AnUnmappedFieldThatMustHaveAValueKeepsOnlyNewRowsOut) {
  file_.run(
      "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, owner TEXT NOT NULL, CHECK (name <> owner))");
  file_.run("INSERT INTO items VALUES (1, 'a', 'me')");
  const auto destination = open(spec());
  ASSERT_EQ(prepared_.warnings.size(), 1u);
  EXPECT_NE(prepared_.warnings[0].find("owner"), std::string::npos);
  for (const WriteMode mode : {WriteMode::append, WriteMode::upsert}) {
    const auto result = write(
        *destination,
        BatchBuilder(items()).upsert({1, fmt::format("b{}", static_cast<int>(mode))}).upsert({2, "c"}), mode);
    EXPECT_EQ(result.written, 1u);
    ASSERT_EQ(result.rejected.size(), 1u);
    EXPECT_EQ(result.rejected[0].field, "owner");
  }
  EXPECT_EQ(rows(), "(\"1\", \"b1\")");
}

// --- keys ---

TEST_F(SqliteDestination, KeysThatTheIndexTakesForOneAreBothRejected) {
  file_.run("CREATE TABLE words (word TEXT COLLATE NOCASE PRIMARY KEY, n INTEGER)");
  const auto schema = make_schema("words", {field("word", Type::text), field("n", Type::int64)});
  const auto destination = open(spec(schema));
  const auto result =
      write(*destination, BatchBuilder(schema).upsert({"a", 1}).upsert({"b", 1}).upsert({"A", 2}));
  ASSERT_EQ(result.rejected.size(), 2u);
  EXPECT_EQ(result.rejected[0].change, 0u);
  EXPECT_EQ(result.rejected[1].change, 2u);
  EXPECT_EQ(result.rejected[0].cause, RejectionCause::unique);
  EXPECT_EQ(rows("SELECT word, n FROM words"), "(\"b\", \"1\")");

  // A row that is there under another spelling is not this row.
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({"B", 2})).rejected.size(), 1u);
  EXPECT_EQ(write(*destination, BatchBuilder(schema).remove({"B"})).unchanged, 1u);
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({"b", 2})).written, 1u);
  EXPECT_EQ(rows("SELECT word, n FROM words"), "(\"b\", \"2\")");
}

TEST_F(SqliteDestination, AUniqueIndexOfAnotherCollationThanItsColumnIsUsedAsItIs) {
  file_.run("CREATE TABLE words (word TEXT COLLATE NOCASE NOT NULL, n INTEGER)");
  file_.run("CREATE UNIQUE INDEX exact ON words (word COLLATE BINARY)");
  const auto schema = make_schema("words", {field("word", Type::text), field("n", Type::int64)});
  const auto destination = open(spec(schema));
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({"a", 1}).upsert({"A", 2})).written, 2u);
  EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({"a", 3}).remove({"A"})).deleted, 1u);
  EXPECT_EQ(rows("SELECT word, n FROM words"), "(\"a\", \"3\")");
}

TEST_F(SqliteDestination, PartialIndexesAndIndexesOnExpressionsDoNotBackAKey) {
  file_.run("CREATE TABLE items (id INTEGER NOT NULL, name TEXT NOT NULL)");
  file_.run("CREATE UNIQUE INDEX some ON items (id) WHERE name <> ''");
  file_.run("CREATE UNIQUE INDEX computed ON items (id + 0)");
  EXPECT_EQ(kind_of_preparing(spec()), ErrorKind::bad_config);
  EXPECT_NE(last_error_.find("UNIQUE INDEX"), std::string::npos) << last_error_;
}

TEST_F(SqliteDestination, TablesWithoutRowidAndStrictOnesAreWritten) {
  file_.run("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT) STRICT, WITHOUT ROWID");
  const auto destination = open(spec());
  EXPECT_EQ(write(*destination, BatchBuilder(items()).upsert({1, "a"}), WriteMode::append).written, 1u);
  EXPECT_EQ(write(*destination, BatchBuilder(items()).upsert({1, "a"}).move({1}, {2, "b"})).written, 1u);
  EXPECT_EQ(rows(), "(\"2\", \"b\")");
}

TEST_F(SqliteDestination, AnIntegerKeyOfATableOfOurMakingIsTheRowid) {
  open(spec());
  EXPECT_TRUE(
      find_table(*std::make_unique<Database>(file_.path(), OpenMode::read_only, 1s), "items")->rowid_is_key);
}

// --- fields ---

TEST_F(SqliteDestination, NamesMatchInAnyCaseAsSqliteHasIt) {
  file_.run("CREATE TABLE Items (ID INTEGER PRIMARY KEY, Name TEXT)");
  EXPECT_EQ(write(*open(spec()), BatchBuilder(items()).upsert({1, "a"})).written, 1u);
  EXPECT_EQ(rows(), "(\"1\", \"a\")");
}

TEST_F(SqliteDestination, AGeneratedFieldAndOneThatIsNamedTwiceAreRefused) {
  file_.run("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT AS (id || 'x'))");
  EXPECT_EQ(kind_of_preparing(spec()), ErrorKind::bad_config);
  EXPECT_NE(last_error_.find("generated"), std::string::npos) << last_error_;
  file_.run("CREATE TABLE others (id INTEGER PRIMARY KEY, name TIMESTAMPTZ)");
  DestinationSpec twice = spec(make_schema("others", {field("id", Type::int64), field("name", Type::text)}));
  twice.stamp = "name";
  EXPECT_EQ(kind_of_preparing(twice), ErrorKind::bad_config);
}

TEST_F(SqliteDestination, AStampThatCannotHoldAnInstantIsRefused) {
  file_.run("CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, synced_at INTEGER)");
  DestinationSpec stamped = spec();
  stamped.stamp = "synced_at";
  EXPECT_EQ(kind_of_preparing(stamped), ErrorKind::bad_config);
  EXPECT_NE(last_error_.find("TIMESTAMPTZ"), std::string::npos) << last_error_;
}

TEST_F(SqliteDestination, StampsSortAsTheTimesDo) {
  DestinationSpec stamped = spec();
  stamped.stamp = "synced_at";
  const auto destination = open(stamped);
  for (int id = 1; id <= 4; ++id) {
    write(*destination, BatchBuilder(items()).upsert({id, "x"}));
    clock_.advance(id == 2 ? 1s : 500ms);
  }
  EXPECT_EQ(rows("SELECT id, synced_at FROM items ORDER BY synced_at"),
            "(\"1\", \"2024-01-01T00:00:00.000000Z\")(\"2\", \"2024-01-01T00:00:00.500000Z\")"
            "(\"3\", \"2024-01-01T00:00:01.500000Z\")(\"4\", \"2024-01-01T00:00:02.000000Z\")");
}

TEST_F(SqliteDestination, FieldsOfAnotherSqliteFileAreCopiedAsTheyAre) {
  auto schema = std::make_shared<Schema>(
      *make_schema("copy", {field("id", Type::int64), field("v", Type::text), field("d", Type::decimal)}));
  schema->provider = "sqlite";
  schema->fields[0].native = "BIGINT";
  schema->fields[1].native = "STRING";
  schema->fields[2].native = "DECIMAL(10,2)";
  const auto destination = open(spec(schema));
  EXPECT_NE(prepared_.ddl.find("\"v\" STRING"), std::string::npos) << prepared_.ddl;
  EXPECT_NE(prepared_.ddl.find("\"d\" DECIMAL(10,2)"), std::string::npos) << prepared_.ddl;
}

// --- the file ---

class SqliteFile : public ::testing::Test {
 protected:
  std::string path() const { return beside_.path() + ".new"; }

  std::unique_ptr<Destination> open(const std::string& path, bool create) {
    Options options;
    options.set("path", path);
    connection_ = provider().connect(options, Resources{clock_, {}});
    DestinationSpec spec;
    spec.table = "items";
    spec.incoming = *make_schema("items", {field("id", Type::int64)});
    spec.create = create;
    return connection_->open_destination(spec);
  }

  SystemClock clock_;
  TestFile beside_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(SqliteFile, ADestinationMakesItsFileAndItsReadersAreNotHeldUp) {
  const auto destination = open(path(), true);
  EXPECT_TRUE(destination->prepare(true).created);
  EXPECT_FALSE(std::filesystem::exists(path())) << "a dry run made the file";
  EXPECT_TRUE(destination->prepare().created);
  Database made(path(), OpenMode::read_only, 1s);
  Statement mode = made.prepare("PRAGMA journal_mode");
  mode.step();
  EXPECT_EQ(mode.text(0), "wal");
}

TEST_F(SqliteFile, AFileThatIsMissingIsNamedAndNotMadeUnlessItMayBe) {
  for (const auto& [path, create] :
       {std::pair{this->path(), false}, std::pair{std::string("/no such folder/data.db"), true}}) {
    try {
      open(path, create)->prepare();
      ADD_FAILURE() << path << " was opened";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::not_found) << error.what();
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(path));
  }
}

TEST_F(SqliteFile, AReadOnlyConnectionIsNoDestination) {
  Options options;
  options.set("path", beside_.path());
  options.set("mode", "read_only");
  DestinationSpec spec;
  spec.table = "items";
  spec.incoming = *make_schema("items", {field("id", Type::int64)});
  const auto connection = provider().connect(options, Resources{clock_, {}});
  EXPECT_THROW(connection->open_destination(spec)->prepare(), Error);
}

TEST_F(SqliteFile, AFullDiskLosesNothingAndIsTriedAgain) {
  const auto destination = open(path(), true);
  destination->prepare();
  const auto schema = make_schema("items", {field("id", Type::int64)});
  TestFence fence;
  destination->write(BatchBuilder(schema).upsert({1}), WriteMode::upsert, fence);

  BatchBuilder large(schema);
  for (int id = 2; id < 200'000; ++id) large.upsert({id});
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{256 * 1024, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  ErrorKind kind = ErrorKind::bug;
  try {
    destination->write(large, WriteMode::upsert, fence);
  } catch (const Error& error) {
    kind = error.kind();
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, ignored);
  EXPECT_EQ(kind, ErrorKind::unavailable);

  EXPECT_EQ(destination->write(large, WriteMode::upsert, fence).written, 199'998u);
}

}  // namespace
}  // namespace syncflow::sqlite
