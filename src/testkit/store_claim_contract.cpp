#include <fmt/core.h>

#include "core/uuid.h"
#include "testkit/store_contract.h"

namespace syncflow::testkit {

using namespace std::chrono_literals;

void link_store_claim_contract() {}

namespace {

TEST_P(StoreClaimContract, HandsOutAJobOnceAndRecordsTheRun) {
  const std::string id = apply("orders");
  const auto asked = store_->enqueue(id, Trigger::manual);
  clock_.advance(1s);
  const Claim claim = claimed("worker 1");
  EXPECT_EQ(claim.sync.id, id);
  EXPECT_EQ(claim.sync.definition, make_sync("orders").definition);
  ASSERT_EQ(claim.jobs.size(), 1u);
  EXPECT_EQ(claim.jobs[0].id, asked.job.id);
  EXPECT_EQ(claim.jobs[0].status, JobStatus::processing);
  EXPECT_EQ(claim.jobs[0].started_at, clock_.now());
  EXPECT_EQ(claim.attempt, 1);
  EXPECT_EQ(claim.sent, clock_.monotonic());
  EXPECT_EQ(claim.sent_at, clock_.now());
  EXPECT_EQ(claim.lease.sync_id, id);
  EXPECT_EQ(claim.lease.owner, "worker 1");
  EXPECT_FALSE(StoreContract::claim("worker 2"));

  const auto run = store_->find_run(claim.lease.run_id);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->job_id, asked.job.id);
  EXPECT_EQ(run->sync_id, id);
  EXPECT_EQ(run->attempt, 1);
  EXPECT_EQ(run->status, "processing");
  EXPECT_EQ(run->started_at, clock_.now());
  EXPECT_FALSE(run->finished_at);
}

TEST_P(StoreClaimContract, TakesAllDueJobsOfASyncIntoOneRun) {
  const std::string id = apply("orders");
  store_->enqueue(id, Trigger::schedule);
  for (int i = 0; i < 3; ++i)
    harness_->execute(fmt::format(
        "INSERT INTO data_sync_jobs(id, sync_id, team_id, priority, run_after) VALUES ('{}', '{}', '{}', {}, "
        "'{}')",
        random_uuid(), id, kDefaultTeam, i, i == 2 ? "2099-01-01T00:00:00Z" : "2020-01-01T00:00:00Z"));
  const Claim claim = claimed();
  ASSERT_EQ(claim.jobs.size(), 3u);
  EXPECT_EQ(claim.jobs[0].priority, 1) << "the most urgent first";
  complete(claim);
  for (const Job& done : claim.jobs) {
    EXPECT_EQ(status_of(done.id), JobStatus::completed);
    ASSERT_EQ(store_->runs_of_job(done.id).size(), 1u);
    EXPECT_EQ(store_->runs_of_job(done.id).front().id, claim.lease.run_id);
  }
  EXPECT_EQ(store_->find_run(claim.lease.run_id)->job_id, claim.jobs[0].id);
  EXPECT_EQ(store_->pending_jobs(), 1u) << "the one of 2099";
  EXPECT_EQ(store_->next_job(), from_rfc3339("2099-01-01T00:00:00Z"));
  EXPECT_FALSE(StoreContract::claim());
}

TEST_P(StoreClaimContract, NeverHandsOneSyncToTwoWorkers) {
  const std::string id = apply({make_sync("orders"), make_sync("people")});
  const Claim claim = claim_of(id);
  store_->enqueue(id, Trigger::manual, kPersonPriority);
  store_->enqueue(make_sync("people").id, Trigger::manual);
  EXPECT_EQ(claimed("worker 2").sync.name, "people");
  EXPECT_FALSE(StoreContract::claim("worker 3"));
  complete(claim);
  EXPECT_EQ(claimed("worker 3").sync.name, "orders");
}

TEST_P(StoreClaimContract, LetsJobsOfHeldPausedAndDraftSyncsWait) {
  Sync paused = make_sync("paused");
  paused.status = SyncStatus::paused;
  Sync draft = make_sync("draft");
  draft.status = SyncStatus::draft;
  const std::string held = apply({make_sync("held"), paused, draft});
  store_->set_hold(held, {"forbidden", "grant SELECT", clock_.now()});
  for (const std::string& id : {held, paused.id, draft.id}) store_->enqueue(id, Trigger::manual);
  EXPECT_FALSE(claim());
  EXPECT_FALSE(store_->next_job()) << "none of them waits for a time";
  EXPECT_EQ(store_->pending_jobs(), 3u);

  store_->lift_hold(held);
  EXPECT_EQ(claimed().sync.name, "held");
  paused.status = SyncStatus::active;
  apply({make_sync("held"), paused, draft});
  EXPECT_EQ(claimed().sync.name, "paused");
  EXPECT_FALSE(claim());
}

TEST_P(StoreClaimContract, ServesAPersonFirst) {
  const std::string id = apply({make_sync("a"), make_sync("b"), make_sync("c")});
  store_->enqueue(id, Trigger::schedule);
  store_->enqueue(make_sync("b").id, Trigger::schedule);
  clock_.advance(1s);
  store_->enqueue(make_sync("c").id, Trigger::manual, kPersonPriority);
  EXPECT_EQ(claimed().sync.name, "c");
  EXPECT_EQ(claimed().sync.name, "a");
  EXPECT_EQ(claimed().sync.name, "b");
}

TEST_P(StoreClaimContract, ServesTeamsInTurnAndTheOldestJobOfEach) {
  const std::string busy = "10000000-0000-4000-8000-000000000000";
  const std::string quiet = "20000000-0000-4000-8000-000000000000";
  std::vector<Sync> syncs;
  for (const char* name : {"busy 1", "busy 2", "busy 3", "busy 4"}) syncs.push_back(make_sync(name, busy));
  for (const char* name : {"quiet 1", "quiet 2"}) syncs.push_back(make_sync(name, quiet));
  apply(syncs);
  for (auto sync = syncs.rbegin(); sync != syncs.rend(); ++sync) {
    store_->enqueue(sync->id, Trigger::schedule);
    clock_.advance(1s);
  }
  std::vector<std::string> order;
  while (const auto claim = StoreContract::claim()) order.push_back(claim->sync.name);
  EXPECT_EQ(order, (std::vector<std::string>{"busy 4", "quiet 2", "busy 3", "quiet 1", "busy 2", "busy 1"}));
}

TEST_P(StoreClaimContract, KeepsTheTurnsOfPersonsAndSchedulesApart) {
  const std::string one = "10000000-0000-4000-8000-000000000000";
  const std::string two = "20000000-0000-4000-8000-000000000000";
  apply({make_sync("one", one), make_sync("two", two), make_sync("person", two)});
  std::vector<std::string> order;
  for (int round = 0; round < 4; ++round) {
    store_->enqueue(make_sync("one", one).id, Trigger::schedule);
    store_->enqueue(make_sync("two", two).id, Trigger::schedule);
    store_->enqueue(make_sync("person", two).id, Trigger::manual, kPersonPriority);
    for (int i = 0; i < 2; ++i) {
      const Claim claim = claimed();
      order.push_back(claim.sync.name);
      complete(claim);
    }
  }
  EXPECT_EQ(order,
            (std::vector<std::string>{"person", "one", "person", "two", "person", "one", "person", "two"}))
      << "a team whose people ask often must not starve the other's schedule";
}

TEST_P(StoreClaimContract, ClaimsOnlyTheSyncsThatWereNamed) {
  const std::string a = apply({make_sync("a"), make_sync("b"), make_sync("c")});
  const std::string b = make_sync("b").id, c = make_sync("c").id;
  store_->enqueue(a, Trigger::manual, kPersonPriority);
  store_->enqueue(b, Trigger::schedule);
  clock_.advance(1s);
  store_->enqueue(c, Trigger::manual, kPersonPriority);
  EXPECT_EQ(store_->claim("worker", kLease, {b, c})->sync.name, "c");
  EXPECT_EQ(store_->claim("worker", kLease, {b, c})->sync.name, "b");
  EXPECT_FALSE(store_->claim("worker", kLease, {b, c}));
  EXPECT_EQ(store_->next_job({b, c}), clock_.now() - 1s + kLease + 1s) << "when the leases on them run out";
  EXPECT_EQ(store_->next_job(), clock_.now() - 1s) << "a waits";
}

TEST_P(StoreClaimContract, CompletesJobsAndRecordsHowItWentWithEachTable) {
  const Claim claim = claim_of(apply("orders"));
  clock_.advance(2s);
  Outcome outcome;
  outcome.strategy = "cursor";
  outcome.tables = {{"a \"b\"", "c", "cursor", {7, 1, 1, 1, 1, 1, 2, 300}}, {"d", "e", "diff", {}}};
  EXPECT_TRUE(store_->find_run(claim.lease.run_id)->tables.empty());
  store_->finish(claim.lease, outcome);
  const Job done = job(claim.jobs.front().id);
  EXPECT_EQ(done.status, JobStatus::completed);
  EXPECT_EQ(done.finished_at, clock_.now());
  EXPECT_EQ(done.started_at, clock_.now() - 2s);
  EXPECT_EQ(done.error, "");
  const auto run = *store_->find_run(claim.lease.run_id);
  EXPECT_EQ(run.status, "completed");
  EXPECT_EQ(run.strategy, "cursor");
  EXPECT_EQ(run.tables, outcome.tables);
  EXPECT_EQ(run.finished_at, clock_.now());
}

TEST_P(StoreClaimContract, RetriesAfterTheWaitAndUsesUpAnAttempt) {
  const std::string id = apply("orders");
  const Claim first = claim_of(id);
  const Time now = clock_.now();
  finish(first, Outcome::Kind::retry, "connection lost", 10s);
  const Job waiting = job(first.jobs.front().id);
  EXPECT_EQ(waiting.status, JobStatus::pending);
  EXPECT_EQ(waiting.retry_count, 1);
  EXPECT_EQ(waiting.error, "connection lost");
  EXPECT_EQ(waiting.run_after, now + 10s);
  EXPECT_FALSE(waiting.started_at);
  EXPECT_FALSE(claim());
  EXPECT_EQ(store_->next_job(), now + 10s);

  clock_.advance(10s);
  const Claim second = claimed();
  EXPECT_EQ(second.attempt, 2);
  EXPECT_GT(second.lease.epoch, first.lease.epoch);
  complete(second);
  const auto runs = store_->runs_of_job(waiting.id);
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].status, "failed");
  EXPECT_EQ(runs[0].error, "connection lost");
  EXPECT_EQ(runs[1].status, "completed");
  EXPECT_EQ(runs[1].attempt, 2);
  EXPECT_EQ(job(waiting.id).error, "") << "it did not fail in the end";
}

