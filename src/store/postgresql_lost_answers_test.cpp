// Calls of the PostgreSQL store whose answer is lost: the connection is cut when the server has done what was asked, or
// while it is still at it. What is sent a second time must find what the first try did.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "core/clock.h"
#include "core/error.h"
#include "core/uuid.h"
#include "store/postgresql.h"
#include "testkit/cut_proxy.h"
#include "testkit/postgresql_database.h"
#include "testkit/store_contract.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;

/// Lets others do something before a call is tried again.
class ClockBetweenTries : public SystemClock {
 public:
  void before_next_try(std::function<void()> act) { act_ = std::move(act); }
  bool sleep(Duration time, std::stop_token stop) override {
    if (const auto act = std::exchange(act_, nullptr)) act();
    return SystemClock::sleep(time, std::move(stop));
  }

 private:
  std::function<void()> act_;
};

class LostAnswers : public ::testing::Test {
 protected:
  void SetUp() override {
    SYNCFLOW_NEEDS_POSTGRESQL();
    database_ = std::make_unique<PostgresDatabase>();
    const libpq::Target& target = database_->target();
    const std::string host = target.host == "localhost" ? "127.0.0.1" : target.host;
    proxy_ = std::make_unique<CutProxy>(host, static_cast<std::uint16_t>(target.port));
    const std::string login =
        target.password.empty() ? target.user : target.user + ":" + target.password.reveal();
    store_ = open_postgresql_store(
        fmt::format("postgresql://{}@127.0.0.1:{}/{}", login, proxy_->port(), target.database), clock_);
    store_->apply_syncs({sync("a"), sync("b")});
  }
  void TearDown() override {
    store_.reset();
    proxy_.reset();
  }

  static Sync sync(const std::string& name) {
    Sync sync;
    sync.name = name;
    sync.id = url_uuid(name);
    sync.provider = "postgresql";
    sync.schedule = "every 1 minute";
    sync.definition = "{}";
    return sync;
  }
  static BatchCommit batch_to(const std::string& position, const std::string& mapping) {
    BatchCommit commit;
    commit.mapping = mapping;
    commit.state.position.token = position;
    commit.figures.read = commit.figures.written = 1;
    return commit;
  }
  Claim claim_of(const std::string& name) {
    store_->enqueue(sync(name).id, Trigger::manual);
    const auto claim = store_->claim("worker", 60s, {sync(name).id});
    if (!claim) throw Error(ErrorKind::bug, "there was nothing to claim");
    return *claim;
  }
  std::int64_t read_by(const Claim& claim) { return store_->find_run(claim.lease.run_id)->figures.read; }

  /// Does `call`, of which a parameter holds `mark`; its first answer does not pass, and `meanwhile` comes before the
  /// second try.
  template <typename Act>
  auto losing_the_answer(const std::string& mark, Act call, std::function<void()> meanwhile = nullptr) {
    clock_.before_next_try(std::move(meanwhile));
    proxy_->arm({.cut = Cut::reset, .way = Way::to_server, .pattern = mark, .at = Fault::At::answer});
    struct Fired {
      const CutProxy& proxy;
      ~Fired() { EXPECT_TRUE(proxy.fired()) << "no answer was lost"; }
    } fired{*proxy_};
    return call();
  }

