#include <fmt/core.h>

#include <map>

#include "core/error.h"
#include "testkit/destination_contract.h"

namespace syncflow::testkit {

// Any test binary may link this without wanting it.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DestinationValueContract);

int link_destination_value_contract() { return 0; }

namespace {

/// The extremes of every canonical type.
const std::map<Type, std::vector<std::string>>& extremes() {
  static const std::map<Type, std::vector<std::string>> all = {
      {Type::boolean, {"true", "false"}},
      {Type::int64, {"0", "-1", "9223372036854775807", "-9223372036854775808"}},
      {Type::uint64, {"0", "9223372036854775808", "18446744073709551615"}},
      {Type::float64,
       {"0", "-0", "0.1", "-1.5", "1.7976931348623157e+308", "5e-324", "9007199254740992", "NaN", "Infinity",
        "-Infinity"}},
      {Type::decimal,
       {"0", "-1", "1.50", "0.000000000000000001", "-12345678901234567890.123456789",
        "99999999999999999999999999999999999", "0.1234567890123456789012345"}},
      {Type::text,
       {"", " ", "a", "NULL", "007", "1e5", "it's \\ \"quoted\"\r\n\t", "ünïcödé 日本語 🙂",
        "trailing "}},
      {Type::bytes, {"", "00", "00ff10", "27225c"}},
      {Type::date, {"1970-01-01", "2024-02-29", "0001-01-01", "1969-12-31", "9999-12-31"}},
      {Type::time, {"00:00:00", "12:30:00", "23:59:59.999999", "00:00:00.000001"}},
      {Type::timestamp,
       {"1970-01-01T00:00:00", "2024-02-29T12:30:00.000001", "0001-01-01T00:00:00", "1969-12-31T23:59:59.5",
        "9999-12-31T23:59:59.999999", "2017-03-12T02:30:00"}},
      {Type::timestamp_tz,
       {"1970-01-01T00:00:01Z", "2024-02-29T12:30:00.000001Z", "1969-12-31T23:59:59.5Z",
        "2037-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z", "0001-01-02T00:00:00Z"}},
      {Type::uuid,
       {"00000000-0000-0000-0000-000000000000", "6f1c1f6e-0000-4000-8000-00000000000f",
        "ffffffff-ffff-ffff-ffff-ffffffffffff"}},
      {Type::json,
       {"{\"a\": [1, 2.50, null]}", "[]", "\"text\"", "null", "1.10", "12345678901234567890", "true"}},
      {Type::array, {"[]", "[1,2]", "[\"a\",null,\"it's\"]"}},
  };
  return all;
}

std::string table_of(Type type) { return fmt::format("type_{}", static_cast<int>(type)); }

}  // namespace

// A test binary that links other parts of the testkit may get this one too.

TEST_P(DestinationValueContract, CreatesFieldsThatHoldTheExtremesOfEveryType) {
  for (const auto& [type, texts] : extremes()) {
    SCOPED_TRACE(std::string(name_of(type)));
    const std::string table = table_of(type);
    const auto schema = make_schema(table, {field("id", Type::int64), field("v", type)});
    const auto destination = open(spec(schema));
    BatchBuilder builder(schema);
    std::map<Key, std::string> wanted;
    std::vector<bool> refused;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto held = GetParam()->reads_back ? GetParam()->reads_back({type, texts[i]}) : texts[i];
      refused.push_back(!held);
      if (held) wanted[Key{{std::to_string(i)}}] = *held;
      builder.upsert({static_cast<int>(i), texts[i]});
    }
    builder.upsert({static_cast<int>(texts.size()), nullptr});

    const auto result = write(*destination, builder);
    std::vector<bool> rejected(texts.size());
    for (const Rejection& rejection : result.rejected) {
      ASSERT_LT(rejection.change, texts.size()) << rejection.reason;
      rejected[rejection.change] = true;
      EXPECT_EQ(rejection.field, "v");
      EXPECT_EQ(rejection.cause, RejectionCause::value);
      EXPECT_TRUE(refused[rejection.change]) << texts[rejection.change] << ": " << rejection.reason;
    }
    for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(rejected[i], refused[i]) << texts[i];
    EXPECT_EQ(write(*destination, builder).written, 0u) << "what was written is not found equal";

    SourceSpec reading;
    reading.table = table;
    reading.strategy = Strategy::diff;
    const auto source = connection().open_source(reading);
    source->open({});
    Replica replica;
    for (bool caught_up = false; !caught_up;) {
      const Batch batch = source->next(1000, 8u << 20);
      replica.apply(batch);
      caught_up = batch.caught_up;
    }
    for (const auto& [key, refusal] : replica.refused())
      ADD_FAILURE() << key.to_json() << " unreadable: " << refusal.reason;
    for (const auto& [key, text] : wanted)
      if (replica.rows().count(key)) EXPECT_EQ(replica.rows().at(key).at(1), text);
      else ADD_FAILURE() << key.to_json() << " is missing";
    EXPECT_EQ(replica.rows().at(Key{{std::to_string(texts.size())}}).at(1), std::nullopt);
  }
}

