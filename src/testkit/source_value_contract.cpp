#include <fmt/core.h>

#include "core/error.h"
#include "testkit/source_contract.h"

namespace syncflow::testkit {

// Any test binary may link this without wanting it.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SourceValueContract);

int link_source_value_contract() { return 0; }

namespace {

SourceSpec diff_of(const std::string& table) {
  SourceSpec spec;
  spec.table = table;
  spec.strategy = Strategy::diff;
  return spec;
}

}  // namespace

// A test binary that links other parts of the testkit may get this one too.

TEST_P(SourceValueContract, ReadsEveryTypeLosslesslyByLoadAndByFetch) {
  const auto& samples = GetParam()->samples;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const TypeSample& sample = samples[i];
    SCOPED_TRACE(sample.type + " " + sample.literal.substr(0, 80));
    const std::string table = fmt::format("sample_{}", i);
    database_->run(fmt::format("CREATE TABLE {} ({} {} NOT NULL, v {}, PRIMARY KEY ({})){}",
                               dialect().quoted(table), dialect().quoted("id"), dialect().integer,
                               sample.type, dialect().quoted("id"), dialect().table_suffix));
    database_->run(
        fmt::format("INSERT INTO {} VALUES (1, {}), (2, NULL)", dialect().quoted(table), sample.literal));
    const auto source = connection().open_source(diff_of(table));
    EXPECT_EQ(source->schema()->fields.at(1).type, sample.canonical)
        << name_of(source->schema()->fields.at(1).type);

    Replica loaded(true);
    read_on(*source, {}, loaded);
    for (const auto& [key, refusal] : loaded.refused())
      ADD_FAILURE() << key.to_json() << " refused: " << refusal.reason;
    if (!loaded.rows().count(Key{{"1"}}) || !loaded.rows().count(Key{{"2"}})) continue;
    EXPECT_EQ(loaded.rows().at(Key{{"1"}}).at(1), sample.text);
    EXPECT_EQ(loaded.rows().at(Key{{"2"}}).at(1), std::nullopt);

    Replica fetched;
    fetched.apply(source->fetch({Key{{"1"}}, Key{{"2"}}}));
    EXPECT_EQ(fetched.rows(), loaded.rows());
  }
}

TEST_P(SourceValueContract, ARowThatCannotBeReadLosslesslyIsRefusedByFieldAndTheOthersAreNot) {
  const auto& samples = GetParam()->unreadable;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    SCOPED_TRACE(samples[i].type + " " + samples[i].literal);
    const std::string table = fmt::format("unreadable_{}", i);
    database_->run(fmt::format("CREATE TABLE {} ({} {} NOT NULL, v {}, PRIMARY KEY ({})){}",
                               dialect().quoted(table), dialect().quoted("id"), dialect().integer,
                               samples[i].type, dialect().quoted("id"), dialect().table_suffix));
    database_->run(fmt::format("INSERT INTO {} VALUES (1, NULL), (2, {}), (3, NULL)", dialect().quoted(table),
                               samples[i].literal));
    const Replica replica = read_all(diff_of(table));
    EXPECT_EQ(replica.rows().size(), 2u);
    ASSERT_EQ(replica.refused().size(), 1u);
    EXPECT_EQ(replica.refused().begin()->first, Key{{"2"}});
    EXPECT_EQ(replica.refused().begin()->second.field, "v");
    EXPECT_FALSE(replica.refused().begin()->second.reason.empty());
  }
}

