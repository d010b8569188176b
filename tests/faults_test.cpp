// The program dies at every step in turn, and at random moments under a writing load. Afterwards both ends are
// equal and a further run writes nothing.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <random>
#include <thread>

#include "support/database.h"
#include "support/program.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

enum class System { sqlite, postgresql, mariadb, mysql };

const char* name_of(System system) {
  switch (system) {
    case System::sqlite: return "sqlite";
    case System::postgresql: return "postgresql";
    case System::mariadb: return "mariadb";
    case System::mysql: return "mysql";
  }
  return "";
}

/// The variable that must be set, or null.
const char* variable_of(System system) {
  switch (system) {
    case System::sqlite: return nullptr;
    case System::postgresql: return kPostgresqlUrl;
    case System::mariadb: return kMariadbUrl;
    case System::mysql: return kMysqlUrl;
  }
  return nullptr;
}

/// What the systems say differently.
struct Dialect {
  const char* stamp_type;
  const char* now;
};

Dialect dialect_of(System system) {
  switch (system) {
    case System::sqlite: return {"TIMESTAMP", "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"};
    case System::postgresql: return {"timestamptz", "clock_timestamp()"};
    case System::mariadb:
    case System::mysql: return {"TIMESTAMP(6) NULL", "CURRENT_TIMESTAMP(6)"};
  }
  return {"", ""};
}

/// Where the program can be made to die: between read, write, rejection, position and job state.
constexpr const char* kPoints[] = {
    "pipeline.after_read",    "pipeline.before_write", "pipeline.after_write", "pipeline.rejection",
    "pipeline.before_commit", "store.position",        "store.rows",           "store.quarantine",
    "pipeline.after_commit",  "worker.before_finish",  "store.job_state",
};

const std::vector<Column> kItemColumns = {{"id"}, {"name"}, {"amount"}};
const std::vector<Column> kTagColumns = {{"tag"}, {"note"}};

/// Two tables from one system to another: `items` by cursor, `tags` by diff with hard deletes.
class Faults : public Scenario {
 protected:
  void begin(System from, System to) {
    from_ = from;
    source_database_ = make(from, "source.db");
    destination_database_ = make(to, "destination.db");
    source_ = source_database_->log_in();
    destination_ = destination_database_->log_in();
    source_->execute(fmt::format(
        "CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(100) NOT NULL, amount INTEGER, "
        "updated_at {});"
        "CREATE INDEX items_by_change ON items(updated_at, id);"
        "CREATE TABLE tags (tag INTEGER NOT NULL PRIMARY KEY, note VARCHAR(100))",
        dialect_of(from).stamp_type));
    destination_->execute(
        "CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(100) NOT NULL CHECK (name <> "
        "'refused'), "
        "amount INTEGER)");
    write_config(fmt::format(R"(version: 1
store: sqlite:store.db
connections:
  here: {}
  there: {}
syncs:
  - name: all
    source: here
    destination: there
    schedule: every 1 second
    batch: {{size: 40}}
    tables:
      - {{source: items, destination: items, strategy: cursor, cursor: updated_at,
          fields: {{id: id, name: name, amount: amount}}}}
      - {{source: tags, destination: tags, strategy: diff, deletes: hard}}
)",
                             source_database_->connection(), destination_database_->connection()));
  }

  std::unique_ptr<Database> make(System system, const std::string& file) const {
    switch (system) {
      case System::sqlite: return make_sqlite_database(folder().string(), file);
      case System::postgresql: return make_postgresql_database();
      case System::mariadb: return make_mysql_database(Flavour::mariadb);
      case System::mysql: return make_mysql_database(Flavour::mysql);
    }
    return nullptr;
  }

  void add_items(int first, int count, const std::string& name) {
    std::string rows;
    for (int id = first; id < first + count; ++id)
      rows += fmt::format("{}({}, '{}', {}, {})", rows.empty() ? "" : ",", id, name, id % 7,
                          dialect_of(from_).now);
    source_->execute("INSERT INTO items(id, name, amount, updated_at) VALUES " + rows);
  }
  void rename_items(const std::string& condition, const std::string& name) {
    source_->execute(fmt::format("UPDATE items SET name = '{}', updated_at = {} WHERE {}", name,
                                 dialect_of(from_).now, condition));
  }
  void add_tag(int tag) {
    source_->execute(fmt::format("INSERT INTO tags(tag, note) VALUES ({}, 'tag {}')", tag, tag));
  }
  void remove_tag(int tag) { source_->execute(fmt::format("DELETE FROM tags WHERE tag = {}", tag)); }

  void expect_equal() {
    EXPECT_EQ(difference(canonical(*source_database_, *source_, "items", kItemColumns, 1),
                         canonical(*destination_database_, *destination_, "items", kItemColumns, 1)),
              "");
    EXPECT_EQ(difference(canonical(*source_database_, *source_, "tags", kTagColumns, 1),
                         canonical(*destination_database_, *destination_, "tags", kTagColumns, 1)),
              "");
  }
  void expect_quiet() {
    for (const Report& report : run_syncs()) EXPECT_TRUE(report.figures.nothing_done()) << report;
  }

  System from_ = System::sqlite;
  std::unique_ptr<Database> source_database_, destination_database_;
  std::unique_ptr<Session> source_, destination_;
};

