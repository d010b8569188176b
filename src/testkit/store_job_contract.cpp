#include <fmt/core.h>

#include <set>

#include "testkit/store_contract.h"

namespace syncflow::testkit {

using namespace std::chrono_literals;

void link_store_job_contract() {}

namespace {

constexpr const char* kUnknown = "0b8f0000-0000-4000-8000-000000000000";

std::string insert(const std::string& id, const std::string& sync_id,
                   std::string_view team_id = kDefaultTeam) {
  return fmt::format("INSERT INTO data_sync_jobs(id, sync_id, team_id) VALUES ('{}', '{}', '{}')", id,
                     sync_id, team_id);
}

TEST_P(StoreJobContract, QueuesAJobForASync) {
  const std::string id = apply("orders");
  const auto asked = store_->enqueue(id, Trigger::webhook, 0, R"({"tables":["orders"]})");
  EXPECT_TRUE(asked.created);
  const Job kept = job(asked.job.id);
  EXPECT_EQ(kept.sync_id, id);
  EXPECT_EQ(kept.team_id, kDefaultTeam);
  EXPECT_EQ(kept.provider, "postgresql");
  EXPECT_EQ(kept.status, JobStatus::pending);
  EXPECT_EQ(kept.payload, R"({"tables":["orders"]})");
  EXPECT_EQ(kept.error, "");
  EXPECT_EQ(kept.retry_count, 0);
  EXPECT_EQ(kept.created_at, clock_.now());
  EXPECT_EQ(kept.updated_at, clock_.now());
  EXPECT_EQ(kept.run_after, clock_.now());
  EXPECT_FALSE(kept.started_at);
  EXPECT_FALSE(kept.finished_at);
  EXPECT_EQ(kept.trigger, Trigger::webhook);
  EXPECT_EQ(kept.priority, 0);
  EXPECT_EQ(store_->pending_jobs(), 1u);
}

TEST_P(StoreJobContract, RefusesToQueueForAnUnknownSync) {
  EXPECT_EQ(error_of([&] { store_->enqueue(kUnknown, Trigger::manual); }), ErrorKind::not_found);
  EXPECT_EQ(store_->pending_jobs(), 0u);
}

TEST_P(StoreJobContract, JoinsThePendingJobAndTakesOverTheHigherPriority) {
  const std::string id = apply("orders");
  const auto first = store_->enqueue(id, Trigger::schedule);
  clock_.advance(1s);
  const auto again = store_->enqueue(id, Trigger::webhook);
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.job.id, first.job.id);
  EXPECT_EQ(job(first.job.id).updated_at, first.job.updated_at) << "asking twice is free";

  const auto person = store_->enqueue(id, Trigger::manual, kPersonPriority);
  EXPECT_FALSE(person.created);
  EXPECT_EQ(person.job.priority, kPersonPriority);
  EXPECT_EQ(job(first.job.id).priority, kPersonPriority);
  EXPECT_EQ(store_->enqueue(id, Trigger::schedule).job.priority, kPersonPriority) << "never lowered";
  EXPECT_EQ(store_->pending_jobs(), 1u);
}

TEST_P(StoreJobContract, DoesNotLoseAResyncThatJoins) {
  const std::string id = apply("orders");
  store_->enqueue(id, Trigger::schedule);
  const auto resync = store_->enqueue(id, Trigger::resync, 0, R"({"full":true})");
  EXPECT_EQ(job(resync.job.id).trigger, Trigger::resync);
  EXPECT_EQ(job(resync.job.id).payload, R"({"full":true})");
  store_->enqueue(id, Trigger::webhook);
  EXPECT_EQ(job(resync.job.id).trigger, Trigger::resync);
}

TEST_P(StoreJobContract, QueuesAnotherJobWhileOneIsProcessing) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  const auto next = store_->enqueue(id, Trigger::webhook);
  EXPECT_TRUE(next.created);
  EXPECT_NE(next.job.id, claim.jobs.front().id);
}

TEST_P(StoreJobContract, MakesANewJobWaitWithTheSyncForItsRetryUnlessAPersonAsks) {
  const std::string id = apply("orders");
  const Time now = clock_.now();
  finish(claim_of(id), Outcome::Kind::retry, "connection lost", 5min);
  const auto webhook = store_->enqueue(id, Trigger::webhook);
  EXPECT_FALSE(webhook.created);
  EXPECT_EQ(webhook.job.run_after, now + 5min);
  EXPECT_FALSE(claim());
  const auto person = store_->enqueue(id, Trigger::manual, kPersonPriority);
  EXPECT_EQ(person.job.run_after, now);
  EXPECT_TRUE(claim());
}

