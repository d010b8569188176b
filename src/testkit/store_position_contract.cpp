#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "testkit/store_contract.h"

namespace syncflow::testkit {

using namespace std::chrono_literals;

void link_store_position_contract() {}

namespace {

std::vector<std::uint64_t> keys_of(const std::vector<RowState>& rows) {
  std::vector<std::uint64_t> keys;
  for (const RowState& row : rows) keys.push_back(row.key.low);
  return keys;
}

using Keys = std::vector<std::uint64_t>;

TEST_P(StorePositionContract, KeepsTheWholeStateOfAMapping) {
  const std::string id = apply("orders");
  EXPECT_FALSE(store_->find_mapping(id, "orders"));
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to(std::string("{\"token\":\"a\0b\"}", 15));
  commit.state.fingerprint_data = "d1";
  commit.state.fingerprint_shape = "s1";
  commit.state.owned = true;
  commit.state.appending = true;
  commit.state.generation = 7;
  commit.state.outgrown_since = clock_.now() - 1h;
  commit.state.reconciled_at = clock_.now() - 2h;
  commit.state.reconciled = "it was 'fine'";
  commit.state.brake = Brake::held;
  store_->commit_batch(claim.lease, commit);
  const MappingState kept = *store_->find_mapping(id, "orders");
  EXPECT_EQ(kept.position, commit.state.position);
  EXPECT_EQ(kept.fingerprint_data, "d1");
  EXPECT_EQ(kept.fingerprint_shape, "s1");
  EXPECT_TRUE(kept.owned);
  EXPECT_TRUE(kept.appending);
  EXPECT_EQ(kept.generation, 7);
  EXPECT_EQ(kept.outgrown_since, clock_.now() - 1h);
  EXPECT_EQ(kept.reconciled_at, clock_.now() - 2h);
  EXPECT_EQ(kept.reconciled, "it was 'fine'");
  EXPECT_EQ(kept.brake, Brake::held);
  EXPECT_FALSE(store_->find_mapping(id, "people")) << "mappings stand alone";
}

TEST_P(StorePositionContract, AddsUpTheFiguresOfTheRun) {
  const Claim claim = claim_of(apply("orders"));
  BatchCommit commit = batch_to("p1");
  commit.figures = {21, 1, 2, 3, 4, 5, 6, 1000};
  store_->commit_batch(claim.lease, commit);
  store_->commit_batch(claim.lease, commit);
  Figures twice = commit.figures;
  twice += commit.figures;
  EXPECT_EQ(store_->find_run(claim.lease.run_id)->figures, twice);
}

TEST_P(StorePositionContract, RefusesFiguresThatDoNotAddUp) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  store_->commit_batch(claim.lease, batch_to("p1"));
  BatchCommit wrong = batch_to("p2");
  wrong.figures.read = 2;
  EXPECT_EQ(error_of([&] { store_->commit_batch(claim.lease, wrong); }), ErrorKind::bug);
  EXPECT_EQ(position_of(id), "p1");
}

TEST_P(StorePositionContract, KeepsRowStatesByKey) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to("p1");
  commit.rows = {row(1), row(2), row(3)};
  store_->commit_batch(claim.lease, commit);
  BatchCommit other = batch_to("p1", "people");
  other.rows = {row(1)};
  store_->commit_batch(claim.lease, other);
  commit.rows = {row(2, 99, 5), row(4)};
  commit.forgotten_rows = {row(1).key, row(77).key};
  store_->commit_batch(claim.lease, commit);

  const auto rows = rows_of(id);
  ASSERT_EQ(keys_of(rows), (Keys{2, 3, 4}));
  EXPECT_EQ(rows[0].row, row(2, 99).row);
  EXPECT_EQ(rows[0].generation, 5);
  EXPECT_EQ(rows[0].key_json, "[\"2\"]");
  EXPECT_EQ(rows[0].key, row(2).key);
  EXPECT_EQ(keys_of(rows_of(id, "people")), Keys{1});
  EXPECT_TRUE(rows_of(id, "nothing").empty());
}

