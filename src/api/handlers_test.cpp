#include "api/handlers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "api/server.h"
#include "core/uuid.h"
#include "testkit/http_client.h"

namespace syncflow::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kOtherTeam = "00000000-0000-4000-8000-000000000002";

Provider letters() {
  Provider provider;
  provider.id = "letters";
  provider.options = {{"address", OptionKind::url, true, "", {}, ""},
                      {"token", OptionKind::secret, false, "", {}, ""}};
  return provider;
}

class Api : public ::testing::Test {
 protected:
  Api() : providers_({letters()}) {
    std::string name = ::testing::TempDir() + "syncflow-api-XXXXXX";
    folder_ = mkdtemp(name.data());
    store_ = open_sqlite_store(folder_ / "store.db", clock_);
    handler_ = make_handler({*store_, providers_, connections_, Secret()});
  }
  ~Api() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  /// A sync that the store has from now on.
  Sync add(const std::string& name, SyncStatus status = SyncStatus::active,
           const std::string& team = std::string(kDefaultTeam)) {
    SyncDefinition definition;
    definition.name = name;
    definition.id = url_uuid(name);
    definition.team_id = team;
    definition.status = status;
    definition.source = "shop";
    definition.destination = "copy";
    definition.tables = {{}};
    definition.tables[0].source = "public.t";
    definition.tables[0].destination = "t";
    syncs_.push_back({definition.id,
                      name,
                      team,
                      status,
                      "letters",
                      "shop",
                      "copy",
                      definition.schedule,
                      to_json(definition),
                      {},
                      {},
                      {},
                      0,
                      ""});
    store_->apply_syncs(syncs_);
    return *store_->find_sync(definition.id);
  }

  Response ask(const std::string& method, const std::string& target, const std::string& body = "",
               std::vector<std::pair<std::string, std::string>> headers = {}) {
    headers.emplace_back("host", "localhost:3001");
    if (method == "POST") headers.emplace_back("content-type", "application/json");
    return handler_({method, target, headers, body});
  }
  boost::json::value get(const std::string& target) {
    const Response response = ask("GET", target);
    EXPECT_EQ(response.status, 200) << target << ": " << response.body;
    return boost::json::parse(response.body);
  }
  Response post_job(const std::string& sync_id, const std::string& team_id = std::string(kDefaultTeam)) {
    return ask("POST", "/jobs",
               boost::json::serialize(boost::json::object{{"syncId", sync_id}, {"teamId", team_id}}));
  }

  std::filesystem::path folder_;
  SystemClock clock_;
  Registry providers_;
  std::vector<ConnectionConfig> connections_;
  std::vector<Sync> syncs_;
  std::unique_ptr<Store> store_;
  Handler handler_;
};

/// The sentence of a problem, after checking its form.
std::string sentence(const Response& response) {
  EXPECT_EQ(response.content_type, "application/problem+json");
  const auto problem = boost::json::parse(response.body).as_object();
  EXPECT_EQ(problem.at("status"), response.status);
  EXPECT_EQ(problem.at("error"), problem.at("detail"));
  EXPECT_TRUE(problem.contains("type") && problem.contains("title"));
  return std::string(problem.at("error").as_string());
}

std::vector<std::string> names(const boost::json::value& list, const char* member = "name") {
  std::vector<std::string> names;
  for (const auto& item : list.as_array()) names.emplace_back(item.at(member).as_string());
  return names;
}

TEST_F(Api, SaysHelloWithTheParametersItWasGiven) {
  EXPECT_EQ(ask("GET", "/hello").body, R"({"message":"Data Sync Service is running!","input":{}})");
  EXPECT_EQ(
      ask("GET", "/hello?name=J%C3%B6rg&x=1").body,
      "{\"message\":\"Data Sync Service is running!\",\"input\":{\"name\":\"J\xC3\xB6rg\",\"x\":\"1\"}}");
  EXPECT_EQ(ask("GET", "/hello?name=%ff").status, 400);
}

