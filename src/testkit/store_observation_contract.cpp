#include "testkit/store_contract.h"

namespace syncflow::testkit {

using namespace std::chrono_literals;

void link_store_observation_contract() {}

namespace {

TEST_P(StoreObservationContract, FindsNothingInAnEmptyStore) {
  const Observation seen = store_->observe();
  EXPECT_EQ(seen.pending_jobs + seen.processing_jobs + seen.due_syncs, 0u);
  EXPECT_FALSE(seen.oldest_pending);
  EXPECT_FALSE(seen.oldest_due);
  EXPECT_TRUE(seen.syncs.empty());
}

TEST_P(StoreObservationContract, CountsWhatWaitsAndWhatIsWorkedOn) {
  const std::vector<Sync> syncs{make_sync("a"), make_sync("b"), make_sync("c")};
  apply(syncs);
  const Time asked = clock_.now();
  for (const Sync& each : syncs) store_->enqueue(each.id, Trigger::schedule);
  clock_.advance(10s);
  claimed();
  store_->set_hold(syncs[2].id, {"unauthorized", "the password was refused", clock_.now()});
  const Observation seen = store_->observe();
  EXPECT_EQ(seen.pending_jobs, 2u);
  EXPECT_EQ(seen.processing_jobs, 1u);
  EXPECT_EQ(seen.due_syncs, 1u) << "one is held";
  EXPECT_EQ(seen.oldest_pending, asked);
  EXPECT_EQ(seen.oldest_due, asked);
}

TEST_P(StoreObservationContract, LeavesOutWhatIsDueLater) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  finish(claim, Outcome::Kind::retry, "the server was away", 60s);
  EXPECT_EQ(store_->observe().due_syncs, 0u);
  EXPECT_EQ(store_->observe().pending_jobs, 1u);
  clock_.advance(61s);
  EXPECT_EQ(store_->observe().due_syncs, 1u);
}

TEST_P(StoreObservationContract, ShowsEachSyncWithItsLastRun) {
  Sync paused = make_sync("b", kOtherTeam);
  paused.status = SyncStatus::paused;
  const std::string id = apply({make_sync("a"), paused});
  store_->set_hold(id, {"not_found", "the table is gone", clock_.now()});
  Observation seen = store_->observe();
  ASSERT_EQ(seen.syncs.size(), 2u);
  EXPECT_EQ(seen.syncs[0].id, id);
  EXPECT_EQ(seen.syncs[0].name, "a");
  EXPECT_TRUE(seen.syncs[0].held);
  EXPECT_EQ(seen.syncs[0].last_run, "");
  EXPECT_EQ(seen.syncs[1].status, SyncStatus::paused);
  EXPECT_EQ(seen.syncs[1].team_id, kOtherTeam);
  EXPECT_FALSE(seen.syncs[1].held);

  store_->lift_hold(id);
  const Claim claim = claim_of(id);
  clock_.advance(5s);
  EXPECT_EQ(store_->observe().syncs[0].last_run, "") << "it has not ended";
  finish(claim, Outcome::Kind::failed, "no");
  seen = store_->observe();
  EXPECT_EQ(seen.syncs[0].last_run, "failed");
  EXPECT_EQ(seen.syncs[0].last_run_ended_at, clock_.now());
  EXPECT_FALSE(seen.syncs[0].up_to_date_at);
}

TEST_P(StoreObservationContract, CountsTheRowsInQuarantine) {
  const std::string id = apply({make_sync("a"), make_sync("b")});
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to("p1");
  commit.quarantined = {refused("1"), refused("2")};
  commit.figures.read += 2;
  commit.figures.quarantined += 2;
  store_->commit_batch(claim.lease, commit);
  const Observation seen = store_->observe();
  EXPECT_EQ(seen.syncs[0].quarantined_rows, 2u);
  EXPECT_EQ(seen.syncs[1].quarantined_rows, 0u);
}

TEST_P(StoreObservationContract, KnowsSinceWhenASyncIsKnownToBeUpToDate) {
  const std::string id = apply("orders");
  const auto up_to_date_at = [&] { return store_->observe().syncs.at(0).up_to_date_at; };
  store_->polled(id, clock_.now(), clock_.now() + 60s, 0, "");
  EXPECT_FALSE(up_to_date_at()) << "no run has ever brought it up to date";
  const Time began = clock_.now();
  const Claim claim = claim_of(id);
  clock_.advance(5s);
  complete(claim);
  EXPECT_EQ(up_to_date_at(), began) << "what came during the run it may not have seen";
  clock_.advance(60s);
  const Time looked = clock_.now();
  store_->polled(id, looked, looked + 60s, 0, "");
  EXPECT_EQ(up_to_date_at(), looked);
  clock_.advance(60s);
  store_->polled(id, clock_.now(), clock_.now() + 60s, 1, "the server was away");
  EXPECT_EQ(up_to_date_at(), began) << "when it was looked at well is not kept";
  clock_.advance(60s);
  store_->enqueue(id, Trigger::schedule);
  store_->polled(id, clock_.now(), clock_.now() + 60s, 0, "");
  EXPECT_EQ(up_to_date_at(), began) << "the look found something";
}

}  // namespace
}  // namespace syncflow::testkit
