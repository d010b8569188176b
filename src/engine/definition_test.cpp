#include "engine/definition.h"

#include <gtest/gtest.h>

#include "core/uuid.h"
#include "engine/node.h"
#include "testkit/mapping_rows.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;
using testkit::mapping::error_of;

constexpr auto kDay = 24h;

SyncDefinition minimal() {
  SyncDefinition sync;
  sync.name = "customers";
  sync.id = url_uuid("syncflow:00000000-0000-4000-8000-000000000001/customers");
  sync.source = "shop";
  sync.destination = "crm";
  sync.tables.emplace_back();
  sync.tables[0].source = "public.customers";
  sync.tables[0].destination = "Customers";
  return sync;
}

SyncDefinition full() {
  SyncDefinition sync = minimal();
  sync.id = "0b8f0000-0000-4000-8000-00000000000f";
  sync.team_id = "6f1c1f6e-0000-4000-8000-000000000001";
  sync.status = SyncStatus::paused;
  sync.schedule = "every 5 minutes";
  sync.conflict_resolution = "manual";
  sync.batch = {500, 1u << 20, 250ms};
  sync.retry = {7, RetryPolicy::Backoff::linear};
  TableMapping& table = sync.tables[0];
  table.key = {"id", "region \"quoted\""};
  table.overlap = 90s;
  table.cursor = "updated_at";
  table.deletes = Deletes::soft;
  table.soft_delete = "gone_at";
  table.create = false;
  table.existing = Existing::replace;
  table.stamp = "synced_at";
  table.fields = {
      {"id", {"id"}, "", {}, std::nullopt},
      {"region", {"region \"quoted\""}, "cast", {{"to", "text"}}, std::nullopt},
      {"full_name", {"first", "last"}, "combine", {{"separator", " "}}, std::nullopt},
      {"origin", {}, "", {}, "shop"},
  };
  table.filters = {
      {"country", Operator::in, {"DE", "FR"}, true},
      {"name", Operator::like, {"100\\%"}, false},
      {"amount", Operator::gt, {"1234567890123456789012345678901234567890.123"}, false},
      {"gone", Operator::is, {}, true},
      {"email", Operator::is_not_null, {}, false},
      {"note", Operator::eq, {""}, false},
  };
  table.on_leave = OnLeave::keep;
  return sync;
}

TEST(Definition, RoundTripsThroughJson) {
  EXPECT_EQ(definition_from_json(to_json(minimal())), minimal());
  EXPECT_EQ(definition_from_json(to_json(full())), full());
  SyncDefinition diff = minimal();
  diff.tables.push_back(diff.tables[0]);
  diff.tables[1].strategy = WantedStrategy::diff;
  diff.tables[1].deletes = Deletes::hard;
  diff.tables[1].overlap.reset();
  EXPECT_EQ(definition_from_json(to_json(diff)), diff);
}

TEST(Definition, WritesTheShapeThatConfigsHave) {
  EXPECT_EQ(to_json(minimal()),
            R"({"name":"customers","id":")" + minimal().id +
                R"(","team_id":"00000000-0000-4000-8000-000000000001","source":"shop","destination":"crm",)"
                R"("status":"active","schedule":"every 1 minute","conflict_resolution":"latest",)"
                R"("batch":{"bytes":8388608,"interval":0,"size":"auto"},)"
                R"("retry":{"max_retries":3,"backoff":"exponential"},)"
                R"("tables":[{"source":"public.customers","destination":"Customers",)"
                R"("direction":"source-to-destination","strategy":"auto","deletes":"ignore","create":true,)"
                R"("existing":"adopt"}]})");
}

TEST(Definition, MakesUpTheIdFromTeamAndName) {
  const SyncDefinition sync = definition_from_json(
      R"({"name":"customers","source":"shop","destination":"crm","tables":[{"source":"a","destination":"b"}]})");
  EXPECT_EQ(sync.id, url_uuid("syncflow:00000000-0000-4000-8000-000000000001/customers"));
  const SyncDefinition other = definition_from_json(
      R"({"name":"customers","team_id":"6F1C1F6E-0000-4000-8000-00000000000A","source":"shop","destination":"crm",)"
      R"("tables":[{"source":"a","destination":"b"}]})");
  EXPECT_EQ(other.team_id, "6f1c1f6e-0000-4000-8000-00000000000a");
  EXPECT_EQ(other.id, url_uuid("syncflow:6f1c1f6e-0000-4000-8000-00000000000a/customers"));
}

