#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "testkit/engine_test.h"

namespace syncflow {
namespace {

using testkit::EngineTest;

constexpr std::string_view kSecret = "s3cr3t-value";

/// Syncs whose free texts refer to variables.
class Secrets : public EngineTest {
 protected:
  /// Every free text refers to ${TOKEN}; the filter lets all pass.
  static constexpr std::string_view kSync =
      R"json({"name":"people","source":"source","destination":"destination","batch":{"size":7},
        "tables":[{"source":"people","destination":"people",
          "fields":{"id":"id","name":{"from":["name"],"transform":"replace","params":{"search":"${TOKEN}","with":"***"}},
                    "city":{"constant":"${TOKEN}"}},
          "filters":{"source":[{"field":"city","operator":"nin","value":["${TOKEN}","Bonn"]}]}}]})json";

  std::unique_ptr<Engine> engine(std::string_view json) {
    Config config;
    config.connections = {{"source", "from", {}}, {"destination", "to", {}}};
    config.variables = variables_;
    config.syncs = {definition_from_json(std::string(json), variables_)};
    auto engine = std::make_unique<Engine>(Engine::Parts{*store_, registry_, clock_, config, {}});
    engine->apply_config();
    return engine;
  }
  SyncReport run_json(std::string_view json = kSync) {
    return engine(json)->run_once({}, false, {}, {}).front();
  }

  /// The store's files as they lie on the disk, with what is deleted but not yet overwritten.
  std::string stored() const {
    std::ostringstream bytes;
    for (const auto& file : std::filesystem::directory_iterator(folder_))
      bytes << std::ifstream(file.path(), std::ios::binary).rdbuf();
    return std::move(bytes).str();
  }
  void set_token(const std::string& value) { variables_.dotenv["TOKEN"] = value; }

  Variables variables_{{}, {{"TOKEN", std::string(kSecret)}}, ".env"};
};

TEST_F(Secrets, AreUsedByARunAndNotInTheStore) {
  put(1, "the s3cr3t-value");
  put(2, "no guest", "s3cr3t-value");
  const SyncReport report = run_json();
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(to_.contents("people", {"id", "name", "city"}),
            (testkit::MemoryDatabase::Contents{{"1", "the ***", std::string(kSecret)}}));
  const std::string bytes = stored();
  EXPECT_NE(bytes.find("${TOKEN}"), std::string::npos);
  EXPECT_EQ(bytes.find(kSecret), std::string::npos);
}

TEST_F(Secrets, ReadEveryRowAgainWhenTheyChange) {
  put(1, "Ada");
  run_json();
  EXPECT_EQ(run_json().figures.read, 0);
  set_token("another");
  EXPECT_EQ(run_json().figures.written, 1);
  EXPECT_EQ(to_.contents("people", {"city"}), (testkit::MemoryDatabase::Contents{{"another"}}));
}

TEST_F(Secrets, AreFilledInFromTheProcessThatRunsTheSync) {
  put(1, "Ada");
  auto running = engine(kSync);
  const std::string other = R"json({"name":"people","source":"source","destination":"destination",
    "tables":[{"source":"people","destination":"people",
      "fields":{"id":"id","name":{"constant":"${NOT_HERE}"}}}]})json";
  Sync sync = *store_->find_sync(definition_from_json(other).id);
  sync.definition = to_json(definition_from_json(other));
  store_->apply_syncs({sync});
  const SyncReport report = running->run_once({}, false, {}, {}).front();
  EXPECT_EQ(report.status, "failed");
  EXPECT_EQ(report.error,
            "tables[0].fields.name.constant: ${NOT_HERE} is not set; set it in the environment or in .env");
}

TEST_F(Secrets, AreNotToldWhenTheyDoNotFit) {
  put(1, "Ada");
  for (
      const char* misfit :
      {R"json("fields":{"id":"id","n":{"constant":"${TOKEN}","transform":"cast","params":{"to":"int64"}}})json",
       R"json("fields":{"id":"id","n":{"from":["id"],"transform":"default","params":{"value":"${TOKEN}"}}})json",
       R"json("fields":{"id":"id","n":{"from":["id"],"transform":"round","params":{"digits":"${TOKEN}"}}})json",
       R"json("fields":{"id":"id","n":{"from":["id"],"transform":"cast","params":{"to":"${TOKEN}"}}})json",
       R"json("fields":{"id":"id","n":{"from":["name"],"transform":"hash","params":{"algorithm":"${TOKEN}"}}})json",
       R"json("filters":{"source":[{"field":"id","operator":"eq","value":"${TOKEN}"}]})json"}) {
    const std::string json = R"json({"name":"people","source":"source","destination":"destination",
      "tables":[{"source":"people","destination":"people",)json" +
                             std::string(misfit) + "}]}";
    std::string said;
    try {
      const SyncReport report = run_json(json);
      EXPECT_EQ(report.status, "failed") << misfit;
      said = report.error;
    } catch (const Error& error) {
      said = error.what();  // what needs no table is judged when it is read
    }
    EXPECT_NE(said.find("what \"${TOKEN}\" stands for does not fit here"), std::string::npos) << said;
    EXPECT_EQ(said.find(kSecret), std::string::npos) << said;
  }
  EXPECT_EQ(stored().find(kSecret), std::string::npos);
}

}  // namespace
}  // namespace syncflow
