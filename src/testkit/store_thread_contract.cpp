#include <fmt/core.h>

#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "core/uuid.h"
#include "testkit/store_contract.h"

namespace syncflow::testkit {

using namespace std::chrono_literals;

void link_store_thread_contract() {}

namespace {

constexpr int kWorkers = 4;
constexpr int kAskers = 2;
constexpr int kAsks = 60;

/// Asks for syncs and works on them from many threads, and watches that no sync is in two hands.
class Crowd {
 public:
  Crowd(std::vector<Store*> stores, std::vector<std::string> sync_ids)
      : stores_(std::move(stores)), sync_ids_(std::move(sync_ids)) {
    for (const std::string& id : sync_ids_) in_hand_[id] = 0;
  }

  void work() {
    std::vector<std::thread> askers, workers;
    for (int i = 0; i < kAskers; ++i) askers.emplace_back([this, i] { ask(store(i), i); });
    for (int i = 0; i < kWorkers; ++i)
      workers.emplace_back([this, i] { serve(store(i), "worker " + std::to_string(i)); });
    for (std::thread& thread : askers) thread.join();
    asked_all_ = true;
    for (std::thread& thread : workers) thread.join();
  }

  int served() const { return served_; }
  int created() const { return created_; }
  int doubled() const { return doubled_; }
  int runs() const { return runs_; }

 private:
  Store& store(int i) { return *stores_[static_cast<std::size_t>(i) % stores_.size()]; }

  void ask(Store& store, int asker) {
    for (int i = 0; i < kAsks; ++i) {
      const std::string& id = sync_ids_[static_cast<std::size_t>(i * kAskers + asker) % sync_ids_.size()];
      if (store.enqueue(id, Trigger::manual).created) ++created_;
    }
  }

  void serve(Store& store, const std::string& owner) {
    for (;;) {
      const bool last_look = asked_all_;
      auto claim = store.claim(owner, 60s);
      if (claim)
        while (claim) claim = serve_claim(store, *claim);
      else if (last_look && store.pending_jobs() == 0) return;
      else store.wait_for_jobs(10ms, {});
    }
  }

  /// Every second run ends with the claim of the next one.
  std::optional<Claim> serve_claim(Store& store, const Claim& claim) {
    std::atomic<int>& hands = in_hand_.at(claim.sync.id);
    if (++hands != 1) ++doubled_;
    BatchCommit commit;
    commit.mapping = "orders";
    commit.figures.read = commit.figures.unchanged = 1;
    commit.state = store.find_mapping(claim.sync.id, "orders").value_or(MappingState{});
    ++commit.state.generation;
    store.heartbeat(claim.lease, 60s);
    store.commit_batch(claim.lease, commit);
    served_ += static_cast<int>(claim.jobs.size());
    --hands;
    if (++runs_ % 2 == 0) return store.finish_and_claim(claim.lease, {}, 60s);
    store.finish(claim.lease, {});
    return std::nullopt;
  }