TEST_P(StoreClaimContract, HoldsOffInsertedJobsTooWhileASyncBacksOff) {
  const std::string id = apply("orders");
  finish(claim_of(id), Outcome::Kind::retry, "connection lost", 10s);
  harness_->execute(
      fmt::format("INSERT INTO data_sync_jobs(id, sync_id, team_id, run_after) VALUES ('{}', '{}', '{}', "
                  "'2020-01-01T00:00:00Z')",
                  random_uuid(), id, kDefaultTeam));
  EXPECT_FALSE(claim());
  clock_.advance(10s);
  EXPECT_EQ(claimed().jobs.size(), 2u);
}

TEST_P(StoreClaimContract, GivesBackWithoutUsingUpAnAttempt) {
  const std::string id = apply("orders");
  const Claim first = claim_of(id);
  finish(first, Outcome::Kind::give_back, "throttled", 40s);
  EXPECT_EQ(job(first.jobs.front().id).retry_count, 0);
  EXPECT_EQ(store_->find_run(first.lease.run_id)->status, "yielded");
  EXPECT_FALSE(claim());
  clock_.advance(40s);
  EXPECT_EQ(claimed().attempt, 1);
}

TEST_P(StoreClaimContract, EndsARunAndClaimsTheNextInOneStep) {
  const std::string id = apply({make_sync("a"), make_sync("b")});
  const Claim first = claim_of(id);
  store_->enqueue(make_sync("b").id, Trigger::schedule);
  clock_.advance(1s);
  const auto next = store_->finish_and_claim(first.lease, {}, kLease);
  ASSERT_TRUE(next);
  EXPECT_EQ(status_of(first.jobs.front().id), JobStatus::completed);
  EXPECT_EQ(store_->find_run(first.lease.run_id)->status, "completed");
  EXPECT_EQ(next->sync.name, "b");
  EXPECT_EQ(next->lease.owner, first.lease.owner);
  EXPECT_EQ(next->sent, clock_.monotonic());
  EXPECT_EQ(next->sent_at, clock_.now());
  ASSERT_EQ(next->jobs.size(), 1u);
  EXPECT_EQ(status_of(next->jobs.front().id), JobStatus::processing);
  EXPECT_EQ(store_->find_run(next->lease.run_id)->status, "processing");
  EXPECT_FALSE(claim()) << "it is in hand";
  clock_.advance(kLease - 1us);
  EXPECT_FALSE(store_->finish_and_claim(next->lease, {}, kLease)) << "nothing is due";
  EXPECT_EQ(status_of(next->jobs.front().id), JobStatus::completed);
}

