#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <sstream>

#include "app/test_config_folder.h"
#include "cli/cli.h"
#include "core/log.h"
#include "core/text.h"
#include "drivers/sqlite/database.h"

namespace syncflow::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// The commands on a config file with the providers that are built in, over SQLite files.
class Commands : public ConfigFolder {
 protected:
  Commands() {
    sqlite::Database from(path("from.db"), sqlite::OpenMode::create, std::chrono::seconds(5));
    from.execute(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, updated_at TIMESTAMP NOT NULL DEFAULT "
        "CURRENT_TIMESTAMP); CREATE INDEX people_updated ON people (updated_at);"
        "INSERT INTO people (id, name) VALUES (1, 'Ann')");
    write(kSync);
  }
  ~Commands() override { log::configure(log::Level::info, log::Form::text); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  /// The config with these connections' files and the rest of the mapping.
  void write(const std::string& mapping, const std::string& from = "from.db",
             const std::string& to = "to.db") const {
    std::ofstream(folder_ / "syncflow.yaml") << "connections:\n  from: {provider: sqlite, path: " << from
                                             << "}\n  to: {provider: sqlite, path: " << to << "}\nsyncs:\n"
                                             << mapping;
  }

  int command(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"-c", path("syncflow.yaml")});
    out_.str("");
    err_.str("");
    const cli::Surroundings with{providers_,
                                 clock_,
                                 [this](const std::string& file, const std::string& env_file) {
                                   return load_config(file, env_file, providers_);
                                 },
                                 [](auto&, auto&) { return 0; },
                                 out_,
                                 err_,
                                 false,
                                 [](auto&) { log::configure(log::Level::error, log::Form::text); },
                                 true};
    return cli::command_line(arguments, with);
  }

  static inline const std::string kSync =
      "  - {name: people, source: from, destination: to, tables: [{source: people, destination: people}]}\n";

  SystemClock clock_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(Commands, CheckDoesNotClaimToBeInAFileThatIsYetToBeMade) {
  EXPECT_EQ(command({"check", "from"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), StartsWith("from: logged in to SQLite"));
  EXPECT_EQ(command({"check", "to"}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(StartsWith("to: SQLite"), HasSubstr("does not exist yet"), Not(HasSubstr("logged in"))));
}

TEST_F(Commands, AFolderThatIsMissingIsAnErrorBeforeTheFirstRun) {
  write(kSync, "from.db", "nowhere/to.db");
  EXPECT_EQ(command({"check", "to"}), 1);
  EXPECT_THAT(err_.str(),
              AllOf(HasSubstr("connection to: "), HasSubstr("there is no folder " + path("nowhere"))));
  EXPECT_EQ(command({"validate", "--online"}), 2);
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("error: connection to: "), HasSubstr("error: people: people -> people: "),
                    HasSubstr("there is no folder " + path("nowhere"))));
}

TEST_F(Commands, AFileThatIsMissingIsAnErrorWhereItIsASource) {
  EXPECT_EQ(command({"validate", "--online"}), 0) << out_.str();
  write(kSync, "form.db", "to.db");
  EXPECT_EQ(command({"validate", "--online"}), 2);
  EXPECT_THAT(out_.str(), HasSubstr("error: people: people -> people: SQLite file " + path("form.db") +
                                    " does not exist"));
  EXPECT_FALSE(std::filesystem::exists(path("form.db")));
  EXPECT_FALSE(std::filesystem::exists(path("to.db")));
}

TEST_F(Commands, DiscoverDoesNotOfferAFieldThatASyncOfTheConfigFills) {
  EXPECT_EQ(command({"run"}), 0) << err_.str();
  EXPECT_EQ(command({"discover", "from", "people"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("cursor"), Not(HasSubstr("no cursor field"))));
  EXPECT_EQ(command({"discover", "to"}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("warning: updated_at is no cursor field: a sync of this config fills it"),
                    Not(HasSubstr("cursor:")), Not(HasSubstr("cursor, "))));
  EXPECT_EQ(command({"discover", "to", "people", "--json"}), 0) << err_.str();
  EXPECT_TRUE(boost::json::parse(out_.str()).at("cursors").as_array().empty());
}

TEST_F(Commands, DiscoverSaysOnceThatAFieldHasNoIndex) {
  sqlite::Database(path("from.db"), sqlite::OpenMode::read_write, std::chrono::seconds(5))
      .execute("DROP INDEX people_updated");
  EXPECT_EQ(command({"discover", "from"}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("cursor: no index: each poll"), Not(HasSubstr("no index: no index"))));
}

}  // namespace
}  // namespace syncflow::app