TEST_F(Api, CreatesAJobThatWaitsInTheQueueWithAPersonsPriority) {
  const Sync sync = add("customers");
  const Response response = post_job(sync.id);
  EXPECT_EQ(response.status, 201);
  const auto answer = boost::json::parse(response.body);
  EXPECT_EQ(answer.at("message"), "Data sync job created successfully");
  const auto& receipt = answer.at("job").as_object();
  std::vector<std::string> members;
  for (const auto& member : receipt) members.emplace_back(member.key());
  EXPECT_THAT(members, ElementsAre("id", "sync_id", "team_id", "status", "created_at", "updated_at"));
  EXPECT_EQ(receipt.at("status"), "pending");
  EXPECT_EQ(receipt.at("sync_id"), boost::json::string(sync.id));
  const auto job = store_->find_job(std::string(receipt.at("id").as_string()));
  ASSERT_TRUE(job);
  EXPECT_EQ(job->trigger, Trigger::manual);
  EXPECT_EQ(job->priority, kPersonPriority);
}

TEST_F(Api, GivesThePendingJobToWhoAsksAgain) {
  const Sync sync = add("customers");
  const auto first = boost::json::parse(post_job(sync.id).body);
  const Response again = post_job(sync.id);
  EXPECT_EQ(again.status, 200);
  const auto second = boost::json::parse(again.body);
  EXPECT_EQ(second.at("message"), "Data sync job already pending");
  EXPECT_EQ(second.at("job").at("id"), first.at("job").at("id"));
}

TEST_F(Api, TakesIdsInUpperCase) {
  Sync sync = add("customers");
  for (char& c : sync.id) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(post_job(sync.id).status, 201);
}

TEST_F(Api, NamesWhatIsWrongWithARequestForAJob) {
  const auto said = [&](const std::string& body) {
    const Response response = ask("POST", "/jobs", body);
    EXPECT_EQ(response.status, 400) << body;
    return sentence(response);
  };
  const std::string team = R"(,"teamId":"00000000-0000-4000-8000-000000000001"})";
  EXPECT_THAT(said(""), HasSubstr("not JSON"));
  EXPECT_THAT(said("{\"syncId\":"), HasSubstr("not JSON"));
  EXPECT_THAT(said("[]"), HasSubstr("JSON object"));
  EXPECT_THAT(said("{}"), HasSubstr("syncId is missing"));
  EXPECT_THAT(said(R"({"syncId":null)" + team), HasSubstr("syncId is missing"));
  EXPECT_THAT(said(R"({"syncId":7)" + team), HasSubstr("syncId must be a UUID"));
  EXPECT_THAT(said(R"({"syncId":"customers")" + team), HasSubstr("syncId must be a UUID, not \"customers\""));
  EXPECT_THAT(said(R"({"syncId":"00000000-0000-4000-8000-000000000001"})"), HasSubstr("teamId is missing"));
}

TEST_F(Api, WantsJson) {
  const Sync sync = add("customers");
  const auto with_type = [&](const std::string& type) {
    return handler_({"POST",
                     "/jobs",
                     {{"host", "localhost"}, {"content-type", type}},
                     R"({"syncId":")" + sync.id + R"(","teamId":"00000000-0000-4000-8000-000000000001"})"})
        .status;
  };
  EXPECT_EQ(with_type("text/plain"), 415);
  EXPECT_EQ(with_type("application/x-www-form-urlencoded"), 415);
  EXPECT_EQ(with_type("application/jsonp"), 415);
  EXPECT_EQ(with_type(""), 415);
  EXPECT_EQ(with_type("Application/JSON; charset=utf-8"), 201);
}

TEST_F(Api, KnowsNoSyncOfAnotherTeam) {
  const Sync sync = add("customers");
  EXPECT_EQ(post_job(sync.id, kOtherTeam).status, 404);
  EXPECT_EQ(post_job(url_uuid("unknown")).status, 404);
  EXPECT_EQ(ask("GET", "/syncs/" + sync.id + "?team_id=" + kOtherTeam).status, 404);
  EXPECT_EQ(ask("GET", "/syncs/" + sync.id + "?team_id=" + std::string(kDefaultTeam)).status, 200);
  EXPECT_EQ(store_->pending_jobs(), 0u);
}

