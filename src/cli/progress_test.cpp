#include "cli/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/report.h"

namespace syncflow::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class SetClock : public Clock {
 public:
  Time now() override { return {}; }
  std::chrono::steady_clock::time_point monotonic() override { return now_; }
  bool sleep(Duration, std::stop_token) override { return true; }
  void advance(std::chrono::milliseconds time) { now_ += time; }

 private:
  std::chrono::steady_clock::time_point now_{};
};

SyncReport customers() {
  SyncReport report;
  report.sync = "customers";
  report.job_id = "11111111-1111-4111-8111-111111111111";
  report.status = "completed";
  report.strategy = "cursor";
  report.figures.read = 10;
  report.figures.written = 9;
  report.figures.unchanged = 1;
  report.seconds = 0.1204;
  report.tables = {{"public.customers", "Customers", "cursor", report.figures}};
  return report;
}

TEST(Report, IsTheJsonLineOfTheContract) {
  EXPECT_EQ(
      json_line(customers()),
      R"({"sync":"customers","job_id":"11111111-1111-4111-8111-111111111111","status":"completed","strategy":"cursor",)"
      R"("read":10,"written":9,"deleted":0,"unchanged":1,"filtered":0,"collapsed":0,"quarantined":0,"seconds":0.12,)"
      R"("tables":[{"source":"public.customers","destination":"Customers","strategy":"cursor",)"
      R"("read":10,"written":9,"deleted":0,"unchanged":1,"filtered":0,"collapsed":0,"quarantined":0}]})");
}

TEST(Report, SaysWhyASyncFailed) {
  SyncReport report = customers();
  report.status = "failed";
  report.error = "table t is gone";
  EXPECT_THAT(json_line(report), HasSubstr(R"("error":"table t is gone")"));
  EXPECT_THAT(
      text_lines(report),
      HasSubstr(
          "customers: failed in 0.12 s by cursor: 10 read, 9 written, 1 unchanged\n  table t is gone\n"));
}

TEST(Report, SaysWhereToLookForQuarantinedRows) {
  SyncReport report = customers();
  report.in_quarantine = 2;
  EXPECT_THAT(text_lines(report),
              HasSubstr("2 rows wait in quarantine; see: syncflow quarantine --sync customers"));
}

TEST(Report, OfASyncWithNothingToDoSaysSo) {
  SyncReport report;
  report.sync = "customers";
  report.status = "completed";
  EXPECT_EQ(text_lines(report), "customers: completed in 0.00 s: nothing to do\n");
  EXPECT_THAT(json_line(report), HasSubstr(R"("job_id":null)"));
}

TEST(Report, DecidesTheExitCodeFailureBeforeQuarantine) {
  SyncReport good = customers();
  SyncReport with_quarantine = customers();
  with_quarantine.in_quarantine = 1;
  SyncReport failed = customers();
  failed.status = "failed";
  EXPECT_EQ(exit_code_of({}), 0);
  EXPECT_EQ(exit_code_of({good}), 0);
  EXPECT_EQ(exit_code_of({good, with_quarantine}), 4);
  EXPECT_EQ(exit_code_of({with_quarantine, failed, good}), 1);
}

TEST(Report, GroupsDigits) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(-1234567), "-1,234,567");
}

TEST(Bars, ShowRowsAndRateOfEachSyncAndRedrawThemInPlace) {
  std::ostringstream out;
  SetClock clock;
  const auto view = bars(out, clock, [] { return std::size_t{120}; });
  view->moved({"customers", "public.customers", "first load", 0, 1000});
  clock.advance(std::chrono::seconds(2));
  view->moved({"customers", "public.customers", "first load", 500, 1000});
  EXPECT_THAT(out.str(), HasSubstr("customers: public.customers, first load [##########..........] 500 of "
                                   "1,000 rows, 250 a second\n"));
  view->moved({"orders", "o", "changes", 7, -1});
  out.str("");
  view->done(customers());
  EXPECT_THAT(out.str(), ::testing::StartsWith("\x1b[2A\r\x1b[Jcustomers: completed"));
  EXPECT_THAT(out.str(), HasSubstr("orders: o, changes 7 rows\n")) << "the other one is drawn again below";
}

TEST(Bars, FitTheTerminal) {
  std::ostringstream out;
  SetClock clock;
  const auto view = bars(out, clock, [] { return std::size_t{30}; });
  view->moved({"s", "t\xC3\xA4" + std::string(60, 'x'), "changes", 1, -1});
  EXPECT_EQ(out.str(), "s: t\xC3\xA4" + std::string(24, 'x') + "\n");
}

TEST(Bars, StayFullWhenTheEstimateWasTooLow) {
  std::ostringstream out;
  SetClock clock;
  const auto view = bars(out, clock, [] { return std::size_t{120}; });
  view->moved({"s", "t", "first load", 2000, 1000});
  EXPECT_THAT(out.str(), HasSubstr("[####################] 2,000 of 2,000 rows"));
}

TEST(PlainLines, SpeakEveryTenSecondsAndAtTheEnd) {
  std::ostringstream out;
  std::ostringstream err;
  SetClock clock;
  const auto view = plain_lines(out, err, clock);
  view->moved({"customers", "c", "first load", 0, -1});
  clock.advance(std::chrono::seconds(9));
  view->moved({"customers", "c", "first load", 900, -1});
  EXPECT_EQ(err.str(), "");
  clock.advance(std::chrono::seconds(1));
  view->moved({"customers", "c", "first load", 1000, -1});
  view->moved({"customers", "c", "first load", 1001, -1});
  EXPECT_EQ(err.str(), "customers: c, first load: 1,000 rows, 100 a second\n");
  view->done(customers());
  EXPECT_EQ(out.str(), text_lines(customers()));
  EXPECT_THAT(out.str(), Not(HasSubstr("\x1b")));
}

TEST(JsonLines, AreAllThereIs) {
  std::ostringstream out;
  const auto view = json_lines(out);
  view->moved({"customers", "c", "first load", 0, -1});
  view->done(customers());
  EXPECT_EQ(out.str(), json_line(customers()) + "\n");
}

}  // namespace
}  // namespace syncflow::cli