TEST_P(StorePositionContract, KeepsSetsOfKeysApart) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  const RowHash one = row(1).key, two = row(2).key, three = row(3).key;
  const auto has = [&](KeySet set, const std::string& mapping = "orders") {
    return store_->has_keys(id, mapping, set, {one, two, three});
  };
  EXPECT_EQ(has(KeySet::written), (std::vector{false, false, false})) << "a mapping that is not known yet";
  BatchCommit commit = batch_to("p1");
  commit.key_sets = {{KeySet::written, false, {one, two, one}, {}}, {KeySet::held, false, {three}, {}}};
  store_->commit_batch(claim.lease, commit);
  EXPECT_EQ(has(KeySet::written), (std::vector{true, true, false}));
  EXPECT_EQ(has(KeySet::held), (std::vector{false, false, true}));
  EXPECT_EQ(has(KeySet::written, "people"), (std::vector{false, false, false}));

  commit.key_sets = {{KeySet::written, false, {two, three}, {one}}, {KeySet::held, true, {one}, {}}};
  store_->commit_batch(claim.lease, commit);
  EXPECT_EQ(has(KeySet::written), (std::vector{false, true, true}));
  EXPECT_EQ(has(KeySet::held), (std::vector{true, false, false}));

  store_->reset_sync(claim.lease);
  EXPECT_EQ(has(KeySet::written), (std::vector{false, true, true})) << "a resync forgets no owner";
  commit.key_sets = {{KeySet::written, false, {one}, {}}};
  commit.clear_all_rows = true;
  store_->commit_batch(claim.lease, commit);
  EXPECT_EQ(has(KeySet::written), (std::vector{true, false, false}));
  EXPECT_EQ(has(KeySet::held), (std::vector{false, false, false}));
}

TEST_P(StorePositionContract, LetsWhatTheBrakeHeldPassOnlyWhenThatHoldIsLifted) {
  const std::string id = apply("orders");
  Claim claim = claim_of(id);
  const auto brake = [&](const char* mapping) { return store_->find_mapping(id, mapping)->brake; };
  BatchCommit commit = batch_to("p1");
  commit.state.brake = Brake::held;
  store_->commit_batch(claim.lease, commit);
  store_->commit_batch(claim.lease, batch_to("p1", "people"));
  complete(claim);
  store_->set_hold(id, {"unauthorized", "another reason", clock_.now()});
  EXPECT_TRUE(store_->lift_hold(id));
  EXPECT_EQ(brake("orders"), Brake::held);
  store_->set_hold(id, {"brake", "too many deletes", clock_.now()});
  EXPECT_TRUE(store_->lift_hold(id));
  EXPECT_EQ(brake("orders"), Brake::passes);
  EXPECT_EQ(brake("people"), Brake::off);
}

TEST_P(StorePositionContract, AResetAsksForAReconciliation) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to("p1");
  commit.state.reconciled_at = clock_.now();
  store_->commit_batch(claim.lease, commit);
  store_->reset_sync(claim.lease);
  EXPECT_FALSE(store_->find_mapping(id, "orders")->reconciled_at);
}

TEST_P(StorePositionContract, ForgetsRowsThatAListingDidNotMeet) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to("p1");
  commit.rows = {row(1, 1, 1), row(2, 1, 1), row(3, 1, 2)};
  store_->commit_batch(claim.lease, commit);
  BatchCommit sweep = batch_to("p2");
  sweep.rows = {row(2, 1, 2)};
  sweep.forget_rows_below_generation = 2;
  store_->commit_batch(claim.lease, sweep);
  EXPECT_EQ(keys_of(rows_of(id)), (Keys{2, 3}));
}