TEST_P(StoreJobContract, ServesAJobThatAnotherProgramInsertedWithThreeColumns) {
  const std::string id = apply("orders");
  const std::string job_id = "aaaaaaaa-0000-4000-8000-000000000001";
  harness_->execute(insert(job_id, id));
  clock_.set(from_rfc3339("2100-01-01T00:00:00Z"));

  const Job inserted = job(job_id);
  EXPECT_EQ(inserted.status, JobStatus::pending);
  EXPECT_EQ(inserted.payload, "{}");
  EXPECT_EQ(inserted.retry_count, 0);
  EXPECT_EQ(inserted.priority, 0);
  EXPECT_EQ(inserted.trigger, Trigger::external);
  EXPECT_GT(inserted.created_at, from_rfc3339("2024-01-01T00:00:00Z"));
  EXPECT_EQ(inserted.created_at, inserted.run_after);
  EXPECT_EQ(store_->next_job(), clock_.now()) << "news is due at once";

  const Claim claim = claimed();
  EXPECT_EQ(claim.sync.id, id);
  EXPECT_EQ(claim.jobs.front().id, job_id);
  EXPECT_EQ(claim.jobs.front().provider, "postgresql") << "filled in from the sync";
  complete(claim);
  EXPECT_EQ(status_of(job_id), JobStatus::completed);
}

TEST_P(StoreJobContract, TakesTimesOfOtherProgramsInSeveralForms) {
  const std::string id = apply("orders");
  harness_->execute(fmt::format(
      "INSERT INTO data_sync_jobs(id, sync_id, team_id, created_at, updated_at, run_after) VALUES "
      "('aaaaaaaa-0000-4000-8000-000000000001', '{0}', '{1}', '2024-01-01T00:00:00Z', '2024-01-01 00:00:01', "
      "'2024-01-01T02:00:00+02:00'),"
      "('aaaaaaaa-0000-4000-8000-000000000002', '{0}', '{1}', '2024-01-01T00:00:00.25Z', "
      "'2024-01-01T00:00:00.123456Z', '2024-01-01T00:00:01Z')",
      id, kDefaultTeam));
  const Job one = job("aaaaaaaa-0000-4000-8000-000000000001");
  EXPECT_EQ(one.created_at, from_rfc3339("2024-01-01T00:00:00Z"));
  EXPECT_EQ(one.updated_at, from_rfc3339("2024-01-01T00:00:01Z"));
  EXPECT_EQ(one.run_after, from_rfc3339("2024-01-01T00:00:00Z"));
  const Job two = job("aaaaaaaa-0000-4000-8000-000000000002");
  EXPECT_EQ(two.created_at, from_rfc3339("2024-01-01T00:00:00.25Z"));

  EXPECT_EQ(claimed().jobs.size(), 1u) << "the other one is due in a second";
}

TEST_P(StoreJobContract, FailsJobsOfUnknownSyncsAndOtherTeamsAtOnce) {
  const std::string id = apply("orders");
  harness_->execute(insert("aaaaaaaa-0000-4000-8000-000000000001", kUnknown));
  harness_->execute(insert("aaaaaaaa-0000-4000-8000-000000000002", id, kOtherTeam));
  EXPECT_FALSE(claim());
  const Job unknown = job("aaaaaaaa-0000-4000-8000-000000000001");
  EXPECT_EQ(unknown.status, JobStatus::failed);
  EXPECT_NE(unknown.error.find(kUnknown), std::string::npos) << unknown.error;
  EXPECT_EQ(unknown.finished_at, clock_.now());
  const Job foreign = job("aaaaaaaa-0000-4000-8000-000000000002");
  EXPECT_EQ(foreign.status, JobStatus::failed);
  EXPECT_NE(foreign.error.find("not of team"), std::string::npos) << foreign.error;
  EXPECT_EQ(store_->pending_jobs(), 0u);
}

TEST_P(StoreJobContract, NoticesWhatOtherProgramsDoToPendingJobs) {
  const std::string id = apply("orders");
  const auto asked = store_->enqueue(id, Trigger::schedule);
  finish(claimed(), Outcome::Kind::retry, "connection lost", 5min);
  const Claim after = [&] {
    clock_.advance(5min);
    return claimed();
  }();
  finish(after, Outcome::Kind::failed, "no such table");
  harness_->execute(
      fmt::format("UPDATE data_sync_jobs SET status = 'pending' WHERE id = '{}'", asked.job.id));
  EXPECT_EQ(claimed().jobs.front().id, asked.job.id);
}

