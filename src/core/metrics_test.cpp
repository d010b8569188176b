#include "core/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <thread>

namespace syncflow::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, AreShownWithHelpAndType) {
  count(Counter::polls, {"changed"}, 2);
  const std::string text = exposition({});
  EXPECT_THAT(text, HasSubstr("# HELP syncflow_polls_total Looks at syncs"));
  EXPECT_THAT(text,
              HasSubstr("# TYPE syncflow_polls_total counter\nsyncflow_polls_total{result=\"changed\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("\nsyncflow_retries_total 0\n")) << "what cannot be missing begins with zero";
}

TEST(Metrics, EscapeWhatALabelHoldsAndRepairWhatIsNoText) {
  const Family family{"odd", "Odd names.", false, {{{{"sync", "a\"b\\c\nd\xff{}"}}, 1.5}}};
  EXPECT_THAT(exposition({family}), HasSubstr("odd{sync=\"a\\\"b\\\\c\\nd\xef\xbf\xbd{}\"} 1.5\n"));
}

TEST(Metrics, CountNoLessThanBefore) {
  count(Counter::rows, {"s", "1", "quarantined"}, 3);
  count(Counter::rows, {"s", "1", "quarantined"}, -2);
  EXPECT_THAT(exposition({}), HasSubstr("result=\"quarantined\",sync=\"s\",sync_id=\"1\"} 3\n"));
}

TEST(Metrics, MeasureInBucketsThatAddUp) {
  observe(Timing::batch_write, std::chrono::milliseconds(20), {"letters"});
  observe(Timing::batch_write, std::chrono::seconds(100), {"letters"});
  const std::string text = exposition({});
  const std::string name = "syncflow_batch_write_duration_seconds";
  EXPECT_THAT(text, HasSubstr("# TYPE " + name + " histogram\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{provider=\"letters\",le=\"0.01\"} 0\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{provider=\"letters\",le=\"0.03\"} 1\n"));
  EXPECT_THAT(text, HasSubstr(name + "_bucket{provider=\"letters\",le=\"+Inf\"} 2\n"));
  EXPECT_THAT(text, HasSubstr(name + "_count{provider=\"letters\"} 2\n"));
}

TEST(Metrics, ShowInfinityAndLeaveOutWhatHasNoSamples) {
  const std::string text =
      exposition({{"endless", "Grows.", false, {{{}, std::numeric_limits<double>::infinity()}}},
                  {"nothing", "Has none.", false, {}}});
  EXPECT_THAT(text, HasSubstr("endless +Inf\n"));
  EXPECT_THAT(text, Not(HasSubstr("nothing")));
}

TEST(Metrics, LoseNothingThatThreadsCountAtOnce) {
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread)
      threads.emplace_back([] {
        for (int i = 0; i < 1000; ++i) count(Counter::http_requests, {"/a", "GET", "200"});
      });
    exposition({});
  }
  EXPECT_THAT(exposition({}),
              HasSubstr("syncflow_http_requests_total{method=\"GET\",route=\"/a\",status=\"200\"} 4000\n"));
}

TEST(Metrics, TellOfThisProcess) {
  const std::string text = exposition(of_this_process());
  for (const char* name :
       {"process_cpu_seconds_total", "process_open_fds", "process_max_fds", "process_threads",
        "process_virtual_memory_bytes", "process_resident_memory_bytes", "process_start_time_seconds",
        "syncflow_build_info{version=\"" SYNCFLOW_VERSION "\"}"})
    EXPECT_THAT(text, HasSubstr("\n" + std::string(name) + " ")) << text;
}

TEST(Metrics, KnowWhenTheProcessStarted) {
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  for (const Family& family : of_this_process()) {
    if (family.name != "process_start_time_seconds") continue;
    EXPECT_NEAR(family.samples.front().value, now, 3600);
  }
}

}  // namespace
}  // namespace syncflow::metrics
