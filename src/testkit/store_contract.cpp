#include "testkit/store_contract.h"

#include <algorithm>

#include "core/uuid.h"

namespace syncflow::testkit {

using namespace std::chrono_literals;

std::string store_case_name(const ::testing::TestParamInfo<StoreCase>& each) { return each.param.name; }

void StoreContract::SetUp() {
  link_store_job_contract();
  link_store_claim_contract();
  link_store_lease_contract();
  link_store_position_contract();
  link_store_observation_contract();
  link_store_state_contract();
  link_store_thread_contract();
  harness_ = GetParam().make();
  if (!harness_) GTEST_SKIP() << GetParam().name << " is not there";
  store_ = harness_->open(clock_);
}

Sync StoreContract::make_sync(const std::string& name, const std::string& team_id) {
  Sync sync;
  sync.id = url_uuid("syncflow:" + team_id + "/" + name);
  sync.name = name;
  sync.team_id = team_id;
  sync.provider = "postgresql";
  sync.source = "shop";
  sync.destination = "crm";
  sync.schedule = "every 1 minute";
  sync.definition = R"({"tables":[]})";
  return sync;
}

std::string StoreContract::apply(const std::vector<Sync>& syncs) {
  store_->apply_syncs(syncs);
  return syncs.front().id;
}

Claim StoreContract::claimed(const std::string& owner) {
  auto claim = store_->claim(owner, kLease);
  if (!claim) throw Error(ErrorKind::bug, "the store had nothing to claim");
  return *claim;
}

Claim StoreContract::claim_of(const std::string& sync_id) {
  store_->enqueue(sync_id, Trigger::manual);
  auto claim = store_->claim("worker", kLease, {sync_id});
  if (!claim) throw Error(ErrorKind::bug, "the store did not hand out sync " + sync_id);
  return *claim;
}

void StoreContract::finish(const Claim& claim, Outcome::Kind kind, const std::string& error, Duration wait) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.error = error;
  outcome.wait = wait;
  store_->finish(claim.lease, outcome);
}

Job StoreContract::job(const std::string& id) {
  const auto job = store_->find_job(id);
  if (!job) throw Error(ErrorKind::bug, "the store has no job " + id);
  return *job;
}

Sync StoreContract::sync(const std::string& id) {
  const auto sync = store_->find_sync(id);
  if (!sync) throw Error(ErrorKind::bug, "the store has no sync " + id);
  return *sync;
}

std::vector<std::string> StoreContract::due_names() {
  std::vector<std::string> names;
  for (const Sync& sync : store_->due_syncs(100)) names.push_back(sync.name);
  return names;
}

BatchCommit StoreContract::batch_to(const std::string& position, const std::string& mapping) {
  BatchCommit commit;
  commit.mapping = mapping;
  commit.state.position.token = position;
  commit.figures.read = commit.figures.written = 1;
  return commit;
}

std::string StoreContract::position_of(const std::string& sync_id, const std::string& mapping) {
  const auto state = store_->find_mapping(sync_id, mapping);
  return state ? state->position.token : "none";
}

std::vector<RowState> StoreContract::rows_of(const std::string& sync_id, const std::string& mapping) {
  std::vector<RowState> rows;
  store_->each_row(sync_id, mapping, [&](const RowState& row) { rows.push_back(row); });
  std::sort(rows.begin(), rows.end(),
            [](const RowState& a, const RowState& b) { return a.key.low < b.key.low; });
  return rows;
}

RowState StoreContract::row(std::uint64_t key, std::uint64_t content, std::int64_t generation) {
  return {{key, ~key}, {content, content << 40}, "[\"" + std::to_string(key) + "\"]", generation};
}

bool StoreContract::has_any(const std::string& what) {
  harness_->execute("CREATE TABLE IF NOT EXISTS none_there (n integer CHECK (n = 0))");
  return error_of([&] { harness_->execute("INSERT INTO none_there SELECT count(*) FROM " + what); })
      .has_value();
}