TEST_P(StorePositionContract, HandsOutManyRowsOnceEachWhileTheCallerWrites) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to("p1");
  for (std::uint64_t key = 1; key <= 2500; ++key) commit.rows.push_back(row(key));
  store_->commit_batch(claim.lease, commit);
  std::vector<bool> seen(2501);
  int count = 0;
  store_->each_row(id, "orders", [&](const RowState& state) {
    EXPECT_FALSE(seen.at(state.key.low));
    seen.at(state.key.low) = true;
    if (++count % 1000 == 0) store_->commit_batch(claim.lease, batch_to("p2"));
  });
  EXPECT_EQ(count, 2500);
}

TEST_P(StorePositionContract, CountsARejectionOnceMoreEachTime) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  const Time first = clock_.now();
  BatchCommit commit = batch_to("p1");
  commit.quarantined = {refused("7"), refused("8")};
  store_->commit_batch(claim.lease, commit);
  clock_.advance(1s);
  commit.quarantined = {refused("7", "not a number")};
  store_->commit_batch(claim.lease, commit);

  EXPECT_EQ(store_->count_quarantine(id), 2u);
  const auto rows = store_->quarantine_of(id, "orders", 10);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].key, Key{{"8"}}) << "not tried for longest";
  EXPECT_EQ(rows[1].key, Key{{"7"}});
  EXPECT_EQ(rows[1].attempts, 2);
  EXPECT_EQ(rows[1].reason, "not a number");
  EXPECT_EQ(rows[1].field, "note");
  EXPECT_EQ(rows[1].table, "public.orders");
  EXPECT_EQ(rows[1].mapping, "orders");
  EXPECT_EQ(rows[1].sync_id, id);
  EXPECT_FALSE(rows[1].id.empty());
  EXPECT_EQ(rows[1].first_seen_at, first);
  EXPECT_EQ(rows[1].last_seen_at, clock_.now());
  EXPECT_EQ(store_->quarantine_of(id, "orders", 1).size(), 1u);
  EXPECT_TRUE(store_->quarantine_of(id, "people", 10).empty());
}

TEST_P(StorePositionContract, ClearsARejectionWhenItsRowIsWritten) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to("p1");
  commit.quarantined = {refused("7"), refused("8")};
  store_->commit_batch(claim.lease, commit);
  BatchCommit written = batch_to("p2");
  written.cleared = {Key{{"7"}}, Key{{"9"}}};
  store_->commit_batch(claim.lease, written);
  ASSERT_EQ(store_->count_quarantine(id), 1u);
  EXPECT_EQ(store_->quarantine_of(id, "orders", 10).front().key, Key{{"8"}});
  BatchCommit both = batch_to("p3");
  both.cleared = {Key{{"8"}}};
  both.quarantined = {refused("8")};
  store_->commit_batch(claim.lease, both);
  EXPECT_EQ(store_->quarantine_of(id, "orders", 10).front().attempts, 1) << "cleared, then refused again";
}

TEST_P(StorePositionContract, ForgetsRowsAndQuarantineWhenAFirstLoadBegins) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  BatchCommit before = batch_to("p1");
  before.rows = {row(1), row(2)};
  before.quarantined = {refused("7")};
  store_->commit_batch(claim.lease, before);
  BatchCommit first = batch_to("l1");
  first.clear_all_rows = true;
  first.rows = {row(3)};
  first.quarantined = {refused("8")};
  store_->commit_batch(claim.lease, first);
  EXPECT_EQ(keys_of(rows_of(id)), Keys{3});
  ASSERT_EQ(store_->count_quarantine(id), 1u);
  EXPECT_EQ(store_->quarantine_of(id, "orders", 10).front().key, Key{{"8"}});
}