TEST_F(Api, QueuesNothingForASyncThatIsNotActive) {
  const Response draft = post_job(add("drafted", SyncStatus::draft).id);
  EXPECT_EQ(draft.status, 409);
  EXPECT_THAT(sentence(draft), HasSubstr("sync drafted is draft"));
  EXPECT_EQ(post_job(add("resting", SyncStatus::paused).id).status, 409);
  EXPECT_EQ(store_->pending_jobs(), 0u);
}

TEST_F(Api, SaysWhyASyncIsOnHold) {
  const Sync sync = add("customers");
  store_->set_hold(sync.id, {"unauthorized", "the password was refused: set another", clock_.now()});
  const Response held = post_job(sync.id);
  EXPECT_EQ(held.status, 409);
  EXPECT_THAT(sentence(held),
              HasSubstr("the password was refused: set another; then `syncflow resume customers`"));
  store_->set_hold(sync.id, {"table_size", "add a field updated_at to t", clock_.now()});
  const Response too_large = post_job(sync.id);
  EXPECT_EQ(too_large.status, 422);
  EXPECT_THAT(sentence(too_large),
              HasSubstr("add a field updated_at to t; then `syncflow resume customers`"));
  EXPECT_EQ(store_->pending_jobs(), 0u);
}

TEST_F(Api, ListsSyncsPageByPage) {
  for (const char* name : {"a", "b", "c"}) add(name);
  add("elsewhere", SyncStatus::active, kOtherTeam);
  const std::string team = "team_id=" + std::string(kDefaultTeam);
  const auto first = get("/syncs?limit=2&" + team);
  EXPECT_THAT(names(first.at("syncs")), ElementsAre("a", "b"));
  const auto second = get("/syncs?limit=2&" + team + "&cursor=" + std::string(first.at("next").as_string()));
  EXPECT_THAT(names(second.at("syncs")), ElementsAre("c"));
  EXPECT_TRUE(second.at("next").is_null());
  EXPECT_EQ(names(get("/syncs").at("syncs")).size(), 4u);
}

TEST_F(Api, ShowsASyncWithAllTheContractNames) {
  const Sync sync = add("customers");
  store_->set_hold(sync.id, {"unauthorized", "the password was refused", clock_.now()});
  const auto shown = get("/syncs/" + sync.id).at("sync").as_object();
  std::vector<std::string> members;
  for (const auto& member : shown) members.emplace_back(member.key());
  EXPECT_THAT(members,
              ElementsAre("id", "name", "team_id", "status", "hold", "source", "destination", "schedule",
                          "tables", "last_polled_at", "next_run_at", "last_run", "message"));
  EXPECT_EQ(
      boost::json::serialize(shown.at("tables")),
      R"([{"source":"public.t","destination":"t","direction":"source-to-destination","strategy":"auto"}])");
  EXPECT_EQ(shown.at("hold").at("kind"), "unauthorized");
  EXPECT_TRUE(shown.at("last_run").is_null());
}

TEST_F(Api, ShowsJobsWithTheirRuns) {
  const Sync sync = add("customers");
  const std::string id = store_->enqueue(sync.id, Trigger::schedule).job.id;
  const auto claim = store_->claim("me", std::chrono::seconds(30));
  ASSERT_TRUE(claim);
  Outcome outcome;
  outcome.kind = Outcome::Kind::failed;
  outcome.error = "the table is gone";
  outcome.strategy = "cursor";
  store_->finish(claim->lease, outcome);
  const auto shown = get("/jobs/" + id);
  EXPECT_EQ(shown.at("job").at("status"), "failed");
  EXPECT_EQ(shown.at("job").at("error"), "the table is gone");
  EXPECT_EQ(shown.at("job").at("trigger"), "schedule");
  EXPECT_EQ(boost::json::serialize(shown.at("job").at("payload")), "{}");
  ASSERT_EQ(shown.at("runs").as_array().size(), 1u);
  EXPECT_EQ(shown.at("runs").at(0).at("strategy"), "cursor");
  EXPECT_TRUE(shown.at("runs").at(0).at("seconds").is_double());
  EXPECT_EQ(get("/runs?sync_id=" + sync.id).at("runs").at(0).at("job_id"), boost::json::string(id));
  EXPECT_EQ(get("/syncs/" + sync.id).at("sync").at("last_run").at("error"), "the table is gone");
}

