#include "engine/row_tracker.h"

#include <chrono>
#include <utility>
#include <vector>

#include "testkit/engine_test.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;

/// What is noted of rows may be trusted when the last run ended well.
class NotedRows : public EngineTest {
 protected:
  void end_a_run(Outcome::Kind kind, std::vector<TableReport> tables) {
    store_->enqueue(sync_.id, Trigger::manual);
    const auto claim = store_->claim("worker", 1min);
    ASSERT_TRUE(claim);
    Outcome outcome;
    outcome.kind = kind;
    outcome.tables = std::move(tables);
    store_->finish(claim->lease, outcome);
  }
  bool are_trusted() { return left_nothing_unnoted(*store_, sync_.id, ""); }

  const SyncDefinition sync_ = sync_of({people_mapping()});
  const std::vector<TableReport> begun_ = {{"people", "people", "cursor", {}}};
};

TEST_F(NotedRows, AreTrustedAfterRunsThatWereHandedBackBeforeTheirFirstTable) {
  put(1, "row");
  ASSERT_EQ(run(sync_).status, "completed");
  for (int times = 0; times < 3; ++times) end_a_run(Outcome::Kind::give_back, {});
  EXPECT_TRUE(are_trusted()) << "their connections were busy: they wrote nothing";
  end_a_run(Outcome::Kind::give_back, begun_);
  EXPECT_FALSE(are_trusted());
  end_a_run(Outcome::Kind::give_back, {});
  EXPECT_FALSE(are_trusted()) << "the one before has not ended well";
  ASSERT_EQ(run(sync_).status, "completed");
  EXPECT_TRUE(are_trusted());
  end_a_run(Outcome::Kind::failed, {});
  EXPECT_FALSE(are_trusted()) << "a lost worker tells of no table either";
}

}  // namespace
}  // namespace syncflow::testkit