TEST_P(StorePositionContract, ForgetsAtOnceWhatIsDeletedLater) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to("p1");
  commit.rows = {row(1, 1, 5), row(2, 1, 5)};
  commit.key_sets = {{KeySet::written, false, {row(1).key}, {}}, {KeySet::held, false, {row(2).key}, {}}};
  store_->commit_batch(claim.lease, commit);
  BatchCommit first = batch_to("l1");
  first.clear_all_rows = true;
  first.rows = {row(3)};
  store_->commit_batch(claim.lease, first);
  EXPECT_EQ(keys_of(rows_of(id)), Keys{3});
  EXPECT_EQ(store_->has_keys(id, "orders", KeySet::written, {row(1).key}), std::vector{false});
  EXPECT_TRUE(has_any("sync_rows WHERE generation = 5")) << "a set of any size was deleted in one statement";
  EXPECT_TRUE(has_any("sync_keys"));

  EXPECT_FALSE(store_->sweep(24h)) << "there is no more";
  for (const char* gone :
       {"sync_rows WHERE generation = 5", "sync_keys", "sync_mappings WHERE sync_id IS NULL"})
    EXPECT_FALSE(has_any(gone)) << gone;
  EXPECT_EQ(keys_of(rows_of(id)), Keys{3});
  EXPECT_EQ(position_of(id), "l1");
  store_->commit_batch(claim.lease, batch_to("l2"));
}

TEST_P(StorePositionContract, SweepsWhatAForgottenSyncHadPieceByPiece) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to("p1");
  for (std::uint64_t key = 1; key <= 12'000; ++key) commit.rows.push_back(row(key));
  commit.key_sets = {{KeySet::written, false, {row(1).key}, {}}};
  store_->commit_batch(claim.lease, commit);
  for (int i = 0; i < 25; ++i) store_->commit_batch(claim.lease, batch_to("p1", fmt::format("table {}", i)));
  ASSERT_TRUE(store_->forget_sync(id));
  EXPECT_TRUE(has_any("sync_rows"));
  // Back under the same name it begins from nothing.
  apply("orders");
  EXPECT_EQ(position_of(id), "none");
  EXPECT_TRUE(rows_of(id).empty());
  int rounds = 0;
  while (store_->sweep(24h)) ASSERT_LT(++rounds, 20);
  EXPECT_GT(rounds, 0) << "one sweep may take no longer than a stop can wait";
  for (const char* gone : {"sync_rows", "sync_keys", "sync_mappings"}) EXPECT_FALSE(has_any(gone)) << gone;
}

TEST_P(StorePositionContract, LeavesNothingOfACommitThatFails) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  BatchCommit good = batch_to("p1");
  good.rows = {row(1)};
  good.quarantined = {refused("7")};
  store_->commit_batch(claim.lease, good);
  BatchCommit bad = batch_to("p2");
  bad.rows = {row(2)};
  bad.cleared = {Key{{"7"}}};
  bad.quarantined = {refused("8")};
  bad.clear_all_rows = true;
  // Fails at the very end, when the figures are added to the run's.
  harness_->execute(fmt::format("DELETE FROM sync_runs WHERE id = '{}'", claim.lease.run_id));
  EXPECT_EQ(error_of([&] { store_->commit_batch(claim.lease, bad); }), ErrorKind::bug);
  EXPECT_EQ(position_of(id), "p1");
  EXPECT_EQ(keys_of(rows_of(id)), Keys{1});
  ASSERT_EQ(store_->count_quarantine(id), 1u);
  EXPECT_EQ(store_->quarantine_of(id, "orders", 10).front().key, Key{{"7"}});
}

