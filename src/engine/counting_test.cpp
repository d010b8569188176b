#include "engine/counting.h"

#include <gtest/gtest.h>

#include "core/metrics.h"
#include "testkit/engine_test.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;
using testkit::Call;

/// What a series stands at; 0 where it is missing.
double counted(const std::string& series) {
  const std::string text = metrics::exposition({});
  const std::size_t at = text.find("\n" + series + " ");
  return at == std::string::npos ? 0 : std::stod(text.substr(at + series.size() + 2));
}

class Counting : public testkit::EngineTest {
 protected:
  static std::string of_people(const std::string& name, const std::string& result) {
    return name + "{result=\"" + result + "\",sync=\"people\",sync_id=\"" + sync_of({}).id + "\"}";
  }
  /// How much a series grows by what is done.
  template <typename Act>
  static double growth(const std::string& series, Act act) {
    const double before = counted(series);
    act();
    return counted(series) - before;
  }
};

TEST_F(Counting, HoldsEachChangeOnceWhereverItEnds) {
  for (int id = 1; id <= 20; ++id) put(id, "person");
  EXPECT_EQ(growth(of_people("syncflow_rows_total", "written"), [&] { run(people_mapping()); }), 20);
  from_.advance(std::chrono::seconds(1));
  put(7, "renamed");
  EXPECT_EQ(growth(of_people("syncflow_rows_total", "written"), [&] { run(people_mapping()); }), 1);
}

TEST_F(Counting, NeverGoesBackWhenARowLeavesTheQuarantine) {
  create_destination();
  put(1, "Ada");
  const std::string series = of_people("syncflow_rows_total", "quarantined");
  count_figures(sync_of({}), {.read = 1, .quarantined = 1});
  EXPECT_EQ(growth(series, [] { count_figures(sync_of({}), {.written = 1, .quarantined = -1}); }), 0);
}

TEST_F(Counting, TellsAFailureFromOneThatIsTriedAgainAndByItsKind) {
  put(1, "Ada");
  SyncDefinition sync = sync_of({people_mapping()});
  sync.retry.max_retries = 0;
  to_.calls().fail(Call::write, ErrorKind::unavailable);
  const std::string failures = "syncflow_errors_total{during=\"run\",kind=\"unavailable\"}";
  const double before = counted(failures);
  EXPECT_EQ(growth(of_people("syncflow_runs_total", "failed"), [&] { run(sync); }), 1);
  EXPECT_EQ(counted(failures), before + 1);
  EXPECT_EQ(growth("syncflow_lease_losses_total", [&] { run(sync); }), 0);
}

TEST_F(Counting, SeesARunThatLostItsSync) {
  put(1, "Ada");
  const SyncDefinition sync = sync_of({people_mapping()});
  to_.calls().on(Call::write, [&](const std::string&) { store_->forget_sync(sync.id); });
  EXPECT_EQ(growth("syncflow_lease_losses_total", [&] { run(sync); }), 1);
}

TEST_F(Counting, CallsARequestToStopNoFailure) {
  EXPECT_EQ(growth("syncflow_errors_total{during=\"run\",kind=\"cancelled\"}",
                   [] { count_failure(ErrorKind::cancelled, "run"); }),
            0);
}

TEST_F(Counting, KnowsTheLatestTimeAtWhichASyncWasUpToDate) {
  const Time now = clock_.now();
  EXPECT_FALSE(noted_up_to_date("counting/unknown"));
  note_up_to_date("counting/a", now);
  note_up_to_date("counting/a", now - 5s);
  EXPECT_EQ(noted_up_to_date("counting/a"), now);
  put(1, "Ada");
  run(people_mapping());
  EXPECT_GE(noted_up_to_date(sync_of({}).id), now);
}

}  // namespace
}  // namespace syncflow