TEST_P(SourceValueContract, ReadsTextsAsTheyAre) {
  items().create();
  const std::vector<std::optional<std::string>> texts = {
      "",
      std::nullopt,
      " leading and trailing ",
      "line\nbreak\ttab\r\n",
      "quotes ' \" ` and \\ backslash \\n",
      "ünïcödé, 日本語, עברית, 🙂 and e\u0301",
      "NULL",
      "a\x01\x7f",
      std::string(3'000'000, 'x') + "end",
  };
  int id = 0;
  for (const auto& text : texts) items().insert(++id, text, instant("2024-01-01T00:00:00Z"));
  const Replica replica = read_all(spec(), 2);
  ASSERT_EQ(replica.rows().size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_TRUE(replica.rows().at(Key{{std::to_string(i + 1)}}).at(1) == texts[i])
        << "text " << i << " became " << show(replica.rows().at(Key{{std::to_string(i + 1)}}));
}

TEST_P(SourceValueContract, NamesThatLookLikeAnAttackAreOnlyNames) {
  const std::string longest(dialect().longest_identifier, 'n');
  for (const std::string& name :
       {std::string("a\"; DROP TABLE items; --"), std::string("it's `quoted` [here]"),
        std::string("two\nlines"), std::string("ünïcödé 表"), std::string("Select"), longest}) {
    SCOPED_TRACE(name);
    const std::string table = dialect().quoted(name), id = dialect().quoted("id " + name.substr(0, 20)),
                      stamp = dialect().quoted("s " + name.substr(0, 20));
    database_->run(fmt::format("CREATE TABLE {} ({} {} NOT NULL, {} {} NULL, PRIMARY KEY ({})){}", table, id,
                               dialect().integer, stamp, dialect().cursor, id, dialect().table_suffix));
    for (int i = 1; i <= 3; ++i)
      database_->run(fmt::format("INSERT INTO {} VALUES ({}, {})", table, i, dialect().stamp(now())));
    SourceSpec spec;
    spec.table = name;
    spec.cursor = "s " + name.substr(0, 20);
    Replica replica;
    const Position end = read_with_restarts(spec, {}, replica, 1);
    EXPECT_EQ(replica.rows().size(), 3u);
    const auto source = connection().open_source(spec);
    EXPECT_NE(source->has_changes(end).changed, Changed::yes);
    EXPECT_EQ(source->fetch({Key{{"2"}}}).rows(), 1u);
    EXPECT_EQ(source->scan_keys(Key{{"1"}}, 10).rows(), 2u);
    EXPECT_EQ(source->count(10), 3u);
    EXPECT_EQ(connection().discover(name).size(), 1u);
  }
}

TEST_P(SourceValueContract, KeysOfSeveralTextsAreReadFetchedAndScanned) {
  database_->run(fmt::format("CREATE TABLE {} (a {} NOT NULL, b {} NOT NULL, {} {}, PRIMARY KEY (a, b)){}",
                             dialect().quoted("pairs"), dialect().key_text, dialect().integer,
                             dialect().quoted("name"), dialect().text, dialect().table_suffix));
  const std::vector<std::string> words = {"",  "A",    "a",    "b",   "it's", "z\\",
                                          "ä", "日本", "🙂", "a b", "a\"b"};
  for (const std::string& word : words)
    for (int b = -1; b <= 1; ++b)
      database_->run(fmt::format("INSERT INTO {} VALUES ({}, {}, 'x')", dialect().quoted("pairs"),
                                 dialect().literal(word), b));
  Replica replica(true);
  read_with_restarts(diff_of("pairs"), {}, replica, 2);
  EXPECT_EQ(replica.rows().size(), words.size() * 3);
  EXPECT_TRUE(replica.refused().empty());

  const auto source = connection().open_source(diff_of("pairs"));
  for (const std::string& word : words) EXPECT_EQ(source->fetch({Key{{word, "-1"}}}).rows(), 1u) << word;

  std::optional<Key> after;
  std::vector<Value> last;
  Arena arena;
  std::size_t scanned = 0;
  for (bool caught_up = false; !caught_up;) {
    const Batch page = source->scan_keys(after, 4);
    for (const Change& change : page.changes) {
      const Value a = change.row[page.schema().key[0]], b = change.row[page.schema().key[1]];
      if (!last.empty()) {
        EXPECT_TRUE(compare(last[0], a) < 0 || (compare(last[0], a) == 0 && compare(last[1], b) < 0))
            << to_text(last[0]) << "," << to_text(last[1]) << " before " << to_text(a) << "," << to_text(b);
      }
      last = {a.copied_to(arena), b.copied_to(arena)};
      after = key_of(page.schema(), change);
      ++scanned;
    }
    caught_up = page.caught_up;
  }
  EXPECT_EQ(scanned, replica.rows().size());
}

TEST_P(SourceValueContract, ScansKeysOfEveryTypeInTheOrderOfTheirValues) {
  const auto& samples = GetParam()->keys;
  EXPECT_FALSE(samples.empty());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    SCOPED_TRACE(samples[i].type);
    const std::string table = fmt::format("keyed_{}", i);
    database_->run(fmt::format("CREATE TABLE {} (k {} NOT NULL, n {}, PRIMARY KEY (k)){}",
                               dialect().quoted(table), samples[i].type, dialect().integer,
                               dialect().table_suffix));
    for (const std::string& literal : samples[i].literals)
      database_->run(fmt::format("INSERT INTO {} VALUES ({}, 1)", dialect().quoted(table), literal));
    const auto source = connection().open_source(diff_of(table));
    std::optional<Key> after;
    std::vector<std::string> by_keys, by_rows;
    std::optional<Value> last;
    Arena arena;
    for (bool caught_up = false; !caught_up;) {
      const Batch page = source->scan_keys(after, 2);
      for (const Change& change : page.changes) {
        const Value key = change.row[page.schema().key[0]];
        if (last) {
          EXPECT_TRUE(compare(*last, key) < 0) << to_text(*last) << " before " << to_text(key);
        }
        last = key.copied_to(arena);
        after = key_of(page.schema(), change);
        by_keys.push_back(after->parts[0]);
      }
      caught_up = page.caught_up;
    }
    EXPECT_EQ(by_keys.size(), samples[i].literals.size());
    // Each page of a source of its own, which cannot go on with a statement.
    after.reset();
    for (bool caught_up = false; !caught_up;) {
      const Batch page = connection().open_source(diff_of(table))->scan_rows(after, 2, SIZE_MAX);
      for (const Change& change : page.changes) {
        EXPECT_EQ(change.operation, Operation::upsert);
        after = key_of(page.schema(), change);
        by_rows.push_back(after->parts[0]);
      }
      caught_up = page.caught_up;
    }
    EXPECT_EQ(by_rows, by_keys);
  }
}