TEST_F(Api, FiltersJobsByStatusSyncAndTeam) {
  const Sync sync = add("customers");
  store_->enqueue(sync.id, Trigger::schedule);
  const auto count = [&](const std::string& query) {
    return get("/jobs?" + query).at("jobs").as_array().size();
  };
  EXPECT_EQ(count("status=pending"), 1u);
  EXPECT_EQ(count("status=failed"), 0u);
  EXPECT_EQ(count("sync_id=" + sync.id), 1u);
  EXPECT_EQ(count("sync_id=" + url_uuid("unknown")), 0u);
  EXPECT_EQ(count("team_id=" + std::string(kOtherTeam)), 0u);
}

TEST_F(Api, RefusesParametersThatMeanNothing) {
  for (const char* target :
       {"/jobs?status=done", "/jobs?limit=0", "/jobs?limit=-1", "/jobs?limit=many", "/jobs?sync_id=customers",
        "/runs?team_id=us", "/jobs?cursor=nonsense", "/syncs?cursor=nonsense", "/quarantine?cursor=nonsense",
        "/syncs?cursor=zz", "/jobs?limit=5&a=%zz", "/hello?a=%zz"}) {
    const Response refused = ask("GET", target);
    EXPECT_EQ(refused.status, 400) << target;
    const std::string parameters(target);
    const auto begin = parameters.find_last_of("?&") + 1;
    const std::string name = parameters.substr(begin, parameters.find('=', begin) - begin);
    EXPECT_THAT(sentence(refused),
                ::testing::AnyOf(::testing::StartsWith(name + " "),
                                 ::testing::StartsWith("query parameter \"" + name + "\": ")))
        << target;
  }
  EXPECT_EQ(ask("GET", "/jobs?limit=100000").status, 200) << "at most 1000 are given";
}

TEST_F(Api, CancelsAndRetriesJobsAndRefusesWhatIsOver) {
  const Sync sync = add("customers");
  const std::string id = store_->enqueue(sync.id, Trigger::schedule).job.id;
  EXPECT_EQ(ask("POST", "/jobs/" + id + "/retry").status, 409);
  const Response cancelled = ask("POST", "/jobs/" + id + "/cancel");
  EXPECT_EQ(cancelled.status, 200);
  const auto job = boost::json::parse(cancelled.body).at("job");
  EXPECT_EQ(job.at("status"), "failed");
  EXPECT_THAT(std::string(job.at("error").as_string()), HasSubstr("cancelled"));
  const Response again = ask("POST", "/jobs/" + id + "/cancel");
  EXPECT_EQ(again.status, 409);
  EXPECT_THAT(sentence(again), HasSubstr("is failed"));
  const Response retried = ask("POST", "/jobs/" + id + "/retry");
  EXPECT_EQ(retried.status, 200);
  EXPECT_EQ(boost::json::parse(retried.body).at("job").at("status"), "pending");
}

TEST_F(Api, ChangesAJobWithoutABodyButNotWithAForms) {
  const std::string id = store_->enqueue(add("customers").id, Trigger::schedule).job.id;
  const auto cancel = [&](std::vector<std::pair<std::string, std::string>> headers, const std::string& body) {
    headers.emplace_back("host", "localhost");
    return handler_({"POST", "/jobs/" + id + "/cancel", headers, body}).status;
  };
  EXPECT_EQ(cancel({{"content-type", "application/x-www-form-urlencoded"}}, ""), 415);
  EXPECT_EQ(cancel({}, "a=b"), 415);
  EXPECT_EQ(cancel({}, ""), 200);
}

TEST_F(Api, KnowsWhichJobsThereAre) {
  for (const std::string& id : {url_uuid("unknown"), std::string("nonsense")}) {
    EXPECT_EQ(ask("GET", "/jobs/" + id).status, 404);
    EXPECT_EQ(ask("POST", "/jobs/" + id + "/retry").status, 404);
    EXPECT_EQ(ask("GET", "/syncs/" + id).status, 404);
  }
  const std::string id = store_->enqueue(add("customers").id, Trigger::schedule).job.id;
  EXPECT_EQ(ask("POST", "/jobs/" + id + "/cancel?team_id=" + kOtherTeam).status, 404);
  EXPECT_EQ(store_->find_job(id)->status, JobStatus::pending);
}

