// Secrets in every place where they may come in, and nothing that is printed, answered or stored holds one.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "support/two_tables.h"
#include "support/url.h"
#include "testkit/http_client.h"

namespace syncflow::tests {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using testkit::HttpClient;

constexpr const char* kApiKey = "s3cr3t-of-the-api";
constexpr const char* kConstant = "s3cr3t-in-a-constant";
constexpr const char* kFilter = "s3cr3t-in-a-filter";
constexpr const char* kPassword = "s3cr3t p@ss/w:rd";
constexpr const char* kPasswordInUrl = "s3cr3t%20p%40ss%2Fw%3Ard";
constexpr const char* kMysqlPassword = "s3cr3t-of-mysql";
constexpr const char* kWrongKey = "s3cr3t-wrong-key";
constexpr const char* kStorePassword = "s3cr3t of/the:store";
constexpr const char* kStorePasswordInUrl = "s3cr3t%20of%2Fthe%3Astore";
constexpr const char* kWrongStorePassword = "s3cr3t-wrong-for-the-store";
constexpr const char* kSchema = "kept";  ///< of the store in PostgreSQL
constexpr const char* kLeft = "s3cr3t";  ///< what all of them begin with

class WithSecrets : public Scenario {
 protected:
  void begin(System store) {
    if (!is_set(kPostgresqlUrl)) GTEST_SKIP() << not_set(kPostgresqlUrl);
    if (!is_set(kMariadbUrl)) GTEST_SKIP() << not_set(kMariadbUrl);
    if (store == System::postgresql) make_postgresql_store();
    there_ = make_postgresql_database();
    here_->log_in()->execute(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, updated_at TIMESTAMP NOT NULL"
        " DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')));"
        "CREATE INDEX people_by_change ON people(updated_at, id);"
        "INSERT INTO people(id, name) VALUES (1, 'Ada'), (2, 'Grace')");
    // A destination that repeats what it is given.
    there_->log_in()->execute(
        "CREATE TABLE people (id bigint PRIMARY KEY, name text, origin text, number text);"
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'no: % of %', NEW.origin, NEW.name; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON people FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION "
        "refuse();"
        "CREATE TABLE checked (id bigint PRIMARY KEY, name text, origin text CHECK (length(origin) < 3));");
    write_file(".env",
               fmt::format("CONSTANT={}\nFILTER={}\nPASSWORD=\"{}\"\nMYSQL_PASSWORD={}\nSYNCFLOW_API_KEY={}"
                           "\nSTORE_PASSWORD={}\n",
                           kConstant, kFilter, kPassword, kMysqlPassword, kApiKey, kStorePasswordInUrl));
    write_config(config(place_));
  }
  void TearDown() override {
    Scenario::TearDown();
    store_.reset();  // with all that the role owns
    if (!role_.empty()) log_in_to_postgresql(value_of(kPostgresqlUrl))->execute("DROP ROLE " + role_);
  }

  /// A server that trusts everybody does not ask for the password; it is to be seen nowhere all the same.
  void make_postgresql_store() {
    store_ = make_postgresql_database();
    const std::string role = unique_name();
    const auto session = store_->log_in();
    session->execute(fmt::format("CREATE ROLE {} LOGIN PASSWORD '{}'", role, kStorePassword));
    role_ = role;
    session->execute(fmt::format("CREATE SCHEMA {} AUTHORIZATION {}", kSchema, role_));
    place_ = store_with(role_ + ":${STORE_PASSWORD}");
  }

  std::string store_with(const std::string& login) const {
    return with_login(store_->address(), login) + "?schema=" + kSchema;
  }
  static std::string with_login(std::string url, const std::string& login) {
    const std::size_t begin = url.find("//") + 2;
    return url.replace(begin, url.find('@') - begin, login);
  }
  std::string mysql_options() const {
    const std::string url = value_of(kMariadbUrl);
    const std::string host = url.substr(url.find('@') + 1);
    return fmt::format("host: 127.0.0.1, port: {}, user: test, database: mysql",
                       host.substr(host.find(':') + 1, host.find('/') - host.find(':') - 1));
  }

