#include "app/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "core/error.h"
#include "core/uuid.h"

namespace syncflow::app {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

Provider provider(const std::string& id, Capabilities can, std::vector<OptionSpec> options) {
  Provider provider;
  provider.id = provider.name = id;
  provider.can = can;
  provider.options = std::move(options);
  provider.connect = [](const Options&, Resources) { return std::unique_ptr<Connection>(); };
  return provider;
}

OptionSpec option(const std::string& name, OptionKind kind, bool required = false,
                  std::vector<std::string> choices = {}) {
  OptionSpec spec;
  spec.name = name;
  spec.kind = kind;
  spec.required = required;
  spec.help = "what " + name + " is for";
  spec.choices = std::move(choices);
  return spec;
}

const Registry& registry() {
  Capabilities both;
  both.source = both.destination = both.cursor = both.diff = true;
  Capabilities source_only = both, destination_only = both;
  source_only.destination = false;
  destination_only.source = false;
  static const Registry registry({
      provider("log", source_only, {}),
      provider("mysql", both, {option("url", OptionKind::url), option("timezone", OptionKind::text)}),
      provider("postgresql", both,
               {option("url", OptionKind::url), option("host", OptionKind::text),
                option("port", OptionKind::number), option("password", OptionKind::secret),
                option("ca_file", OptionKind::path),
                option("tls", OptionKind::choice, false, {"disable", "require", "verify"})}),
      provider("sink", destination_only, {}),
      provider("sqlite", both, {option("path", OptionKind::path, true)}),
  });
  return registry;
}

/// A folder of its own with a syncflow.yaml.
class ConfigFile : public ::testing::Test {
 protected:
  ConfigFile() {
    std::string name = (fs::temp_directory_path() / "syncflow-config-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~ConfigFile() override {
    std::error_code left_behind;
    fs::remove_all(folder_, left_behind);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }

  Config load(const std::string& yaml, const std::string& env_file = ".env") const {
    write("syncflow.yaml", yaml);
    return load_config(path("syncflow.yaml"), env_file, registry(), [this](const std::string& name) {
      const auto found = environment_.find(name);
      return found == environment_.end() ? std::nullopt : std::optional(found->second);
    });
  }

  /// What is said of a bad file, its folder left out.
  std::string refusal(const std::string& yaml, const std::string& env_file = ".env") const {
    try {
      load(yaml, env_file);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config);
      std::string said = error.what();
      for (auto at = said.find(folder_.string() + "/"); at != std::string::npos;
           at = said.find(folder_.string() + "/"))
        said.erase(at, folder_.string().size() + 1);
      return said;
    }
    return "no error";
  }

  /// The refusal of a sync between two good connections; `sync` is indented by four, its first line is line 6.
  std::string sync_refusal(const std::string& sync) const { return refusal(kConnections + sync); }
  /// The refusal of a table; `table` is indented by eight, its first line is line 11.
  std::string table_refusal(const std::string& table) const {
    return refusal(kConnections + kSync +
                   "      - source: a\n"
                   "        destination: b\n" +
                   table);
  }

  static inline const std::string kConnections =
      "version: 1\n"
      "connections:\n"
      "  shop: {provider: postgresql, url: \"postgresql://u:secret@db/shop\"}\n"
      "  local: {provider: sqlite, path: data.db}\n"
      "syncs:\n";
  static inline const std::string kSync =
      "  - name: customers\n"
      "    source: shop\n"
      "    destination: local\n"
      "    tables:\n";

