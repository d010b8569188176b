// The disk of a destination, or of the store, is full: the program says where, loses nothing, and goes on once there
// is room.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/postgresql_server.h"
#include "support/small_disk.h"
#include "support/two_tables.h"

namespace syncflow::tests {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::size_t kDiskBytes = 64u << 20;

class FullDisk : public TwoTables {
 protected:
  void SetUp() override {
    if (!SmallDisk::obstacle().empty()) GTEST_SKIP() << SmallDisk::obstacle();
    max_retries = 0;
    batch_rows = 1000;
    disk_.emplace(folder() / "disk", kDiskBytes);
  }
  void TearDown() override {
    TwoTables::TearDown();
    // Before the disk goes, the files on it are let go.
    destination_.reset();
    destination_database_.reset();
    server_.reset();
  }

  void begin_with_destination_on_disk() {
    source_database_ = make_database(System::sqlite, folder(), "source.db");
    destination_database_ = make_database(System::sqlite, disk_->folder(), "destination.db");
    make_tables(System::sqlite);
  }
  void begin_with_store_on_disk() {
    store = "sqlite:" + (disk_->folder() / "store.db").string();
    begin(System::sqlite, System::sqlite);
  }

  /// More than the disk holds beside what is there.
  void add_much() {
    const std::string name(90, 'x');
    for (int first = 1000; first < 9000; first += 1000) add_items(first, 1000, name);
    add_tags(1000, 8000);
  }

  void expect_to_go_on() {
    disk_->make_room();
    run_syncs();
    expect_equal();
    expect_quiet();
  }

