#include "support/many_tables.h"

#include <fmt/core.h>

#include <random>
#include <thread>

#include "support/runs.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;

const std::vector<Column> kColumns = {{"id"}, {"name"}};

/// Refuses a second transaction that writes the table while another one does, whatever the two write.
constexpr const char* kAlone = R"sql(
CREATE FUNCTION alone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(TG_RELID::bigint) THEN
    RAISE EXCEPTION 'two writers at once in %', TG_RELNAME;
  END IF;
  RETURN NULL;
END
$$)sql";

constexpr const char* kNoteClaims = R"sql(
CREATE TABLE claims (sync_id text, owner text, at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO claims(sync_id, owner) VALUES (NEW.sync_id, NEW.lease_owner);
  RETURN NULL;
END
$$;
CREATE TRIGGER note_claim AFTER UPDATE ON sync_state FOR EACH ROW
WHEN (NEW.lease_owner IS NOT NULL AND NEW.epoch <> OLD.epoch) EXECUTE FUNCTION note_claim())sql";

/// A member of the mapping of syncs.
std::string sync_of(int sync, int team, const std::string& batch) {
  return fmt::format(
      "  - {{name: {0}, team_id: 00000000-0000-4000-8000-{1:012}, source: here, destination: there,\n"
      "     schedule: every 1 second, batch: {2}, retry: {{max_retries: 20}},\n"
      "     tables: [{{source: {0}, destination: {0}, cursor: updated_at, fields: {{id: id, name: "
      "name}}}}]}}\n",
      table_of(sync), team, batch);
}

}  // namespace

std::string table_of(int sync) { return fmt::format("t{:02}", sync); }

void ManyTables::begin(int syncs, const std::string& batch) {
  syncs_ = syncs;
  for (auto* database : {&source_database_, &destination_database_, &store_database_})
    if (!*database) *database = make_postgresql_database();
  source_ = source_database_->log_in();
  destination_ = destination_database_->log_in();
  store_ = store_database_->log_in();
  destination_->execute(kAlone);
  std::string all;
  for (int sync = 0; sync < syncs; ++sync) {
    make_table(table_of(sync));
    all += sync_of(sync, sync < syncs / 2 ? 1 : 2 + sync % 3, batch);
  }
  write_config(
      fmt::format("version: 1\nstore: {}\nengine: {}\nconnections:\n  here: {}\n  there: {}\nsyncs:\n{}",
                  at_store.empty() ? store_database_->address() : at_store, engine,
                  here.empty() ? source_database_->connection() : here,
                  there.empty() ? destination_database_->connection() : there, all));
  run_syncs();
  store_->execute(kNoteClaims);
}

void ManyTables::make_table(const std::string& table) {
  source_->execute(fmt::format(
      "CREATE TABLE {0} (id int PRIMARY KEY, name text NOT NULL, updated_at timestamptz NOT NULL);"
      "CREATE INDEX ON {0}(updated_at, id);"
      "INSERT INTO {0} SELECT n, 'first', clock_timestamp() FROM generate_series(1, {1}) n",
      table, kRows));
  destination_->execute(fmt::format(
      "CREATE TABLE {0} (id int PRIMARY KEY, name text NOT NULL);"
      "CREATE TRIGGER alone BEFORE INSERT OR UPDATE OR DELETE ON {0} FOR EACH STATEMENT EXECUTE FUNCTION "
      "alone()",
      table));
}

void ManyTables::rename(const std::string& table, const std::string& condition, const std::string& name) {
  source_->execute(fmt::format("UPDATE {} SET name = '{}', updated_at = clock_timestamp() WHERE {}", table,
                               name, condition));
}

void ManyTables::write_until(std::stop_token stop) {
  const auto session = source_database_->log_in();
  std::mt19937 random(7);
  for (int n = 0; !stop.stop_requested(); ++n) {
    const int sync = static_cast<int>(random() % static_cast<unsigned>(n % 4 == 0 ? syncs_ : syncs_ / 2));
    session->execute(
        fmt::format("UPDATE {} SET name = 'write {}', updated_at = clock_timestamp() WHERE id % 10 = {}",
                    table_of(sync), n, n % 10));
    std::this_thread::sleep_for(10ms);  // a load that both of two cores bear
  }
}

std::string ManyTables::claims_of(const std::string& table) const {
  return store_->value(fmt::format(
      "SELECT count(*) FROM claims c JOIN sync_definitions d ON d.id = c.sync_id WHERE d.name = '{}'",
      table));
}

bool ManyTables::claimed_within(const std::string& table, const std::string& since,
                                const std::string& time) const {
  return store_->value(fmt::format("SELECT max(c.at) - ({}) <= {} FROM claims c JOIN sync_definitions d "
                                   "ON d.id = c.sync_id WHERE d.name = '{}'",
                                   since, time, table)) == "t";
}

std::string ManyTables::differences() {
  std::string all;
  for (int sync = 0; sync < syncs_; ++sync)
    all += difference(canonical(*source_database_, *source_, table_of(sync), kColumns, 1),
                      canonical(*destination_database_, *destination_, table_of(sync), kColumns, 1));
  return all;
}

void ManyTables::expect_settled() {
  run_syncs();
  EXPECT_EQ(differences(), "");
  for (const Report& report : run_syncs()) EXPECT_TRUE(report.figures.nothing_done()) << report;
  EXPECT_EQ(overlapping_runs(*store_), "");
  EXPECT_EQ(store_->value("SELECT count(*) FROM sync_runs WHERE error LIKE '%two writers%'"), "0");
  EXPECT_EQ(store_->value("SELECT count(*) FROM data_sync_jobs WHERE status = 'failed'"), "0");
}

}  // namespace syncflow::tests
