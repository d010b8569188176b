#include "api/metrics_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "core/metrics.h"
#include "core/text.h"
#include "engine/counting.h"
#include "testkit/engine_test.h"

namespace syncflow::api {
namespace {

using ::testing::AnyOf;
using ::testing::EndsWith;
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

/// What stands above the samples of a family.
struct Heading {
  std::string help, type;
};

/// The families of a page by name. A failure of the test where a line fits none that was announced before it.
std::map<std::string, Heading> families_of(const std::string& page) {
  static const std::regex heading("# (HELP|TYPE) ([a-z_]+) (.+)"), sample("([a-z_]+)(\\{.*\\})? [^ ]+");
  static const std::regex part_of_histogram("_(bucket|sum|count)$");
  std::map<std::string, Heading> all;
  for (const std::string& line : split(page, '\n')) {
    std::smatch found;
    if (line.empty()) continue;
    if (std::regex_match(line, found, heading)) {
      (found[1] == "HELP" ? all[found[2]].help : all[found[2]].type) = found[3];
    } else if (std::regex_match(line, found, sample)) {
      const std::string name = found[1], family = std::regex_replace(name, part_of_histogram, "");
      const auto histogram = all.find(family);
      EXPECT_TRUE(all.count(name) != 0 || (histogram != all.end() && histogram->second.type == "histogram"))
          << line;
    } else {
      ADD_FAILURE() << "not a line of such a page: " << line;
    }
  }
  return all;
}

/// Lets everything be seen that is counted and measured, and changes no figure.
void show_all_that_is_counted() {
  using metrics::Counter, metrics::Gauge, metrics::Timing;
  for (const Counter counter : {Counter::rows_read, Counter::read_bytes})
    metrics::count(counter, {"shown", "shown"}, 0);
  for (const Counter counter : {Counter::rows, Counter::runs, Counter::http_requests})
    metrics::count(counter, {"shown", "shown", "shown"}, 0);
  metrics::count(Counter::errors, {"shown", "shown"}, 0);
  for (const Counter counter : {Counter::polls, Counter::http_closed}) metrics::count(counter, {"shown"}, 0);
  for (const Timing timing : {Timing::store_commit, Timing::poll}) metrics::observe(timing, {});
  for (const Timing timing : {Timing::run, Timing::batch_write}) metrics::observe(timing, {}, {"shown"});
  metrics::observe(Timing::http_request, {}, {"shown", "shown"});
  for (const Gauge gauge : {Gauge::http_connections, Gauge::http_requests}) metrics::set(gauge, 0);
}

/// Gauges that are a number of things, or say whether something is so.
const std::set<std::string> kWithoutUnit = {"process_max_fds",
                                            "process_open_fds",
                                            "process_threads",
                                            "syncflow_build_info",
                                            "syncflow_due_syncs",
                                            "syncflow_http_connections",
                                            "syncflow_http_requests_in_flight",
                                            "syncflow_jobs",
                                            "syncflow_quarantined_rows",
                                            "syncflow_store_up",
                                            "syncflow_sync_active",
                                            "syncflow_sync_failed_polls",
                                            "syncflow_sync_held",
                                            "syncflow_sync_info",
                                            "syncflow_sync_last_run_success",
                                            "syncflow_sync_paused"};

/// Metrics that docs/operations.md names in full.
std::set<std::string> documented() {
  std::ostringstream text;
  text << std::ifstream(SYNCFLOW_ROOT "/docs/operations.md").rdbuf();
  static const std::regex name("`((?:syncflow|process)_[a-z_]+)[`{]");
  std::set<std::string> all;
  const std::string page = text.str();
  for (std::sregex_iterator at(page.begin(), page.end(), name), end; at != end; ++at) all.insert((*at)[1]);
  return all;
}

class EachFamily : public MetricsPage {
 protected:
  void SetUp() override {
    put(1, "Ada");
    run(sync_);
    show_all_that_is_counted();
    families_ = families_of(page());
  }

  std::map<std::string, Heading> families_;
};

TEST_F(EachFamily, SaysWhatItIsAndInWhichUnit) {
  for (const auto& [name, heading] : families_) {
    SCOPED_TRACE(name);
    EXPECT_NE(heading.help, "");
    EXPECT_THAT(heading.type, AnyOf("counter", "gauge", "histogram"));
    if (heading.type == "counter") {
      EXPECT_THAT(name, EndsWith("_total"));
      continue;
    }
    EXPECT_THAT(name, Not(EndsWith("_total")));
    if (kWithoutUnit.count(name) == 0) {
      EXPECT_THAT(name, AnyOf(EndsWith("_seconds"), EndsWith("_bytes")));
    }
  }
}

TEST_F(EachFamily, StandsInTheDocsWhichNameNoOther) {
  std::set<std::string> names;
  for (const auto& [name, heading] : families_) names.insert(name);
  EXPECT_THAT(documented(), ::testing::ContainerEq(names));
}

}  // namespace
}  // namespace syncflow::api