  std::optional<SmallDisk> disk_;
  std::optional<PostgresqlServer> server_;
};

class FullDiskOfSqlite : public FullDisk, public ::testing::WithParamInterface<const char*> {};

TEST_P(FullDiskOfSqlite, IsNamedAndTheRunGoesOnWhereItWas) {
  begin_with_destination_on_disk();
  destination_->execute(fmt::format("PRAGMA journal_mode = {}", GetParam()));
  add_items(1, 50, "first");
  add_tags(1, 5);
  run_syncs();
  disk_->fill(200'000);
  add_much();
  remove_tag(3);
  EXPECT_THAT(complaint(),
              AllOf(HasSubstr(destination_database_->address()), HasSubstr("disk is full: make room")));
  EXPECT_GE(std::stoi(destination_->value("SELECT count(*) FROM items")), 50);
  expect_to_go_on();
}

INSTANTIATE_TEST_SUITE_P(With, FullDiskOfSqlite, ::testing::Values("delete", "wal"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST_F(FullDisk, OfASqliteFileThatIsYetToBeMadeIsNamed) {
  begin(System::sqlite, System::sqlite);
  const std::string file = disk_->folder() / "new.db";
  there = fmt::format("{{provider: sqlite, path: \"{}\"}}", file);
  configure();
  add_items(1, 50, "first");
  add_tags(1, 5);
  disk_->fill();
  EXPECT_THAT(complaint(), AllOf(HasSubstr(file), HasSubstr("disk is full: make room")));
  disk_->make_room();
  run_syncs();
  destination_ = log_in_to_sqlite(file);
  expect_equal();
  expect_quiet();
}

TEST_F(FullDisk, ThatGetsRoomInTimeIsTriedAgainByTheSameRun) {
  max_retries = 3;
  begin_with_destination_on_disk();
  add_items(1, 50, "first");
  disk_->fill();
  Process process = start({"run", "--json"});
  process.wait_for_line("A sync will be tried again.");
  disk_->make_room();
  EXPECT_EQ(process.wait(), (Exit{0, 0})) << process.story();
  expect_equal();
  expect_quiet();
}

TEST_F(FullDisk, OfTheStoreIsNamedAtTheStart) {
  begin_with_store_on_disk();
  add_items(1, 50, "first");
  add_tags(1, 5);
  disk_->fill();
  EXPECT_THAT(complaint(), AllOf(HasSubstr("store.db"), HasSubstr("disk is full: make room")));
  expect_to_go_on();
}

TEST_F(FullDisk, OfTheStoreStopsALoadAndLosesNothing) {
  begin_with_store_on_disk();
  add_items(1, 50, "first");
  add_tags(1, 5);
  run_syncs();
  disk_->fill(400'000);
  add_much();
  remove_tag(3);
  rename_items("id < 10", "renamed");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("store.db"), HasSubstr("disk is full: make room")));
  // And again, with not a byte left.
  disk_->make_room();
  disk_->fill();
  EXPECT_THAT(complaint(), AllOf(HasSubstr("store.db"), HasSubstr("disk is full: make room")));
  expect_to_go_on();
}

TEST_F(FullDisk, OfTheStoreIsOutlivedByTheService) {
  begin_with_store_on_disk();
  engine = "{lease: 2s, heartbeat: 500ms}";
  configure();
  add_items(1, 50, "first");
  add_tags(1, 5);
  Service service = serve();
  const auto arrived = [&](int rows) {
    return [this, rows] { return destination_->value("SELECT count(*) FROM items") == std::to_string(rows); };
  };
  service.process.wait_until("the first load", arrived(50));
  disk_->fill();
  add_items(100, 50, "second");
  service.process.wait_for_line("disk is full: make room");
  disk_->make_room();
  service.process.wait_until("what came meanwhile", arrived(100));
  EXPECT_EQ(service.stop(), (Exit{0, 0}));
  expect_to_go_on();
}

/// Keys that fill more than what is kept of them in memory.
class FullTemporaryFolder : public FullDisk {
 protected:
  void SetUp() override {
    FullDisk::SetUp();
    if (IsSkipped()) return;
    source_database_ = make_database(System::sqlite, folder(), "source.db");
    destination_database_ = make_database(System::sqlite, folder(), "destination.db");
    source_ = source_database_->log_in();
    destination_ = destination_database_->log_in();
    source_->execute(
        "CREATE TABLE notes (code TEXT NOT NULL PRIMARY KEY, body TEXT, updated_at TIMESTAMP);"
        "CREATE INDEX notes_by_change ON notes(updated_at, code);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)"
        "INSERT INTO notes SELECT printf('%0120d', i), 'text', strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM n");
    write_config(fmt::format(R"(version: 1
store: sqlite:store.db
connections:
  here: {}
  there: {}
syncs:
  - name: all
    source: here
    destination: there
    tables:
      - {{source: notes, destination: notes, strategy: cursor, cursor: updated_at, deletes: hard,
          brake: {{share: 100%}}}}
)",
                             source_database_->connection(), destination_database_->connection()));
    run_syncs();
    source_->execute("DELETE FROM notes WHERE code > printf('%0120d', 100)");
    // Not in an hour: now both sides' keys are compared.
    log_in_to_sqlite((folder() / "store.db").string())
        ->execute("UPDATE sync_mappings SET reconciled_at = NULL");
    environment["TMPDIR"] = disk_->folder().string();
    disk_->fill();
  }

  auto says_what_is_full() const {
    return AllOf(HasSubstr(disk_->folder().string()), HasSubstr("No space left"),
                 HasSubstr("make room there"));
  }
};

TEST_F(FullTemporaryFolder, EndsAComparisonWithASentence) {
  const Finished finished = run({"verify", "--sync", "all", "--json"});
  EXPECT_EQ(finished.exit, (Exit{1, 0})) << finished;
  EXPECT_THAT(finished.err, says_what_is_full()) << finished;
}

TEST_F(FullTemporaryFolder, IsWaitedForAndNothingIsDeletedBefore) {
  Process process = start({"run", "--json"});
  process.wait_for_line("A sync will be tried again.");
  EXPECT_THAT(process.err(), says_what_is_full());
  EXPECT_EQ(destination_->value("SELECT count(*) FROM notes"), "12000");
  disk_->make_room();
  EXPECT_EQ(process.wait(), (Exit{0, 0})) << process.story();
  EXPECT_EQ(destination_->value("SELECT count(*) FROM notes"), "100");
  const Finished verified = run({"verify", "--sync", "all"});
  EXPECT_EQ(verified.exit, (Exit{0, 0})) << verified;
  expect_quiet();
}

TEST_F(FullDisk, OfAPostgresqlTablespaceIsNamed) {
  if (!PostgresqlServer::obstacle().empty()) GTEST_SKIP() << PostgresqlServer::obstacle();
  std::filesystem::permissions(folder(), std::filesystem::perms(0711));
  server_.emplace(folder() / "server");
  source_database_ = make_database(System::sqlite, folder(), "source.db");
  destination_database_ = server_->make_database();
  make_tables(System::sqlite);
  destination_->execute(fmt::format("CREATE TABLESPACE small LOCATION '{}'",
                                    PostgresqlServer::made_folder(disk_->folder() / "space")));
  destination_->execute("ALTER TABLE items SET TABLESPACE small");
  add_items(1, 50, "first");
  add_tags(1, 5);
  run_syncs();
  disk_->fill();
  add_much();
  EXPECT_THAT(complaint(), AllOf(HasSubstr("table public.items"), HasSubstr("53100"),
                                 HasSubstr("the server's disk is full: free room there")));
  expect_to_go_on();
}

class FullTable : public TwoTables, public ::testing::WithParamInterface<System> {};

/// No room for a row: of MariaDB really, in a MEMORY table that a trigger fills. MySQL with GTIDs takes no such trigger;
/// there one says what the server would.
const char* tight_trigger(System system) {
  if (system == System::mariadb)
    return "SET SESSION max_heap_table_size = 16384; "
           "CREATE TABLE journal (id BIGINT, line CHAR(200)) ENGINE=MEMORY; "
           "CREATE TRIGGER tight AFTER INSERT ON items FOR EACH ROW INSERT INTO journal VALUES (NEW.id, "
           "NEW.name)";
  return "CREATE TRIGGER tight BEFORE INSERT ON items FOR EACH ROW BEGIN IF NEW.id > 100 THEN SIGNAL "
         "SQLSTATE "
         "'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table ''journal'' is full'; END IF; END";
}

TEST_P(FullTable, IsNamedAndTheRunGoesOnWhereItWas) {
  if (!is_set(variable_of(GetParam()))) GTEST_SKIP() << not_set(variable_of(GetParam()));
  max_retries = 0;
  begin(System::sqlite, GetParam());
  destination_->execute(tight_trigger(GetParam()));
  add_tags(1, 5);
  add_items(1, 500, "first");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("items: "), HasSubstr("journal"), HasSubstr("1114"),
                                 HasSubstr("make room there")));
  destination_->execute("DROP TRIGGER tight");
  run_syncs();
  expect_equal();
  expect_quiet();
}

INSTANTIATE_TEST_SUITE_P(Of, FullTable, ::testing::Values(System::mariadb, System::mysql),
                         [](const auto& instance) { return name_of(instance.param); });

}  // namespace
}  // namespace syncflow::tests