TEST_P(StoreJobContract, RetriesAFailedJobAtOnceAndWithNewAttempts) {
  const std::string id = apply("orders");
  const Claim failed = claim_of(id);
  finish(failed, Outcome::Kind::retry, "connection lost");
  const Claim second = claimed();
  finish(second, Outcome::Kind::failed, "connection lost three times");
  const std::string job_id = failed.jobs.front().id;
  clock_.advance(1min);

  const auto retried = store_->retry_job(job_id);
  ASSERT_TRUE(retried);
  EXPECT_EQ(retried->status, JobStatus::pending);
  EXPECT_EQ(retried->retry_count, 0);
  EXPECT_EQ(retried->error, "");
  EXPECT_EQ(retried->run_after, clock_.now());
  EXPECT_EQ(retried->priority, kPersonPriority);
  EXPECT_FALSE(retried->finished_at);
  EXPECT_FALSE(store_->retry_job(job_id)) << "it is not failed any more";
  EXPECT_FALSE(store_->retry_job(kUnknown));
  EXPECT_EQ(claimed().attempt, 1);
}

TEST_P(StoreJobContract, CancelsAPendingJob) {
  const std::string id = apply("orders");
  const auto asked = store_->enqueue(id, Trigger::manual);
  const auto cancelled = store_->cancel_job(asked.job.id);
  ASSERT_TRUE(cancelled);
  EXPECT_EQ(cancelled->status, JobStatus::failed);
  EXPECT_EQ(cancelled->error.rfind("cancelled: ", 0), 0u) << cancelled->error;
  EXPECT_EQ(cancelled->finished_at, clock_.now());
  EXPECT_FALSE(store_->cancel_job(asked.job.id));
  EXPECT_FALSE(store_->cancel_job(kUnknown));
  EXPECT_FALSE(claim());
  EXPECT_FALSE(store_->next_job());
}

TEST_P(StoreJobContract, TellsARunThatItsJobWasCancelled) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  store_->heartbeat(claim.lease, kLease);
  ASSERT_TRUE(store_->cancel_job(claim.jobs.front().id));
  EXPECT_EQ(error_of([&] { store_->heartbeat(claim.lease, kLease); }), ErrorKind::cancelled);
  store_->commit_batch(claim.lease, batch_to("p1"));  // the batch in hand is at the destination already
  finish(claim, Outcome::Kind::give_back);
  EXPECT_EQ(status_of(claim.jobs.front().id), JobStatus::failed) << "giving back does not bring it to life";
  EXPECT_TRUE(claim_of(id).jobs.size() == 1) << "the sync is free again";
}

TEST_P(StoreJobContract, LetsARunGoOnWhileAnyOfItsJobsIsWanted) {
  const std::string id = apply("orders");
  store_->enqueue(id, Trigger::schedule);
  harness_->execute(
      fmt::format("INSERT INTO data_sync_jobs(id, sync_id, team_id, run_after) VALUES "
                  "('aaaaaaaa-0000-4000-8000-000000000001', "
                  "'{}', '{}', '2020-01-01T00:00:00Z')",
                  id, kDefaultTeam));
  const Claim claim = claimed();
  ASSERT_EQ(claim.jobs.size(), 2u);
  store_->cancel_job(claim.jobs[0].id);
  store_->heartbeat(claim.lease, kLease);
  complete(claim);
  EXPECT_EQ(status_of(claim.jobs[0].id), JobStatus::failed);
  EXPECT_EQ(status_of(claim.jobs[1].id), JobStatus::completed);
}

/// The ids that a list gives, page after page; `between` is done after each page.
std::vector<std::string> all_ids(
    Store& store, Page page, const std::function<void()>& between = [] {}) {
  std::vector<std::string> ids;
  for (int pages = 0; pages < 100; ++pages) {
    const Listed<Job> listed = store.list_jobs(page);
    EXPECT_LE(listed.items.size(), page.limit);
    for (const Job& job : listed.items) ids.push_back(job.id);
    if (listed.next.empty()) return ids;
    page.cursor = listed.next;
    between();
  }
  ADD_FAILURE() << "the list does not end";
  return ids;
}