QuarantinedRow StoreContract::refused(const std::string& key, const std::string& reason) {
  QuarantinedRow row;
  row.table = "public.orders";
  row.key = Key{{key}};
  row.field = "note";
  row.reason = reason;
  return row;
}

namespace {

using Names = std::vector<std::string>;

TEST_P(StoreContract, KeepsASyncAsItWasGiven) {
  Sync given = make_sync("orders", kOtherTeam);
  given.status = SyncStatus::paused;
  given.definition = R"({"note":"Zürich \u0000 'quoted'"})";
  const std::string id = apply({given});

  const Sync kept = sync(id);
  EXPECT_EQ(kept.id, given.id);
  EXPECT_EQ(kept.name, "orders");
  EXPECT_EQ(kept.team_id, kOtherTeam);
  EXPECT_EQ(kept.status, SyncStatus::paused);
  EXPECT_EQ(kept.provider, "postgresql");
  EXPECT_EQ(kept.source, "shop");
  EXPECT_EQ(kept.destination, "crm");
  EXPECT_EQ(kept.schedule, "every 1 minute");
  EXPECT_EQ(kept.definition, given.definition);
  EXPECT_FALSE(kept.hold);
  EXPECT_FALSE(kept.last_polled_at);
  EXPECT_FALSE(store_->find_sync("0b8f0000-0000-4000-8000-000000000000"));
}

TEST_P(StoreContract, HoldsASyncThatLeftTheFileAndFreesItWhenItComesBack) {
  const std::string orders = apply({make_sync("orders"), make_sync("people")});
  apply("people");
  ASSERT_TRUE(sync(orders).hold);
  EXPECT_EQ(sync(orders).hold->kind, "removed");
  EXPECT_EQ(sync(orders).hold->since, clock_.now());
  EXPECT_NE(sync(orders).hold->reason.find("orders"), std::string::npos);
  EXPECT_EQ(due_names(), Names{"people"});

  apply({make_sync("orders"), make_sync("people")});
  EXPECT_FALSE(sync(orders).hold);
}

TEST_P(StoreContract, KeepsOtherHoldsWhenTheFileIsAppliedAgain) {
  const std::string id = apply("orders");
  store_->set_hold(id, {"unauthorized", "give a new password", clock_.now()});
  Sync changed = make_sync("orders");
  changed.definition = R"({"tables":[1]})";
  apply({changed});
  ASSERT_TRUE(sync(id).hold);
  EXPECT_EQ(sync(id).hold->kind, "unauthorized");
  EXPECT_EQ(sync(id).hold->reason, "give a new password");
  EXPECT_EQ(sync(id).definition, changed.definition);
}

TEST_P(StoreContract, LooksAtOnceAtASyncWhoseDefinitionChanged) {
  const std::string id = apply("orders");
  store_->polled(id, clock_.now(), clock_.now() + 720h, 0, "");
  apply("orders");
  EXPECT_EQ(due_names(), Names{}) << "the same definition again changes nothing";
  Sync changed = make_sync("orders");
  changed.schedule = "every 1 hour";
  apply({changed});
  EXPECT_EQ(due_names(), Names{"orders"});
}

TEST_P(StoreContract, FindsASyncByNameInTheDefaultTeamFirst) {
  const Sync theirs = make_sync("orders", kOtherTeam);
  apply({theirs});
  EXPECT_EQ(store_->find_sync_named("orders")->id, theirs.id) << "the only one of that name";
  const Sync ours = make_sync("orders");
  apply({theirs, ours});
  EXPECT_EQ(store_->find_sync_named("orders")->id, ours.id);
  EXPECT_FALSE(store_->find_sync_named("nothing"));
}

TEST_P(StoreContract, RefusesANameThatSeveralOtherTeamsHave) {
  const Sync one = make_sync("orders", kOtherTeam);
  const Sync two = make_sync("orders", "7f1c1f6e-0000-4000-8000-000000000002");
  apply({one, two});
  EXPECT_EQ(error_of([&] { store_->find_sync_named("orders"); }), ErrorKind::bad_config);
  apply({two});
  EXPECT_EQ(store_->find_sync_named("orders")->id, two.id) << "one that left the file is not meant";
}

TEST_P(StoreContract, ListsSyncsByNamePageAfterPage) {
  apply({make_sync("c"), make_sync("a"), make_sync("d", kOtherTeam), make_sync("b")});
  Page page;
  page.limit = 2;
  Names names;
  for (int pages = 0; pages < 5; ++pages) {
    const Listed<Sync> listed = store_->list_syncs(page);
    for (const Sync& sync : listed.items) names.push_back(sync.name);
    if (listed.next.empty()) break;
    page.cursor = listed.next;
  }
  EXPECT_EQ(names, (Names{"a", "b", "c", "d"}));

  Page of_team;
  of_team.team_id = kOtherTeam;
  ASSERT_EQ(store_->list_syncs(of_team).items.size(), 1u);
  EXPECT_EQ(store_->list_syncs(of_team).items.front().name, "d");
  // No hex digits, no JSON, and a key of one part: ["a"].
  for (const char* none : {"what?", "00", "5b2261225d"}) {
    of_team.cursor = none;
    EXPECT_EQ(error_of([&] { store_->list_syncs(of_team); }), ErrorKind::bad_config) << none;
  }
}

TEST_P(StoreContract, SaysWhichSyncsAreDueOldestFirst) {
  Sync paused = make_sync("paused");
  paused.status = SyncStatus::paused;
  Sync draft = make_sync("draft");
  draft.status = SyncStatus::draft;
  const std::string early =
      apply({make_sync("early"), make_sync("late"), make_sync("new"), make_sync("held"), paused, draft});
  const Time now = clock_.now();
  store_->polled(early, now, now + 1min, 0, "");
  store_->polled(make_sync("late").id, now, now + 2min, 0, "");
  store_->set_hold(make_sync("held").id, {"table_size", "add a cursor field", now});

  EXPECT_EQ(due_names(), Names{"new"}) << "never looked at";
  EXPECT_EQ(store_->next_due(), now);
  store_->polled(make_sync("new").id, now, now + 3min, 0, "");
  EXPECT_EQ(due_names(), Names{});
  EXPECT_EQ(store_->next_due(), now + 1min);
  clock_.advance(2min);
  EXPECT_EQ(due_names(), (Names{"early", "late"}));
  EXPECT_EQ(store_->due_syncs(1).size(), 1u);
}

TEST_P(StoreContract, GivesADueSyncToOneLooker) {
  const std::string a = apply({make_sync("a"), make_sync("b"), make_sync("c")});
  const Time now = clock_.now();
  store_->polled(a, now, now, 0, "");
  const auto taken_names = [&](std::size_t limit) {
    Names names;
    for (const Sync& sync : store_->take_due_syncs(limit, 1min)) names.push_back(sync.name);
    std::sort(names.begin(), names.end());
    return names;
  };
  EXPECT_EQ(taken_names(2), (Names{"b", "c"})) << "those that were never looked at";
  EXPECT_EQ(taken_names(10), Names{"a"});
  EXPECT_EQ(taken_names(10), Names{});
  store_->polled(make_sync("b").id, now, now, 0, "");
  EXPECT_EQ(taken_names(10), Names{"b"}) << "its look is over, and the next one due";
  store_->polled(a, now, now + 1h, 0, "");
  clock_.advance(1min);
  EXPECT_EQ(taken_names(10), (Names{"b", "c"})) << "who took them is gone";
}

TEST_P(StoreContract, GivesASyncThatWasChangedOrFreedForALookAtOnce) {
  const std::string id = apply("orders");
  EXPECT_EQ(store_->take_due_syncs(10, 1h).size(), 1u);
  Sync changed = make_sync("orders");
  changed.schedule = "every 1 hour";
  apply({changed});
  EXPECT_EQ(store_->take_due_syncs(10, 1h).size(), 1u);
  store_->set_hold(id, {"forbidden", "grant SELECT", clock_.now()});
  EXPECT_TRUE(store_->take_due_syncs(10, 1h).empty());
  store_->lift_hold(id);
  EXPECT_EQ(store_->take_due_syncs(10, 1h).size(), 1u);
}

TEST_P(StoreContract, DoesNotCallASyncDueWhileAJobOfItIsOpen) {
  const std::string id = apply("orders");
  const auto asked = store_->enqueue(id, Trigger::schedule);
  EXPECT_EQ(due_names(), Names{});
  EXPECT_FALSE(store_->next_due());
  const Claim claim = claimed();
  EXPECT_EQ(due_names(), Names{}) << "it is being worked on";
  finish(claim, Outcome::Kind::retry, "connection lost", 5min);
  EXPECT_EQ(due_names(), Names{}) << "it waits for its retry";
  store_->cancel_job(asked.job.id);
  EXPECT_EQ(due_names(), Names{"orders"});
}

TEST_P(StoreContract, RemembersWhatALookFound) {
  const std::string id = apply("orders");
  const Time now = clock_.now();
  store_->polled(id, now, now + 1min, 3, "connection refused");
  EXPECT_EQ(sync(id).last_polled_at, now);
  EXPECT_EQ(sync(id).next_run_at, now + 1min);
  EXPECT_EQ(sync(id).failed_polls, 3);
  EXPECT_EQ(sync(id).message, "connection refused");
  store_->set_message(id, "reads by updated_at");
  EXPECT_EQ(sync(id).message, "reads by updated_at");
}

TEST_P(StoreContract, LiftsAHoldOnceAndLooksAtOnce) {
  const std::string id = apply("orders");
  store_->polled(id, clock_.now(), clock_.now() + 24h, 0, "");
  EXPECT_FALSE(store_->lift_hold(id));
  store_->set_hold(id, {"forbidden", "grant SELECT", clock_.now()});
  EXPECT_EQ(due_names(), Names{});
  EXPECT_TRUE(store_->lift_hold(id));
  EXPECT_FALSE(sync(id).hold);
  EXPECT_EQ(due_names(), Names{"orders"});
  EXPECT_FALSE(store_->lift_hold(id));
}

TEST_P(StoreContract, LeavesUnknownSyncsAlone) {
  const std::string unknown = "0b8f0000-0000-4000-8000-000000000000";
  store_->polled(unknown, clock_.now(), clock_.now(), 0, "");
  store_->set_message(unknown, "hello");
  store_->set_hold(unknown, {"forbidden", "", clock_.now()});
  EXPECT_FALSE(store_->lift_hold(unknown));
  EXPECT_FALSE(store_->forget_sync(unknown));
  EXPECT_FALSE(store_->find_sync(unknown));
}

TEST_P(StoreContract, ForgetsASyncWithAllThatIsKeptForIt) {
  const std::string id = apply({make_sync("orders"), make_sync("people")});
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to("p1");
  commit.rows = {row(1)};
  commit.quarantined = {refused("7")};
  store_->commit_batch(claim.lease, commit);

  EXPECT_TRUE(store_->forget_sync(id));
  EXPECT_FALSE(store_->find_sync(id));
  EXPECT_FALSE(store_->find_job(claim.jobs.front().id));
  EXPECT_FALSE(store_->find_run(claim.lease.run_id));
  EXPECT_FALSE(store_->find_mapping(id, "orders"));
  EXPECT_TRUE(rows_of(id).empty());
  EXPECT_EQ(store_->count_quarantine(id), 0u);
  EXPECT_EQ(error_of([&] { store_->commit_batch(claim.lease, commit); }), ErrorKind::lease_lost);
  EXPECT_TRUE(store_->find_sync(make_sync("people").id));
  EXPECT_FALSE(store_->forget_sync(id));
}

TEST_P(StoreContract, KeepsEverythingWhenItIsOpenedAgain) {
  const std::string id = apply("orders");
  complete(claim_of(id));
  store_.reset();
  store_ = harness_->open(clock_);
  EXPECT_EQ(sync(id).name, "orders");
  EXPECT_EQ(store_->list_jobs({}).items.size(), 1u);
}

}  // namespace
}  // namespace syncflow::testkit