class DyingAtEachStep : public Faults, public ::testing::WithParamInterface<std::pair<System, System>> {};

TEST_P(DyingAtEachStep, LosesAndDoublesNothing) {
  const auto [from, to] = GetParam();
  for (const System system : {from, to})
    if (const char* variable = variable_of(system); variable && !is_set(variable))
      GTEST_SKIP() << not_set(variable);
  begin(from, to);
  add_items(1, 100, "first");
  for (int tag = 1; tag <= 20; ++tag) add_tag(tag);
  int round = 0;
  for (const char* point : kPoints) {
    SCOPED_TRACE(point);
    ++round;
    rename_items(fmt::format("id % 5 = {}", round % 5), fmt::format("round {}", round));
    rename_items(fmt::format("id = {}", 10 + round), "refused");
    add_items(1000 + 10 * round, 5, "new");
    remove_tag(round);
    add_tag(100 + round);

    environment["SYNCFLOW_FAILPOINT"] = std::string(point) + "=die";
    const Finished died = run({"run", "--json"});
    EXPECT_EQ(died.exit.signal, SIGKILL) << "it never came to " << point << "\n" << died;
    environment.erase("SYNCFLOW_FAILPOINT");

    run_syncs({}, 4);  // all but the refused row
    rename_items(fmt::format("id = {}", 10 + round), "mended");
    run_syncs();
    expect_equal();
    expect_quiet();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Between, DyingAtEachStep,
    ::testing::Values(std::pair(System::sqlite, System::sqlite),
                      std::pair(System::postgresql, System::sqlite),
                      std::pair(System::mariadb, System::sqlite), std::pair(System::mysql, System::sqlite),
                      std::pair(System::sqlite, System::postgresql),
                      std::pair(System::sqlite, System::mariadb), std::pair(System::sqlite, System::mysql)),
    [](const auto& instance) {
      return std::string(name_of(instance.param.first)) + "_to_" + name_of(instance.param.second);
    });

class KilledAtRandom : public Faults {
 protected:
  /// Kills `serve` again and again while another session writes, then lets it come to rest.
  void kill_often(int kills) {
    begin(System::postgresql, System::mariadb);
    add_items(1, 500, "first");
    for (int tag = 1; tag <= 50; ++tag) add_tag(tag);
    std::atomic<bool> stop = false;
    std::thread writer([&] { write_until(stop); });
    std::mt19937 random(kills);
    for (int kill = 0; kill < kills; ++kill) {
      Service service = serve();
      const auto wait = std::chrono::milliseconds(random() % 700);
      std::this_thread::sleep_for(wait);  // the moment of the kill is what is random here
      service.process.signal(SIGKILL);
      service.process.wait();
    }
    stop = true;
    writer.join();
    run_syncs();
    expect_equal();
    expect_quiet();
  }

 private:
  void write_until(const std::atomic<bool>& stop) {
    const auto session = source_database_->log_in();
    std::mt19937 random(7);
    for (int n = 0; !stop; ++n) {
      const int id = static_cast<int>(random() % 500) + 1;
      session->execute("BEGIN");
      session->execute(
          fmt::format("UPDATE items SET name = 'write {}', updated_at = clock_timestamp() WHERE id % 50 = {}",
                      n, id % 50));
      session->execute(
          fmt::format("INSERT INTO items VALUES ({}, 'new {}', 1, clock_timestamp())", 10'000 + n, n));
      if (n % 10 == 0) session->execute(fmt::format("DELETE FROM tags WHERE tag = {}", n / 10));
      if (n % 3 == 0) session->execute(fmt::format("INSERT INTO tags VALUES ({}, 'late')", 1'000 + n));
      session->execute(n % 17 == 0 ? "ROLLBACK" : "COMMIT");
      std::this_thread::sleep_for(5ms);  // a load that both of two cores bear
    }
  }
};

TEST_F(KilledAtRandom, FortyTimesUnderLoad) {
  for (const char* variable : {kPostgresqlUrl, kMariadbUrl})
    if (!is_set(variable)) GTEST_SKIP() << not_set(variable);
  kill_often(40);
}

TEST_F(KilledAtRandom, TwoHundredTimesUnderLoad) {
  for (const char* variable : {kPostgresqlUrl, kMariadbUrl})
    if (!is_set(variable)) GTEST_SKIP() << not_set(variable);
  kill_often(200);
}

class Mistakes : public Faults {
 protected:
  /// The program's complaint when it runs; it must not have ended well.
  std::string complaint() {
    const Finished finished = run({"run", "--json"});
    EXPECT_NE(finished.exit.code, 0);
    return finished.out + finished.err;
  }
};

TEST_F(Mistakes, AMissingTableIsNamedWithTheNearestOne) {
  begin(System::sqlite, System::sqlite);
  source_->execute("ALTER TABLE items RENAME TO itmes");
  EXPECT_THAT(complaint(), HasSubstr("itmes"));
  source_->execute("ALTER TABLE itmes RENAME TO items");
  add_items(1, 3, "row");
  run_syncs();
  expect_equal();
}

TEST_F(Mistakes, AWrongPasswordIsToldWithoutShowingIt) {
  if (!is_set(kMariadbUrl)) GTEST_SKIP() << not_set(kMariadbUrl);
  begin(System::sqlite, System::mariadb);
  add_items(1, 3, "row");
  const std::string good = destination_database_->address();
  const auto at = good.find("test:test@");
  ASSERT_NE(at, std::string::npos);
  std::string bad = good;
  bad.replace(at, 10, "test:wr0ngSecret@");
  environment["THERE"] = bad;
  write_config(fmt::format(R"(version: 1
connections:
  here: {}
  there: {{provider: mysql, url: "${{THERE}}"}}
syncs:
  - {{name: all, source: here, destination: there, tables: [{{source: items, destination: items, fields: {{id: id, name: name}}}}]}}
)",
                           source_database_->connection()));
  const std::string said = complaint();
  EXPECT_THAT(said, HasSubstr("password"));
  EXPECT_THAT(said, ::testing::Not(HasSubstr("wr0ngSecret")));
  environment["THERE"] = good;
  run_syncs();
  EXPECT_EQ(destination_->value("SELECT count(*) FROM items"), "3");
}

TEST_F(Mistakes, AMissingRightIsNamed) {
  if (!is_set(kPostgresqlUrl)) GTEST_SKIP() << not_set(kPostgresqlUrl);
  begin(System::postgresql, System::sqlite);
  add_items(1, 3, "row");
  const std::string role = "reader_" + std::to_string(getpid());
  source_->execute("CREATE ROLE " + role + " LOGIN");
  std::string url = source_database_->address();
  url.replace(url.find("postgres@"), 9, role + "@");
  write_config(fmt::format(R"(version: 1
connections:
  here: {{provider: postgresql, url: "{}"}}
  there: {}
syncs:
  - {{name: all, source: here, destination: there, tables: [{{source: items, destination: items, fields: {{id: id, name: name}}}}]}}
)",
                           url, destination_database_->connection()));
  EXPECT_THAT(complaint(), HasSubstr("GRANT"));
  source_->execute("GRANT SELECT ON items TO " + role);
  run_syncs();
  EXPECT_EQ(destination_->value("SELECT count(*) FROM items"), "3");
  source_->execute("DROP OWNED BY " + role + "; DROP ROLE " + role);
}

TEST_F(Mistakes, ADroppedColumnIsNamed) {
  begin(System::sqlite, System::sqlite);
  add_items(1, 3, "row");
  run_syncs();
  destination_->execute("ALTER TABLE items DROP COLUMN amount");
  add_items(4, 3, "row");
  EXPECT_THAT(complaint(), HasSubstr("amount"));
  destination_->execute("ALTER TABLE items ADD COLUMN amount INTEGER");
  run_syncs({"--sync", "all"});
  EXPECT_EQ(destination_->value("SELECT count(*) FROM items"), "6");
}

}  // namespace
}  // namespace syncflow::tests
