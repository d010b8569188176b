#include "engine/mapper.h"

#include <gtest/gtest.h>

#include <random>

#include "testkit/mapping_rows.h"

namespace syncflow {
namespace {

using namespace testkit::mapping;

std::shared_ptr<const Schema> people() {
  return table({field("id", Type::int64, "bigint"), field("first", Type::text, "text"),
                field("last", Type::text, "varchar(20)"), field("country", Type::text, "char(2)")});
}

FieldMapping renamed(const std::string& to, const std::string& from) {
  return {to, {from}, "", {}, std::nullopt};
}
FieldMapping made(const std::string& to, const std::vector<std::string>& from, const std::string& transform,
                  const std::map<std::string, FreeText>& params = {}) {
  return {to, from, transform, params, std::nullopt};
}

TableMapping mapping_of(std::vector<FieldMapping> fields) {
  TableMapping mapping;
  mapping.source = "people";
  mapping.destination = "Customers";
  mapping.fields = std::move(fields);
  return mapping;
}

TableMapping germans_only(OnLeave on_leave = OnLeave::remove) {
  TableMapping mapping = mapping_of({});
  mapping.filters = {{"country", Operator::eq, {"DE"}, false}};
  mapping.on_leave = on_leave;
  return mapping;
}

Texts apply(const TableMapping& mapping, Rows rows, std::shared_ptr<const Schema> schema = people()) {
  return show(Mapper(mapping, std::move(schema)).apply(rows.batch()));
}

std::string refusal(const TableMapping& mapping, std::shared_ptr<const Schema> schema = people()) {
  return error_of([&] { Mapper(mapping, std::move(schema)); });
}

// --- what comes out ---

TEST(Mapper, PassesEverythingOnWhenNothingIsMapped) {
  const Mapper mapper(mapping_of({}), people());
  Schema expected = *people();
  expected.table = "Customers";
  EXPECT_EQ(*mapper.outgoing(), expected);
  EXPECT_EQ(apply(mapping_of({}), Rows(people()).upsert({"1", "Ada", "Lovelace", "GB"}).remove({"2"})),
            (Texts{"upsert 1|Ada|Lovelace|GB", "remove 2|null|null|null"}));
}

TEST(Mapper, PassesRenamedRowsOnWithoutCopyingThem) {
  Mapper mapper(
      mapping_of({renamed("nr", "id"), renamed("a", "first"), renamed("b", "last"), renamed("c", "country")}),
      people());
  Batch batch = Rows(people()).upsert({"1", "Ada", "Lovelace", "GB"}).batch();
  const Value* cells = batch.changes.front().row.data();
  const std::size_t bytes = batch.size_bytes();
  const Mapped mapped = mapper.apply(std::move(batch));
  EXPECT_EQ(mapped.batch.changes.front().row.data(), cells);
  EXPECT_EQ(mapped.batch.size_bytes(), bytes);
  EXPECT_EQ(mapped.batch.shared_schema(), mapper.outgoing());
  EXPECT_EQ(mapper.outgoing()->fields[1].name, "a");
  EXPECT_EQ(mapper.outgoing()->fields[2].native, "varchar(20)");
}

TEST(Mapper, TakesOverWhatTheBatchSaysOfItself) {
  Batch batch = Rows(people()).upsert({"1", "Ada", "Lovelace", "GB"}).batch();
  batch.resume.token = "here";
  batch.caught_up = batch.loading = batch.listing_begins = true;
  batch.changes.front().watched = true;
  const Mapped mapped = Mapper(mapping_of({renamed("id", "id")}), people()).apply(std::move(batch));
  EXPECT_EQ(mapped.batch.resume.token, "here");
  EXPECT_TRUE(mapped.batch.caught_up && mapped.batch.loading && mapped.batch.listing_begins);
  EXPECT_TRUE(mapped.batch.changes.front().watched);
}

TEST(Mapper, PutsFieldsInTheOrderOfTheMappingAndLeavesOthersOut) {
  const TableMapping mapping = mapping_of({renamed("surname", "last"), renamed("nr", "id")});
  EXPECT_EQ(apply(mapping, Rows(people()).upsert({"1", "Ada", "Lovelace", "GB"}).remove({"2"})),
            (Texts{"upsert Lovelace|1", "remove null|2"}));
  EXPECT_EQ(Mapper(mapping, people()).outgoing()->key, std::vector<std::size_t>{1});
}

TEST(Mapper, TransformsIntoMoreFieldsThanTheSourceHas) {
  TableMapping mapping = mapping_of({renamed("id", "id"), renamed("first", "first"), renamed("last", "last"),
                                     made("full_name", {"first", "last"}, "combine", {{"separator", " "}}),
                                     made("shout", {"last"}, "uppercase")});
  mapping.fields.push_back({"origin", {}, "", {}, "shop"});
  EXPECT_EQ(apply(mapping, Rows(people())
                               .upsert({"1", "Ada", "Lovelace", "GB"})
                               .upsert({"2", "null", "Mo", "absent"})
                               .remove({"3"})),
            (Texts{"upsert 1|Ada|Lovelace|Ada Lovelace|LOVELACE|shop", "upsert 2|null|Mo|Mo|MO|shop",
                   "remove 3|null|null|null|null|null"}));
}

TEST(Mapper, SwapsFieldsInPlace) {
  EXPECT_EQ(apply(mapping_of({renamed("id", "id"), renamed("first", "last"), renamed("last", "first")}),
                  Rows(people()).upsert({"1", "Ada", "Lovelace", "GB"})),
            (Texts{"upsert 1|Lovelace|Ada"}));
}

TEST(Mapper, KeepsTheNativeTypeWhereTheValueIsUnchanged) {
  const Mapper mapper(
      mapping_of({renamed("id", "id"), renamed("c", "country"), made("last", {"last"}, "trim")}), people());
  const Schema& out = *mapper.outgoing();
  EXPECT_EQ(out.provider, "testing");
  EXPECT_EQ(out.fields[1].native, "char(2)");
  EXPECT_EQ(out.fields[2].native, "");
  EXPECT_FALSE(out.fields[0].nullable);
}

TEST(Mapper, LeavesOutWhatTheDestinationSetsItself) {
  TableMapping mapping = mapping_of({});
  mapping.stamp = "country";
  mapping.deletes = Deletes::soft;
  mapping.soft_delete = "last";
  EXPECT_EQ(apply(mapping, Rows(people()).upsert({"1", "Ada", "Lovelace", "GB"})), (Texts{"upsert 1|Ada"}));
}

TEST(Mapper, RefusesARowThatATransformCannotTake) {
  const TableMapping mapping =
      mapping_of({renamed("id", "id"), made("n", {"first"}, "cast", {{"to", "int64"}})});
  EXPECT_EQ(apply(mapping, Rows(people()).upsert({"1", "7", "", ""}).upsert({"2", "seven", "", ""})),
            (Texts{"upsert 1|7", "refused 2|null: n: \"seven\" is not exactly an int64"}));
}

TEST(Mapper, PassesOnWhatTheSourceRefusedWithItsKeyWhateverTheFilter) {
  TableMapping mapping = germans_only();
  mapping.fields = {renamed("last", "last"), renamed("id", "id")};
  EXPECT_EQ(apply(mapping, Rows(people())
                               .upsert({"1", "null", "null", "null"})
                               .refused("first", "not UTF-8")
                               .upsert({"2", "", "Mo", "DE"})),
            (Texts{"refused null|1: first: not UTF-8", "upsert Mo|2"}));
}

TEST(Mapper, SaysWhichFieldsItNeeds) {
  EXPECT_TRUE(Mapper::needed_fields(germans_only()).empty());
  TableMapping mapping = germans_only();
  mapping.key = {"id"};
  mapping.fields = {renamed("nr", "id"), made("name", {"first", "last"}, "combine", {{"separator", " "}}),
                    renamed("again", "last")};
  EXPECT_EQ(Mapper::needed_fields(mapping), (std::vector<std::string>{"id", "first", "last", "country"}));
}

TEST(Mapper, RefusesABatchOfAnotherSchema) {
  Mapper mapper(mapping_of({}), people());
  const auto other = table({field("id", Type::int64)});
  EXPECT_EQ(error_of([&] { mapper.apply(Rows(other).upsert({"1"}).batch()); }),
            "table people: a batch has other fields than the source announced");
}

// --- filters ---

TEST(Mapper, TurnsARowThatFailsTheFilterIntoARemovalByItsKey) {
  EXPECT_EQ(
      apply(germans_only(), Rows(people())
                                .upsert({"1", "Ada", "Lovelace", "GB"})
                                .upsert({"2", "Emmy", "Noether", "DE"})
                                .upsert({"3", "No", "Body", "null"})),
      (Texts{"remove 1|null|null|null left", "upsert 2|Emmy|Noether|DE", "remove 3|null|null|null left"}));
}

TEST(Mapper, DropsAndCountsWhatFailsTheFilterWhenItIsKept) {
  Mapper mapper(germans_only(OnLeave::keep), people());
  const Mapped mapped = mapper.apply(Rows(people())
                                         .upsert({"1", "Ada", "Lovelace", "GB"})
                                         .upsert({"2", "Emmy", "Noether", "DE"})
                                         .upsert({"3", "No", "Body", "null"})
                                         .batch());
  EXPECT_EQ(show(mapped), (Texts{"upsert 2|Emmy|Noether|DE"}));
  EXPECT_EQ(mapped.filtered, 2u);
}

TEST(Mapper, FollowsDeletesWhenOnLeaveIsNotSaid) {
  const auto left = [](Deletes deletes) {
    TableMapping mapping = germans_only(OnLeave::by_deletes);
    mapping.deletes = deletes;
    return apply(mapping, Rows(people()).upsert({"1", "Ada", "Lovelace", "GB"})).size();
  };
  EXPECT_EQ(left(Deletes::ignore), 0u);
  EXPECT_EQ(left(Deletes::soft), 1u);
  EXPECT_EQ(left(Deletes::hard), 1u);
}

TEST(Mapper, NeverFiltersRemovalsAndTruncates) {
  EXPECT_EQ(apply(germans_only(OnLeave::keep), Rows(people()).remove({"1"}).truncate()),
            (Texts{"remove 1|null|null|null", "truncate"}));
}

TEST(Mapper, RemovesAMovedRowThatFailsTheFilterUnderItsOldKey) {
  EXPECT_EQ(apply(germans_only(), Rows(people())
                                      .move({"1"}, {"5", "Ada", "Lovelace", "GB"})
                                      .move({"2"}, {"6", "Emmy", "Noether", "DE"})),
            (Texts{"remove 1|null|null|null left", "move 2 to 6|Emmy|Noether|DE"}));
}

TEST(Mapper, RefusesARowWhoseFilterFieldWasNotSent) {
  EXPECT_EQ(
      apply(germans_only(), Rows(people()).upsert({"1", "Ada", "Lovelace", "absent"})),
      (Texts{
          "refused 1|Ada|Lovelace|absent: country: the source did not send this field, which a filter asks "
          "for"}));
}

TEST(Mapper, FiltersByAFieldThatIsNotMapped) {
  TableMapping mapping = germans_only();
  mapping.fields = {renamed("id", "id"), renamed("name", "last")};
  EXPECT_EQ(apply(mapping, Rows(people()).upsert({"1", "A", "B", "DE"}).upsert({"2", "A", "B", "GB"})),
            (Texts{"upsert 1|B", "remove 2|null left"}));
}

// --- keys ---

std::shared_ptr<const Schema> texts() { return table({field("code", Type::text), field("x", Type::text)}); }

TableMapping cast_key(const std::string& to) {
  return mapping_of({made("nr", {"code"}, "cast", {{"to", to}}), renamed("x", "x")});
}

TEST(Mapper, CastsAKeyInEveryKindOfChange) {
  EXPECT_EQ(apply(cast_key("int64"), Rows(texts()).upsert({"7", "a"}).remove({"8"}).move({"-9"}, {"10", "b"}),
                  texts()),
            (Texts{"upsert 7|a", "remove 8|null", "move -9 to 10|b"}));
  const Mapper mapper(cast_key("int64"), texts());
  EXPECT_EQ(mapper.outgoing()->fields[0].type, Type::int64);
}

TEST(Mapper, RefusesAKeyThatACastWouldFoldIntoAnother) {
  EXPECT_EQ(apply(cast_key("int64"),
                  Rows(texts()).upsert({"7", "a"}).upsert({"007", "b"}).upsert({"7.0", "c"}), texts()),
            (Texts{"upsert 7|a", "refused 007|b: nr: the key \"007\" would become \"7\", as another key may",
                   "refused 7.0|c: nr: the key \"7.0\" would become \"7\", as another key may"}));
}

TEST(Mapper, RefusesAKeyThatCannotBeCastAndKeepsItAsItWas) {
  EXPECT_EQ(apply(cast_key("int64"), Rows(texts()).upsert({"seven", "a"}).remove({"eight"}), texts()),
            (Texts{"refused seven|a: nr: \"seven\" is not exactly an int64",
                   "refused eight|null: nr: \"eight\" is not exactly an int64"}));
}

TEST(Mapper, RefusesANullInTheKey) {
  EXPECT_EQ(apply(mapping_of({}), Rows(texts()).upsert({"null", "a"}).upsert({"", "b"}), texts()),
            (Texts{"refused null|a: code: it is in the key, and null tells no row apart", "upsert |b"}));
}

TEST(Mapper, GivesTheSourcesKeyOfAMappedChange) {
  const auto schema =
      table({field("at", Type::timestamp_tz), field("code", Type::text), field("x", Type::text)}, 2);
  Mapper mapper(mapping_of({renamed("x", "x"), made("nr", {"code"}, "cast", {{"to", "int64"}}),
                            made("day", {"at"}, "cast", {{"to", "timestamp"}})}),
                schema);
  const Mapped mapped = mapper.apply(Rows(schema)
                                         .upsert({"2024-02-29T12:00:00Z", "7", "a"})
                                         .upsert({"2024-02-29T12:00:00Z", "seven", "a"})
                                         .remove({"2024-02-29T13:00:00Z", "8"})
                                         .batch());
  const auto& changes = mapped.batch.changes;
  EXPECT_EQ(mapper.source_key(changes[0]).to_json(), "[\"2024-02-29T12:00:00Z\",\"7\"]");
  EXPECT_EQ(mapper.source_key(changes[1]).to_json(), "[\"2024-02-29T12:00:00Z\",\"seven\"]");
  EXPECT_EQ(mapper.source_key(changes[2]).to_json(), "[\"2024-02-29T13:00:00Z\",\"8\"]");
  EXPECT_EQ(key_of(mapped.batch.schema(), changes[0]).to_json(), "[\"2024-02-29T12:00:00\",\"7\"]");
}

TEST(Mapper, PutsTheKeyInTheOrderThatTheMappingNames) {
  const auto schema = table({field("a", Type::int64), field("b", Type::int64), field("x", Type::text)}, 2);
  TableMapping mapping = mapping_of({});
  mapping.key = {"b", "a"};
  EXPECT_EQ(apply(mapping, Rows(schema).move({"1", "2"}, {"3", "4", "x"}), schema),
            (Texts{"move 2|1 to 3|4|x"}));
}

TEST(Mapper, PrefersARenamedKeyFieldToACastOne) {
  const Mapper mapper(mapping_of({made("id_text", {"id"}, "cast", {{"to", "text"}}), renamed("id", "id")}),
                      people());
  EXPECT_EQ(mapper.outgoing()->key, std::vector<std::size_t>{1});
}

TEST(Mapper, SaysWhatIsWrongWithTheKey) {
  EXPECT_EQ(refusal(mapping_of({renamed("name", "last")})),
            "table people: id is in the key and not mapped; add it under fields");
  EXPECT_EQ(refusal(mapping_of({made("nr", {"id"}, "round", {{"digits", "-1"}})})),
            "table people: id is in the key and only goes into nr by way of round; a key may be renamed or "
            "cast, so "
            "that no two rows become one");
  EXPECT_EQ(refusal(mapping_of({}), table({field("x", Type::text)}, 0)),
            "table people has no primary key; name the fields that tell its rows apart with key: [...]");
  TableMapping mapping = mapping_of({});
  mapping.key = {"idd"};
  EXPECT_EQ(refusal(mapping), "table people has no field \"idd\"; did you mean \"id\"?");
}

TEST(Mapper, SaysWhatIsWrongWithTheFields) {
  EXPECT_EQ(refusal(mapping_of({renamed("id", "id"), renamed("name", "lst")})),
            "field name: table people has no field \"lst\"; did you mean \"last\"?");
  EXPECT_EQ(refusal(mapping_of({renamed("id", "id"), renamed("id", "last")})), "field id is filled twice");
  TableMapping mapping = germans_only();
  mapping.filters.front().field = "land";
  EXPECT_EQ(refusal(mapping), "filter land eq: table people has no field \"land\"; did you mean \"last\"?");
}

// --- collapse ---

Texts collapsed(Rows rows, std::vector<bool> left_filter = {}) {
  Batch batch = rows.batch();
  left_filter.resize(batch.rows());
  const std::size_t before = batch.rows();
  const std::size_t gone = collapse(batch, left_filter);
  EXPECT_EQ(gone, before - batch.rows());
  EXPECT_EQ(left_filter.size(), batch.rows());
  return show(batch, left_filter);
}

TEST(Collapse, KeepsTheLastChangeOfEachKeyInItsPlace) {
  EXPECT_EQ(collapsed(Rows(texts())
                          .upsert({"a", "1"})
                          .upsert({"b", "1"})
                          .upsert({"a", "2"})
                          .remove({"b"})
                          .remove({"c"})
                          .upsert({"c", "3"})),
            (Texts{"upsert a|2", "remove b|null", "upsert c|3"}));
}

TEST(Collapse, TakesAbsentCellsFromTheEarlierChange) {
  EXPECT_EQ(collapsed(Rows(texts()).upsert({"a", "1"}).upsert({"a", "absent"}).upsert({"a", "absent"})),
            (Texts{"upsert a|1"}));
  EXPECT_EQ(collapsed(Rows(texts()).remove({"a"}).upsert({"a", "absent"})), (Texts{"upsert a|absent"}));
}

TEST(Collapse, KeepsTheMarksOfRowsThatLeftTheFilter) {
  EXPECT_EQ(
      collapsed(Rows(texts()).upsert({"a", "1"}).upsert({"b", "1"}).remove({"b"}), {false, false, true}),
      (Texts{"upsert a|1", "remove b|null left"}));
  EXPECT_EQ(collapsed(Rows(texts()).remove({"a"}).upsert({"a", "1"}), {true, false}), (Texts{"upsert a|1"}));
}

TEST(Collapse, CarriesALaterUpsertInTheMove) {
  EXPECT_EQ(collapsed(Rows(texts()).move({"a"}, {"b", "1"}).upsert({"b", "2"})), (Texts{"move a to b|2"}));
  EXPECT_EQ(collapsed(Rows(texts()).upsert({"a", "1"}).move({"a"}, {"b", "absent"})),
            (Texts{"move a to b|1"}));
}

TEST(Collapse, RemovesBothKeysOfAMovedRowThatGoes) {
  EXPECT_EQ(collapsed(Rows(texts()).move({"a"}, {"b", "1"}).remove({"b"})),
            (Texts{"remove a|null", "remove b|null"}));
}

TEST(Collapse, RemovesTheKeyBetweenTwoMovesOfOneRow) {
  EXPECT_EQ(collapsed(Rows(texts()).move({"a"}, {"b", "1"}).move({"b"}, {"c", "absent"})),
            (Texts{"remove b|null", "move a to c|1"}));
  EXPECT_EQ(collapsed(Rows(texts()).move({"a"}, {"b", "1"}).move({"b"}, {"a", "2"})),
            (Texts{"remove b|null", "upsert a|2"}));
}

TEST(Collapse, LetsANewRowTakeAKeyThatAMoveLeft) {
  EXPECT_EQ(collapsed(Rows(texts()).move({"a"}, {"b", "1"}).upsert({"a", "2"})),
            (Texts{"upsert b|1", "upsert a|2"}));
  EXPECT_EQ(collapsed(Rows(texts()).move({"a"}, {"b", "1"}).remove({"a"})), (Texts{"move a to b|1"}));
  EXPECT_EQ(collapsed(Rows(texts()).move({"a"}, {"b", "1"}).move({"c"}, {"a", "2"})),
            (Texts{"upsert b|1", "move c to a|2"}));
}

TEST(Collapse, LetsAMoveTakeAKeyThatWasRemoved) {
  EXPECT_EQ(collapsed(Rows(texts()).remove({"b"}).move({"a"}, {"b", "1"})), (Texts{"move a to b|1"}));
}

TEST(Collapse, TakesAMoveOntoItsOwnKeyAsAnUpsert) {
  EXPECT_EQ(collapsed(Rows(texts()).upsert({"a", "1"}).move({"a"}, {"a", "2"})), (Texts{"upsert a|2"}));
}

TEST(Collapse, ForgetsEverythingBeforeATruncate) {
  EXPECT_EQ(collapsed(Rows(texts()).upsert({"a", "1"}).remove({"b"}).truncate().upsert({"a", "2"})),
            (Texts{"truncate", "upsert a|2"}));
}

TEST(Collapse, LetsARefusedChangeReplaceWhatCameBeforeIt) {
  EXPECT_EQ(collapsed(Rows(texts()).upsert({"a", "1"}).upsert({"a", "null"}).refused("x", "too long")),
            (Texts{"refused a|null: x: too long"}));
  EXPECT_EQ(collapsed(Rows(texts()).upsert({"a", "null"}).refused("x", "too long").upsert({"a", "2"})),
            (Texts{"upsert a|2"}));
  EXPECT_EQ(collapsed(Rows(texts()).move({"a"}, {"b", "1"}).upsert({"b", "null"}).refused("x", "too long")),
            (Texts{"remove a|null", "refused b|null: x: too long"}));
}

TEST(Collapse, TellsKeysApartByTheirValues) {
  const auto schema = table({field("n", Type::decimal), field("s", Type::text), field("x", Type::text)}, 2);
  EXPECT_EQ(
      collapsed(Rows(schema).upsert({"1.50", "", "a"}).upsert({"1.5", "", "b"}).upsert({"1.5", "0", "c"})),
      (Texts{"upsert 1.5||b", "upsert 1.5|0|c"}));
}

TEST(Collapse, DoesNotLookAtABatchThatIsLoading) {
  Batch batch = Rows(texts()).upsert({"a", "1"}).upsert({"a", "2"}).batch();
  batch.loading = true;
  std::vector<bool> left_filter(2);
  EXPECT_EQ(collapse(batch, left_filter), 0u);
}

/// A table as a map, and what changes do to it.
using Table = std::map<std::string, std::string>;

void change_table(Table& held, const Change& change) {
  const std::string key(change.row[0].view());
  if (change.operation == Operation::move) held.erase(std::string(change.old_key[0].view()));
  if (change.operation == Operation::remove) held.erase(key);
  else held[key] = change.row[1].view();
}

/// Changes of four keys that could happen to `held` one after the other.
Rows random_history(std::mt19937& random, Table held, std::size_t count) {
  Rows rows(texts());
  const auto any_key = [&] { return std::string(1, static_cast<char>('a' + random() % 4)); };
  for (std::size_t i = 0; i < count; ++i) {
    const std::string key = any_key(), to = any_key(), value = std::to_string(i);
    const bool there = held.contains(key);
    if (there && random() % 3 == 0) {
      rows.remove({key});
      held.erase(key);
    } else if (there && random() % 2 == 0 && !held.contains(to)) {
      rows.move({key}, {to, value});
      held.erase(key);
      held[to] = value;
    } else {
      rows.upsert({key, value});
      held[key] = value;
    }
  }
  return rows;
}

TEST(Collapse, LeadsToTheSameTableFromEveryPointOfTheHistoryInWhateverOrder) {
  std::mt19937 random(20240229);
  for (int round = 0; round < 2000; ++round) {
    Table before = {{"a", "before"}, {"b", "before"}};
    if (round % 2 == 0) before.erase("b");
    Batch batch = random_history(random, before, 1 + random() % 8).batch();
    // Where a destination may stand: before the batch, or after some of it when a crash made it come twice.
    std::vector<Table> states = {before};
    for (const Change& change : batch.changes) {
      states.push_back(states.back());
      change_table(states.back(), change);
    }
    const Table expected = states.back();
    const Texts history = show(batch);
    std::vector<bool> left_filter(batch.rows());
    collapse(batch, left_filter);
    std::shuffle(batch.changes.begin(), batch.changes.end(), random);
    for (Table& held : states) {
      for (const Change& change : batch.changes) change_table(held, change);
      ASSERT_EQ(held, expected) << ::testing::PrintToString(history) << "\nbecame "
                                << ::testing::PrintToString(show(batch));
    }
  }
}

TEST(Collapse, HoldsForManyKeysAtOnce) {
  Rows rows(texts());
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < 5000; ++i) rows.upsert({std::to_string(i), std::to_string(round)});
  const Texts lines = collapsed(std::move(rows));
  ASSERT_EQ(lines.size(), 5000u);
  EXPECT_EQ(lines.front(), "upsert 0|2");
  EXPECT_EQ(lines.back(), "upsert 4999|2");
}

}  // namespace
}  // namespace syncflow