  fs::path folder_;
  std::map<std::string, std::string> environment_;
};

// --- what is read ---

TEST_F(ConfigFile, GivesTheDefaultsOfAShortFile) {
  const Config config =
      load(kConnections + kSync + "      - {source: public.customers, destination: customers}\n");
  EXPECT_EQ(config.store, "sqlite:" + path("syncflow.db"));
  EXPECT_EQ(config.engine.workers, 4);
  EXPECT_EQ(config.engine.lease, 30s);
  ASSERT_EQ(config.connections.size(), 2u);
  EXPECT_EQ(config.connections[0].name, "shop");
  EXPECT_EQ(config.connections[0].options.get("url"), "postgresql://u:secret@db/shop");
  EXPECT_EQ(config.connections[1].options.get("path"), path("data.db"));
  ASSERT_EQ(config.syncs.size(), 1u);
  SyncDefinition expected;
  expected.name = "customers";
  expected.id = url_uuid("syncflow:00000000-0000-4000-8000-000000000001/customers");
  expected.source = "shop";
  expected.destination = "local";
  expected.tables.emplace_back();
  expected.tables[0].source = "public.customers";
  expected.tables[0].destination = "customers";
  EXPECT_EQ(config.syncs[0], expected);
}

TEST_F(ConfigFile, ReadsEveryKeyThatIsSupported) {
  const Config config = load(kConnections + R"(
  - name: customers
    id: 0B8F0000-0000-4000-8000-00000000000F
    team_id: 6f1c1f6e-0000-4000-8000-000000000001
    source: shop
    destination: local
    status: paused
    schedule: every 15 seconds
    conflict_resolution: manual
    batch: {size: 500, bytes: 1MiB, interval: 250}
    retry: {max_retries: 0, backoff: constant}
    tables:
      - source: public.customers
        destination: Customers
        direction: source-to-destination
        key: [id]
        strategy: cursor
        cursor: updated_at
        overlap: 15m
        deletes: ignore
        create: false
        existing: refuse
        stamp: synced_at
        shared: false
        fields:
          id: id
          full_name: {from: [first, last], transform: combine, params: {separator: " "}}
          origin: {constant: shop}
          age: {from: years, transform: cast, params: {to: int64}}
        filters:
          source:
            - {field: country, operator: in, value: [DE, FR, NO]}
            - {field: years, operator: gte, value: 18}
            - {field: gone, operator: is, value: null}
            - {field: note, operator: neq, value: "null"}
            - {field: email, operator: is_not_null}
          on_leave: delete
      - source: countries
        destination: countries
        strategy: diff
        deletes: soft
        soft_delete: gone_at
)");
  const SyncDefinition& sync = config.syncs.at(0);
  EXPECT_EQ(sync.id, "0b8f0000-0000-4000-8000-00000000000f");
  EXPECT_EQ(sync.status, SyncStatus::paused);
  EXPECT_EQ(sync.schedule, "every 15 seconds");
  EXPECT_EQ(sync.conflict_resolution, "manual");
  EXPECT_EQ(sync.batch, (BatchPolicy{500, 1u << 20, 250ms}));
  EXPECT_EQ(sync.retry, (RetryPolicy{0, RetryPolicy::Backoff::constant}));
  const TableMapping& table = sync.tables.at(0);
  EXPECT_EQ(table.key, std::vector<std::string>{"id"});
  EXPECT_EQ(table.strategy, WantedStrategy::cursor);
  EXPECT_EQ(table.cursor, "updated_at");
  EXPECT_EQ(table.overlap, 15min);
  EXPECT_FALSE(table.create);
  EXPECT_EQ(table.existing, Existing::refuse);
  EXPECT_EQ(table.stamp, "synced_at");
  EXPECT_EQ(table.fields.at(1),
            (FieldMapping{"full_name", {"first", "last"}, "combine", {{"separator", " "}}, std::nullopt}));
  EXPECT_EQ(table.fields.at(2), (FieldMapping{"origin", {}, "", {}, "shop"}));
  EXPECT_EQ(table.filters.at(0), (Filter{"country", Operator::in, {"DE", "FR", "NO"}, false}));
  EXPECT_EQ(table.filters.at(1), (Filter{"years", Operator::gte, {"18"}, false}));
  EXPECT_EQ(table.filters.at(2), (Filter{"gone", Operator::is, {}, true}));
  EXPECT_EQ(table.filters.at(3), (Filter{"note", Operator::neq, {"null"}, false}));
  EXPECT_EQ(table.filters.at(4), (Filter{"email", Operator::is_not_null, {}, false}));
  EXPECT_EQ(table.on_leave, OnLeave::remove);
  EXPECT_EQ(sync.tables.at(1).deletes, Deletes::soft);
  EXPECT_EQ(sync.tables.at(1).soft_delete, "gone_at");
  EXPECT_EQ(definition_from_json(to_json(sync)), sync);
}

TEST_F(ConfigFile, RemembersWhereSyncsAndTablesStand) {
  const Config config = load(kConnections + kSync +
                             "      - {source: a, destination: b}\n"
                             "      - {source: c, destination: d}\n");
  EXPECT_EQ(config.where(config.syncs[0]), path("syncflow.yaml") + ":6: sync customers");
  EXPECT_EQ(config.where(config.syncs[0], 1), path("syncflow.yaml") + ":11: sync customers, table c -> d");
  EXPECT_EQ(config.connections[1].line, 4);
}

TEST_F(ConfigFile, TakesRelativePathsFromItsOwnFolder) {
  const Config config = load(
      "store: sqlite:state/../kept.db\n"
      "connections:\n"
      "  a: {provider: sqlite, path: ./x/a.db}\n"
      "  b: {provider: sqlite, path: /var/b.db}\n"
      "  c: {provider: postgresql, ca_file: ca.pem}\n");
  EXPECT_EQ(config.store, "sqlite:" + path("kept.db"));
  EXPECT_EQ(config.connections[0].options.get("path"), path("x/a.db"));
  EXPECT_EQ(config.connections[1].options.get("path"), "/var/b.db");
  EXPECT_EQ(config.connections[2].options.get("ca_file"), path("ca.pem"));
}

TEST_F(ConfigFile, FollowsAnchorsAndAliases) {
  const Config config = load(kConnections + kSync +
                             "      - source: a\n"
                             "        destination: a\n"
                             "        fields: &same {id: id, name: name}\n"
                             "      - source: b\n"
                             "        destination: b\n"
                             "        fields: *same\n");
  EXPECT_EQ(config.syncs[0].tables[0].fields, config.syncs[0].tables[1].fields);
}

TEST_F(ConfigFile, MayHaveNoSyncsYet) {
  EXPECT_TRUE(load("version: 1\n").syncs.empty());
  EXPECT_TRUE(load("syncs: []\nconnections: {}\n").syncs.empty());
}

// --- variables ---

TEST_F(ConfigFile, FillsInVariablesAfterParsing) {
  environment_ = {
      {"PASSWORD", "a: \"b\" # {c"}, {"EMPTY", ""}, {"NESTED", "${PASSWORD}"}, {"TABLE", "customers"}};
  const Config config = load(
      "connections:\n"
      "  a: {provider: postgresql, password: \"${PASSWORD}\", host: \"x${EMPTY}y${NESTED}\"}\n"
      "  b:\n"
      "    provider: postgresql\n"
      "    password: ${PASSWORD}\n"
      "    host: costs $5 $${PASSWORD} $$\n"
      "syncs:\n"
      "  - {name: n, source: a, destination: b, tables: [{source: \"public.${TABLE}\", destination: "
      "\"${TABLE}\"}]}\n");
  const Options& a = config.connections[0].options;
  EXPECT_EQ(a.get("password"), "a: \"b\" # {c");
  EXPECT_EQ(a.get("host"), "xy${PASSWORD}");
  const Options& b = config.connections[1].options;
  EXPECT_EQ(b.get("password"), "a: \"b\" # {c");
  EXPECT_EQ(b.get("host"), "costs $5 ${PASSWORD} $$");
  EXPECT_EQ(config.syncs[0].tables[0].source, "public.customers");
}

TEST_F(ConfigFile, KeepsReferencesInWhatGoesToTheStore) {
  environment_ = {{"TOKEN", "s3cr3t"}, {"TABLE", "t"}, {"MINUTES", "5"}};
  const Config config = load(
      "connections:\n"
      "  a: {provider: postgresql, password: \"${TOKEN}\"}\n"
      "syncs:\n"
      "  - name: n\n"
      "    source: a\n"
      "    destination: a\n"
      "    schedule: every ${MINUTES} minutes\n"
      "    tables:\n"
      "      - source: \"${TABLE}\"\n"
      "        destination: u\n"
      "        fields:\n"
      "          k: {constant: \"${TOKEN}\"}\n"
      "          x: {from: x, transform: default, params: {value: \"no $${TOKEN} but ${TOKEN}\"}}\n"
      "        filters: {source: [{field: y, operator: neq, value: \"${TOKEN}\"}]}\n");
  const SyncDefinition& sync = config.syncs[0];
  const TableMapping& table = sync.tables[0];
  EXPECT_EQ(table.fields[0].constant->value(), "s3cr3t");
  EXPECT_EQ(table.fields[1].params.at("value").value(), "no ${TOKEN} but s3cr3t");
  EXPECT_EQ(table.filters[0].values[0].value(), "s3cr3t");
  const std::string json = to_json(sync);
  EXPECT_EQ(json.find("s3cr3t"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("constant":"${TOKEN}")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("value":"no $${TOKEN} but ${TOKEN}")"), std::string::npos) << json;
  EXPECT_EQ(table.source, "t");
  EXPECT_EQ(sync.schedule, "every 5 minutes");
  EXPECT_EQ(definition_from_json(json, config.variables), sync);
}

TEST_F(ConfigFile, NamesAVariableOfASyncThatIsNotSet) {
  EXPECT_EQ(table_refusal("        fields: {k: {constant: \"${TOKEN}\"}}\n"),
            "syncflow.yaml:12: syncs[0].tables[0].fields.k.constant: ${TOKEN} is not set; set it in the "
            "environment or in .env");
}

TEST_F(ConfigFile, TakesTheEnvironmentBeforeTheEnvFile) {
  environment_ = {{"HOST", "from-environment"}};
  write("some.env", "HOST=from-file\nPASSWORD=from-file\n");
  const std::string yaml =
      "connections:\n  a: {provider: postgresql, host: \"${HOST}\", password: \"${PASSWORD}\"}\n";
  const Config config = load(yaml, path("some.env"));
  EXPECT_EQ(config.connections[0].options.get("host"), "from-environment");
  EXPECT_EQ(config.connections[0].options.get("password"), "from-file");
}

TEST_F(ConfigFile, FindsTheUsualEnvFileBesideItself) {
  write(".env", "HOST=beside\n");
  const Config config = load("connections:\n  a: {provider: postgresql, host: \"${HOST}\"}\n");
  EXPECT_EQ(config.connections[0].options.get("host"), "beside");
}

TEST_F(ConfigFile, NamesAVariableThatIsNotSet) {
  EXPECT_EQ(
      refusal("connections:\n  a:\n    provider: postgresql\n    host: \"${DB_HOST}\"\n"),
      "syncflow.yaml:4: connections.a.host: ${DB_HOST} is not set; set it in the environment or in .env");
  write("prod.env", "DB_HOSTS=x\n");
  EXPECT_EQ(
      refusal("connections:\n  a: {provider: postgresql, host: \"${DB_HOST}\"}\n", path("prod.env")),
      "syncflow.yaml:2: connections.a.host: ${DB_HOST} is not set; set it in the environment or in prod.env");
  EXPECT_EQ(refusal("store: \"${HOME-}\"\n"),
            "syncflow.yaml:1: store: \"${HOME-}\" names no variable; write $${ for the text ${ itself");
  EXPECT_EQ(refusal("store: \"sqlite:${HOME\"\n"),
            "syncflow.yaml:1: store: a \"${\" has no closing brace; write $${ for the text ${ itself");
}

TEST_F(ConfigFile, SaysThatAVariableInBracesNeedsQuotes) {
  EXPECT_EQ(refusal("connections:\n  a: {provider: postgresql, host: ${HOST}}\n").substr(0, 40),
            "syncflow.yaml:2: this is not YAML: end o");
  const std::string said = refusal("connections:\n  a: {provider: postgresql, host: ${HOST}}\n");
  EXPECT_NE(said.find("; inside { } and [ ] a variable must stand in quotes: \"${NAME}\""), std::string::npos)
      << said;
}

TEST_F(ConfigFile, NamesAMissingFile) {
  EXPECT_EQ(refusal("version: 1\n", path("prod.env")),
            "cannot read prod.env: No such file or directory; --env-file names it");
  try {
    load_config(path("other.yaml"), ".env", registry());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.what(),
              "cannot read " + path("other.yaml") +
                  ": No such file or directory; -c names another file, and examples/ holds some to "
                  "begin with");
  }
}

TEST_F(ConfigFile, NamesAFolderInAFilesPlace) {
  fs::create_directory(folder_ / "dir");
  EXPECT_EQ(refusal("version: 1\n", path("dir")), "dir is a folder, not a file");
}

// --- YAML ---

TEST_F(ConfigFile, SaysWhereItIsNotYaml) {
  EXPECT_EQ(refusal(""), "syncflow.yaml: the file is empty");
  EXPECT_EQ(refusal("# nothing\n"), "syncflow.yaml: the file is empty");
  EXPECT_EQ(refusal("version: 1\n\tstore: x\n"),
            "syncflow.yaml:2: the line is indented by a tab; YAML takes no tabs there, only blanks");
  EXPECT_EQ(refusal("version: 1\nconnections: [\n"),
            "syncflow.yaml:3: this is not YAML: end of sequence flow not found");
  EXPECT_EQ(refusal("version: 1\nstore: \"a\xff\"\n"), "syncflow.yaml:2: this is not UTF-8");
  EXPECT_EQ(refusal("version: 1\n---\nversion: 1\n"),
            "syncflow.yaml:3: a second document begins here; one is read");
  EXPECT_EQ(refusal("store: !include x\n"), "syncflow.yaml:1: the tag !include is not understood");
  EXPECT_EQ(refusal("? [a]\n: b\n"), "syncflow.yaml:1: a key must be a plain word or text");
  EXPECT_EQ(refusal("a: &x [*x]\n"), "syncflow.yaml:1: an alias stands inside what it stands for");
}

TEST_F(ConfigFile, RefusesAKeyThatStandsTwice) {
  EXPECT_EQ(refusal("version: 1\nstore: sqlite:a\nversion: 1\n"),
            "syncflow.yaml:3: the key \"version\" stands twice here, first on line 1");
  EXPECT_EQ(refusal("connections:\n  a: {provider: mysql}\n  \"a\": {provider: mysql}\n"),
            "syncflow.yaml:3: the key \"a\" stands twice here, first on line 2");
}

TEST_F(ConfigFile, RefusesAliasesThatBlowUp) {
  std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    yaml += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) yaml += before + (j < 9 ? ", " : "]\n");
  }
  EXPECT_EQ(refusal(yaml), "syncflow.yaml:5: the file is too large, or its aliases make it so");
}