  std::string config(const std::string& store) const {
    const auto sync = [](const char* name, const char* destination, const char* table, const char* more) {
      return fmt::format(
          "  - {{name: {0}, source: here, destination: {1}, schedule: every 1 second, retry: {{max_retries: "
          "0}},\n"
          "     tables: [{{source: people, destination: {2}, strategy: cursor, cursor: updated_at{3}}}]}}\n",
          name, destination, table, more);
    };
    const char* constant = ", fields: {id: id, name: name, origin: {constant: \"${CONSTANT}\"}}";
    std::string yaml = fmt::format("version: 1\nstore: \"{}\"\nconnections:\n", store);
    yaml += fmt::format("  here: {}\n  there: {}\n", here_->connection(), there_->connection());
    yaml += fmt::format("  refused: {{provider: mysql, {}, password: \"${{MYSQL_PASSWORD}}\"}}\n",
                        mysql_options());
    yaml += fmt::format("  unknown: {{provider: postgresql, url: \"{}\"}}\n",
                        with_login(there_->address(), "nobody:" + std::string(kPasswordInUrl)));
    yaml += fmt::format(
        "  nowhere: {{provider: postgresql, host: 127.0.0.1, port: 1, user: me, password: \"${{PASSWORD}}\", "
        "database: a}}\n");
    yaml += "syncs:\n";
    yaml += sync("echo", "there", "people", constant);
    yaml += sync("checked", "there", "checked", constant);
    yaml += sync("filtered", "there", "filtered",
                 ", filters: {source: [{field: id, operator: eq, value: \"${FILTER}\"}]}");
    yaml += sync("refused", "refused", "people", "");
    yaml += sync("unknown", "unknown", "people", "");
    yaml += sync("nowhere", "nowhere", "people", "");
    return yaml;
  }

  /// Everything that the programs wrote and keep, and what was answered; not what a person wrote.
  std::map<std::string, std::string> told() const {
    std::map<std::string, std::string> all{{"answers", answers_}};
    for (const auto& entry : std::filesystem::directory_iterator(folder())) {
      const std::string name = entry.path().filename();
      if (name == ".env" || name.ends_with(".yaml") || name.starts_with("here.db")) continue;
      std::ostringstream text;
      text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      all[name] = text.str();
    }
    if (store_) add_tables(all);
    return all;
  }
  /// Every table of the store in PostgreSQL, as text.
  void add_tables(std::map<std::string, std::string>& all) const {
    const auto session = store_->log_in();
    session->execute("SET bytea_output = 'escape'");  // in hex nothing would be found
    for (const Session::Row& table : session->rows(fmt::format(
             "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('{}') AND relkind IN "
             "('r', 'p', 'm')",
             kSchema))) {
      const std::string name = fmt::format("{}.{}", kSchema, table.at(0).value());
      std::string& text = all["table " + name];
      for (const Session::Row& row : session->rows(fmt::format("SELECT t::text FROM {} t", name)))
        text += row.at(0).value_or("") + "\n";
    }
  }
  void expect_no_secret() const {
    for (const auto& [where, text] : told()) {
      const std::size_t at = text.find(kLeft);
      EXPECT_EQ(at, std::string::npos)
          << where << " holds: " << text.substr(at - std::min<std::size_t>(at, 200), 300);
    }
  }

  void ask(const Service& service, const std::string& target, const std::string& key = kApiKey) {
    const auto answer = HttpClient(service.port).get(target, {{"Authorization", "Bearer " + key}});
    answers_ += target + "\n" + answer.body + "\n";
    for (const auto& [name, value] : answer.headers) answers_ += name + ": " + value + "\n";
  }