TEST(Definition, KeepsEveryDigitOfANumberInJson) {
  const SyncDefinition sync = definition_from_json(
      R"({"name":"n","source":"s","destination":"d","tables":[{"source":"a","destination":"b","filters":{"source":[)"
      R"({"field":"x","operator":"in","value":[1234567890123456789012345678901234567890.10, 1e3, true, null]}]}}]})");
  const Filter& filter = sync.tables[0].filters[0];
  EXPECT_EQ(filter.values,
            (std::vector<FreeText>{"1234567890123456789012345678901234567890.10", "1e3", "true"}));
  EXPECT_TRUE(filter.null_value);
}

/// A sync whose constant, filter value and param are `text`, as a config writes it.
std::string with_texts(const std::string& text) {
  return R"({"name":"n","source":"s","destination":"d","tables":[{"source":"a","destination":"b","fields":{)"
         R"("x":{"constant":")" +
         text + R"("},"y":{"from":["y"],"transform":"default","params":{"value":")" + text +
         R"("}}},"filters":{"source":[{"field":"z","operator":"in","value":[")" + text + R"("]}]}}]})";
}

TEST(Definition, KeepsReferencesToVariablesAndNotTheirValuesInJson) {
  const Variables variables{{}, {{"TOKEN", "s3cr3t"}}, ".env"};
  const SyncDefinition sync = definition_from_json(with_texts("a ${TOKEN} $${TOKEN}"), variables);
  const TableMapping& table = sync.tables[0];
  EXPECT_EQ(table.fields[0].constant->value(), "a s3cr3t ${TOKEN}");
  EXPECT_EQ(table.fields[1].params.at("value").value(), "a s3cr3t ${TOKEN}");
  EXPECT_EQ(table.filters[0].values[0].value(), "a s3cr3t ${TOKEN}");
  const std::string json = to_json(sync);
  EXPECT_EQ(json.find("s3cr3t"), std::string::npos);
  EXPECT_EQ(definition_from_json(json, variables), sync);
  EXPECT_EQ(to_json(definition_from_json(json)), json);
}

TEST(Definition, FillsInNothingInNamesThatTheStoreGivesBack) {
  SyncDefinition sync = minimal();
  sync.tables[0].source = "odd ${TOKEN}";
  EXPECT_EQ(definition_from_json(to_json(sync), Variables{{}, {{"TOKEN", "x"}}, ""}), sync);
}

TEST(Definition, SaysWhereAVariableIsNotSet) {
  EXPECT_EQ(error_of([] { definition_from_json(with_texts("${TOKEN}"), Variables{}); }),
            "tables[0].fields.x.constant: ${TOKEN} is not set; set it in the environment");
}

TEST(Fingerprint, ChangesWithWhatAVariableHolds) {
  const auto shape = [](const std::string& text, const std::string& token) {
    return shape_fingerprint(
        definition_from_json(with_texts(text), Variables{{}, {{"TOKEN", token}}, ""}).tables[0]);
  };
  EXPECT_NE(shape("${TOKEN}", "one"), shape("${TOKEN}", "other"));
  EXPECT_EQ(shape("${TOKEN}", "one"), shape("one", ""));
  EXPECT_EQ(shape("${TOKEN}", "one").find("one"), std::string::npos);
  EXPECT_EQ(error_of([] { shape_fingerprint(definition_from_json(with_texts("${TOKEN}")).tables[0]); }),
            "\"${TOKEN}\" was not filled in");
}

TEST(Definition, SaysWhereTheJsonIsWrong) {
  const auto refusal = [](const std::string& json) { return error_of([&] { definition_from_json(json); }); };
  EXPECT_EQ(refusal(R"({"name":"n","sorce":"s"})"), "unknown key \"sorce\"; did you mean \"source\"?");
  EXPECT_EQ(refusal(R"({"name":"n","source":"s","destination":"d","tables":[{"source":"a"}]})"),
            "tables[0]: \"destination\" is missing");
  EXPECT_EQ(refusal(R"({"name":"n","name":"m"})"), "the JSON has the key \"name\" twice in one object");
  EXPECT_EQ(refusal(R"({"name":"n",})").substr(0, 41), "this is no JSON document, from byte 12 on");
  EXPECT_EQ(refusal(R"({"name":"n"} {})"),
            "this is no JSON document, from byte 13 on: something comes after its end");
  EXPECT_EQ(refusal(""), "this is no JSON document, from byte 0 on: incomplete JSON");
  EXPECT_EQ(refusal("[]"),
            "here belongs a map with name, id, team_id, source, destination, status, schedule, "
            "conflict_resolution, batch, retry, tables, not a list");
}