  /// Cuts the connection of `call` while the server waits in it for the row of the sync, and lets go of the row once
  /// the second try waits too.
  void cut_in_the_middle(const std::string& name, const std::function<void()>& call) {
    const auto blocker = database_->connect();
    blocker->execute(
        fmt::format("BEGIN; SELECT FROM sync_state WHERE sync_id = '{}' FOR UPDATE", sync(name).id));
    std::thread caller(call);
    await_waiting(1);
    proxy_->cut(Cut::reset);
    await_waiting(2);
    blocker->execute("ROLLBACK");
    caller.join();
  }
  void await_waiting(int count) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (std::stoi(database_->value("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                      "current_database() AND wait_event_type = 'Lock'")) < count)
      if (std::chrono::steady_clock::now() > until) return ADD_FAILURE() << "not " << count << " tries wait";
  }

  ClockBetweenTries clock_;
  std::unique_ptr<PostgresDatabase> database_;
  std::unique_ptr<CutProxy> proxy_;
  std::unique_ptr<Store> store_;
};

TEST_F(LostAnswers, OfAnEnqueueLeaveOneJobThatIsNew) {
  const auto asked = losing_the_answer("cut here", [&] {
    return store_->enqueue(sync("a").id, Trigger::manual, 0, R"({"note":"cut here"})");
  });
  EXPECT_TRUE(asked.created) << "it was taken for somebody else's";
  EXPECT_EQ(store_->list_jobs({}).items.size(), 1u);
}

TEST_F(LostAnswers, OfAClaimGiveTheSyncThatTheFirstTryTook) {
  for (const char* name : {"a", "b"}) store_->enqueue(sync(name).id, Trigger::manual);
  const auto first = losing_the_answer("cut here", [&] { return store_->claim("cut here", 60s); });
  ASSERT_TRUE(first);
  EXPECT_EQ(first->lease.epoch, 1);
  const auto second = store_->claim("worker", 60s);
  ASSERT_TRUE(second);
  EXPECT_NE(second->sync.id, first->sync.id);
  EXPECT_FALSE(store_->claim("worker", 60s));
  store_->commit_batch(first->lease, batch_to("p1", "orders"));
}

TEST_F(LostAnswers, OfATakeForALookGiveTheSyncsThatTheFirstTryTook) {
  const auto taken = losing_the_answer("987654", [&] { return store_->take_due_syncs(987'654, 60s); });
  EXPECT_EQ(taken.size(), 2u);
  EXPECT_TRUE(store_->take_due_syncs(10, 60s).empty());
}

TEST_F(LostAnswers, OfACommitCountItsFiguresOnce) {
  const Claim claim = claim_of("a");
  losing_the_answer("cut here", [&] { store_->commit_batch(claim.lease, batch_to("p1", "cut here")); });
  EXPECT_EQ(read_by(claim), 1);
  EXPECT_EQ(store_->find_mapping(claim.sync.id, "cut here")->position.token, "p1");
}

TEST_F(LostAnswers, OfAFinishUseUpOneAttempt) {
  const Claim claim = claim_of("a");
  Outcome outcome;
  outcome.kind = Outcome::Kind::retry;
  outcome.error = "cut here";
  EXPECT_NO_THROW(losing_the_answer("cut here", [&] { store_->finish(claim.lease, outcome); }));
  EXPECT_EQ(store_->find_job(claim.jobs.front().id)->retry_count, 1);
}

TEST_F(LostAnswers, OfAFinishWithAClaimUseUpOneAttemptAndGiveTheSyncThatTheFirstTryTook) {
  const Claim claim = claim_of("a");
  store_->enqueue(sync("b").id, Trigger::manual);
  Outcome outcome;
  outcome.kind = Outcome::Kind::retry;
  outcome.error = "cut here";
  outcome.wait = 1h;
  const auto next =
      losing_the_answer("cut here", [&] { return store_->finish_and_claim(claim.lease, outcome, 60s); });
  EXPECT_EQ(store_->find_job(claim.jobs.front().id)->retry_count, 1);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->sync.id, sync("b").id);
  EXPECT_EQ(next->lease.epoch, 1);
  store_->commit_batch(next->lease, batch_to("p1", "orders"));
}

TEST_F(LostAnswers, OfALookTellThatThePositionMoved) {
  const Claim claim = claim_of("a");
  store_->commit_batch(claim.lease, batch_to("p1", "cut here"));
  store_->finish(claim.lease, {});
  EXPECT_TRUE(losing_the_answer(
      "cut here", [&] { return store_->commit_look(claim.sync.id, "cut here", {"p1"}, {"p2"}); }));
  EXPECT_EQ(store_->find_mapping(claim.sync.id, "cut here")->position.token, "p2");
}

TEST_F(LostAnswers, OfAForgetLeaveASyncThatCameBackSince) {
  const std::string id = sync("a").id;
  const auto forget = [&] { return store_->forget_sync(id); };
  EXPECT_TRUE(losing_the_answer(id, forget, [&] { store_->apply_syncs({sync("a"), sync("b")}); }));
  EXPECT_TRUE(store_->find_sync(id));
  EXPECT_TRUE(losing_the_answer(id, forget));
  EXPECT_FALSE(store_->find_sync(id));
  EXPECT_FALSE(losing_the_answer(id, forget)) << "there was none any more";
}

TEST_F(LostAnswers, OfALiftedHoldLeaveOneThatCameSince) {
  const std::string id = sync("a").id;
  const auto hold = [&](const char* kind) { store_->set_hold(id, {kind, "mend it", clock_.now()}); };
  const auto lift = [&] { return store_->lift_hold(id); };
  EXPECT_FALSE(losing_the_answer(id, lift)) << "there was none";
  hold("forbidden");
  EXPECT_TRUE(losing_the_answer(id, lift, [&] { hold("table_size"); }));
  ASSERT_TRUE(store_->find_sync(id)->hold);
  EXPECT_EQ(store_->find_sync(id)->hold->kind, "table_size");
}

TEST_F(LostAnswers, OfARetryLeaveAJobThatFailedSince) {
  Claim claim = claim_of("a");
  const std::string job = claim.jobs.front().id;
  const auto retry = [&] { return store_->retry_job(job); };
  EXPECT_FALSE(losing_the_answer(job, retry)) << "it is being done";
  Outcome outcome;
  outcome.kind = Outcome::Kind::failed;
  store_->finish(claim.lease, outcome);
  const auto retried = losing_the_answer(job, retry, [&] {
    claim = store_->claim("worker", 60s).value();
    store_->finish(claim.lease, outcome);
  });
  EXPECT_EQ(claim.jobs.front().id, job);
  EXPECT_TRUE(retried);
  EXPECT_EQ(store_->find_job(job)->status, JobStatus::failed);
}

TEST_F(LostAnswers, OfACancelLeaveAJobThatWasRetriedSince) {
  const std::string job = store_->enqueue(sync("a").id, Trigger::manual).job.id;
  const auto cancel = [&] { return store_->cancel_job(job); };
  EXPECT_TRUE(losing_the_answer(job, cancel, [&] { EXPECT_TRUE(store_->retry_job(job)); }));
  EXPECT_EQ(store_->find_job(job)->status, JobStatus::pending);
  EXPECT_TRUE(losing_the_answer(job, cancel));
  EXPECT_EQ(store_->find_job(job)->status, JobStatus::failed);
  EXPECT_FALSE(losing_the_answer(job, cancel)) << "it was over";
}

TEST_F(LostAnswers, OfWhatPeopleAskForThatIsStillAtWorkTellWhatItDid) {
  const std::string id = sync("a").id;
  const std::string job = store_->enqueue(id, Trigger::manual).job.id;
  store_->set_hold(id, {"forbidden", "grant SELECT", clock_.now()});
  cut_in_the_middle("a", [&] { EXPECT_TRUE(store_->lift_hold(id)); });
  cut_in_the_middle("a", [&] { EXPECT_TRUE(store_->cancel_job(job)); });
  cut_in_the_middle("a", [&] { EXPECT_TRUE(store_->retry_job(job)); });
  cut_in_the_middle("a", [&] { EXPECT_TRUE(store_->forget_sync(id)); });
}

TEST_F(LostAnswers, OfACommitThatIsStillAtWorkCountItsFiguresOnce) {
  const Claim claim = claim_of("a");
  cut_in_the_middle("a",
                    [&] { EXPECT_NO_THROW(store_->commit_batch(claim.lease, batch_to("p1", "orders"))); });
  EXPECT_EQ(read_by(claim), 1);
}

TEST_F(LostAnswers, OfAFinishThatIsStillAtWorkUseUpOneAttempt) {
  const Claim claim = claim_of("a");
  Outcome outcome;
  outcome.kind = Outcome::Kind::retry;
  cut_in_the_middle("a", [&] { EXPECT_NO_THROW(store_->finish(claim.lease, outcome)); });
  EXPECT_EQ(store_->find_job(claim.jobs.front().id)->retry_count, 1);
}

TEST_F(LostAnswers, OfAFinishWithAClaimThatIsStillAtWorkGiveTheSyncThatItTakes) {
  const Claim claim = claim_of("a");
  store_->enqueue(sync("b").id, Trigger::manual);
  Outcome outcome;
  outcome.kind = Outcome::Kind::retry;
  outcome.wait = 1h;
  std::optional<Claim> next;
  cut_in_the_middle("a",
                    [&] { EXPECT_NO_THROW(next = store_->finish_and_claim(claim.lease, outcome, 60s)); });
  EXPECT_EQ(store_->find_job(claim.jobs.front().id)->retry_count, 1);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->lease.epoch, 1);
  EXPECT_FALSE(store_->claim("worker", 60s)) << "it took one sync";
}

/// A claim waits for no sync; what holds it up here is the table of its runs.
TEST_F(LostAnswers, OfAClaimThatIsStillAtWorkGiveTheSyncThatItTakes) {
  for (const char* name : {"a", "b"}) store_->enqueue(sync(name).id, Trigger::manual);
  const auto blocker = database_->connect();
  blocker->execute("BEGIN; LOCK TABLE sync_runs IN SHARE MODE");
  std::optional<Claim> claim;
  std::thread caller([&] { EXPECT_NO_THROW(claim = store_->claim("worker", 60s)); });
  await_waiting(1);
  proxy_->cut(Cut::reset);
  await_waiting(2);
  blocker->execute("ROLLBACK");
  caller.join();
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->lease.epoch, 1);
  EXPECT_TRUE(store_->claim("worker", 60s)) << "the other sync";
  EXPECT_FALSE(store_->claim("worker", 60s));
}

}  // namespace
}  // namespace syncflow::testkit
