#include "api/metrics_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/metrics.h"
#include "engine/counting.h"
#include "testkit/engine_test.h"

namespace syncflow::api {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// An engine over databases in memory, and what is told of it.
class MetricsPage : public testkit::EngineTest {
 protected:
  MetricsPage() { sync_.name = "people \"of\"\nUlm\\"; }

  std::string page() { return metrics_page(*store_); }
  /// The value of `name{…}` for the sync; empty: none.
  std::string value(const std::string& name, const std::string& result = "") {
    const std::string labels = (result.empty() ? "" : "result=\"" + result + "\",") +
                               R"(sync="people \"of\"\nUlm\\",sync_id=")" + sync_.id + "\"} ";
    const std::string text = page();
    // Labels of what is counted are in the order of their names, and so are these.
    const std::size_t at = text.find("\n" + name + "{" + labels);
    if (at == std::string::npos) return "";
    const std::size_t from = at + name.size() + labels.size() + 2;
    return text.substr(from, text.find('\n', from) - from);
  }
  double number(const std::string& name, const std::string& result = "") {
    const std::string text = value(name, result);
    return text.empty() ? 0 : std::stod(text);
  }

  SyncDefinition sync_ = sync_of({people_mapping()});
};

TEST_F(MetricsPage, CountsWhatARunDid) {
  begin_counting();
  for (int id = 1; id <= 10; ++id) put(id, "person");
  const double read = number("syncflow_rows_read_total"), written = number("syncflow_rows_total", "written");
  const double runs = number("syncflow_runs_total", "completed");
  EXPECT_EQ(run(sync_).status, "completed");
  EXPECT_EQ(number("syncflow_rows_read_total") - read, 10);
  EXPECT_EQ(number("syncflow_rows_total", "written") - written, 10);
  EXPECT_EQ(number("syncflow_runs_total", "completed") - runs, 1);
  EXPECT_EQ(value("syncflow_rows_total", "collapsed"), "0") << "it is there before the first";
  const std::string text = page();
  for (const char* there :
       {"\nsyncflow_run_duration_seconds_bucket{result=\"completed\",le=\"0.01\"} ",
        "\nsyncflow_batch_write_duration_seconds_count{provider=\"to\"} ",
        "\nsyncflow_store_commit_duration_seconds_count ", "\nsyncflow_retries_total 0\n",
        "\nsyncflow_lease_losses_total 0\n", "\nsyncflow_heartbeat_failures_total 0\n",
        "\nsyncflow_errors_total{during=\"run\",kind=\"bad_config\"} ",
        "\nsyncflow_errors_total{during=\"poll\",kind=\"unavailable\"} ",
        "\nsyncflow_build_info{version=", "\nprocess_resident_memory_bytes ", "\nsyncflow_store_up 1\n"})
    EXPECT_THAT(text, HasSubstr(there));
}

TEST_F(MetricsPage, TellsTheStateOfEachSync) {
  put(1, "Ada");
  run(sync_);
  EXPECT_EQ(value("syncflow_sync_active"), "1");
  EXPECT_EQ(value("syncflow_sync_paused"), "0");
  EXPECT_EQ(value("syncflow_sync_held"), "0");
  EXPECT_EQ(value("syncflow_sync_last_run_success"), "1");
  EXPECT_EQ(value("syncflow_quarantined_rows"), "0");
  EXPECT_EQ(value("syncflow_sync_failed_polls"), "0");
  EXPECT_NEAR(number("syncflow_sync_last_run_timestamp_seconds"),
              std::chrono::duration<double>(clock_.now().time_since_epoch()).count(), 60);
  EXPECT_LT(number("syncflow_sync_lag_seconds"), 60);
  store_->set_hold(sync_.id, {"unauthorized", "no", clock_.now()});
  EXPECT_EQ(value("syncflow_sync_held"), "1");
  sync_.status = SyncStatus::paused;
  engine_of(sync_);
  EXPECT_EQ(value("syncflow_sync_paused"), "1");
  EXPECT_EQ(value("syncflow_sync_active"), "0");
  EXPECT_EQ(value("syncflow_sync_lag_seconds"), "") << "it is not meant to be up to date";
}

TEST_F(MetricsPage, SaysThatASyncWasNeverUpToDate) {
  sync_.id = "5e1e3e57-0000-4000-8000-000000000001";
  engine_of(sync_);
  EXPECT_EQ(value("syncflow_sync_lag_seconds"), "+Inf");
  EXPECT_EQ(value("syncflow_sync_last_run_success"), "");
}

TEST_F(MetricsPage, TellsHowDeepTheQueueIs) {
  engine_of(sync_);
  EXPECT_THAT(page(), HasSubstr("\nsyncflow_oldest_pending_job_age_seconds 0\n"));
  store_->enqueue(sync_.id, Trigger::schedule);
  EXPECT_THAT(page(), HasSubstr("\nsyncflow_jobs{status=\"pending\"} 1\n"));
  EXPECT_THAT(page(), HasSubstr("\nsyncflow_jobs{status=\"processing\"} 0\n"));
  EXPECT_THAT(page(), HasSubstr("\nsyncflow_due_syncs 1\n"));
  EXPECT_THAT(page(), Not(HasSubstr("\nsyncflow_due_wait_seconds 0\n")));
}

TEST_F(MetricsPage, NamesFailuresByTheirKind) {
  const auto failures = [this] {
    const std::string text = page(), name = "\nsyncflow_errors_total{during=\"run\",kind=\"not_found\"} ";
    const std::size_t at = text.find(name);
    return at == std::string::npos ? 0 : std::stoi(text.substr(at + name.size()));
  };
  const int before = failures();
  sync_.tables[0].source = "nobody";
  run(sync_);
  EXPECT_EQ(failures(), before + 1) << page();
}

}  // namespace
}  // namespace syncflow::api
