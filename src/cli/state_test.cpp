#include <gmock/gmock.h>

#include <filesystem>

#include "cli/test_cli.h"

namespace syncflow::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class CliState : public Cli {
 protected:
  void use_store(const std::string& name) { config_.store = "sqlite:" + (folder_ / name).string(); }
  std::string read_of(const boost::json::value& report) {
    return std::to_string(report.at("read").to_number<std::int64_t>());
  }
  const std::string file_ = (folder_ / "state.jsonl").string();
};

TEST_F(CliState, MovesAStoreAndReadsNoRowAgain) {
  EXPECT_EQ(command({"run"}), 0) << err_.str();
  EXPECT_EQ(command({"state", "export", file_}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("exported 2 syncs, 2 positions"), HasSubstr("state import " + file_)));

  use_store("other.db");
  EXPECT_EQ(command({"state", "import", file_}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("imported 2 syncs, 2 positions"));
  put("people", 4, "somebody new");
  EXPECT_EQ(command({"run", "--json"}), 0) << err_.str();
  for (const auto& report : json_lines())
    EXPECT_EQ(report.at("written"), report.at("sync") == "people" ? 1 : 0) << boost::json::serialize(report);
  EXPECT_EQ(from_.contents("people", {"id", "name"}), to_.contents("people"));
}

TEST_F(CliState, HoldsTheSyncsOfTheStoreThatWasLeft) {
  EXPECT_EQ(command({"run"}), 0) << err_.str();
  EXPECT_EQ(command({"state", "export", file_}), 0) << err_.str();
  put("people", 4, "somebody new");
  EXPECT_EQ(command({"run", "--sync", "people"}), 1);
  EXPECT_THAT(out_.str() + err_.str(), HasSubstr("syncflow resume people"));
  EXPECT_EQ(command({"resume", "people"}), 0);
  EXPECT_EQ(command({"run", "--sync", "people"}), 0) << err_.str();
}

TEST_F(CliState, LetsTheSyncsGoWhenTheFileCannotBeWritten) {
  EXPECT_EQ(command({"run"}), 0) << err_.str();
  EXPECT_EQ(command({"state", "export", (folder_ / "missing" / "state.jsonl").string()}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("No such file or directory"));
  EXPECT_EQ(command({"run"}), 0) << err_.str();
}

TEST_F(CliState, GoesOnWithASyncThatWasOnHoldOnlyForTheMove) {
  EXPECT_EQ(command({"run"}), 0) << err_.str();
  EXPECT_EQ(command({"state", "export", file_}), 0) << err_.str();
  std::filesystem::remove(file_);
  EXPECT_EQ(command({"state", "export", file_}), 0)
      << "a second export of what is held already: " << err_.str();
  use_store("other.db");
  EXPECT_EQ(command({"state", "import", file_}), 0) << err_.str();
  EXPECT_EQ(command({"run"}), 0) << err_.str();
}

TEST_F(CliState, RefusesASecondImportAndAFileThatIsNone) {
  EXPECT_EQ(command({"run"}), 0) << err_.str();
  EXPECT_EQ(command({"state", "export", file_}), 0) << err_.str();
  EXPECT_EQ(command({"state", "export", file_}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("is there already"));
  EXPECT_EQ(command({"state", "import", file_}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("already keeps positions or runs of sync"));
  use_store("other.db");
  EXPECT_EQ(command({"state", "import", (folder_ / "store.db").string()}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("no file that `syncflow state export` wrote"));
  EXPECT_EQ(command({"state", "import", (folder_ / "nothing").string()}), 1);
}

TEST_F(CliState, SaysWhatItTakes) {
  EXPECT_EQ(command({"state"}), 2);
  EXPECT_EQ(command({"state", "copy", file_}), 2);
  EXPECT_EQ(command({"state", "export"}), 2);
}

}  // namespace
}  // namespace syncflow::cli
