#include "cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <boost/json.hpp>
#include <filesystem>
#include <sstream>
#include <thread>

#include "cli/stores.h"
#include "cli/test_cli.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "core/uuid.h"
#include "engine/engine.h"
#include "store/process_lock.h"
#include "testkit/memory_provider.h"

namespace syncflow::cli {
namespace {

using namespace testkit;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(Cli, RunsEverySyncAndPrintsALineForEach) {
  EXPECT_EQ(command({"run", "--json"}), 0) << err_.str();
  const auto lines = json_lines();
  ASSERT_EQ(lines.size(), 2u);
  for (const auto& line : lines) {
    EXPECT_EQ(line.at("status"), "completed");
    EXPECT_EQ(line.at("written"), line.at("sync") == "people" ? 3 : 0);
    if (line.at("sync") == "people") {
      EXPECT_EQ(line.at("tables").at(0).at("written"), 3);
    }
  }
  EXPECT_EQ(to_.size("people"), 3u);
}

TEST_F(Cli, RunsAgainWithNothingToDoAndSaysSoWithZeros) {
  command({"run"});
  EXPECT_EQ(command({"run", "--sync", "people", "--json"}), 0);
  const auto lines = json_lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].at("sync"), "people");
  EXPECT_EQ(lines[0].at("read"), 0);
}

TEST_F(Cli, NamesTheSyncThatWasProbablyMeant) {
  EXPECT_EQ(command({"run", "--sync", "poeple"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean \"people\"?"));
}

TEST_F(Cli, EndsWith1WhenASyncFailsAndSaysWhyOnItsLine) {
  from_.drop_table("orders");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(command({"run", "--json"}), 1);
  ::testing::internal::GetCapturedStderr();
  std::size_t failed = 0;
  for (const auto& line : json_lines())
    if (line.at("status") == "failed") {
      ++failed;
      EXPECT_EQ(line.at("sync"), "orders");
      EXPECT_THAT(std::string(line.at("error").as_string()), HasSubstr("orders"));
    }
  EXPECT_EQ(failed, 1u);
  EXPECT_EQ(to_.size("people"), 3u) << "the other one went on";
}

TEST_F(Cli, EndsWith4WhileRowsWaitInQuarantineAndShowsThem) {
  to_.create_table(table("people"));
  to_.refuse_writing("people", [](std::span<const Value> row) -> std::optional<Refusal> {
    if (row[0] == integer(2)) return Refusal{"name", "too long for the destination"};
    return std::nullopt;
  });
  EXPECT_EQ(command({"run", "--sync", "people"}), 4);
  EXPECT_THAT(out_.str(), HasSubstr("1 row waits in quarantine; see: syncflow quarantine --sync people"));
  EXPECT_EQ(command({"quarantine", "--sync", "people"}), 0);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("[\"2\"]"), HasSubstr("too long for the destination")));
  EXPECT_EQ(command({"quarantine", "--json"}), 0);
  ASSERT_EQ(json_lines().size(), 1u);
  EXPECT_EQ(json_lines()[0].at("reason"), "too long for the destination");
  EXPECT_EQ(command({"quarantine", "--sync", "orders"}), 0);
  EXPECT_EQ(out_.str(), "no rows in quarantine\n");
}

TEST_F(Cli, LoadsASyncAgainFromTheStart) {
  command({"run"});
  EXPECT_EQ(command({"resync", "--sync", "people", "--json"}), 0);
  const auto lines = json_lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_GE(lines[0].at("read").as_int64(), 3);
  EXPECT_EQ(lines[0].at("written"), 0) << "rows that are equal are not written again";
}

TEST_F(Cli, ChecksTheConfigWithoutAStoreAndWithoutLoggingIn) {
  EXPECT_EQ(command({"validate"}), 0);
  EXPECT_EQ(out_.str(), "syncflow.yaml: 2 connections, 2 syncs: right\n");
  EXPECT_EQ(from_.calls().count(Call::check) + from_.calls().count(Call::discover), 0u);
  EXPECT_FALSE(std::filesystem::exists(store_file(config_)));
}

TEST_F(Cli, ChecksEveryMappingOnlineAndShowsTheDdl) {
  EXPECT_EQ(command({"validate", "--online"}), 0) << out_.str();
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr("note: connection shop"), HasSubstr("note: people: people -> people")));
  EXPECT_FALSE(to_.has_table("people")) << "it changes nothing";
  from_.drop_table("orders");
  EXPECT_EQ(command({"validate", "--online"}), 2);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("error: orders"), HasSubstr("1 to mend")));
  EXPECT_EQ(command({"validate", "--online", "--json"}), 2);
  EXPECT_FALSE(json_lines().empty());
}