  const std::unique_ptr<Database> here_ = make_sqlite_database(folder(), "here.db");
  std::unique_ptr<Database> there_, store_;  ///< no `store_`: it is a file in the folder
  std::string role_, place_ = "sqlite:store.db";
  std::string answers_;
};

/// With a store of each kind.
class NoSecret : public WithSecrets, public ::testing::WithParamInterface<System> {
 protected:
  void SetUp() override { begin(GetParam()); }
};

TEST_P(NoSecret, IsPrintedAnsweredOrStored) {
  Service service = serve({"-v"});
  HttpClient client(service.port);
  const auto ended = [&] {
    const auto runs =
        client.get("/runs?limit=1000", {{"Authorization", "Bearer " + std::string(kApiKey)}}).json();
    std::set<std::string> syncs;
    for (const auto& run : runs.at("runs").as_array())
      if (run.at("status") != "processing") syncs.insert(std::string(run.at("sync_id").as_string()));
    return syncs.size() == 6;
  };
  service.process.wait_until("each sync has had a run", ended);
  for (const char* target : {"/syncs", "/jobs?limit=1000", "/runs?limit=1000", "/connections", "/quarantine",
                             "/metrics", "/openapi.json", "/readyz", "/nothing", "/jobs?cursor=x"})
    ask(service, target);
  ask(service, "/syncs", kWrongKey);
  EXPECT_EQ(client
                .request("POST", "/jobs", "{\"syncId\":",
                         {{"Authorization", "Bearer " + std::string(kApiKey)},
                          {"Content-Type", "application/json"}})
                .status,
            400);
  EXPECT_THAT(answers_, HasSubstr("no: *** of Grace"))
      << "the row that was refused, without the constant in it";
  if (store_) {
    EXPECT_THAT(told().at(fmt::format("table {}.sync_row_errors", kSchema)), HasSubstr("*** of Grace"));
  }
  expect_no_secret();
  service.process.signal(SIGKILL);  // so that the write-ahead log stays as it is
  service.process.wait();
  expect_no_secret();
}

TEST_P(NoSecret, IsToldByACommand) {
  const std::vector<std::vector<std::string>> commands = {
      {"run"},
      {"run", "--json", "-v"},
      {"validate"},
      {"validate", "--online"},
      {"validate", "--online", "--json"},
      {"check", "refused"},
      {"check", "unknown", "--json"},
      {"check", "nowhere"},
      {"discover", "unknown"},
      {"jobs", "list", "--json"},
      {"quarantine", "--json"},
      {"quarantine"},
      {"migrate", "--print"},
      {"migrate"},
      {"verify", "--sync", "echo"},
      {"verify", "--sync", "echo", "--repair", "--json"},
      {"verify", "--sync", "unknown"},
      {"resync", "--sync", "echo"},
      {"resync", "--sync", "unknown", "--json"},
      {"resume", "echo"},
      {"jobs", "list"},
  };
  for (const auto& command : commands) run(command);
  const Finished exported = run({"state", "export", "state.jsonl"});
  EXPECT_EQ(exported.exit, Exit{0}) << exported;
  EXPECT_THAT(told().at("state.jsonl"), HasSubstr("${CONSTANT}"));
  run({"resume", "echo"});
  expect_no_secret();
}

TEST_P(NoSecret, IsToldOfAUrlThatIsNone) {
  const std::string pg = "postgresql://me:s3cr3t-ab@127.0.0.1";
  for (const std::string& url :
       {pg + ":port/db", pg + ":99999/db", std::string("postgresql://me:s3cr3t-ab@[::1/db"),
        std::string("postgresql://me:s3cr3t/a?b#c@127.0.0.1/db"),
        std::string("postgres//me:s3cr3t-ab@127.0.0.1/db"), std::string("me:s3cr3t-ab@127.0.0.1"),
        pg + "/%zz", pg + "/db?password=s3cr3t-bc", std::string("mysql://me:s3cr3t-ab@127.0.0.1/db")}) {
    // Of a connection, or of the store.
    const std::string odd = fmt::format("{{provider: postgresql, url: \"{}\"}}", url);
    write_file(
        "odd.yaml",
        fmt::format(
            "version: 1\nstore: \"{}\"\nconnections:\n  odd: {}\n"
            "  here: {}\nsyncs:\n  - {{name: odd, source: odd, destination: here, tables: [{{source: a, "
            "destination: b}}]}}\n",
            store_ ? url : "sqlite:odd.db", store_ ? here_->connection() : odd, here_->connection()));
    run({"validate", "-c", "odd.yaml"});
    run({"run", "-c", "odd.yaml", "--json"});
    run({"check", "odd", "-c", "odd.yaml"});
    expect_no_secret();
  }
}

INSTANTIATE_TEST_SUITE_P(With, NoSecret, ::testing::Values(System::sqlite, System::postgresql),
                         [](const auto& instance) { return std::string(name_of(instance.param)); });

class NoSecretOfAStore : public WithSecrets {
 protected:
  void SetUp() override { begin(System::postgresql); }

  void run_each_command() {
    const std::vector<std::vector<std::string>> commands = {
        {"run", "--json", "-v"},      {"validate", "--online"},
        {"verify", "--sync", "echo"}, {"resync", "--sync", "echo"},
        {"resume", "echo"},           {"jobs", "list"},
        {"quarantine", "--json"},     {"migrate", "--print"},
        {"migrate", "--json"},        {"state", "export", "broken.jsonl"},
    };
    for (std::vector<std::string> command : commands) {
      command.insert(command.end(), {"-c", "broken.yaml"});
      run(command);
    }
  }
};

TEST_F(NoSecretOfAStore, IsToldWhenItCannotBeReachedOrTakesNoLogin) {
  const std::string login = role_ + ":" + kStorePasswordInUrl;
  for (const std::string& place :
       {"postgresql://" + login + "@127.0.0.1:1/nothing", with_database(store_with(login), "nothing"),
        with_login(store_->address(), login) + "?schema=nothing",
        store_with(std::string("nobody:") + kWrongStorePassword)}) {
    write_file("broken.yaml", config(place));
    const Finished failed = run({"migrate", "-c", "broken.yaml"});
    EXPECT_EQ(failed.exit, Exit{1}) << failed;
    run_each_command();
    expect_no_secret();
  }
}

/// Refused by a server that asks for it.
TEST_F(NoSecretOfAStore, IsToldWhenItsPasswordIsWrong) {
  write_file("broken.yaml", config(store_with(role_ + ":" + kWrongStorePassword)));
  run_each_command();
  expect_no_secret();
}

}  // namespace
}  // namespace syncflow::tests