// --- the top ---

TEST_F(ConfigFile, NamesTheNearestKeyAtTheTop) {
  EXPECT_EQ(refusal("version: 1\nconections: {}\n"),
            "syncflow.yaml:2: unknown key \"conections\"; did you mean \"connections\"?");
  EXPECT_EQ(
      refusal("- version\n"),
      "syncflow.yaml:1: here belongs a map with version, store, engine, connections, syncs, not a list");
  EXPECT_EQ(refusal("version: 1\nsyncs: {}\n"), "syncflow.yaml:2: syncs: here belongs a list, not a map");
  EXPECT_EQ(refusal("connections: [a]\n"), "syncflow.yaml:1: connections: here belongs a map, not a list");
}

TEST_F(ConfigFile, ReadsVersionOneAlone) {
  EXPECT_EQ(refusal("version: 2\n"), "syncflow.yaml:1: version: this syncflow reads version 1, not \"2\"");
}

TEST_F(ConfigFile, RefusesStoresThatAreNotThere) {
  EXPECT_EQ(refusal("store: postgresql://u:secret@h/db\n"),
            "syncflow.yaml:1: store: not supported yet: store postgresql; write sqlite:FILE");
  EXPECT_EQ(refusal("store: supabase\n"),
            "syncflow.yaml:1: store: not supported yet: store supabase; write sqlite:FILE");
  EXPECT_EQ(refusal("store: redis://u:secret@h\n"),
            "syncflow.yaml:1: store: \"redis\" is no store; write sqlite:FILE");
  EXPECT_EQ(refusal("store: \"sqlite:\"\n"), "syncflow.yaml:1: store: it names no file; write sqlite:FILE");
}

