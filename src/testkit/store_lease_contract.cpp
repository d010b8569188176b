#include <fmt/core.h>

#include "core/uuid.h"
#include "testkit/store_contract.h"

namespace syncflow::testkit {

using namespace std::chrono_literals;

void link_store_lease_contract() {}

namespace {

TEST_P(StoreLeaseContract, TakesOverASyncWhoseLeaseRanOut) {
  const std::string id = apply("orders");
  const Claim lost = claim_of(id);
  clock_.advance(kLease - 1us);
  EXPECT_FALSE(claim());
  EXPECT_EQ(store_->next_job(), clock_.now() + 1us);
  clock_.advance(1us);
  const Claim taken = claimed("worker 2");
  EXPECT_EQ(taken.jobs.front().id, lost.jobs.front().id);
  EXPECT_EQ(taken.attempt, 1) << "a lost worker uses up no attempt";
  EXPECT_GT(taken.lease.epoch, lost.lease.epoch);
  const auto run = *store_->find_run(lost.lease.run_id);
  EXPECT_EQ(run.status, "failed");
  EXPECT_NE(run.error.find("lease"), std::string::npos) << run.error;
}

TEST_P(StoreLeaseContract, ExtendsALeaseByTheHeartbeat) {
  const Claim claim = claim_of(apply("orders"));
  for (int i = 0; i < 5; ++i) {
    clock_.advance(20s);
    store_->heartbeat(claim.lease, kLease);
  }
  EXPECT_FALSE(StoreContract::claim("worker 2"));
  complete(claim);
}

TEST_P(StoreLeaseContract, RefusesEveryWriteOfARunThatLostItsLease) {
  const std::string id = apply("orders");
  const Claim lost = claim_of(id);
  store_->commit_batch(lost.lease, batch_to("p1"));
  clock_.advance(kLease);
  const auto refused_everywhere = [&] {
    EXPECT_EQ(error_of([&] { store_->heartbeat(lost.lease, kLease); }), ErrorKind::lease_lost);
    EXPECT_EQ(error_of([&] { store_->commit_batch(lost.lease, batch_to("p2")); }), ErrorKind::lease_lost);
    EXPECT_EQ(error_of([&] { store_->reset_sync(lost.lease); }), ErrorKind::lease_lost);
    EXPECT_EQ(error_of([&] { complete(lost); }), ErrorKind::lease_lost);
    EXPECT_EQ(error_of([&] { store_->finish_and_claim(lost.lease, {}, kLease); }), ErrorKind::lease_lost);
  };
  refused_everywhere();
  const Claim taken = claimed("worker 2");
  refused_everywhere();
  EXPECT_EQ(position_of(id), "p1");
  EXPECT_EQ(status_of(lost.jobs.front().id), JobStatus::processing);
  complete(taken);
  refused_everywhere();
  EXPECT_EQ(store_->find_run(taken.lease.run_id)->figures.read, 0);
  EXPECT_EQ(store_->find_run(lost.lease.run_id)->figures.read, 1);
}

TEST_P(StoreLeaseContract, ClaimsNothingForARunThatLostItsLease) {
  const std::string id = apply({make_sync("orders"), make_sync("people")});
  const Claim lost = claim_of(id);
  clock_.advance(kLease);
  const auto asked = store_->enqueue(make_sync("people").id, Trigger::manual, kPersonPriority);
  EXPECT_EQ(error_of([&] { store_->finish_and_claim(lost.lease, {}, kLease); }), ErrorKind::lease_lost);
  EXPECT_EQ(status_of(lost.jobs.front().id), JobStatus::processing);
  EXPECT_EQ(status_of(asked.job.id), JobStatus::pending);
  EXPECT_EQ(claimed().sync.name, "people");
  EXPECT_EQ(claimed().sync.name, "orders");
}

TEST_P(StoreLeaseContract, RefusesTheSameEpochOfAnotherRun) {
  const Claim claim = claim_of(apply("orders"));
  Lease forged = claim.lease;
  forged.run_id = random_uuid();
  EXPECT_EQ(error_of([&] { store_->commit_batch(forged, batch_to("p1")); }), ErrorKind::lease_lost);
  forged = claim.lease;
  ++forged.epoch;
  EXPECT_EQ(error_of([&] { store_->commit_batch(forged, batch_to("p1")); }), ErrorKind::lease_lost);
}

TEST_P(StoreLeaseContract, TellsARunThatItsSyncWasChangedPausedOrRemoved) {
  const Sync as_claimed = make_sync("orders");
  const Sync other = make_sync("people");
  Sync changed = as_claimed;
  changed.definition = R"({"tables":[1]})";
  Sync paused = as_claimed;
  paused.status = SyncStatus::paused;
  for (const std::vector<Sync>& now :
       {std::vector{changed, other}, std::vector{paused, other}, std::vector{other}}) {
    const std::string id = apply({as_claimed, other});
    const Claim claim = claim_of(id);
    apply({other, as_claimed});
    EXPECT_FALSE(store_->is_to_end(claim.lease)) << "the same file";
    EXPECT_TRUE(store_->heartbeat(claim.lease, kLease));
    apply(now);
    EXPECT_TRUE(store_->is_to_end(claim.lease));
    clock_.advance(kLease - 1s);
    EXPECT_FALSE(store_->heartbeat(claim.lease, kLease));
    clock_.advance(kLease - 1s);
    // Its batch is at the destination by then.
    store_->commit_batch(claim.lease, batch_to("p1"));
    finish(claim, Outcome::Kind::give_back);
    EXPECT_EQ(status_of(claim.jobs.front().id), JobStatus::pending);
    EXPECT_EQ(job(claim.jobs.front().id).retry_count, 0);

    apply({as_claimed, other});
    const Claim next = claimed();
    EXPECT_EQ(next.sync.id, id);
    EXPECT_FALSE(store_->is_to_end(next.lease)) << "it began with what holds now";
    complete(next);
  }
}

TEST_P(StoreLeaseContract, KeepsASyncThatLeftTheFileHeldForThat) {
  const std::string id = apply({make_sync("orders"), make_sync("people")});
  const Claim claim = claim_of(id);
  apply("people");
  Outcome outcome;
  outcome.kind = Outcome::Kind::failed;
  outcome.error = "the password was refused";
  outcome.hold = Hold{"unauthorized", "the password was refused", clock_.now()};
  store_->finish(claim.lease, outcome);
  EXPECT_EQ(sync(id).hold->kind, "removed") << "lifted, another hold would let it run";
  apply({make_sync("orders"), make_sync("people")});
  EXPECT_FALSE(sync(id).hold);
  const Claim again = claim_of(id);
  store_->finish(again.lease, outcome);
  EXPECT_EQ(sync(id).hold->kind, "unauthorized");
}

TEST_P(StoreLeaseContract, HandsBackWhatAnEarlierProcessHeld) {
  const std::string id = apply({make_sync("orders"), make_sync("people"), make_sync("done")});
  const Claim one = claim_of(id);
  const Claim two = claim_of(make_sync("people").id);
  complete(claim_of(make_sync("done").id));
  EXPECT_EQ(store_->release_all(), 2u);
  EXPECT_EQ(status_of(one.jobs.front().id), JobStatus::pending);
  EXPECT_EQ(job(two.jobs.front().id).retry_count, 0);
  EXPECT_EQ(store_->find_run(one.lease.run_id)->status, "failed");
  EXPECT_EQ(error_of([&] { complete(one); }), ErrorKind::lease_lost);
  EXPECT_TRUE(claim());
  EXPECT_TRUE(claim());
  EXPECT_FALSE(claim());
  EXPECT_EQ(store_->release_all(), 2u);
}

TEST_P(StoreLeaseContract, TakesARunTheRightToCommitWhenTheSyncIsReset) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  store_->commit_batch(claim.lease, batch_to("p1"));
  store_->reset_sync(id);
  EXPECT_EQ(position_of(id), "");
  EXPECT_EQ(error_of([&] { store_->commit_batch(claim.lease, batch_to("p2")); }), ErrorKind::lease_lost);
  EXPECT_EQ(position_of(id), "");
  EXPECT_FALSE(StoreContract::claim("worker 2"))
      << "what the run is writing must be over before another begins";
  clock_.advance(kLease);
  EXPECT_EQ(claimed("worker 2").jobs.front().id, claim.jobs.front().id);
}

TEST_P(StoreLeaseContract, LetsTheHolderResetItsSyncAndGoOn) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to("p1");
  commit.rows = {row(1)};
  store_->commit_batch(claim.lease, commit);
  store_->reset_sync(claim.lease);
  EXPECT_EQ(position_of(id), "");
  EXPECT_EQ(rows_of(id).at(0).row, RowHash{});
  EXPECT_FALSE(sync(id).starts_over);
  store_->commit_batch(claim.lease, batch_to("p2"));
  EXPECT_EQ(position_of(id), "p2");
  complete(claim);
}

}  // namespace
}  // namespace syncflow::testkit
