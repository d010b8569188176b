#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "core/uuid.h"
#include "support/database.h"
#include "support/program.h"
#include "testkit/http_client.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using testkit::HttpAnswer;
using testkit::HttpClient;

constexpr const char* kSyncId = "0b8f5a1e-0000-4000-8000-000000000001";
constexpr const char* kTeamId = "00000000-0000-4000-8000-000000000001";
constexpr const char* kOftenEnough = "every 1 second";
constexpr const char* kOnlyWhenAsked = "every 1 year";
const std::vector<Column> kColumns = {{"id"}, {"name"}};

/// One sync of one table from one SQLite file to another.
class Serving : public Scenario {
 protected:
  void SetUp() override {
    source_->execute(
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, updated_at TIMESTAMP NOT NULL"
        " DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')));"
        "CREATE INDEX people_by_change ON people(updated_at, id)");
    add_people(3);
    configure(kOftenEnough);
  }

  void configure(const std::string& schedule) {
    write_config(fmt::format(R"(version: 1
store: sqlite:store.db
connections:
  here: {}
  there: {}
syncs:
  - name: people
    id: {}
    source: here
    destination: there
    schedule: {}
    tables:
      - {{source: people, destination: people, strategy: cursor, cursor: updated_at}}
)",
                             here_->connection(), there_->connection(), kSyncId, schedule));
  }

  /// `when`: a modifier of SQLite's, "-1 day".
  void add_people(int count, const std::string& when = "+0 days") {
    source_->execute(fmt::format(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {0})"
        "INSERT INTO people(name, updated_at)"
        " SELECT 'person ' || n, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '{1}') FROM numbers",
        count, when));
  }

  /// Of the destination's table, which the program makes.
  std::size_t copied() {
    const auto session = there_->log_in();
    if (session->value("SELECT count(*) FROM sqlite_schema WHERE name = 'people'") == "0") return 0;
    return std::stoul(session->value("SELECT count(*) FROM people"));
  }
  std::size_t original() { return std::stoul(source_->value("SELECT count(*) FROM people")); }

  std::string differences() {
    const auto session = there_->log_in();
    return difference(canonical(*here_, *source_, "people", kColumns, 1),
                      canonical(*there_, *session, "people", kColumns, 1));
  }

  void expect_equal() { EXPECT_EQ(differences(), ""); }
  void wait_until_equal(Service& service, std::chrono::seconds timeout = 60s) {
    service.process.wait_until(
        "the destination equals the source",
        [this] { return original() == copied() && differences().empty(); }, timeout);
  }

  /// When it is done, whoever asked for it.
  boost::json::object wait_for_job(Service& service, const std::string& id) {
    boost::json::object job;
    const auto over = [&] {
      job = get(service, "/jobs/" + id).at("job").as_object();
      return job.at("status") == "completed" || job.at("status") == "failed";
    };
    service.process.wait_until("job " + id + " is over", over);
    return job;
  }

  static boost::json::value get(const Service& service, const std::string& target) {
    const HttpAnswer answer = HttpClient(service.port).get(target);
    EXPECT_EQ(answer.status, 200) << target << ": " << answer.body;
    return answer.json();
  }

  static HttpAnswer post_job(const Service& service) {
    return HttpClient(service.port)
        .post("/jobs", fmt::format(R"({{"syncId":"{}","teamId":"{}"}})", kSyncId, kTeamId));
  }

  /// Nothing is left to do, and nothing was lost on the way.
  void expect_settled() {
    expect_equal();
    const std::vector<Report> reports = run_syncs();
    ASSERT_THAT(reports, SizeIs(1));
    EXPECT_TRUE(reports.front().figures.nothing_done()) << reports.front();
  }

  const std::unique_ptr<Database> here_ = make_sqlite_database(folder(), "here.db");
  const std::unique_ptr<Database> there_ = make_sqlite_database(folder(), "there.db");
  const std::unique_ptr<Session> source_ = here_->log_in();
};

TEST_F(Serving, SaysThatItIsThereAndWhatItKeepsInStep) {
  Service service = serve();
  EXPECT_EQ(HttpClient(service.port).get("/hello?a=b").body,
            R"({"message":"Data Sync Service is running!","input":{"a":"b"}})");
  const boost::json::value syncs = get(service, "/syncs").at("syncs");
  ASSERT_THAT(syncs.as_array(), SizeIs(1));
  EXPECT_EQ(syncs.as_array().front().at("name"), "people");
  EXPECT_EQ(syncs.as_array().front().at("id"), kSyncId);
  EXPECT_EQ(syncs.as_array().front().at("status"), "active");
  EXPECT_TRUE(syncs.as_array().front().at("hold").is_null());
  EXPECT_EQ(service.stop(), Exit{0});
}

TEST_F(Serving, CarriesAChangeOfTheSourceOnItsOwn) {
  Service service = serve();
  wait_until_equal(service);
  source_->execute(
      "UPDATE people SET name = 'renamed', updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = 2;"
      "INSERT INTO people(id, name) VALUES (99, NULL)");
  wait_until_equal(service);
  EXPECT_EQ(service.stop(), Exit{0});
  expect_settled();
}