TEST_P(StoreJobContract, ListsJobsNewestFirstWhateverTheFilter) {
  const Sync theirs = make_sync("orders", kOtherTeam);
  const std::string ours = apply({make_sync("orders"), theirs});
  std::vector<std::string> failed_of_ours, completed_of_ours;
  for (int i = 0; i < 3; ++i) {
    for (const std::string& id : {ours, theirs.id}) {
      const Claim done = claim_of(id);
      complete(done);
      const Claim failed = claim_of(id);
      finish(failed, Outcome::Kind::failed, "no");
      if (id == ours) completed_of_ours.insert(completed_of_ours.begin(), done.jobs.front().id);
      if (id == ours) failed_of_ours.insert(failed_of_ours.begin(), failed.jobs.front().id);
    }
  }
  Page page;
  page.limit = 2;
  EXPECT_EQ(all_ids(*store_, page).size(), 12u);
  page.sync_id = ours;
  const auto of_sync = all_ids(*store_, page);
  EXPECT_EQ(of_sync.size(), 6u);
  EXPECT_EQ(of_sync.front(), failed_of_ours.front());
  EXPECT_EQ(of_sync.back(), completed_of_ours.back());
  page.status = "failed";
  EXPECT_EQ(all_ids(*store_, page), failed_of_ours);
  page.sync_id.clear();
  EXPECT_EQ(all_ids(*store_, page).size(), 6u);
  page.team_id = kDefaultTeam;
  EXPECT_EQ(all_ids(*store_, page), failed_of_ours);
  page.sync_id = theirs.id;
  EXPECT_EQ(all_ids(*store_, page).size(), 0u) << "another team's";
  page.sync_id = ours;
  page.status = "completed";
  EXPECT_EQ(all_ids(*store_, page), completed_of_ours);
}

TEST_P(StoreJobContract, NeitherRepeatsNorSkipsJobsWhileNewOnesCome) {
  const std::string id = apply("orders");
  std::set<std::string> before;
  for (int i = 0; i < 7; ++i) {
    const Claim claim = claim_of(id);
    before.insert(claim.jobs.front().id);
    complete(claim);
  }
  Page page;
  page.limit = 2;
  page.sync_id = id;
  const auto ids = all_ids(*store_, page, [&] { complete(claim_of(id)); });
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()), before);
  EXPECT_EQ(ids.size(), before.size());
}

TEST_P(StoreJobContract, RefusesAPageThatDoesNotExist) {
  Page page;
  page.cursor = "two";
  EXPECT_EQ(error_of([&] { store_->list_jobs(page); }), ErrorKind::bad_config);
  page.cursor.clear();
  page.status = "cancelled";
  EXPECT_EQ(error_of([&] { store_->list_jobs(page); }), ErrorKind::bad_config);
}

TEST_P(StoreJobContract, SweepsWhatFinishedLongAgoAndNothingElse) {
  const std::string id = apply({make_sync("orders"), make_sync("people")});
  const Claim old_one = claim_of(id);
  complete(old_one);
  const auto waiting = store_->enqueue(make_sync("people").id, Trigger::manual);
  clock_.advance(48h);
  const Claim fresh = claim_of(id);
  finish(fresh, Outcome::Kind::failed, "no");

  store_->sweep(24h);
  EXPECT_FALSE(store_->find_job(old_one.jobs.front().id));
  EXPECT_FALSE(store_->find_run(old_one.lease.run_id));
  EXPECT_TRUE(store_->find_job(fresh.jobs.front().id));
  EXPECT_TRUE(store_->find_run(fresh.lease.run_id));
  EXPECT_TRUE(store_->find_job(waiting.job.id));
}

TEST_P(StoreJobContract, KeepsTheLastRunOfASyncHoweverOldItIs) {
  const std::string id = apply("orders");
  const Claim first = claim_of(id);
  complete(first);
  clock_.advance(1min);
  const Claim last = claim_of(id);
  finish(last, Outcome::Kind::failed, "died between a write and its commit");
  clock_.advance(24h * 365);

  store_->sweep(24h);
  EXPECT_FALSE(store_->find_run(first.lease.run_id));
  ASSERT_TRUE(store_->find_run(last.lease.run_id));
  EXPECT_EQ(store_->find_run(last.lease.run_id)->status, "failed");
}

TEST_P(StoreJobContract, NotesManyLooksTogether) {
  apply({make_sync("orders"), make_sync("people"), make_sync("quiet")});
  const std::string orders = make_sync("orders").id, people = make_sync("people").id;
  const Time first = clock_.now();
  store_->note_looks({{orders, first, first + 1min, 0, ""},
                      {"3b241101-e2bb-4255-8caf-4136c566a962", first, first + 1min, 0, ""},  // of nobody
                      {people, first, first + 2min, 3, "no answer"}});
  EXPECT_EQ(sync(orders).last_polled_at, first);
  EXPECT_EQ(sync(people).next_run_at, first + 2min);
  EXPECT_EQ(sync(people).failed_polls, 3);
  EXPECT_EQ(sync(people).message, "no answer");
  EXPECT_EQ(due_names(), std::vector<std::string>{"quiet"});

  clock_.advance(2min);
  store_->note_looks({{people, std::nullopt, clock_.now() + 1min, 3, "waits for its connection"}});
  EXPECT_EQ(sync(people).last_polled_at, first) << "it was put off, not looked at";
  EXPECT_EQ(sync(people).next_run_at, clock_.now() + 1min);
  EXPECT_EQ(sync(people).message, "waits for its connection");
}

}  // namespace
}  // namespace syncflow::testkit
