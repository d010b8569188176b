#include "cli/invocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace syncflow::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Invocation understood(const std::vector<std::string>& arguments) {
  const auto parsed = parse_arguments(arguments);
  if (const auto* message = std::get_if<Message>(&parsed)) ADD_FAILURE() << message->text;
  return std::holds_alternative<Invocation>(parsed) ? std::get<Invocation>(parsed) : Invocation{};
}

Message answered(const std::vector<std::string>& arguments) {
  const auto parsed = parse_arguments(arguments);
  return std::holds_alternative<Message>(parsed) ? std::get<Message>(parsed) : Message{"understood", -1};
}

TEST(CommandLine, TakesGeneralOptionsBeforeAndAfterTheCommand) {
  for (const auto& line : {understood({"-c", "a.yaml", "--env-file", "b.env", "--json", "-v", "run"}),
                           understood({"run", "-c", "a.yaml", "--env-file", "b.env", "--json", "-v"})}) {
    EXPECT_EQ(line.command, Command::run);
    EXPECT_EQ(line.config_file, "a.yaml");
    EXPECT_EQ(line.env_file, "b.env");
    EXPECT_TRUE(line.json);
    EXPECT_TRUE(line.verbose);
  }
}

TEST(CommandLine, HasTheDefaultsOfTheContract) {
  const Invocation line = understood({"serve"});
  EXPECT_EQ(line.command, Command::serve);
  EXPECT_EQ(line.config_file, "syncflow.yaml");
  EXPECT_EQ(line.env_file, ".env");
  EXPECT_EQ(line.listen, "127.0.0.1:3001");
}

TEST(CommandLine, UnderstandsEveryCommand) {
  EXPECT_EQ(understood({"serve", "--listen", "127.0.0.1:0"}).listen, "127.0.0.1:0");
  EXPECT_THAT(understood({"run", "--sync", "a", "--sync", "b"}).syncs, ElementsAre("a", "b"));
  EXPECT_THAT(understood({"resync", "--sync", "a"}).syncs, ElementsAre("a"));
  EXPECT_TRUE(understood({"validate", "--online"}).online);
  EXPECT_EQ(understood({"check", "run"}).name, "run") << "a connection may bear a command's name";
  EXPECT_EQ(understood({"discover", "shop", "t"}).table, "t");
  EXPECT_EQ(understood({"resume", "a"}).command, Command::resume);
  EXPECT_EQ(understood({"forget", "a"}).name, "a");
  EXPECT_EQ(understood({"jobs", "--status", "failed"}).status, "failed");
  EXPECT_EQ(understood({"jobs", "show", "7"}).id, "7");
  EXPECT_EQ(understood({"quarantine", "--limit", "5"}).limit, 5u);
  EXPECT_EQ(understood({"providers", "show", "mysql"}).name, "mysql");
  EXPECT_TRUE(understood({"migrate", "--print"}).print);
}

TEST(CommandLine, NamesWhatWasProbablyMeant) {
  const Message command = answered({"vaildate"});
  EXPECT_EQ(command.exit_code, 2);
  EXPECT_THAT(command.text, HasSubstr("did you mean \"validate\"?"));
  const Message option = answered({"run", "--snyc", "a"});
  EXPECT_EQ(option.exit_code, 2);
  EXPECT_THAT(option.text, HasSubstr("did you mean \"--sync\"?"));
  EXPECT_THAT(option.text, HasSubstr("syncflow run --help"));
}

TEST(CommandLine, SaysWhatIsMissing) {
  EXPECT_THAT(answered({}).text, HasSubstr("a command is missing"));
  EXPECT_THAT(answered({"check"}).text, HasSubstr("CONNECTION"));
  EXPECT_THAT(answered({"resync"}).text, HasSubstr("--sync"));
  EXPECT_THAT(answered({"jobs", "retry"}).text, HasSubstr("needs the job's id"));
  EXPECT_THAT(answered({"jobs", "burn"}).text, HasSubstr("cancel"));
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{}, {"check"}, {"resync"}, {"jobs", "retry"}, {"jobs", "burn"}})
    EXPECT_EQ(answered(arguments).exit_code, 2);
}

TEST(CommandLine, RefusesByNameWhatIsNotBuiltYet) { EXPECT_EQ(answered({"mock", "serve"}).exit_code, 2); }

TEST(CommandLine, TeachesWithExamples) {
  const Message help = answered({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.text, HasSubstr("syncflow run --sync customers"));
  EXPECT_THAT(answered({"run", "--help"}).text, HasSubstr("4 completed, but rows wait in quarantine"));
  EXPECT_THAT(answered({"--version"}).text, HasSubstr("syncflow " SYNCFLOW_VERSION));
}

}  // namespace
}  // namespace syncflow::cli