TEST_F(Serving, BringsASyncUpToDateWhenAJobIsPosted) {
  configure(kOnlyWhenAsked);
  Service service = serve();
  wait_until_equal(service);
  add_people(2);
  const HttpAnswer answer = post_job(service);
  ASSERT_THAT(answer.status, ::testing::AnyOf(200, 201)) << answer.body;
  const boost::json::object job =
      wait_for_job(service, std::string(answer.json().at("job").at("id").as_string()));
  EXPECT_EQ(job.at("status"), "completed") << job;
  expect_equal();
  EXPECT_EQ(service.stop(), Exit{0});
}

TEST_F(Serving, ServesJobsThatOthersInsertWithPlainSql) {
  configure(kOnlyWhenAsked);
  Service service = serve();
  wait_until_equal(service);
  add_people(2);
  const std::string ours = random_uuid();
  const std::string strangers = random_uuid();
  const auto store = log_in_to_sqlite(folder() / "store.db");
  store->execute(fmt::format("INSERT INTO data_sync_jobs(id, sync_id, team_id) VALUES ('{}', '{}', '{}')",
                             ours, kSyncId, kTeamId));
  store->execute(fmt::format("INSERT INTO data_sync_jobs(id, sync_id, team_id) VALUES ('{}', '{}', '{}')",
                             strangers, random_uuid(), kTeamId));
  EXPECT_EQ(wait_for_job(service, ours).at("status"), "completed");
  expect_equal();
  const boost::json::object failed = wait_for_job(service, strangers);
  EXPECT_EQ(failed.at("status"), "failed");
  EXPECT_TRUE(failed.at("error").is_string()) << failed;
  EXPECT_EQ(service.stop(), Exit{0});
}

TEST_F(Serving, RefusesToWorkOnAStoreBesideAnotherAndNamesIt) {
  Service service = serve();
  const Finished second = run({"serve", "--listen", "127.0.0.1:0"});
  EXPECT_EQ(second.exit, Exit{2}) << second;
  EXPECT_THAT(second.err, AllOf(HasSubstr(std::to_string(service.process.pid())), HasSubstr("store.db")))
      << second;
  EXPECT_EQ(service.stop(), Exit{0});
}

TEST_F(Serving, RefusesToListenForStrangersWithoutAKey) {
  const Finished refused = run({"serve", "--listen", "0.0.0.0:0"});
  EXPECT_EQ(refused.exit, Exit{2}) << refused;
  EXPECT_THAT(refused.err, HasSubstr("SYNCFLOW_API_KEY"));
}

TEST_F(Serving, LetsARunBesideItQueueItsJobAndWait) {
  configure(kOnlyWhenAsked);
  Service service = serve();
  wait_until_equal(service);
  add_people(5);
  const std::vector<Report> reports = run_syncs({"--sync", "people"});
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_EQ(reports.front().sync, "people");
  EXPECT_EQ(reports.front().status, "completed");
  EXPECT_EQ(reports.front().figures.written, 5) << reports.front();
  EXPECT_EQ(get(service, "/jobs/" + reports.front().job_id).at("job").at("status"), "completed");
  expect_equal();
  EXPECT_EQ(service.stop(), Exit{0});
}

TEST_F(Serving, HandsALoadBackWhenItIsAskedToStopAndGoesOnWithItLater) {
  // Long ago: what is recent is read again after a load, which would not tell whether the load began anew.
  add_people(200'000, "-1 day");
  Service first = serve();
  first.process.wait_until("the load has begun", [this] { return copied() > 0; });
  EXPECT_EQ(first.stop(10s), Exit{0});
  const std::size_t carried = copied();
  EXPECT_LT(carried, original()) << "it was over before it could be asked to stop";

  Service second = serve();
  wait_until_equal(second);
  const std::int64_t read_again = get(second, "/runs?sync_id=" + std::string(kSyncId))
                                      .at("runs")
                                      .as_array()
                                      .front()
                                      .at("read")
                                      .to_number<std::int64_t>();
  EXPECT_LE(read_again, static_cast<std::int64_t>(original() - carried) + 50'000)
      << "it began from the start";
  EXPECT_EQ(second.stop(), Exit{0});
  expect_settled();
}

TEST_F(Serving, GoesOnAtOnceAfterItWasKilledInTheMiddleOfALoad) {
  add_people(20'000);
  environment["SYNCFLOW_FAILPOINT"] = "pipeline.before_commit=hang@2";
  Service killed = serve();
  killed.process.wait_until("two batches are written, and one of them is not yet noted",
                            [this] { return copied() > 2'000; });
  killed.process.signal(SIGKILL);
  EXPECT_EQ(killed.process.wait(), (Exit{-1, SIGKILL}));

  environment.clear();
  Service next = serve();
  wait_until_equal(next, 15s);  // well below the lease of 30 s, which the killed one still held
  EXPECT_EQ(next.stop(), Exit{0});
  expect_settled();
}

}  // namespace
}  // namespace syncflow::tests
