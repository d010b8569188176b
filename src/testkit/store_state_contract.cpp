#include <fmt/core.h>

#include <algorithm>

#include "testkit/store_contract.h"

namespace syncflow::testkit {

using namespace std::chrono_literals;

void link_store_state_contract() {}

std::vector<StateRow> exported(Store& store) {
  std::vector<StateRow> rows;
  store.export_state([&](const StateRow& row) { rows.push_back(row); });
  return rows;
}

void import(Store& store, const std::vector<StateRow>& rows) {
  std::size_t next = 0;
  store.import_state([&]() -> std::optional<StateRow> {
    if (next == rows.size()) return std::nullopt;
    return rows[next++];
  });
}

std::vector<std::string> comparable(std::vector<StateRow> rows) {
  std::vector<std::string> texts;
  for (StateRow& row : rows) {
    if (row.table->name == "sync_state") row.cell("epoch") = std::int64_t{0};
    for (std::size_t i = 0; i < row.cells.size(); ++i)
      if (row.table->columns[i].kind == StateKind::mapping) row.cells[i] = std::int64_t{0};
    std::string text(row.table->name);
    for (const StateCell& cell : row.cells) {
      if (const auto* number = std::get_if<std::int64_t>(&cell)) text += fmt::format("|{}", *number);
      else if (const auto* bytes = std::get_if<std::string>(&cell)) text += "|'" + *bytes + "'";
      else text += "|null";
    }
    texts.push_back(text);
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

void fill_with_everything(Store& store, FakeClock& clock, const std::vector<Sync>& syncs) {
  constexpr Duration kLease = 30s;
  store.apply_syncs(syncs);
  const std::string& id = syncs.front().id;
  store.enqueue(id, Trigger::resync, kPersonPriority, R"({"a":[1,"ü"]})");
  Claim claim = store.claim("worker", kLease, {id}).value();
  BatchCommit commit;
  commit.mapping = "orders";
  commit.state = {{std::string("{\"at\":\"\xff\0\"}", 11)},
                  "data",
                  "shape",
                  true,
                  true,
                  7,
                  clock.now() - 1h,
                  clock.now() - 2h,
                  "it was 'fine'",
                  Brake::held};
  commit.figures = {10, 4, 1, 2, 1, 1, 1, 1000};
  for (std::uint64_t i = 0; i < 12; ++i)
    commit.rows.push_back({{i << 60, i}, {i, ~i}, i % 2 == 0 ? "" : "[\"" + std::to_string(i) + "\"]", 7});
  commit.key_sets = {{KeySet::written, false, {{1, 1}, {2, 2}}, {}}, {KeySet::held, false, {{3, 3}}, {}}};
  QuarantinedRow refused;
  refused.table = "public.orders";
  refused.key = Key{{"a\"b", "7"}};
  refused.field = "note";
  refused.reason = "too long: 'x'";
  refused.row_hash = {5, 6};
  commit.quarantined = {refused};
  store.commit_batch(claim.lease, commit);
  commit.mapping = "people";
  store.commit_batch(claim.lease, commit);
  store.finish(claim.lease, {Outcome::Kind::completed,
                             "",
                             {},
                             {},
                             "cursor",
                             {{"public.orders", "orders", "cursor", commit.figures}}});
  clock.advance(1s);
  store.enqueue(id, Trigger::schedule);
  claim = store.claim("worker", kLease, {id}).value();
  store.finish(claim.lease, {Outcome::Kind::retry, "it hung", 1h, {}, "cursor", {}});
  store.set_message(id, "by its index");
  store.polled(id, clock.now(), clock.now() + 1min, 2, "no answer");
  store.set_hold(syncs.back().id, {"table_size", "too large", clock.now() - 5min});
}

namespace {

TEST_P(StoreStateContract, MovesEverythingIntoAnotherStore) {
  const std::vector<Sync> syncs = {make_sync("orders"), make_sync("people", kOtherTeam)};
  fill_with_everything(*store_, clock_, syncs);
  const std::vector<StateRow> rows = exported(*store_);
  for (const StateTable& table : state_tables())
    EXPECT_TRUE(
        std::any_of(rows.begin(), rows.end(), [&](const StateRow& row) { return row.table == &table; }))
        << "nothing of " << table.name;
  import(*other_, rows);

  EXPECT_EQ(comparable(exported(*other_)), comparable(rows));
  const std::string& id = syncs.front().id;
  const MappingState was = *store_->find_mapping(id, "orders");
  const MappingState is = *other_->find_mapping(id, "orders");
  EXPECT_EQ(is.position, was.position);
  EXPECT_EQ(is.reconciled_at, was.reconciled_at);
  EXPECT_EQ(is.brake, Brake::held);
  EXPECT_EQ(other_->has_keys(id, "orders", KeySet::written, {{2, 2}, {3, 3}}),
            (std::vector<bool>{true, false}));
  EXPECT_EQ(other_->count_quarantine(id), 2u);
  EXPECT_EQ(other_->find_sync(syncs.back().id)->hold->kind, "table_size");
  EXPECT_EQ(other_->find_sync(id)->message, "no answer");
  EXPECT_EQ(other_->list_runs({}).items.front().error, "it hung");
  // The retry keeps its time.
  EXPECT_FALSE(other_->claim("worker", kLease));
  clock_.advance(1h);
  const auto claim = other_->claim("worker", kLease);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->attempt, 2);
  BatchCommit commit = batch_to("further");
  other_->commit_batch(claim->lease, commit);
  EXPECT_EQ(other_->find_mapping(id, "orders")->position.token, "further");
}

TEST_P(StoreStateContract, GivesNothingWhileAWorkerHoldsALease) {
  const Claim claim = claim_of(apply("orders"));
  EXPECT_EQ(error_of([&] { exported(*store_); }), ErrorKind::conflict);
  complete(claim);
  EXPECT_FALSE(exported(*store_).empty());
}

TEST_P(StoreStateContract, HandsBackWhatALostWorkerHeld) {
  const std::string id = apply("orders");
  const Claim lost = claim_of(id);
  store_->commit_batch(lost.lease, batch_to("p1"));
  clock_.advance(kLease + 1s);
  import(*other_, exported(*store_));
  const auto claim = other_->claim("another", kLease);
  ASSERT_TRUE(claim);
  EXPECT_EQ(claim->jobs.front().id, lost.jobs.front().id);
  EXPECT_GT(claim->lease.epoch, lost.lease.epoch);
  // Also above the next one of the store that was left, should somebody go on there.
  EXPECT_GT(claim->lease.epoch, store_->claim("worker", kLease).value().lease.epoch);
  EXPECT_EQ(other_->find_run(lost.lease.run_id)->status, "failed");
  EXPECT_EQ(error_of([&] { other_->commit_batch(lost.lease, batch_to("p2")); }), ErrorKind::lease_lost);
  EXPECT_EQ(other_->find_mapping(id, "orders")->position.token, "p1");
}

TEST_P(StoreStateContract, LetsGoOfSyncsThatAreHeldBecauseTheyMove) {
  const std::string id = apply("orders");
  store_->set_hold(id, {std::string(kMovedHold), "it moves", clock_.now()});
  import(*other_, exported(*store_));
  EXPECT_FALSE(other_->find_sync(id)->hold);
  EXPECT_TRUE(store_->find_sync(id)->hold);
}

TEST_P(StoreStateContract, TakesAllOrNothing) {
  fill_with_everything(*store_, clock_, {make_sync("orders"), make_sync("people")});
  const std::vector<StateRow> rows = exported(*store_);
  for (std::size_t broken = 0; broken < rows.size(); ++broken) {
    std::size_t next = 0;
    EXPECT_EQ(error_of([&] {
                other_->import_state([&]() -> std::optional<StateRow> {
                  if (next == broken) throw Error(ErrorKind::bad_config, "the file was cut");
                  return rows[next++];
                });
              }),
              ErrorKind::bad_config);
  }
  EXPECT_TRUE(exported(*other_).empty());
  import(*other_, rows);
  EXPECT_EQ(comparable(exported(*other_)), comparable(rows));
}

TEST_P(StoreStateContract, AddsToWhatTheStoreKeepsAlready) {
  const std::string id = apply("orders");
  const Claim claim = claim_of(id);
  BatchCommit commit = batch_to("of the first");
  commit.rows = {row(1)};
  store_->commit_batch(claim.lease, commit);
  complete(claim);

  const Sync people = make_sync("people");
  other_->apply_syncs({people});
  other_->enqueue(people.id, Trigger::manual);
  const Claim theirs = other_->claim("worker", kLease).value();
  commit = batch_to("of the other");
  commit.rows = {row(1), row(2)};
  other_->commit_batch(theirs.lease, commit);
  // A sync of which the config told, and nothing is kept yet.
  other_->apply_syncs({people, make_sync("orders")});

  import(*other_, exported(*store_));
  EXPECT_EQ(other_->find_mapping(people.id, "orders")->position.token, "of the other");
  EXPECT_EQ(other_->find_mapping(id, "orders")->position.token, "of the first");
  other_->commit_batch(theirs.lease, batch_to("further"));
  std::size_t noted = 0;
  other_->each_row(id, "orders", [&](const RowState&) { ++noted; });
  EXPECT_EQ(noted, 1u);
}

TEST_P(StoreStateContract, LeavesBehindWhatWaitsToBeSwept) {
  const Sync people = make_sync("people");
  fill_with_everything(*store_, clock_, {make_sync("orders"), people});
  store_->forget_sync(make_sync("orders").id);
  for (const StateRow& row : exported(*store_)) {
    EXPECT_NE(row.table->name, "sync_rows");
    EXPECT_NE(row.table->name, "sync_mappings");
  }
}

TEST_P(StoreStateContract, RefusesASyncOfWhichSomethingIsKept) {
  complete(claim_of(apply("orders")));
  const std::vector<StateRow> rows = exported(*store_);
  import(*other_, rows);
  EXPECT_EQ(error_of([&] { import(*other_, rows); }), ErrorKind::conflict);
  EXPECT_EQ(comparable(exported(*other_)), comparable(rows));
}

}  // namespace
}  // namespace syncflow::testkit