// --- fingerprints ---

TEST(Fingerprint, TellsApartWhatMeansAFirstLoad) {
  const SyncDefinition sync = minimal();
  const auto changed = [&](auto change) {
    SyncDefinition other = minimal();
    change(other, other.tables[0]);
    return data_fingerprint(other, other.tables[0]) != data_fingerprint(sync, sync.tables[0]);
  };
  EXPECT_TRUE(changed([](auto& s, auto&) { s.source = "other"; }));
  EXPECT_TRUE(changed([](auto& s, auto&) { s.destination = "other"; }));
  EXPECT_TRUE(changed([](auto&, auto& t) { t.source = "other"; }));
  EXPECT_TRUE(changed([](auto&, auto& t) { t.destination = "other"; }));
  EXPECT_TRUE(changed([](auto&, auto& t) { t.key = {"id"}; }));
  EXPECT_FALSE(changed([](auto& s, auto&) { s.schedule = "every 5 minutes"; }));
  EXPECT_FALSE(changed([](auto& s, auto&) { s.batch.rows = 10; }));
  EXPECT_FALSE(changed([](auto&, auto& t) { t.filters = {{"x", Operator::is_null, {}, false}}; }));
}

TEST(Fingerprint, TellsApartWhatMeansAFullReread) {
  const auto changed = [](auto change) {
    TableMapping before = full().tables[0], after = before;
    change(after);
    return shape_fingerprint(before) != shape_fingerprint(after);
  };
  EXPECT_TRUE(changed([](auto& t) { t.fields[0].to = "nr"; }));
  EXPECT_TRUE(changed([](auto& t) { t.fields[2].params["separator"] = ", "; }));
  EXPECT_TRUE(changed([](auto& t) { t.fields[3].constant = "store"; }));
  EXPECT_TRUE(changed([](auto& t) { t.fields.pop_back(); }));
  EXPECT_TRUE(changed([](auto& t) { t.filters[0].null_value = false; }));
  EXPECT_TRUE(changed([](auto& t) { t.filters[0].op = Operator::nin; }));
  EXPECT_TRUE(changed([](auto& t) { t.deletes = Deletes::hard; }));
  EXPECT_TRUE(changed([](auto& t) { t.soft_delete = "deleted_at"; }));
  EXPECT_TRUE(changed([](auto& t) { t.on_leave = OnLeave::remove; }));
  EXPECT_FALSE(changed([](auto& t) { t.on_leave = OnLeave::keep; }));
  EXPECT_FALSE(changed([](auto& t) { t.cursor = "modified"; }));
  EXPECT_FALSE(changed([](auto& t) { std::swap(t.fields[0], t.fields[3]); }));
  EXPECT_FALSE(changed([](auto& t) { std::swap(t.filters[0], t.filters[3]); }));
}

TEST(Fingerprint, StaysTheSameFromReleaseToRelease) {
  // A change here reads every table of every user anew.
  EXPECT_EQ(data_fingerprint(full(), full().tables[0]),
            "2c7adb2e7662d7620d03d6415976368f815b19d1b7617ba0c80f44d8ade320df");
  EXPECT_EQ(shape_fingerprint(full().tables[0]),
            "3e468c6930681b41ad2d0ba30328d00e40086cf261ec547d36e2ef9742076f42");
}

// --- durations ---

TEST(Schedule, IsReadAsADuration) {
  EXPECT_EQ(parse_schedule("every 1 second"), 1s);
  EXPECT_EQ(parse_schedule("every 90 seconds"), 90s);
  EXPECT_EQ(parse_schedule("every 5 minute"), 5min);
  EXPECT_EQ(parse_schedule("every 2 hours"), 2h);
  EXPECT_EQ(parse_schedule("every 1 day"), kDay);
  EXPECT_EQ(parse_schedule("every 1 week"), 7 * kDay);
  EXPECT_EQ(parse_schedule("every 1 month"), 30 * kDay);
  EXPECT_EQ(parse_schedule("every 1 year"), 365 * kDay);
}

