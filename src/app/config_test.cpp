#include "app/test_config_file.h"
#include "core/secrets.h"

namespace syncflow::app {
namespace {

// --- what is read ---

TEST_F(ConfigFile, GivesTheDefaultsOfAShortFile) {
  const Config config =
      load(kConnections + kSync + "      - {source: public.customers, destination: customers}\n");
  EXPECT_EQ(config.store, "sqlite:" + path("syncflow.db"));
  EXPECT_EQ(config.engine.workers, 4);
  EXPECT_EQ(config.engine.lease, 30s);
  EXPECT_EQ(config.engine.keep_finished, 24h * 30);
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

TEST_F(ConfigFile, NeverShowsThePasswordOfTheStore) {
  load("store: postgresql://keeper:of-the-store%21@db/jobs\n" + kConnections + kSync +
       "      - {source: public.customers, destination: customers}\n");
  EXPECT_EQ(without_secrets("refused: of-the-store!, of-the-store%21"), "refused: ***, ***");
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
  EXPECT_EQ(refusal(yaml), "syncflow.yaml:5: the aliases make the file too large");
}

TEST_F(ConfigFile, HoldsAsManySyncsAsAreNamed) {
  std::string yaml =
      "version: 1\nstore: sqlite:a\nconnections: {a: {provider: sqlite, path: a.db}, b: {provider: sqlite, "
      "path: b.db}}\nsyncs:\n";
  for (int i = 0; i < 10'000; ++i)
    yaml += fmt::format(
        "  - {{name: s{0}, source: a, destination: b, tables: [{{source: t{0}, destination: t{0}}}]}}\n", i);
  EXPECT_EQ(load(yaml).syncs.size(), 10'000u);
}

}  // namespace
}  // namespace syncflow::app