TEST_F(ConfigFile, ChecksTheEnginesSettings) {
  EXPECT_EQ(refusal("engine: {worker: 2}\n"),
            "syncflow.yaml:1: engine: unknown key \"worker\"; did you mean \"workers\"?");
  EXPECT_EQ(refusal("engine: {workers: 0}\n"),
            "syncflow.yaml:1: engine.workers: it must be a whole number from 1 to 1024, not \"0\"");
  EXPECT_EQ(refusal("engine:\n  lease: 30\n"),
            "syncflow.yaml:2: engine.lease: \"30\" is no duration; write it like 500ms, 30s, 15m, 2h or 1d");
  EXPECT_EQ(refusal("engine: {lease: 10ms}\n"), "syncflow.yaml:1: engine.lease: it must be at least 1s");
  EXPECT_EQ(refusal("engine: {lease: 2d}\n"), "syncflow.yaml:1: engine.lease: it must be at most 1d");
  EXPECT_EQ(refusal("engine: {lease: 10s}\n"),
            "syncflow.yaml:1: engine: heartbeat is 10s and lease is 10s; heartbeat must be half of lease at "
            "most, so "
            "that one may be late");
}

// --- connections ---

TEST_F(ConfigFile, ChecksConnectionsAgainstTheirProvider) {
  EXPECT_EQ(
      refusal("connections:\n  a:\n    provider: postgres\n"),
      "syncflow.yaml:3: connections.a.provider: unknown provider \"postgres\"; did you mean \"postgresql\"?");
  EXPECT_EQ(
      refusal("connections:\n  a:\n    provider: oracle_database\n"),
      "syncflow.yaml:3: connections.a.provider: unknown provider \"oracle_database\"; there are log, mysql, "
      "postgresql, sink, sqlite");
  for (const std::string id : {"airtable", "notion", "google_sheets", "supabase", "sqlserver", "mongodb"})
    EXPECT_EQ(refusal("connections:\n  a: {provider: " + id + ", token: x}\n"),
              "syncflow.yaml:2: connections.a.provider: not supported yet: provider " + id);
  EXPECT_EQ(refusal("connections:\n  a: {path: x}\n"),
            "syncflow.yaml:2: connections.a: \"provider\" is missing");
  EXPECT_EQ(refusal("connections:\n  a: x\n"),
            "syncflow.yaml:2: connections.a: here belongs a map with provider and its options");
  EXPECT_EQ(refusal("connections:\n  a:\n    provider: postgresql\n    hots: x\n"),
            "syncflow.yaml:4: connections.a: unknown key \"hots\"; did you mean \"host\"?");
  EXPECT_EQ(refusal("connections:\n  a:\n    provider: postgresql\n    tls: maybe\n"),
            "syncflow.yaml:4: connections.a.tls: tls is \"maybe\"; it must be disable, require or verify");
  EXPECT_EQ(refusal("connections:\n  a:\n    provider: postgresql\n    port: pg\n"),
            "syncflow.yaml:4: connections.a.port: option port: \"pg\" is not a whole number");
  EXPECT_EQ(refusal("connections:\n  a:\n    provider: postgresql\n    host: [x]\n"),
            "syncflow.yaml:4: connections.a.host: here belongs a text, not a list");
  EXPECT_EQ(refusal("connections:\n  a: {provider: sqlite}\n"),
            "syncflow.yaml:2: connections.a: option \"path\" is missing: what path is for");
}