  std::vector<Store*> stores_;
  std::vector<std::string> sync_ids_;
  std::map<std::string, std::atomic<int>> in_hand_;
  std::atomic<bool> asked_all_ = false;
  std::atomic<int> served_ = 0, created_ = 0, doubled_ = 0, runs_ = 0;
};

std::int64_t generations(Store& store, const std::vector<std::string>& sync_ids) {
  std::int64_t sum = 0;
  for (const std::string& id : sync_ids)
    if (const auto state = store.find_mapping(id, "orders")) sum += state->generation;
  return sum;
}

}  // namespace

void StoreThreadContract::expect_order_in_a_crowd(const std::vector<Store*>& stores) {
  std::vector<Sync> syncs;
  std::vector<std::string> ids;
  for (int i = 0; i < 7; ++i) {
    syncs.push_back(
        make_sync("sync " + std::to_string(i), i % 2 == 0 ? std::string(kDefaultTeam) : kOtherTeam));
    ids.push_back(syncs.back().id);
  }
  apply(syncs);
  Crowd crowd(stores, ids);
  crowd.work();
  EXPECT_EQ(crowd.doubled(), 0) << "a sync was in two hands";
  EXPECT_EQ(crowd.served(), crowd.created());
  EXPECT_EQ(generations(*store_, ids), crowd.runs()) << "a commit was lost";
  Page completed;
  completed.status = "completed";
  completed.limit = 1000;
  EXPECT_EQ(store_->list_jobs(completed).items.size(), static_cast<std::size_t>(crowd.created()));
}

namespace {

TEST_P(StoreThreadContract, ServesEachJobOnceByManyThreads) {
  SystemClock clock;
  store_ = harness_->open(clock);
  expect_order_in_a_crowd({store_.get()});
  store_.reset();
}

TEST_P(StoreThreadContract, ServesEachJobOnceByManyProcesses) {
  SystemClock clock;
  store_ = harness_->open(clock);
  const auto second = harness_->open(clock);
  const auto third = harness_->open(clock);
  expect_order_in_a_crowd({store_.get(), second.get(), third.get()});
  store_.reset();
}

TEST_P(StoreThreadContract, KeepsAFailingCommitFromHarmingThoseOfOtherThreads) {
  constexpr int kCommits = 40;
  std::vector<Sync> syncs;
  for (int i = 0; i < kWorkers; ++i) syncs.push_back(make_sync("sync " + std::to_string(i)));
  apply(syncs);
  std::vector<Claim> claims;
  for (const Sync& sync : syncs) claims.push_back(claim_of(sync.id));

  std::atomic<int> refused_commits = 0;
  std::vector<std::thread> threads;
  for (const Claim& claim : claims)
    threads.emplace_back([&, claim] {
      Lease stale = claim.lease;
      --stale.epoch;
      for (int i = 1; i <= kCommits; ++i) {
        store_->commit_batch(claim.lease, batch_to("good " + std::to_string(i)));
        if (error_of([&] { store_->commit_batch(stale, batch_to("bad")); }) == ErrorKind::lease_lost)
          ++refused_commits;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused_commits, kWorkers * kCommits);
  for (const Claim& claim : claims) {
    EXPECT_EQ(position_of(claim.sync.id), "good " + std::to_string(kCommits));
    EXPECT_EQ(store_->find_run(claim.lease.run_id)->figures.read, kCommits);
  }
}

TEST_P(StoreThreadContract, WakesAWaitingWorkerWhenAJobIsAskedFor) {
  const std::string id = apply("orders");
  std::thread waiting([&] { store_->wait_for_jobs(1h, {}); });
  clock_.await_sleepers(1);
  store_->enqueue(id, Trigger::manual);
  waiting.join();  // hangs unless it was woken: the clock stands still
  EXPECT_TRUE(claim());
}

TEST_P(StoreThreadContract, WakesAWaitingWorkerWhenASyncIsFreedForItsNextJob) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  store_->enqueue(id, Trigger::manual);
  std::thread waiting([&] { store_->wait_for_jobs(1h, {}); });
  clock_.await_sleepers(1);
  complete(claim);
  waiting.join();
}

TEST_P(StoreThreadContract, WaitsNoLongerThanItWasTold) {
  std::thread waiting([&] { store_->wait_for_jobs(500ms, {}); });
  clock_.await_sleepers(1);
  clock_.advance(500ms);
  waiting.join();
  store_->wait_for_jobs(0s, {});
}

TEST_P(StoreThreadContract, WaitsUntilARetryIsDue) {
  const std::string id = apply("orders");
  finish(claim_of(id), Outcome::Kind::retry, "connection lost", 300ms);
  std::thread waiting([&] { store_->wait_for_jobs(1h, {}); });
  clock_.await_sleepers(1);
  clock_.advance(300ms);
  waiting.join();
  EXPECT_TRUE(claim());
}

TEST_P(StoreThreadContract, EndsAWaitWhenAskedToStop) {
  std::stop_source stop;
  std::thread waiting([&] { store_->wait_for_jobs(1h, stop.get_token()); });
  clock_.await_sleepers(1);
  stop.request_stop();
  waiting.join();
  store_->wait_for_jobs(1h, stop.get_token());
}

TEST_P(StoreThreadContract, SeesWithinASecondWhatAnotherProcessInserted) {
  const std::string id = apply("orders");
  std::thread waiting([&] { store_->wait_for_jobs(1h, {}); });
  clock_.await_sleepers(1);
  harness_->execute(
      fmt::format("INSERT INTO data_sync_jobs(id, sync_id, team_id, run_after) VALUES ('{}', '{}', '{}', "
                  "'2020-01-01T00:00:00Z')",
                  random_uuid(), id, kDefaultTeam));
  clock_.advance(1s);
  waiting.join();
  EXPECT_TRUE(claim());
}

TEST_P(StoreThreadContract, WaitsOnlyForTheSyncsThatWereNamed) {
  const std::string a = apply({make_sync("a"), make_sync("b")});
  const std::string b = make_sync("b").id;
  store_->enqueue(a, Trigger::manual);
  std::thread waiting([&] { store_->wait_for_jobs(1h, {}, {b}); });
  clock_.await_sleepers(1);  // it does sleep, though a is due
  store_->enqueue(b, Trigger::manual);
  waiting.join();
}

}  // namespace
}  // namespace syncflow::testkit