TEST_P(SourceValueContract, AScanLeavesOutWhatIsMarkedAndOtherReadsGoOnBesideIt) {
  items().create();
  items().insert_many(1, 10, instant("2024-01-01T00:00:00Z"));
  items().update(3, std::nullopt, instant("2024-01-01T00:00:00Z"));
  items().update(10, std::nullopt, instant("2024-01-01T00:00:00Z"));
  SourceSpec unnamed = spec();
  unnamed.hidden_by = "name";
  const auto source = connection().open_source(unnamed);
  const Batch keys = source->scan_keys(std::nullopt, 100);
  ASSERT_EQ(keys.rows(), 2u);
  EXPECT_TRUE(keys.caught_up || source->scan_keys(key_of(keys.schema(), keys.changes[1]), 100).caught_up);
  EXPECT_EQ(source->scan_rows(Key{{"3"}}, 100, SIZE_MAX).rows(), 1u);
  // In the middle of a scan.
  EXPECT_EQ(source->scan_keys(std::nullopt, 1).rows(), 1u);
  source->open({});
  EXPECT_EQ(source->next(4, SIZE_MAX).rows(), 4u);
  EXPECT_EQ(source->scan_keys(Key{{"3"}}, 1).rows(), 1u);
  EXPECT_EQ(source->next(100, SIZE_MAX).rows(), 6u);
  EXPECT_EQ(source->fetch({Key{{"7"}}}).rows(), 1u) << "what is marked is there all the same";
}

TEST_P(SourceValueContract, HandsOutOnlyTheFieldsWantedWithKeyAndCursor) {
  items().create();
  items().insert(1, "a", instant("2024-01-01T00:00:00Z"));
  SourceSpec only_key = spec();
  only_key.fields = {"id"};
  const auto source = connection().open_source(only_key);
  ASSERT_EQ(source->schema()->fields.size(), 2u);
  EXPECT_EQ(source->schema()->fields[0].name, "id");
  EXPECT_EQ(source->schema()->fields[1].name, "updated_at");
}

}  // namespace syncflow::testkit