TEST_F(Api, ShowsConnectionsWithoutTheirSecrets) {
  for (const char* name : {"shop", "copy", "zoo"}) {
    connections_.push_back({name, "letters", {}});
    connections_.back().options.set("address", "letters://me:geheim@example.org/x");
    connections_.back().options.set("token", "geheim");
  }
  const Response response = ask("GET", "/connections");
  EXPECT_EQ(response.body.find("geheim"), std::string::npos);
  const auto shown = boost::json::parse(response.body);
  EXPECT_THAT(names(shown.at("connections")), ElementsAre("copy", "shop", "zoo"));
  EXPECT_EQ(shown.at("connections").at(0).at("options").at("token"), "***");
  EXPECT_EQ(shown.at("connections").at(0).at("options").at("address"), "letters://me:***@example.org/x");
  const auto first = get("/connections?limit=2");
  EXPECT_EQ(first.at("next"), "shop");
  EXPECT_THAT(names(get("/connections?limit=2&cursor=shop").at("connections")), ElementsAre("zoo"));
}

TEST_F(Api, ShowsRowsInQuarantine) {
  const Sync sync = add("customers");
  store_->enqueue(sync.id, Trigger::schedule);
  const auto claim = store_->claim("me", std::chrono::seconds(30));
  ASSERT_TRUE(claim);
  BatchCommit commit;
  commit.mapping = "public.t -> t";
  commit.figures.read = commit.figures.quarantined = 1;
  commit.quarantined = {
      {"", sync.id, commit.mapping, "public.t", {{"7", "a\"b"}}, "name", "too long", 1, {}, {}}};
  store_->commit_batch(claim->lease, commit);
  const auto shown = get("/quarantine?sync_id=" + sync.id);
  ASSERT_EQ(shown.at("rejections").as_array().size(), 1u);
  const auto& row = shown.at("rejections").at(0);
  EXPECT_EQ(row.at("table"), "public.t");
  EXPECT_EQ(boost::json::serialize(row.at("key")), R"(["7","a\"b"])");
  EXPECT_EQ(row.at("field"), "name");
  EXPECT_EQ(row.at("reason"), "too long");
  EXPECT_EQ(row.at("attempts"), 1);
  EXPECT_THAT(get("/quarantine?sync_id=" + url_uuid("unknown")).at("rejections").as_array(), IsEmpty());
}

TEST_F(Api, IsAliveAndReady) {
  EXPECT_EQ(ask("GET", "/healthz").status, 200);
  EXPECT_EQ(ask("GET", "/readyz").status, 200);
}

TEST_F(Api, LetsOnlyThisMachineInWithoutAKeyAndOnlyTheKeyWithOne) {
  EXPECT_EQ(handler_({"GET", "/hello", {{"host", "evil.example.org"}}, ""}).status, 403);
  const Handler guarded = make_handler({*store_, providers_, connections_, Secret("the key")});
  const Response refused = guarded({"GET", "/jobs", {{"host", "example.org"}}, ""});
  EXPECT_EQ(refused.status, 401);
  sentence(refused);
  EXPECT_EQ(
      guarded({"GET", "/jobs", {{"host", "example.org"}, {"authorization", "Bearer the key"}}, ""}).status,
      200);
}