// --- syncs ---

TEST_F(ConfigFile, ChecksTheKeysOfASync) {
  EXPECT_EQ(sync_refusal("  - nam: x\n"),
            "syncflow.yaml:6: syncs[0]: unknown key \"nam\"; did you mean \"name\"?");
  EXPECT_EQ(
      sync_refusal("  - x\n"),
      "syncflow.yaml:6: syncs[0]: here belongs a map with name, id, team_id, source, destination, status, "
      "schedule, conflict_resolution, batch, retry, tables, not \"x\"");
  EXPECT_EQ(sync_refusal("  - source: shop\n"), "syncflow.yaml:6: syncs[0]: \"name\" is missing");
  EXPECT_EQ(sync_refusal("  - name: \"\"\n"), "syncflow.yaml:6: syncs[0].name: it is empty");
  EXPECT_EQ(sync_refusal("  - name: n\n    source: shop\n"),
            "syncflow.yaml:6: syncs[0]: \"destination\" is missing");
  const std::string head = "  - name: n\n    source: shop\n    destination: local\n";
  EXPECT_EQ(sync_refusal(head), "syncflow.yaml:6: syncs[0]: \"tables\" is missing");
  EXPECT_EQ(sync_refusal(head + "    tables: []\n"),
            "syncflow.yaml:9: syncs[0].tables: it is empty; a sync needs a table");
  EXPECT_EQ(sync_refusal(head + "    tables: {}\n"),
            "syncflow.yaml:9: syncs[0].tables: here belongs a list, not a map");
  EXPECT_EQ(sync_refusal(head + "    id: 12\n"), "syncflow.yaml:9: syncs[0].id: \"12\" is not a UUID");
  EXPECT_EQ(sync_refusal(head + "    team_id: mine\n"),
            "syncflow.yaml:9: syncs[0].team_id: \"mine\" is not a UUID");
  EXPECT_EQ(sync_refusal(head + "    status: pause\n"),
            "syncflow.yaml:9: syncs[0].status: \"pause\" is none of draft, active, paused; did you mean "
            "\"paused\"?");
  EXPECT_EQ(sync_refusal(head + "    schedule: hourly\n"),
            "syncflow.yaml:9: syncs[0].schedule: the schedule \"hourly\" is not understood; write it like "
            "\"every 5 "
            "minutes\" (second, minute, hour, day, week, month or year)");
  EXPECT_EQ(sync_refusal(head + "    conflict_resolution: newest\n"),
            "syncflow.yaml:9: syncs[0].conflict_resolution: \"newest\" is none of source, destination, "
            "latest, manual");
}

TEST_F(ConfigFile, ChecksThePoliciesOfASync) {
  const std::string head = "  - name: n\n    source: shop\n    destination: local\n";
  EXPECT_EQ(sync_refusal(head + "    batch: {rows: 5}\n"),
            "syncflow.yaml:9: syncs[0].batch: unknown key \"rows\"; there are size, bytes, interval");
  EXPECT_EQ(
      sync_refusal(head + "    batch: {size: many}\n"),
      "syncflow.yaml:9: syncs[0].batch.size: it must be a whole number from 1 to 1000000, not \"many\"");
  EXPECT_EQ(
      sync_refusal(head + "    batch: {bytes: 8 MB}\n"),
      "syncflow.yaml:9: syncs[0].batch.bytes: \"8 MB\" is no size from 1KiB to 1GiB; write it like 8MiB");
  EXPECT_EQ(
      sync_refusal(head + "    batch: {bytes: 2GiB}\n"),
      "syncflow.yaml:9: syncs[0].batch.bytes: \"2GiB\" is no size from 1KiB to 1GiB; write it like 8MiB");
  EXPECT_EQ(
      sync_refusal(head + "    batch: {interval: -1}\n"),
      "syncflow.yaml:9: syncs[0].batch.interval: it must be a whole number from 0 to 86400000, not \"-1\"");
  EXPECT_EQ(
      sync_refusal(head + "    retry: {max_retries: 2.5}\n"),
      "syncflow.yaml:9: syncs[0].retry.max_retries: it must be a whole number from 0 to 1000, not \"2.5\"");
  EXPECT_EQ(sync_refusal(head + "    retry: {backoff: exponental}\n"),
            "syncflow.yaml:9: syncs[0].retry.backoff: \"exponental\" is none of exponential, linear, "
            "constant; did you "
            "mean \"exponential\"?");
}

