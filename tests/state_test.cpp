// A store is left for another one: SQLite for PostgreSQL, and back. Nothing is read again, lost or done twice.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/two_tables.h"

namespace syncflow::tests {
namespace {

using ::testing::HasSubstr;

class MovedState : public TwoTables {
 protected:
  void SetUp() override {
    if (!is_set(kPostgresqlUrl)) GTEST_SKIP() << not_set(kPostgresqlUrl);
    shared_ = make_postgresql_database();
    begin(System::sqlite, System::sqlite);
    add_items(1, 300, "some");
    add_items(301, 3, "refused");
    add_tags(1, 60);
    run_syncs({}, 4);
    run_syncs({}, 4);
  }

  Finished move(const std::string& to, int number) {
    const std::string file = fmt::format("state{}.jsonl", number);
    const Finished exported = run({"state", "export", file});
    EXPECT_EQ(exported.exit, Exit{0}) << exported;
    store = to;
    configure();
    return import(file);
  }
  Finished import(const std::string& file) { return run({"state", "import", file}); }

  /// What a run reads that has nothing to do: the overlap of `items`, and all of `tags`.
  std::int64_t read_by_a_quiet_run() {
    const std::vector<Report> reports = run_syncs({}, 4);
    std::int64_t read = 0;
    for (const Report& report : reports) {
      EXPECT_EQ(report.figures.written + report.figures.deleted, 0) << report;
      read += report.figures.read;
    }
    return read;
  }

  std::unique_ptr<Database> shared_;
};

TEST_F(MovedState, GoesOnInPostgresqlAndBackInSqlite) {
  const std::int64_t before = read_by_a_quiet_run();
  EXPECT_EQ(move(shared_->address(), 1).exit, Exit{0});
  EXPECT_EQ(read_by_a_quiet_run(), before);
  EXPECT_THAT(run({"quarantine"}).out, HasSubstr("302"));
  remove_tag(7);
  rename_items("id % 5 = 0", "renamed");
  run_syncs({}, 4);
  EXPECT_EQ(destination_->value("SELECT count(*) FROM items WHERE name = 'renamed'"), "60");
  EXPECT_EQ(destination_->value("SELECT count(*) FROM tags"), "59");

  const std::int64_t then = read_by_a_quiet_run();
  EXPECT_EQ(move("sqlite:back.db", 2).exit, Exit{0});
  EXPECT_EQ(read_by_a_quiet_run(), then);
  // What the destination refused is tried again, and is well once it is mended.
  rename_items("name = 'refused'", "accepted");
  run_syncs();
  expect_equal();
  expect_quiet();
}

TEST_F(MovedState, IsWhollyThereOrNotAtAllWhenTheImportIsKilled) {
  const std::string old = store;
  ASSERT_EQ(run({"state", "export", "state.jsonl"}).exit, Exit{0});
  for (const std::string& to : {shared_->address(), std::string("sqlite:other.db")}) {
    store = to;
    configure();
    for (const char* point : {"state.row=die@2", "state.row=die@20", "state.before_commit=die"}) {
      environment["SYNCFLOW_FAILPOINT"] = point;
      EXPECT_NE(import("state.jsonl").exit, Exit{0}) << point;
    }
    environment.erase("SYNCFLOW_FAILPOINT");
    const Finished whole = import("state.jsonl");
    EXPECT_EQ(whole.exit, Exit{0}) << whole;
    EXPECT_GT(read_by_a_quiet_run(), 0);
  }
}

TEST_F(MovedState, IsNotWorkedOnInTheOldStoreToo) {
  const std::string old = store;
  EXPECT_EQ(move(shared_->address(), 1).exit, Exit{0});
  store = old;
  configure();
  rename_items("id = 1", "elsewhere");
  const Finished refused = run({"run", "--json"});
  EXPECT_EQ(refused.exit, Exit{1}) << refused;
  EXPECT_THAT(refused.out, HasSubstr("to go on in another store"));
  EXPECT_EQ(destination_->value("SELECT count(*) FROM items WHERE name = 'elsewhere'"), "0");
}

TEST_F(MovedState, IsTakenWhileTheServiceRuns) {
  Service service = serve();
  add_items(1000, 200, "more");
  const Finished exported = run({"state", "export", "state.jsonl"});
  EXPECT_EQ(exported.exit, Exit{0}) << exported;
  EXPECT_EQ(service.stop(), Exit{0});
  store = shared_->address();
  configure();
  EXPECT_EQ(import("state.jsonl").exit, Exit{0});
  run_syncs({}, 4);
  EXPECT_EQ(destination_->value("SELECT count(*) FROM items"), "500");
  read_by_a_quiet_run();
}

}  // namespace
}  // namespace syncflow::tests
