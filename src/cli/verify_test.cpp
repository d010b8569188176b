#include <gmock/gmock.h>

#include "cli/test_cli.h"
#include "testkit/postgresql_database.h"

namespace syncflow::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(Cli, VerifiesRowByRowAndRepairsWhatDiffers) {
  EXPECT_EQ(command({"run", "--sync", "people"}), 0) << err_.str();
  EXPECT_EQ(command({"verify", "--sync", "people", "--json"}), 0) << err_.str();
  EXPECT_EQ(json_lines().at(0).at("equal"), true);
  EXPECT_EQ(json_lines().at(0).at("tables").at(0).at("equal"), 3);

  to_.put("people", {integer(2), Value::text("somebody else")});
  to_.remove("people", {integer(3)});
  EXPECT_EQ(command({"verify", "--sync", "people", "--json"}), 3) << err_.str();
  const auto table = json_lines().at(0).at("tables").at(0);
  EXPECT_EQ(table.at("differing"), 1);
  EXPECT_EQ(table.at("missing"), 1);
  EXPECT_EQ(table.at("differences").at(0),
            boost::json::parse(R"({"kind":"differs","key":["2"],"fields":["name"]})"));
  EXPECT_EQ(command({"verify", "--sync", "people"}), 3);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("the sides differ"), HasSubstr("differs [\"2\"]: name"),
                                HasSubstr("missing [\"3\"]")));

  EXPECT_EQ(command({"verify", "--sync", "people", "--repair"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("2 written"), HasSubstr("both sides are equal")));
  EXPECT_EQ(from_.contents("people", {"id", "name"}), to_.contents("people"));
}

TEST_F(Cli, RepairsOnAStoreThatProcessesShare) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  config_.store = database.url();
  EXPECT_EQ(command({"run", "--sync", "people"}), 0) << err_.str();
  to_.remove("people", {integer(3)});
  // What another process works on at this moment is its own: only who works alone hands back what others held.
  const auto beside = store();
  beside->enqueue(config_.syncs[1].id, Trigger::manual);
  const auto claim = beside->claim("another process", std::chrono::minutes(1), {config_.syncs[1].id});
  ASSERT_TRUE(claim);
  EXPECT_EQ(command({"verify", "--sync", "people", "--repair"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("1 written"), HasSubstr("both sides are equal")));
  EXPECT_EQ(from_.contents("people", {"id", "name"}), to_.contents("people"));
  beside->heartbeat(claim->lease, std::chrono::minutes(1));
}

TEST_F(Cli, SaysWhatIsWrongBeforeItVerifies) {
  EXPECT_EQ(command({"verify", "--sync", "peopel"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean \"people\"?"));
  EXPECT_EQ(command({"verify", "--sync", "people"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("store")) << "nothing ran yet";
}

TEST_F(Cli, TellsThatDeletesWaitForAPerson) {
  for (std::int64_t id = 1; id <= 300; ++id) put("people", id, "someone");
  config_.syncs[0].tables[0].deletes = Deletes::hard;
  config_.syncs[0].tables[0].strategy = WantedStrategy::diff;
  EXPECT_EQ(command({"run", "--sync", "people"}), 0) << err_.str();
  for (std::int64_t id = 1; id <= 200; ++id) from_.remove("people", {integer(id)});
  EXPECT_EQ(command({"run", "--sync", "people"}), 1);
  EXPECT_THAT(out_.str(), HasSubstr("to let these go: syncflow resume people"));
  EXPECT_EQ(command({"run", "--sync", "people"}), 1);
  EXPECT_EQ(command({"resume", "people"}), 0);
  EXPECT_EQ(command({"run", "--sync", "people"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("200 deleted"));
}

}  // namespace
}  // namespace syncflow::cli