TEST_P(StorePositionContract, ListsTheQuarantineNewestFirst) {
  const Sync theirs = make_sync("orders", kOtherTeam);
  const std::string id = apply({make_sync("orders"), theirs});
  const Claim claim = claim_of(id);
  for (int i = 0; i < 5; ++i) {
    BatchCommit commit = batch_to("p");
    commit.quarantined = {refused(std::to_string(i))};
    store_->commit_batch(claim.lease, commit);
  }
  BatchCommit other = batch_to("p");
  other.quarantined = {refused("x")};
  store_->commit_batch(claim_of(theirs.id).lease, other);

  Page page;
  page.sync_id = id;
  page.limit = 2;
  std::string keys;
  for (int pages = 0; pages < 10; ++pages) {
    const auto part = store_->list_quarantine(page);
    for (const QuarantinedRow& row : part.items) keys += row.key.parts.front();
    if (part.next.empty()) break;
    page.cursor = part.next;
    BatchCommit more = batch_to("p");
    more.quarantined = {refused("new" + std::to_string(pages))};
    store_->commit_batch(claim.lease, more);
  }
  EXPECT_EQ(keys, "43210");
  Page of_team;
  of_team.team_id = kOtherTeam;
  EXPECT_EQ(store_->list_quarantine(of_team).items.size(), 1u);
}

TEST_P(StorePositionContract, MovesThePositionOfALookOnlyWhenNobodyElseDid) {
  const std::string id = apply("orders");
  EXPECT_FALSE(store_->commit_look(id, "orders", {}, {"p1"}))
      << "a mapping that never ran has no position to move";
  const Claim claim = claim_of(id);
  store_->commit_batch(claim.lease, batch_to("p1"));
  EXPECT_FALSE(store_->commit_look(id, "orders", {"p1"}, {"p2"})) << "the sync is being worked on";
  EXPECT_EQ(position_of(id), "p1");
  complete(claim);
  EXPECT_TRUE(store_->commit_look(id, "orders", {"p1"}, {"p2"}));
  EXPECT_EQ(position_of(id), "p2");
  EXPECT_FALSE(store_->commit_look(id, "orders", {"p1"}, {"p3"})) << "the position moved meanwhile";
  EXPECT_EQ(position_of(id), "p2");
}

TEST_P(StorePositionContract, ForgetsMappingsThatLeftTheirSyncStepByStep) {
  const std::string id = apply({make_sync("orders"), make_sync("other")}), other = make_sync("other").id;
  const Claim claim = claim_of(id), beside = claim_of(other);
  const auto keep = [&](const Claim& of, const std::string& mapping, std::uint64_t rows) {
    BatchCommit commit = batch_to("p1", mapping);
    for (std::uint64_t key = 1; key <= rows; ++key) commit.rows.push_back(row(key));
    commit.quarantined = {refused("7")};
    commit.key_sets = {{KeySet::written, false, {row(1).key}, {}}};
    store_->commit_batch(of.lease, commit);
  };
  keep(claim, "orders", 1);
  keep(claim, "people", 12'000);
  keep(beside, "people", 1);
  EXPECT_EQ(error_of([&] {
              store_->forget_mappings_but({id, beside.lease.run_id, "worker", 1}, {"orders"});
            }),
            ErrorKind::lease_lost);

  int steps = 0;
  while (store_->forget_mappings_but(claim.lease, {"orders", "never there"})) ASSERT_LT(++steps, 100);
  EXPECT_GE(steps, 2) << "so many rows are not one transaction";
  EXPECT_FALSE(store_->find_mapping(id, "people"));
  EXPECT_TRUE(rows_of(id, "people").empty());
  EXPECT_TRUE(store_->quarantine_of(id, "people", 10).empty());
  EXPECT_EQ(store_->has_keys(id, "people", KeySet::written, {row(1).key}), std::vector{false});
  for (const auto& [sync_id, mapping] : {std::pair{id, "orders"}, std::pair{other, "people"}}) {
    EXPECT_EQ(position_of(sync_id, mapping), "p1");
    EXPECT_EQ(rows_of(sync_id, mapping).size(), 1u);
    EXPECT_EQ(store_->count_quarantine(sync_id), 1u);
    EXPECT_EQ(store_->has_keys(sync_id, mapping, KeySet::written, {row(1).key}), std::vector{true});
  }
  // Back in the definition it is a mapping that never ran.
  keep(claim, "people", 1);
  EXPECT_EQ(rows_of(id, "people").size(), 1u);
}

TEST_P(StorePositionContract, ResetsWhereASyncStandsButNotWhatItOwns) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to("p1");
  commit.state.owned = true;
  commit.state.appending = true;
  commit.state.generation = 3;
  commit.rows = {row(1)};
  commit.quarantined = {refused("7")};
  store_->commit_batch(claim.lease, commit);
  complete(claim);
  store_->reset_sync(id);
  const MappingState state = *store_->find_mapping(id, "orders");
  EXPECT_TRUE(state.position.empty());
  EXPECT_TRUE(state.owned);
  EXPECT_FALSE(state.appending);
  EXPECT_EQ(state.generation, 3);
  ASSERT_EQ(rows_of(id).size(), 1u) << "that it was written must be known when it is gone at the source";
  EXPECT_EQ(rows_of(id)[0].key, row(1).key);
  EXPECT_EQ(rows_of(id)[0].row, RowHash{}) << "as no row is";
  EXPECT_EQ(store_->count_quarantine(id), 1u);
  const Claim next = claim_of(id);
  EXPECT_TRUE(next.sync.starts_over);
  store_->reset_sync(next.lease);
  EXPECT_FALSE(sync(id).starts_over);
  EXPECT_EQ(rows_of(id)[0].row, RowHash{});
  EXPECT_EQ(store_->find_mapping(id, "orders")->generation, 3);
  commit = batch_to("l1");
  commit.rows = {row(1)};
  store_->commit_batch(next.lease, commit);
  EXPECT_EQ(position_of(id), "l1");
  EXPECT_EQ(rows_of(id)[0].row, row(1).row);
}