TEST_F(Api, AnswersWhatIsNestedWithoutEndLikeAnyOtherMistake) {
  for (const std::string& opening : {std::string("["), std::string("{\"a\":")}) {
    std::string deep = "{\"syncId\":";
    for (int i = 0; i < 100'000; ++i) deep += opening;
    const Response refused = ask("POST", "/jobs", deep);
    EXPECT_EQ(refused.status, 400);
    EXPECT_THAT(sentence(refused), HasSubstr("not JSON"));
  }
}

TEST_F(Api, SpeaksUtf8WhateverItIsTold) {
  const Sync sync = add("customers");
  store_->set_hold(sync.id, {"unauthorized", "the server says: caf\xe9", clock_.now()});
  EXPECT_THAT(sentence(post_job(sync.id)), HasSubstr("caf\xef\xbf\xbd"));
  EXPECT_THAT(ask("GET", "/syncs").body, HasSubstr("caf\xef\xbf\xbd"));
  EXPECT_EQ(ask("POST", "/jobs", "{\"syncId\":\"\xff\"}").status, 400);
}

TEST_F(Api, SaysThatTheStoreCannotBeReachedAndWhenToComeBack) {
  std::filesystem::remove_all(folder_);
  for (const char* target :
       {"/readyz", "/syncs", "/jobs", "/runs", "/quarantine", "/jobs/0b8f5a1e-0000-4000-8000-000000000001"}) {
    const Response away = ask("GET", target);
    EXPECT_EQ(away.status, 503) << target << away.body;
    sentence(away);
    EXPECT_THAT(away.headers, ElementsAre(std::pair<std::string, std::string>("Retry-After", "5")));
  }
  EXPECT_EQ(ask("GET", "/healthz").status, 200);
  const Response metrics = ask("GET", "/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.body, HasSubstr("\nsyncflow_store_up 0\n"));
}

TEST_F(Api, ShowsMetricsToWhoeverHasTheKey) {
  const Handler guarded = make_handler({*store_, providers_, connections_, Secret("the key")});
  EXPECT_EQ(guarded({"GET", "/metrics", {{"host", "example.org"}}, ""}).status, 401);
  EXPECT_EQ(guarded({"GET", "/openapi.json", {{"host", "example.org"}}, ""}).status, 401);
  const Response shown =
      guarded({"GET", "/metrics", {{"host", "example.org"}, {"authorization", "Bearer the key"}}, ""});
  EXPECT_EQ(shown.status, 200);
  EXPECT_EQ(shown.content_type, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(ask("HEAD", "/metrics").status, 200);
  EXPECT_EQ(ask("POST", "/metrics").status, 405);
}

TEST_F(Api, CountsRequestsByPatternsOfWhichThereAreFew) {
  const std::string job = "0b8f5a1e-0000-4000-8000-000000000001";
  ask("GET", "/jobs/" + job);
  ask("GET", "/jobs/" + job + "?limit=7");
  ask("BREW", "/jobs");
  ask("GET", "/no/such/path/" + job);
  const std::string text = ask("GET", "/metrics").body;
  EXPECT_THAT(text,
              HasSubstr(R"(syncflow_http_requests_total{method="GET",route="/jobs/{id}",status="404"} )"));
  EXPECT_THAT(text, HasSubstr(R"(syncflow_http_requests_total{method="other",route="/jobs",status="405"} )"));
  EXPECT_THAT(text, HasSubstr(R"(syncflow_http_requests_total{method="GET",route="none",status="404"} )"));
  EXPECT_THAT(text,
              HasSubstr(R"(syncflow_http_request_duration_seconds_count{method="GET",route="/jobs/{id}"} )"));
  EXPECT_EQ(text.find(job), std::string::npos);
}

TEST(ApiProbes, AreQuickUnlessTheyAskTheStore) {
  for (const char* quick : {"/healthz", "/hello", "/hello?name=x"})
    EXPECT_TRUE(is_quick({"GET", quick, {}, ""})) << quick;
  for (const char* slow : {"/readyz", "/metrics", "/jobs", "/healthz/x"})
    EXPECT_FALSE(is_quick({"GET", slow, {}, ""})) << slow;
}

TEST_F(Api, WorksOverASocket) {
  const Sync sync = add("customers");
  Server server({"127.0.0.1", 0}, handler_, clock_);
  testkit::HttpClient client(server.address().port);
  const auto created = client.post(
      "/jobs", R"({"syncId":")" + sync.id + R"(","teamId":"00000000-0000-4000-8000-000000000001"})");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.headers.at("content-type"), "application/json");
  const auto wrong_method = client.request("DELETE", "/jobs", "", {});
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_EQ(wrong_method.headers.at("allow"), "GET, HEAD, POST");
  EXPECT_EQ(wrong_method.headers.at("content-type"), "application/problem+json");
  EXPECT_EQ(client.get("/nothing").status, 404);
  EXPECT_EQ(client.get("/hello", {{"Host", "example.org"}}).status, 403);
}

}  // namespace
}  // namespace syncflow::api