TEST_F(Cli, RefusesAStoreThatIsNotThereYet) {
  config_.store = "mysql://me:geheim@example.org/syncflow";
  EXPECT_EQ(command({"validate"}), 2);
  EXPECT_THAT(err_.str(),
              AllOf(HasSubstr("not supported yet: store mysql://me:***@"), Not(HasSubstr("geheim"))));
}

TEST_F(Cli, LogsInToAConnection) {
  EXPECT_EQ(command({"check", "shop"}), 0);
  EXPECT_THAT(out_.str(), StartsWith("shop: logged in to "));
  from_.calls().fail(Call::check, ErrorKind::unauthorized);
  EXPECT_EQ(command({"check", "shop"}), 1);
  EXPECT_THAT(err_.str(), StartsWith("syncflow: connection shop: "));
  EXPECT_EQ(command({"check", "shpo"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean \"shop\"?"));
}

TEST_F(Cli, ListsTablesWithKeysAndCursorFields) {
  EXPECT_EQ(command({"discover", "shop"}), 0);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("people"), HasSubstr("orders"), HasSubstr("timestamp with zone"),
                                HasSubstr("cursor"), HasSubstr("key")));
  EXPECT_EQ(command({"discover", "shop", "people", "--json"}), 0);
  ASSERT_EQ(json_lines().size(), 1u);
  EXPECT_EQ(json_lines()[0].at("table"), "people");
  EXPECT_EQ(json_lines()[0].at("key").at(0), "id");
  EXPECT_EQ(json_lines()[0].at("cursors").at(0).at("field"), "updated_at");
  EXPECT_EQ(command({"discover", "shop", "nothing"}), 1);
}