TEST_P(StorePositionContract, TrustsNothingOfAResetThatEndedHalfWay) {
  const std::string id = apply({make_sync("orders"), make_sync("other")}), other = make_sync("other").id;
  const Claim claim = claim_of(id), beside = claim_of(other);
  const auto note = [&](const Claim& of, const char* mapping, std::uint64_t rows) {
    BatchCommit commit = batch_to("p1", mapping);
    for (std::uint64_t key = 1; key <= rows; ++key) commit.rows.push_back(row(key));
    store_->commit_batch(of.lease, commit);
  };
  note(claim, "orders", 12'000);
  note(claim, "people", 1);
  note(beside, "orders", 1);
  const auto expect_reset = [&] {
    EXPECT_EQ(rows_of(id).size(), 12'000u);
    for (const char* mapping : {"orders", "people"}) {
      EXPECT_EQ(position_of(id, mapping), "");
      const auto rows = rows_of(id, mapping);
      EXPECT_TRUE(
          std::all_of(rows.begin(), rows.end(), [](const RowState& row) { return row.row == RowHash{}; }));
    }
  };
  // Every row here has the same hash, until that is forgotten.
  const std::string both =
      "(SELECT count(DISTINCT row_hash) AS hashes FROM sync_rows WHERE mapping_id IN (SELECT id FROM "
      "sync_mappings WHERE sync_id = '" +
      id + "')) AS found WHERE hashes = 2";

  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(error_of([&] { store_->reset_sync(claim.lease, stop.get_token()); }), ErrorKind::cancelled);
  EXPECT_TRUE(has_any(both)) << "so many rows are not one transaction";
  EXPECT_TRUE(sync(id).starts_over);
  expect_reset();
  clock_.advance(kLease);

  const Claim next = store_->claim("worker 2", kLease, {id}).value();
  EXPECT_TRUE(next.sync.starts_over);
  EXPECT_EQ(error_of([&] { store_->reset_sync(claim.lease); }), ErrorKind::lease_lost);
  store_->reset_sync(next.lease);
  EXPECT_FALSE(has_any(both));
  EXPECT_FALSE(sync(id).starts_over);
  expect_reset();
  EXPECT_EQ(rows_of(other).at(0).row, row(1).row);
  EXPECT_EQ(position_of(other), "p1");
}

}  // namespace
}  // namespace syncflow::testkit
