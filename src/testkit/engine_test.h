#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/uuid.h"
#include "drivers/sqlite/database.h"
#include "engine/engine.h"
#include "testkit/memory_provider.h"

namespace syncflow::testkit {

/// Two databases in memory, a SQLite store in a file, and an engine between them.
///
/// The source has the table `people` (id, name, city, updated_at); mappings leave `updated_at` out.
class EngineTest : public ::testing::Test {
 protected:
  EngineTest() : registry_({provider(from_, "from"), provider(to_, "to")}) {
    std::filesystem::create_directories(folder_);
    store_ = open_sqlite_store((folder_ / "store.db").string(), clock_);
    MemoryTable people;
    people.name = "people";
    people.fields = {memory_field("id", Type::int64, false), memory_field("name", Type::text),
                     memory_field("city", Type::text), memory_field("updated_at", Type::timestamp_tz)};
    people.key = {"id"};
    people.cursor = "updated_at";
    people.key_ascends = true;
    from_.create_table(people);
  }
  ~EngineTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  void put(std::int64_t id, const std::string& name, const std::string& city = "Ulm") {
    from_.put("people", {integer(id), Value::text(name), Value::text(city), instant(from_.now())});
  }
  /// The destination table before any run, for tests that set up how it refuses rows.
  void create_destination() {
    MemoryTable table = from_.table("people");
    table.fields.pop_back();
    table.cursor.clear();
    to_.create_table(table);
  }
  void remove(std::int64_t id) { from_.remove("people", {integer(id)}); }

  static TableMapping people_mapping() {
    TableMapping mapping;
    mapping.source = "people";
    mapping.destination = "people";
    for (const char* name : {"id", "name", "city"})
      mapping.fields.push_back({name, {name}, "", {}, std::nullopt});
    return mapping;
  }
  static TableMapping diff_mapping(Deletes deletes) {
    TableMapping mapping = people_mapping();
    mapping.strategy = WantedStrategy::diff;
    mapping.deletes = deletes;
    return mapping;
  }
  static SyncDefinition sync_of(const std::vector<TableMapping>& tables) {
    SyncDefinition sync;
    sync.name = "people";
    sync.id = url_uuid("syncflow:test/people");
    sync.source = "source";
    sync.destination = "destination";
    sync.tables = tables;
    sync.batch.rows = 7;
    sync.schedule = "every 1 second";
    return sync;
  }

  std::unique_ptr<Engine> engine_of(const SyncDefinition& sync) {
    Config config;
    config.engine.workers = 2;
    config.connections = {{"source", "from", {}}, {"destination", "to", {}}};
    config.syncs = {sync};
    auto engine = std::make_unique<Engine>(Engine::Parts{*store_, registry_, clock_, config, {}});
    engine->apply_config();
    return engine;
  }
  SyncReport run(const SyncDefinition& sync) {
    auto engine = engine_of(sync);
    return engine->run_once({}, false, {}, {}).front();
  }
  SyncReport run(const TableMapping& mapping) { return run(sync_of({mapping})); }

  void expect_equal() {
    EXPECT_EQ(from_.contents("people", {"id", "name", "city"}),
              to_.contents("people", {"id", "name", "city"}));
  }
  /// A further run finds nothing to write.
  void expect_quiet(const SyncDefinition& sync) {
    const SyncReport report = run(sync);
    EXPECT_EQ(report.status, "completed") << report.error;
    EXPECT_EQ(report.figures.written, 0);
    EXPECT_EQ(report.figures.deleted, 0);
    EXPECT_EQ(report.figures.quarantined, 0);
  }

  /// Past the store, in its file.
  void execute_in_store(const std::string& sql) {
    sqlite::Database((folder_ / "store.db").string(), sqlite::OpenMode::read_write, std::chrono::seconds(5))
        .execute(sql);
  }

  SystemClock clock_;
  MemoryDatabase from_;
  MemoryDatabase to_;
  Registry registry_;
  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("syncflow-" + random_uuid());
  std::unique_ptr<Store> store_;
};

}  // namespace syncflow::testkit