TEST_F(ConfigFile, ChecksTheConnectionsOfASync) {
  const std::string tables = "    tables: [{source: a, destination: b}]\n";
  EXPECT_EQ(sync_refusal("  - name: n\n    source: shpo\n    destination: local\n" + tables),
            "syncflow.yaml:7: syncs[0].source: unknown connection \"shpo\"; did you mean \"shop\"?");
  EXPECT_EQ(sync_refusal("  - name: n\n    source: shop\n    destination: warehouse\n" + tables),
            "syncflow.yaml:8: syncs[0].destination: unknown connection \"warehouse\"; there are shop, local");
  EXPECT_EQ(refusal("syncs:\n  - name: n\n    source: a\n    destination: b\n" + tables),
            "syncflow.yaml:3: syncs[0].source: unknown connection \"a\"; there are none under connections");
  const std::string one_way = "connections: {in: {provider: log}, out: {provider: sink}}\nsyncs:\n";
  EXPECT_EQ(refusal(one_way + "  - name: n\n    source: out\n    destination: in\n" + tables),
            "syncflow.yaml:4: syncs[0].source: sink cannot be read from");
  EXPECT_EQ(refusal(one_way + "  - name: n\n    source: in\n    destination: in\n" + tables),
            "syncflow.yaml:5: syncs[0].destination: log cannot be written to");
}

TEST_F(ConfigFile, RefusesTwoSyncsOfOneName) {
  const auto sync = [](const std::string& name, const std::string& table, const std::string& more = "") {
    return "  - name: " + name + "\n    source: shop\n    destination: local\n" + more +
           "    tables: [{source: " + table + ", destination: " + table + "}]\n";
  };
  EXPECT_EQ(sync_refusal(sync("n", "a") + sync("n", "b")),
            "syncflow.yaml:10: syncs[1].name: the sync on line 6 is called \"n\" too; a name is given once "
            "in a team");
  const std::string team = "    team_id: 6f1c1f6e-0000-4000-8000-000000000001\n";
  EXPECT_EQ(sync_refusal(sync("n", "a") + sync("n", "b", team)), "no error");
  const std::string id = "    id: 0b8f0000-0000-4000-8000-00000000000f\n";
  EXPECT_EQ(sync_refusal(sync("n", "a", id) + sync("m", "b", id)),
            "syncflow.yaml:11: syncs[1]: its id 0b8f0000-0000-4000-8000-00000000000f is that of the sync on "
            "line 6");
}

TEST_F(ConfigFile, RefusesTwoMappingsIntoOneTable) {
  EXPECT_EQ(sync_refusal(kSync + "      - {source: a, destination: t}\n"
                                 "      - source: b\n"
                                 "        destination: t\n"),
            "syncflow.yaml:12: syncs[0].tables[1].destination: local: t is filled from shop: a already, on "
            "line 10; not "
            "supported yet: several mappings into one table");
  const std::string twins =
      "connections:\n"
      "  shop: {provider: mysql}\n"
      "  one: {provider: sqlite, path: x.db}\n"
      "  two: {provider: sqlite, path: ./x.db}\n"
      "syncs:\n"
      "  - {name: n, source: shop, destination: one, tables: [{source: a, destination: t}]}\n"
      "  - {name: m, source: shop, destination: two, tables: [{source: b, destination: t}]}\n";
  EXPECT_EQ(refusal(twins),
            "syncflow.yaml:7: syncs[1].tables[0].destination: two: t is filled from shop: a already, on line "
            "6; not "
            "supported yet: several mappings into one table");
}

TEST_F(ConfigFile, RefusesTwoMappingsIntoWhatMayBeOneTable) {
  const auto second = [this](const std::string& earlier, const std::string& later) {
    return sync_refusal(kSync + "      - {source: a, destination: " + earlier +
                        "}\n"
                        "      - {source: b, destination: " +
                        later + "}\n");
  };
  EXPECT_EQ(second("items", "Items"),
            "syncflow.yaml:11: syncs[0].tables[1].destination: local: Items may be local: items, which is "
            "filled from shop: a already, on line 10; not supported yet: several mappings into one table");
  EXPECT_NE(second("public.items", "items"), "no error");
  EXPECT_NE(second("items", "'\"public\".items'"), "no error");
  EXPECT_EQ(second("public.items", "sales.items"), "no error");
  EXPECT_EQ(second("items", "old_items"), "no error");
}

TEST_F(ConfigFile, RefusesSyncsThatFeedEachOtherUnderOtherNames) {
  const std::string twins =
      "connections:\n"
      "  one: {provider: sqlite, path: x.db}\n"
      "  two: {provider: sqlite, path: ./x.db}\n"
      "  far: {provider: sqlite, path: y.db}\n"
      "syncs:\n"
      "  - {name: n, source: one, destination: far, tables: [{source: Items, destination: copy}]}\n";
  EXPECT_EQ(
      refusal(twins + "  - {name: m, source: far, destination: two, tables: [{source: main.Copy, "
                      "destination: items}]}\n"),
      "syncflow.yaml:7: syncs[1].tables[0]: one-way syncs would go round in a circle: one: Items -> far: "
      "main.Copy -> two: items");
  // `far: copy` may be either of two tables; the way back is through the second.
  const std::string fork =
      "  - {name: m, source: one, destination: far, tables: [{source: p, destination: a.t}]}\n"
      "  - {name: k, source: one, destination: far, tables: [{source: q, destination: b.t}]}\n"
      "  - {name: l, source: far, destination: two, tables: [{source: t, destination: Q}]}\n";
  EXPECT_EQ(
      refusal(twins + fork),
      "syncflow.yaml:9: syncs[3].tables[0]: one-way syncs would go round in a circle: one: q -> far: t -> "
      "two: Q");
}