TEST_P(DestinationValueContract, AValueThatTheFieldCannotHoldIsRefusedByName) {
  const auto& misfits = GetParam()->misfits;
  for (std::size_t i = 0; i < misfits.size(); ++i) {
    SCOPED_TRACE(misfits[i].column_type + " <- " + misfits[i].value.text);
    const std::string table = fmt::format("misfit_{}", i);
    create_table(table, fmt::format("id {} NOT NULL, v {}, PRIMARY KEY (id)", dialect().integer,
                                    misfits[i].column_type));
    const auto schema = make_schema(table, {field("id", Type::int64), field("v", misfits[i].value.type)});
    for (const WriteMode mode : {WriteMode::append, WriteMode::upsert}) {
      const auto result = write(
          *open(spec(schema)),
          BatchBuilder(schema).upsert({1, nullptr}).upsert({2, misfits[i].value.text}).upsert({3, nullptr}),
          mode);
      ASSERT_EQ(result.rejected.size(), 1u);
      EXPECT_EQ(result.rejected[0].change, 1u);
      EXPECT_EQ(result.rejected[0].field, "v") << result.rejected[0].reason;
      EXPECT_EQ(result.rejected[0].cause, RejectionCause::value);
      EXPECT_EQ(rows(table, {"id"}).size(), 2u);
    }
  }
}

TEST_P(DestinationValueContract, ValuesOfSeveralMegabytesAreHeld) {
  const auto schema =
      make_schema("huge", {field("id", Type::int64), field("t", Type::text), field("b", Type::bytes)});
  const auto destination = open(spec(schema));
  const std::string text = std::string(3'000'000, 'x') + "ü";
  std::string hex;
  for (int i = 0; i < 1'000'000; ++i) hex += i % 2 ? "00" : "ff";
  BatchBuilder builder(schema);
  builder.upsert({1, text, hex}).upsert({2, "small", ""});
  EXPECT_EQ(write(*destination, builder).written, 2u);
  EXPECT_EQ(write(*destination, builder).unchanged, 2u);
  SourceSpec reading;
  reading.table = "huge";
  reading.strategy = Strategy::diff;
  Replica replica;
  replica.apply(connection().open_source(reading)->fetch({Key{{"1"}}}));
  ASSERT_EQ(replica.rows().size(), 1u);
  EXPECT_TRUE(replica.rows().at(Key{{"1"}}).at(1) == text);
  EXPECT_TRUE(replica.rows().at(Key{{"1"}}).at(2) == hex);
}

TEST_P(DestinationValueContract, NamesThatLookLikeAnAttackAreOnlyNames) {
  const std::string longest(dialect().longest_identifier, 'n');
  for (const std::string& name :
       {std::string("a\"; DROP TABLE items; --"), std::string("it's `quoted` [here]"),
        std::string("two\nlines"), std::string("ünïcödé 表"), std::string("Select"), longest}) {
    SCOPED_TRACE(name);
    const std::string id = "id " + name.substr(0, 20), value = "v " + name.substr(0, 20);
    const auto schema = make_schema(name, {field(id, Type::int64), field(value, Type::text)});
    DestinationSpec hostile = spec(schema);
    hostile.deletes = Deletes::soft;
    hostile.soft_delete = "d " + name.substr(0, 20);
    hostile.stamp = "s " + name.substr(0, 20);
    const auto destination = open(hostile);
    EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({1, "a"}).upsert({2, "b"}), WriteMode::append)
                  .written,
              2u);
    EXPECT_EQ(write(*destination, BatchBuilder(schema).upsert({1, "a"}).move({2}, {3, "c"})).written, 1u);
    EXPECT_EQ(write(*destination, BatchBuilder(schema).remove({1})).deleted, 1u);
    expect_rows({{"1", "a"}, {"3", "c"}}, name, {id, value});
    EXPECT_FALSE(connection().open_destination(hostile)->prepare().created);
  }
}

TEST_P(DestinationValueContract, KeysOfTextAreKeptApart) {
  const auto schema =
      make_schema("words", {field("word", Type::text), field("n", Type::int64), field("v", Type::text)}, 2);
  const auto destination = open(spec(schema));
  const std::vector<std::string> words = {"",     "A",    "a",   "it's", "z\\", "ä",
                                          "日本", "🙂", "a b", "a\"b", "a "};
  BatchBuilder builder(schema);
  for (const std::string& word : words) builder.upsert({word, 1, "x"});
  EXPECT_EQ(write(*destination, builder).written, words.size());
  EXPECT_EQ(write(*destination, builder).unchanged, words.size());
  EXPECT_EQ(write(*destination, BatchBuilder(schema).remove({"a", 1}).upsert({"A", 1, "changed"})).deleted,
            1u);
  EXPECT_EQ(rows("words", {"word"}).size(), words.size() - 1);
}

}  // namespace syncflow::testkit