TEST(Schedule, SaysWhatItDoesNotUnderstand) {
  const std::string advice =
      "; write it like \"every 5 minutes\" (second, minute, hour, day, week, month or year)";
  const auto refusal = [](const std::string& text) { return error_of([&] { parse_schedule(text); }); };
  EXPECT_EQ(refusal("hourly"), "the schedule \"hourly\" is not understood" + advice);
  EXPECT_EQ(refusal(""), "the schedule \"\" is not understood" + advice);
  EXPECT_EQ(refusal("every minute"), "the schedule \"every minute\" is not understood" + advice);
  EXPECT_EQ(refusal("every two days"), "the schedule \"every two days\" has no whole number" + advice);
  EXPECT_EQ(refusal("every -1 days"), "the schedule \"every -1 days\" has no whole number" + advice);
  EXPECT_EQ(refusal("every 1.5 hours"), "the schedule \"every 1.5 hours\" has no whole number" + advice);
  EXPECT_EQ(refusal("every  5 minutes"), "the schedule \"every  5 minutes\" is not understood" + advice);
  EXPECT_EQ(refusal("every 0 seconds"), "the schedule \"every 0 seconds\" has 0 of them" + advice);
  EXPECT_EQ(refusal("every 3 fortnights"),
            "the schedule \"every 3 fortnights\" has the unknown unit \"fortnights\"" + advice);
  EXPECT_EQ(refusal("every 101 years"),
            "the schedule \"every 101 years\" is longer than a hundred years" + advice);
  EXPECT_EQ(refusal("every 9223372036854775807 seconds"),
            "the schedule \"every 9223372036854775807 seconds\" is longer than a hundred years" + advice);
}

TEST(Duration, IsReadAndWrittenInItsUnit) {
  for (const auto& [text, duration] : std::map<std::string, Duration>{{"20us", 20us},
                                                                      {"500ms", 500ms},
                                                                      {"30s", 30s},
                                                                      {"15m", 15min},
                                                                      {"2h", 2h},
                                                                      {"1d", kDay},
                                                                      {"90s", 90s}}) {
    EXPECT_EQ(parse_duration(text), duration);
    EXPECT_EQ(to_duration_text(duration), text);
  }
  EXPECT_EQ(parse_duration("0"), 0s);
  EXPECT_EQ(parse_duration("60s"), 1min);
  EXPECT_EQ(to_duration_text(60s), "1m");
  EXPECT_EQ(to_duration_text(0s), "0s");
}

TEST(Duration, SaysWhatItDoesNotUnderstand) {
  for (const std::string text : {"", "15", "m", "-1s", "1.5s", "15 m", "15min", "1w", " 1s"})
    EXPECT_EQ(error_of([&] { parse_duration(text); }),
              "\"" + text + "\" is no duration; write it like 500ms, 30s, 15m, 2h or 1d");
  EXPECT_EQ(error_of([&] { parse_duration("40000d"); }), "\"40000d\" is longer than a hundred years");
}

// --- documents ---

TEST(JsonDocument, KeepsWhatWasWritten) {
  const Node node = parse_json(R"( {"a": [1, -0.10e5, "x\u00e9\ny", false, null], "": {}} )");
  ASSERT_EQ(node.members.size(), 2u);
  const Node& list = node.members[0].value;
  ASSERT_EQ(list.items.size(), 5u);
  EXPECT_EQ(list.items[1].text, "-0.10e5");
  EXPECT_EQ(list.items[2].text, "x\u00e9\ny");
  EXPECT_EQ(list.items[3].text, "false");
  EXPECT_EQ(list.items[4].kind, Node::Kind::null);
  EXPECT_EQ(node.members[1].key, "");
  EXPECT_EQ(node.members[1].value.kind, Node::Kind::map);
}

TEST(JsonDocument, IsNotReadToAnyDepth) {
  EXPECT_NE(error_of([] { parse_json(std::string(1000, '[') + std::string(1000, ']')); }), "no error");
}

}  // namespace
}  // namespace syncflow