TEST_F(ConfigFile, RefusesSyncsThatFeedEachOther) {
  const auto sync = [](const std::string& from, const std::string& source, const std::string& to,
                       const std::string& destination) {
    return "  - {name: " + from + to + source + ", source: " + from + ", destination: " + to +
           ", tables: [{source: " + source + ", destination: " + destination + "}]}\n";
  };
  EXPECT_EQ(
      sync_refusal(sync("shop", "a", "shop", "a")),
      "syncflow.yaml:6: syncs[0].tables[0]: one-way syncs would go round in a circle: shop: a -> shop: a");
  EXPECT_EQ(
      sync_refusal(sync("shop", "a", "local", "b") + sync("shop", "c", "local", "c") +
                   sync("local", "b", "local", "d") + sync("local", "d", "shop", "a")),
      "syncflow.yaml:9: syncs[3].tables[0]: one-way syncs would go round in a circle: shop: a -> local: b -> "
      "local: d -> shop: a");
  EXPECT_EQ(sync_refusal(sync("shop", "a", "local", "b") + sync("local", "b", "shop", "c")), "no error");
}

// --- tables ---

TEST_F(ConfigFile, ChecksTheKeysOfATable) {
  EXPECT_EQ(table_refusal("        feilds: {id: id}\n"),
            "syncflow.yaml:12: syncs[0].tables[0]: unknown key \"feilds\"; did you mean \"fields\"?");
  EXPECT_EQ(sync_refusal(kSync + "      - {source: a}\n"),
            "syncflow.yaml:10: syncs[0].tables[0]: \"destination\" is missing");
  EXPECT_EQ(table_refusal("        key: id\n"),
            "syncflow.yaml:12: syncs[0].tables[0].key: here belongs a list, not \"id\"");
  EXPECT_EQ(
      table_refusal("        key: []\n"),
      "syncflow.yaml:12: syncs[0].tables[0].key: it is empty; leave it out for the table's primary key");
  EXPECT_EQ(table_refusal("        strategy: cursors\n"),
            "syncflow.yaml:12: syncs[0].tables[0].strategy: \"cursors\" is none of auto, cursor, feed, diff; "
            "did you "
            "mean \"cursor\"?");
  EXPECT_EQ(table_refusal("        overlap: 15min\n"),
            "syncflow.yaml:12: syncs[0].tables[0].overlap: \"15min\" is no duration; write it like 500ms, "
            "30s, 15m, 2h "
            "or 1d");
  EXPECT_EQ(table_refusal("        create: yes\n"),
            "syncflow.yaml:12: syncs[0].tables[0].create: it must be true or false, not \"yes\"");
  EXPECT_EQ(table_refusal("        existing: overwrite\n"),
            "syncflow.yaml:12: syncs[0].tables[0].existing: \"overwrite\" is none of adopt, replace, refuse");
}

TEST_F(ConfigFile, RefusesByNameWhatIsNotBuiltYet) {
  EXPECT_EQ(table_refusal("        direction: two-way\n"),
            "syncflow.yaml:12: syncs[0].tables[0].direction: not supported yet: direction two-way");
  EXPECT_EQ(
      table_refusal("        direction: destination-to-source\n"),
      "syncflow.yaml:12: syncs[0].tables[0].direction: not supported yet: direction destination-to-source");
  EXPECT_EQ(table_refusal("        strategy: feed\n"),
            "syncflow.yaml:12: syncs[0].tables[0].strategy: not supported yet: strategy feed");
  EXPECT_EQ(
      table_refusal("        strategy: cursor\n        deletes: hard\n"),
      "syncflow.yaml:13: syncs[0].tables[0].deletes: not supported yet: deletes hard with strategy cursor; "
      "strategy diff finds deleted rows");
  EXPECT_EQ(table_refusal("        reconcile: every 1 hour\n"),
            "syncflow.yaml:12: syncs[0].tables[0].reconcile: not supported yet: reconcile");
  EXPECT_EQ(
      table_refusal("        shared: true\n"),
      "syncflow.yaml:12: syncs[0].tables[0].shared: not supported yet: several mappings into one table");
  EXPECT_EQ(table_refusal("        strategy: diff\n        deletes: hard\n"), "no error");
  EXPECT_EQ(table_refusal("        deletes: soft\n"), "no error");
}

TEST_F(ConfigFile, RefusesWhatWouldDoNothing) {
  EXPECT_EQ(table_refusal("        strategy: diff\n        cursor: updated_at\n"),
            "syncflow.yaml:13: syncs[0].tables[0].cursor: strategy diff does not read by a cursor field; "
            "leave it out");
  EXPECT_EQ(table_refusal("        soft_delete: gone_at\n"),
            "syncflow.yaml:12: syncs[0].tables[0].soft_delete: it names the field that deletes: soft sets, "
            "and deletes "
            "is ignore");
  EXPECT_EQ(table_refusal("        filters: {on_leave: keep}\n"),
            "syncflow.yaml:12: syncs[0].tables[0].filters: there is no filter under source");
}

