#include "support/two_tables.h"

#include <fmt/core.h>

#include <ostream>

namespace syncflow::tests {
namespace {

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

const std::vector<Column> kItemColumns = {{"id"}, {"name"}, {"amount"}};
const std::vector<Column> kTagColumns = {{"tag"}, {"note"}};

}  // namespace

const char* name_of(System system) {
  switch (system) {
    case System::sqlite: return "sqlite";
    case System::postgresql: return "postgresql";
    case System::mariadb: return "mariadb";
    case System::mysql: return "mysql";
  }
  return "";
}

std::ostream& operator<<(std::ostream& out, System system) { return out << name_of(system); }

const char* variable_of(System system) {
  switch (system) {
    case System::sqlite: return nullptr;
    case System::postgresql: return kPostgresqlUrl;
    case System::mariadb: return kMariadbUrl;
    case System::mysql: return kMysqlUrl;
  }
  return nullptr;
}

std::unique_ptr<Database> make_database(System system, const std::filesystem::path& place,
                                        const std::string& file) {
  switch (system) {
    case System::sqlite: return make_sqlite_database(place.string(), file);
    case System::postgresql: return make_postgresql_database();
    case System::mariadb: return make_mysql_database(Flavour::mariadb);
    case System::mysql: return make_mysql_database(Flavour::mysql);
  }
  return nullptr;
}

void TwoTables::begin(System from, System to) {
  source_database_ = make_database(from, folder(), "source.db");
  destination_database_ = make_database(to, folder(), "destination.db");
  make_tables(from);
}

void TwoTables::make_tables(System from) {
  from_ = from;
  source_ = source_database_->log_in();
  destination_ = destination_database_->log_in();
  source_->execute(
      fmt::format("CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(100) NOT NULL, amount "
                  "INTEGER, updated_at {});"
                  "CREATE INDEX items_by_change ON items(updated_at, id);"
                  "CREATE TABLE tags (tag INTEGER NOT NULL PRIMARY KEY, note VARCHAR(100))",
                  dialect_of(from).stamp_type));
  destination_->execute(
      "CREATE TABLE items (id BIGINT NOT NULL PRIMARY KEY, name VARCHAR(100) NOT NULL CHECK (name <> "
      "'refused'), amount INTEGER)");
  configure();
}

void TwoTables::configure() const {
  write_config(fmt::format(R"(version: 1
store: {}
engine: {}
connections:
  here: {}
  there: {}
syncs:
  - name: all
    source: here
    destination: there
    schedule: every 1 second
    batch: {{size: {}}}
    retry: {{max_retries: {}}}
    tables:
      - {{source: items, destination: items, strategy: cursor, cursor: updated_at,
          fields: {{id: id, name: name, amount: amount}}}}
      - {{source: tags, destination: tags, strategy: diff, deletes: hard}}
)",
                           store, engine, here.empty() ? source_database_->connection() : here,
                           there.empty() ? destination_database_->connection() : there, batch_rows,
                           max_retries));
}

void TwoTables::add_items(int first, int count, const std::string& name) {
  std::string rows;
  for (int id = first; id < first + count; ++id)
    rows +=
        fmt::format("{}({}, '{}', {}, {})", rows.empty() ? "" : ",", id, name, id % 7, dialect_of(from_).now);
  source_->execute("INSERT INTO items(id, name, amount, updated_at) VALUES " + rows);
}

void TwoTables::rename_items(const std::string& condition, const std::string& name) {
  source_->execute(fmt::format("UPDATE items SET name = '{}', updated_at = {} WHERE {}", name,
                               dialect_of(from_).now, condition));
}

void TwoTables::add_tags(int first, int count) {
  std::string rows;
  for (int tag = first; tag < first + count; ++tag)
    rows += fmt::format("{}({}, 'tag {}')", rows.empty() ? "" : ",", tag, tag);
  source_->execute("INSERT INTO tags(tag, note) VALUES " + rows);
}

void TwoTables::remove_tag(int tag) { source_->execute(fmt::format("DELETE FROM tags WHERE tag = {}", tag)); }

void TwoTables::change(int round) {
  rename_items(fmt::format("id % 5 = {}", round % 5), fmt::format("round {}", round));
  add_items(1000 + 100 * round, 60, std::string(90, 'x'));
  add_tags(1000 + 10 * round, 5);
  remove_tag(round + 1);
}

Process TwoTables::start_and_freeze(const std::string& failpoint, std::vector<std::string> arguments) {
  environment["SYNCFLOW_FAILPOINT"] = failpoint + "=freeze";
  Process process = start(std::move(arguments));
  environment.erase("SYNCFLOW_FAILPOINT");
  process.wait_until("it stands still", [&] { return process.is_frozen(); });
  return process;
}

std::string TwoTables::differences() {
  return difference(canonical(*source_database_, *source_, "items", kItemColumns, 1),
                    canonical(*destination_database_, *destination_, "items", kItemColumns, 1)) +
         difference(canonical(*source_database_, *source_, "tags", kTagColumns, 1),
                    canonical(*destination_database_, *destination_, "tags", kTagColumns, 1));
}

void TwoTables::expect_equal() { EXPECT_EQ(differences(), ""); }

void TwoTables::expect_quiet() {
  for (const Report& report : run_syncs()) EXPECT_TRUE(report.figures.nothing_done()) << report;
}

std::string TwoTables::complaint() {
  const Finished finished = run({"run", "--json"});
  EXPECT_EQ(finished.exit.signal, 0) << finished;
  EXPECT_NE(finished.exit.code, 0) << finished;
  for (const Report& report : finished.reports())
    if (!report.error.empty()) return report.error;
  return finished.err;
}

}  // namespace syncflow::tests