TEST_F(Cli, ListsProvidersWithTheirOptions) {
  EXPECT_EQ(command({"providers"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("source, destination, cursor, diff"));
  EXPECT_EQ(command({"providers", "show", "from"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("password"));
  EXPECT_EQ(command({"providers", "--json"}), 0);
  EXPECT_EQ(json_lines().size(), 2u);
  EXPECT_EQ(command({"providers", "show", "fron"}), 2);
}

TEST_F(Cli, ShowsCancelsAndRetriesJobs) {
  command({"run", "--sync", "people"});
  const std::string id = store()->enqueue(config_.syncs[0].id, Trigger::schedule).job.id;
  EXPECT_EQ(command({"jobs"}), 0);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr(id), HasSubstr("people"), HasSubstr("pending")));
  EXPECT_EQ(command({"jobs", "show", id}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("job " + id + " of people: pending, asked for by schedule"));
  EXPECT_EQ(command({"jobs", "retry", id}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("only a failed job can be tried again"));
  EXPECT_EQ(command({"jobs", "cancel", id}), 0);
  EXPECT_EQ(store()->find_job(id)->status, JobStatus::failed);
  EXPECT_EQ(command({"jobs", "retry", id}), 0);
  EXPECT_EQ(store()->find_job(id)->status, JobStatus::pending);
  EXPECT_EQ(command({"jobs", "show", random_uuid()}), 1);
  EXPECT_EQ(command({"jobs", "list", "--status", "completed", "--sync", "people", "--json"}), 0);
  EXPECT_EQ(json_lines().size(), 1u);
  EXPECT_EQ(command({"jobs", "--sync", "orders"}), 0);
  EXPECT_EQ(out_.str(), "no jobs\n");
}

TEST_F(Cli, SaysHowAStoreIsMadeWhenThereIsNone) {
  EXPECT_EQ(command({"jobs"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("there is no store " + store_file(config_) + " yet"));
  EXPECT_EQ(command({"migrate"}), 0);
  EXPECT_EQ(command({"jobs"}), 0);
  EXPECT_EQ(command({"migrate", "--print"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("CREATE TABLE data_sync_jobs"));
}

TEST_F(Cli, PrintsNothingButJsonWhereItIsAskedFor) {
  EXPECT_EQ(command({"validate", "--json"}), 0);
  EXPECT_EQ(out_.str(), "{\"config\":\"syncflow.yaml\",\"connections\":2,\"syncs\":2,\"errors\":[]}\n");
  EXPECT_EQ(command({"migrate", "--json"}), 0);
  EXPECT_EQ(json_lines().at(0).at("store"), config_.store.c_str());
  EXPECT_EQ(command({"migrate", "--print", "--json"}), 0);
  EXPECT_THAT(std::string(json_lines().at(0).at("sql").as_string()), HasSubstr("CREATE TABLE"));
  command({"run"});
  store()->set_hold(config_.syncs[0].id, {"unauthorized", "the password was refused", clock_.now()});
  EXPECT_EQ(command({"resume", "people", "--json"}), 0);
  EXPECT_EQ(json_lines().at(0).at("sync_id"), config_.syncs[0].id.c_str());
  config_.syncs.pop_back();
  command({"run"});
  EXPECT_EQ(command({"forget", "orders", "--json"}), 0);
  EXPECT_EQ(json_lines().at(0).at("forgotten"), true);
}

TEST_F(Cli, ValidateEndsWithALineThatHasEveryError) {
  from_.drop_table("orders");
  EXPECT_EQ(command({"validate", "--online", "--json"}), 2);
  const auto last = json_lines().back();
  ASSERT_EQ(last.at("errors").as_array().size(), 1u);
  EXPECT_THAT(std::string(last.at("errors").at(0).as_string()), StartsWith("orders: orders -> orders: "));
  config_.store = "redis://there";
  EXPECT_EQ(command({"validate", "--json"}), 2);
  ASSERT_EQ(json_lines().size(), 1u);
  EXPECT_EQ(json_lines()[0].at("errors").as_array().size(), 1u);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(Cli, SaysErrorsInJsonWhereNobodyWatchesOrJsonIsAskedFor) {
  const auto error = [this] {
    const auto line = boost::json::parse(err_.str());
    EXPECT_EQ(line.at("level"), "error");
    EXPECT_TRUE(line.as_object().contains("time"));
    return std::string(line.at("message").as_string());
  };
  EXPECT_EQ(command({"check", "shpo", "--json"}), 2);
  EXPECT_THAT(error(), HasSubstr("did you mean \"shop\"?"));
  EXPECT_EQ(command({"jobs", "burn", "--json"}), 2);
  EXPECT_THAT(error(), HasSubstr("cancel"));
  err_on_terminal_ = false;
  EXPECT_EQ(command({"check", "shpo"}), 2);
  EXPECT_THAT(error(), HasSubstr("did you mean \"shop\"?"));
  EXPECT_EQ(command({"vaildate"}), 2);
  EXPECT_THAT(error(), HasSubstr("did you mean \"validate\"?"));
}

TEST_F(Cli, ShowsJobsInTheShapeOfTheApi) {
  command({"run", "--sync", "people"});
  EXPECT_EQ(command({"jobs", "--json"}), 0);
  const auto job = json_lines().at(0);
  for (const char* member :
       {"id", "sync_id", "team_id", "provider", "status", "payload", "error", "retry_count", "created_at",
        "updated_at", "started_at", "finished_at", "trigger", "run_after"})
    EXPECT_TRUE(job.as_object().contains(member)) << member;
  EXPECT_EQ(command({"jobs", "show", std::string(job.at("id").as_string()), "--json"}), 0);
  EXPECT_EQ(json_lines().at(0).at("job"), job);
  EXPECT_EQ(json_lines().at(0).at("runs").at(0).at("tables").at(0).at("source"), "people");
}

TEST_F(Cli, LiftsAHold) {
  command({"run", "--sync", "people"});
  EXPECT_EQ(command({"resume", "people"}), 1) << "there is none";
  store()->set_hold(config_.syncs[0].id, {"unauthorized", "the password was refused", clock_.now()});
  EXPECT_EQ(command({"resume", "people"}), 0);
  EXPECT_FALSE(store()->find_sync(config_.syncs[0].id)->hold);
  EXPECT_EQ(command({"resume", "peple"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean \"people\"?"));
}

TEST_F(Cli, ReachesASyncOfEachTeamByItsId) {
  config_.syncs.push_back(sync("people"));
  SyncDefinition& other = config_.syncs.back();
  other.team_id = "6f1c1f6e-0000-4000-8000-000000000001";
  other.id = url_uuid("other");
  other.tables[0].destination = "people_too";
  command({"run"});
  store()->set_hold(other.id, {"unauthorized", "the password was refused", clock_.now()});
  EXPECT_EQ(command({"resume", other.id}), 0) << err_.str();
  EXPECT_FALSE(store()->find_sync(other.id)->hold);
  const std::string left = other.id;
  config_.syncs.pop_back();
  command({"run"});
  EXPECT_EQ(command({"forget", "people"}), 0) << "the other one still stands in the file: " << err_.str();
  EXPECT_FALSE(store()->find_sync(left));
  EXPECT_TRUE(store()->find_sync(config_.syncs[0].id));
  EXPECT_EQ(command({"forget", config_.syncs[0].id}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("still stands in syncflow.yaml"));
}

TEST_F(Cli, NamesTheIdsWhenSeveralSyncsOfANameHaveLeft) {
  config_.syncs.push_back(sync("people"));
  config_.syncs.back().team_id = "6f1c1f6e-0000-4000-8000-000000000001";
  config_.syncs.back().id = url_uuid("other");
  config_.syncs.back().tables[0].destination = "people_too";
  command({"run"});
  config_.syncs = {sync("orders")};
  command({"run"});
  EXPECT_EQ(command({"forget", "people"}), 1);
  EXPECT_THAT(err_.str(), AllOf(HasSubstr(url_uuid("other")), HasSubstr("give the id")));
  EXPECT_EQ(command({"forget", url_uuid("other")}), 0) << err_.str();
  EXPECT_EQ(command({"forget", "people"}), 0) << err_.str();
}

TEST_F(Cli, SaysWhichCommandLiftsAHold) {
  from_.drop_table("people");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(command({"run", "--sync", "people"}), 1);
  ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(out_.str(), HasSubstr("syncflow resume people"));
  EXPECT_EQ(command({"jobs", "--json"}), 0);
  const std::string job(json_lines().at(0).at("id").as_string());
  EXPECT_EQ(command({"jobs", "show", job}), 0);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("on hold: "), HasSubstr("; then `syncflow resume people`")));
}

TEST_F(Cli, ForgetsASyncOnlyOnceItHasLeftTheFile) {
  command({"run"});
  EXPECT_EQ(command({"forget", "orders"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("still stands in syncflow.yaml"));
  config_.syncs.pop_back();
  command({"run"});
  EXPECT_EQ(command({"resume", "orders"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("syncflow forget orders"));
  EXPECT_EQ(command({"forget", "orders"}), 0);
  EXPECT_FALSE(store()->find_sync_named("orders"));
}

// --- beside another process ---

/// A service that works on the store, in a thread instead of a process: the lock does not know the difference.
class RunBesideAService : public Cli {
 protected:
  RunBesideAService() { command({"run"}); }

  void start_service() {
    lock_.emplace(store_file(config_));
    service_store_ = store();
    engine_ = std::make_unique<Engine>(Engine::Parts{*service_store_, providers_, clock_, config_, {}});
    engine_->apply_config();
    engine_->start();
  }
  ~RunBesideAService() override {
    engine_.reset();
    service_store_.reset();
  }

  std::optional<ProcessLock> lock_;
  std::unique_ptr<Store> service_store_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(RunBesideAService, QueuesItsJobsThereAndPrintsTheSameLines) {
  start_service();
  put("people", 4, "newcomer");
  EXPECT_EQ(command({"run", "--sync", "people", "--json"}), 0) << err_.str();
  const auto lines = json_lines();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].at("sync"), "people");
  EXPECT_EQ(lines[0].at("status"), "completed");
  EXPECT_EQ(lines[0].at("tables").at(0).at("source"), "people");
  EXPECT_EQ(to_.size("people"), 4u);
}

TEST_F(RunBesideAService, LoadsASyncAgainThere) {
  start_service();
  EXPECT_EQ(command({"resync", "--sync", "people", "--json"}), 0);
  ASSERT_EQ(json_lines().size(), 1u);
  EXPECT_GE(json_lines()[0].at("read").as_int64(), 3);
}

TEST_F(RunBesideAService, EndsWith1WhenTheJobFailsThere) {
  start_service();
  from_.drop_table("people");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(command({"run", "--sync", "people", "--json"}), 1);
  ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(json_lines().at(0).at("status"), "failed");
}

TEST_F(RunBesideAService, DoesTheWorkItselfWhenTheServiceIsGone) {
  lock_.emplace(store_file(config_));  // somebody holds the lock and works on nothing
  put("people", 4, "newcomer");
  std::jthread end([this] {
    const auto other = store();
    while (other->pending_jobs() == 0) std::this_thread::yield();
    lock_.reset();
  });
  EXPECT_EQ(command({"run", "--sync", "people", "--json"}), 0) << err_.str();
  ASSERT_EQ(json_lines().size(), 1u);
  EXPECT_EQ(json_lines()[0].at("written"), 1);
}

TEST_F(RunBesideAService, AsksToStartItAgainWhenItDoesNotKnowASync) {
  start_service();
  config_.syncs.push_back(sync("people"));
  config_.syncs.back().name = "newer";
  config_.syncs.back().id = url_uuid("newer");
  EXPECT_EQ(command({"run", "--sync", "newer"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("does not know sync newer; start it again"));
}

}  // namespace
}  // namespace syncflow::cli