TEST_F(ConfigFile, ChecksFields) {
  const auto field = [&](const std::string& text) {
    return table_refusal("        fields:\n          f: " + text + "\n");
  };
  const std::string place = "syncflow.yaml:13: syncs[0].tables[0].fields.f: ";
  EXPECT_EQ(table_refusal("        fields: {}\n"),
            "syncflow.yaml:12: syncs[0].tables[0].fields: it is empty; leave it out to map every field under "
            "its own "
            "name");
  EXPECT_EQ(field(""), place + "it needs the source field that it is filled by");
  EXPECT_EQ(field("[a, b]"), place + "here belongs a text, not a list");
  EXPECT_EQ(field("{form: a}"),
            "syncflow.yaml:13: syncs[0].tables[0].fields.f: unknown key \"form\"; did you mean \"from\"?");
  EXPECT_EQ(field("{transform: trim}"),
            place + "it needs from, the source field that it is filled by, or constant");
  EXPECT_EQ(field("{from: a, transform: upper}"),
            place +
                "unknown transform \"upper\"; there are combine, split, replace, uppercase, lowercase, trim, "
                "toISOString, hash, cast, default, round, coalesce");
  EXPECT_EQ(field("{from: a, transform: to_iso_string}"),
            place + "unknown transform \"to_iso_string\"; did you mean \"toISOString\"?");
  EXPECT_EQ(field("{from: a, transform: split, params: {seperator: x, index: 0}}"),
            place + "transform split has no param \"seperator\"; did you mean \"separator\"?");
  EXPECT_EQ(field("{from: a, transform: cast}"), place + "transform cast needs the param to");
  EXPECT_EQ(field("{from: a, transform: cast, params: [to]}"),
            "syncflow.yaml:13: syncs[0].tables[0].fields.f.params: here belongs a map, not a list");
  EXPECT_EQ(field("{from: [a, b]}"),
            place + "it comes from several fields; only combine and coalesce take several");
  EXPECT_EQ(field("{from: a, constant: b}"),
            place + "it has both from and constant; it can have one of them");
  EXPECT_EQ(
      table_refusal("        stamp: f\n        fields: {f: a}\n"),
      "syncflow.yaml:13: syncs[0].tables[0].fields: f is the field that stamp sets; it cannot be mapped too");
  EXPECT_EQ(table_refusal("        deletes: soft\n        fields: {deleted_at: a}\n"),
            "syncflow.yaml:13: syncs[0].tables[0].fields: deleted_at is the field that soft_delete sets; it "
            "cannot be "
            "mapped too");
  EXPECT_EQ(
      table_refusal("        key: [id]\n        fields: {name: name}\n"),
      "syncflow.yaml:13: syncs[0].tables[0].fields: id is in the key and not mapped; add it under fields");
  EXPECT_EQ(table_refusal("        key: [id]\n        fields: {nr: {from: id, transform: trim}}\n"),
            "syncflow.yaml:13: syncs[0].tables[0].fields: id is in the key and only goes into nr by way of "
            "trim; a key "
            "may be renamed or cast, so that no two rows become one");
}

TEST_F(ConfigFile, ChecksFilters) {
  const auto filter = [&](const std::string& text) {
    return table_refusal("        filters:\n          source:\n            - " + text + "\n");
  };
  const std::string place = "syncflow.yaml:14: syncs[0].tables[0].filters.source[0]";
  EXPECT_EQ(filter("{field: a, op: eq, value: 1}"),
            place + ": unknown key \"op\"; there are field, operator, value");
  EXPECT_EQ(
      filter("{field: a, operator: equals, value: 1}"),
      place +
          ".operator: \"equals\" is none of eq, neq, gt, gte, lt, lte, in, nin, like, nlike, ilike, nilike, "
          "is, is_not, is_null, is_not_null");
  EXPECT_EQ(filter("{field: a, operator: ilke, value: x}").substr(0, 90),
            (place + ".operator: \"ilke\" is none of eq, neq, gt, gte, lt, lte").substr(0, 90));
  EXPECT_EQ(filter("{operator: eq, value: 1}"), place + ": \"field\" is missing");
  EXPECT_EQ(filter("{field: a, operator: eq}"), place + ": filter a eq: it needs one value");
  EXPECT_EQ(filter("{field: a, operator: in, value: 1}"), place + ".value: in takes a list of values");
  EXPECT_EQ(filter("{field: a, operator: nin, value: []}"),
            place + ": filter a nin: it needs a list of values");
  EXPECT_EQ(filter("{field: a, operator: eq, value: [1]}"),
            place + ".value: here belongs a text, not a list");
  EXPECT_EQ(filter("{field: a, operator: is_null, value: 1}"),
            place + ": filter a is_null: it takes no value");
  EXPECT_EQ(
      filter("{field: a, operator: like, value: 'x\\'}"),
      place +
          ": filter a like: the pattern \"x\\\" ends with a backslash; write \\\\ for a backslash itself");
  EXPECT_EQ(
      table_refusal("        filters: [{field: a, operator: eq, value: 1}]\n"),
      "syncflow.yaml:12: syncs[0].tables[0].filters: here belongs a map with source, on_leave, not a list");
  EXPECT_EQ(table_refusal("        filters:\n          on_leave: drop\n"),
            "syncflow.yaml:13: syncs[0].tables[0].filters.on_leave: \"drop\" is none of delete, keep");
}

// --- the examples ---

TEST(Examples, AreReadWithoutAnError) {
  std::size_t read = 0;
  for (const fs::directory_entry& entry :
       fs::recursive_directory_iterator(fs::path(SYNCFLOW_ROOT) / "examples")) {
    if (entry.path().extension() != ".yaml") continue;
    const Config config = load_config(entry.path().string(), ".env", registry(), [](const std::string&) {
      return std::optional<std::string>("scheme://user:password@127.0.0.1/name");
    });
    EXPECT_FALSE(config.syncs.empty()) << entry.path();
    for (const SyncDefinition& sync : config.syncs) EXPECT_EQ(definition_from_json(to_json(sync)), sync);
    ++read;
  }
  EXPECT_GE(read, 5u);
}

TEST_F(ConfigFile, NeverRepeatsASecret) {
  for (const std::string& yaml :
       {std::string("connections:\n  a: {provider: postgresql, password: [hunter2]}\n"),
        std::string("store: postgresql://u:hunter2@h/db\n"),
        std::string("connections:\n  a: {provider: postgresql, url: {x: hunter2}}\n")}) {
    EXPECT_EQ(refusal(yaml).find("hunter2"), std::string::npos) << refusal(yaml);
    EXPECT_NE(refusal(yaml), "no error");
  }
  write("bad.env", "PASSWORD hunter2\n");
  EXPECT_EQ(refusal("version: 1\n", path("bad.env")), "bad.env:1: this is no line like NAME=value");
}

}  // namespace
}  // namespace syncflow::app
