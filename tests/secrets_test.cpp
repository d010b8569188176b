// Secrets in every place where they may come in, and nothing that is printed, answered or stored holds one.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "support/database.h"
#include "support/program.h"
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
constexpr const char* kLeft = "s3cr3t";  ///< what all of them begin with

class NoSecret : public Scenario {
 protected:
  void SetUp() override {
    if (!is_set(kPostgresqlUrl)) GTEST_SKIP() << not_set(kPostgresqlUrl);
    if (!is_set(kMariadbUrl)) GTEST_SKIP() << not_set(kMariadbUrl);
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
    write_file(
        ".env",
        fmt::format("CONSTANT={}\nFILTER={}\nPASSWORD=\"{}\"\nMYSQL_PASSWORD={}\nSYNCFLOW_API_KEY={}\n",
                    kConstant, kFilter, kPassword, kMysqlPassword, kApiKey));
    write_config(config());
  }

  std::string postgresql_with(const std::string& login) const {
    std::string url = there_->address();
    const std::size_t begin = url.find("//") + 2;
    return url.replace(begin, url.find('@') - begin, login);
  }
  std::string mysql_options() const {
    const std::string url = value_of(kMariadbUrl);
    const std::string host = url.substr(url.find('@') + 1);
    return fmt::format("host: 127.0.0.1, port: {}, user: test, database: mysql",
                       host.substr(host.find(':') + 1, host.find('/') - host.find(':') - 1));
  }

  std::string config() const {
    const auto sync = [](const char* name, const char* destination, const char* table, const char* more) {
      return fmt::format(
          "  - {{name: {0}, source: here, destination: {1}, schedule: every 1 second, retry: {{max_retries: "
          "0}},\n"
          "     tables: [{{source: people, destination: {2}, strategy: cursor, cursor: updated_at{3}}}]}}\n",
          name, destination, table, more);
    };
    const char* constant = ", fields: {id: id, name: name, origin: {constant: \"${CONSTANT}\"}}";
    std::string yaml = "version: 1\nstore: sqlite:store.db\nconnections:\n";
    yaml += fmt::format("  here: {}\n  there: {}\n", here_->connection(), there_->connection());
    yaml += fmt::format("  refused: {{provider: mysql, {}, password: \"${{MYSQL_PASSWORD}}\"}}\n",
                        mysql_options());
    yaml += fmt::format("  unknown: {{provider: postgresql, url: \"{}\"}}\n",
                        postgresql_with("nobody:" + std::string(kPasswordInUrl)));
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
      if (name == ".env" || name == "syncflow.yaml" || name == "odd.yaml" || name.starts_with("here.db"))
        continue;
      std::ostringstream text;
      text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      all[name] = text.str();
    }
    return all;
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
  std::unique_ptr<Database> there_;
  std::string answers_;
};

TEST_F(NoSecret, IsPrintedAnsweredOrStored) {
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
  expect_no_secret();
  service.process.signal(SIGKILL);  // so that the write-ahead log stays as it is
  service.process.wait();
  expect_no_secret();
}

TEST_F(NoSecret, IsToldByACommand) {
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
  };
  for (const auto& command : commands) run(command);
  expect_no_secret();
}

TEST_F(NoSecret, IsToldOfAUrlThatIsNone) {
  const std::string pg = "postgresql://me:s3cr3t-ab@127.0.0.1";
  for (const std::string& url :
       {pg + ":port/db", pg + ":99999/db", std::string("postgresql://me:s3cr3t-ab@[::1/db"),
        std::string("postgresql://me:s3cr3t/a?b#c@127.0.0.1/db"),
        std::string("postgres//me:s3cr3t-ab@127.0.0.1/db"), std::string("me:s3cr3t-ab@127.0.0.1"),
        pg + "/%zz", pg + "/db?password=s3cr3t-bc", std::string("mysql://me:s3cr3t-ab@127.0.0.1/db")}) {
    write_file(
        "odd.yaml",
        fmt::format(
            "version: 1\nstore: sqlite:odd.db\nconnections:\n  odd: {{provider: postgresql, url: \"{}\"}}\n"
            "  here: {}\nsyncs:\n  - {{name: odd, source: odd, destination: here, tables: [{{source: a, "
            "destination: b}}]}}\n",
            url, here_->connection()));
    run({"validate", "-c", "odd.yaml"});
    run({"run", "-c", "odd.yaml", "--json"});
    run({"check", "odd", "-c", "odd.yaml"});
    expect_no_secret();
  }
}

}  // namespace
}  // namespace syncflow::tests