TEST_P(StoreClaimContract, ClaimsTheSyncThatItsRunFreedIfItIsDueAgain) {
  const std::string id = apply("orders");
  const Claim first = claim_of(id);
  const auto asked = store_->enqueue(id, Trigger::webhook);
  const auto next = store_->finish_and_claim(first.lease, {}, kLease);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->jobs.front().id, asked.job.id);
  EXPECT_GT(next->lease.epoch, first.lease.epoch);
  Outcome outcome;
  outcome.kind = Outcome::Kind::retry;
  outcome.wait = 10s;
  EXPECT_FALSE(store_->finish_and_claim(next->lease, outcome, kLease)) << "it waits for its retry";
  EXPECT_EQ(job(asked.job.id).retry_count, 1);
}

TEST_P(StoreClaimContract, ClaimsWhoWaitsInTheStepThatMakesRoom) {
  const std::string id = apply({make_sync("a"), make_sync("b")});
  store_->enqueue(id, Trigger::manual, kPersonPriority);
  const Claim first = claimed();
  store_->enqueue(make_sync("b").id, Trigger::schedule);
  clock_.advance(1s);
  Outcome outcome;
  outcome.kind = Outcome::Kind::give_back;
  outcome.yields = true;
  const auto next = store_->finish_and_claim(first.lease, outcome, kLease);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->sync.name, "b");
  EXPECT_EQ(job(first.jobs.front().id).priority, 0);
}

TEST_P(StoreClaimContract, LetsThoseThatWaitGoBeforeAPersonsRunThatMakesRoom) {
  const std::string id = apply({make_sync("a"), make_sync("b")});
  store_->enqueue(id, Trigger::manual, kPersonPriority);
  const Claim first = claimed();
  store_->enqueue(make_sync("b").id, Trigger::schedule);
  clock_.advance(1s);
  Outcome outcome;
  outcome.kind = Outcome::Kind::give_back;
  outcome.yields = true;
  store_->finish(first.lease, outcome);
  const Job waiting = job(first.jobs.front().id);
  EXPECT_EQ(waiting.status, JobStatus::pending);
  EXPECT_EQ(waiting.priority, 0);
  EXPECT_EQ(waiting.retry_count, 0);
  EXPECT_EQ(store_->find_run(first.lease.run_id)->status, "yielded");
  EXPECT_EQ(claimed().sync.name, "b");
  EXPECT_EQ(claimed().sync.name, "a");
}

TEST_P(StoreClaimContract, KeepsAPersonsPriorityOfAJobThatIsGivenBackForAnotherReason) {
  store_->enqueue(apply("orders"), Trigger::manual, kPersonPriority);
  const Claim first = claimed();
  finish(first, Outcome::Kind::give_back, "throttled", 40s);
  EXPECT_EQ(job(first.jobs.front().id).priority, kPersonPriority);
}

TEST_P(StoreClaimContract, FailsWithTheReasonAndPutsTheHold) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  const auto next = store_->enqueue(id, Trigger::webhook);
  Outcome outcome;
  outcome.kind = Outcome::Kind::failed;
  outcome.error = "password refused: give a new one";
  outcome.hold = Hold{"unauthorized", "password refused: give a new one", clock_.now()};
  store_->finish(claim.lease, outcome);
  const Job failed = job(claim.jobs.front().id);
  EXPECT_EQ(failed.status, JobStatus::failed);
  EXPECT_EQ(failed.error, outcome.error);
  EXPECT_EQ(failed.finished_at, clock_.now());
  EXPECT_EQ(store_->find_run(claim.lease.run_id)->status, "failed");
  EXPECT_EQ(store_->find_run(claim.lease.run_id)->error, outcome.error);
  ASSERT_TRUE(sync(id).hold);
  EXPECT_EQ(sync(id).hold->kind, "unauthorized");
  EXPECT_EQ(sync(id).hold->since, clock_.now());
  EXPECT_FALSE(StoreContract::claim()) << "the next job waits for the hold to be lifted";
  store_->lift_hold(id);
  EXPECT_EQ(claimed().jobs.front().id, next.job.id);
}

TEST_P(StoreClaimContract, ListsRunsNewestFirst) {
  const Sync theirs = make_sync("orders", kOtherTeam);
  const std::string id = apply({make_sync("orders"), theirs});
  std::vector<std::string> runs;
  for (int i = 0; i < 5; ++i) {
    const Claim claim = claim_of(id);
    complete(claim);
    runs.insert(runs.begin(), claim.lease.run_id);
    complete(claim_of(theirs.id));
  }
  Page page;
  page.sync_id = id;
  page.limit = 2;
  std::vector<std::string> listed;
  for (int pages = 0; pages < 10; ++pages) {
    const auto part = store_->list_runs(page);
    for (const auto& run : part.items) listed.push_back(run.id);
    if (part.next.empty()) break;
    page.cursor = part.next;
    complete(claim_of(id));
  }
  EXPECT_EQ(listed, runs);
  Page of_team;
  of_team.team_id = kOtherTeam;
  EXPECT_EQ(store_->list_runs(of_team).items.size(), 5u);
  EXPECT_FALSE(store_->find_run("0b8f0000-0000-4000-8000-000000000000"));
}

}  // namespace
}  // namespace syncflow::testkit
