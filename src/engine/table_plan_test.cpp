#include "engine/table_plan.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "engine/table_spelling.h"

namespace syncflow {
namespace {

/// A system with two tables `items` that answers to several spellings of each, as SQLite and PostgreSQL do.
class Shop : public Connection {
 public:
  Access check() override { return {}; }
  std::vector<TableInfo> discover(const std::string& table) override {
    asked.push_back(table);
    const auto found = names_.find(table);
    if (found == names_.end()) throw Error(refusal, "there is no table " + table);
    TableInfo info;
    info.schema.table = found->second;
    info.schema.fields.resize(3);
    info.schema.fields[0].name = "id";
    info.schema.fields[1].name = "updated_at";
    info.schema.fields[2].name = "synced_at";
    info.schema.key = {0};
    info.cursor_candidates = {{"updated_at", true, ""}, {"synced_at", true, ""}};
    return {info};
  }
  std::unique_ptr<Source> open_source(const SourceSpec&) override { return nullptr; }
  std::unique_ptr<Destination> open_destination(const DestinationSpec&) override { return nullptr; }

  std::vector<std::string> asked;
  ErrorKind refusal = ErrorKind::not_found;

 private:
  const std::map<std::string, std::string> names_ = {{"items", "public.items"},
                                                     {"Items", "public.items"},
                                                     {"public.items", "public.items"},
                                                     {"\"public\".items", "public.items"},
                                                     {"sales.items", "sales.items"}};
};

SyncDefinition sync_of(const std::string& source, const std::string& from, const std::string& destination,
                       const std::string& to) {
  SyncDefinition sync;
  sync.source = source;
  sync.destination = destination;
  sync.tables.emplace_back();
  sync.tables[0].source = from;
  sync.tables[0].destination = to;
  return sync;
}

/// A sync fills `written` and another one reads `read`, each by a connection to the shop.
class CopiedStamps : public ::testing::Test {
 protected:
  CopiedStamps() {
    Options here, elsewhere;
    here.set("path", "shop.db");
    elsewhere.set("path", "other.db");
    config_.connections = {
        {"shop", "x", here}, {"same", "x", here}, {"other", "x", elsewhere}, {"likewise", "y", here}};
  }

  TablePlan plan(const std::string& read) {
    config_.syncs = {filling_, sync_of("shop", read, "other", "copy")};
    Capabilities can;
    can.cursor = can.diff = true;
    return plan_table(config_, config_.syncs[1], config_.syncs[1].tables[0], can, shop_);
  }
  std::string cursor(const std::string& written, const std::string& read,
                     const std::string& connection = "shop") {
    filling_ = sync_of("other", "items", connection, written);
    filling_.tables[0].stamp = "synced_at";
    return plan(read).source.cursor;
  }

  Config config_;
  SyncDefinition filling_;
  Shop shop_;
};

TEST_F(CopiedStamps, AreNotReadByHoweverTheTableIsSpelled) {
  for (const char* written : {"items", "Items", "public.items", "\"public\".items"})
    for (const char* read : {"items", "Items", "public.items", "\"public\".items"})
      EXPECT_EQ(cursor(written, read), "synced_at") << written << " " << read;
}

TEST_F(CopiedStamps, AreNotReadByThroughASecondConnectionToTheSameSystem) {
  EXPECT_EQ(cursor("items", "items", "same"), "synced_at");
  EXPECT_EQ(cursor("Items", "public.items", "same"), "synced_at");
}

TEST_F(CopiedStamps, OfAnotherTableOrSystemDoNoHarm) {
  EXPECT_EQ(cursor("sales.items", "items"), "updated_at");
  EXPECT_EQ(cursor("items", "sales.items"), "updated_at");
  EXPECT_EQ(cursor("items", "items", "other"), "updated_at");
  EXPECT_EQ(cursor("items", "items", "likewise"), "updated_at");
}

TEST_F(CopiedStamps, AreToldOfWhenAPersonChoseToReadByThem) {
  filling_ = sync_of("other", "items", "same", "Items");
  config_.syncs = {filling_, sync_of("shop", "items", "other", "copy")};
  config_.syncs[1].tables[0].cursor = "updated_at";
  Capabilities can;
  can.cursor = true;
  const TablePlan plan = plan_table(config_, config_.syncs[1], config_.syncs[1].tables[0], can, shop_);
  ASSERT_EQ(plan.warnings.size(), 1u);
  EXPECT_NE(plan.warnings[0].find("updated_at is written by another sync with copied values"),
            std::string::npos);
}

TEST_F(CopiedStamps, AreFoundInFieldsThatAreSpelledInAnotherCase) {
  filling_ = sync_of("other", "items", "shop", "Items");
  filling_.tables[0].fields = {{"id", {"id"}, "", {}, std::nullopt},
                               {"Updated_At", {"changed"}, "", {}, std::nullopt}};
  EXPECT_EQ(plan("items").source.cursor, "synced_at");
}

TEST_F(CopiedStamps, AreEveryFieldOfAMappingWithoutFieldsButTheStamp) {
  filling_ = sync_of("other", "items", "shop", "items");
  filling_.tables[0].soft_delete = "updated_at";  // is said, but deletes are ignored
  filling_.tables[0].stamp = "Synced_At";
  EXPECT_EQ(plan("items").source.cursor, "synced_at");
}

TEST_F(CopiedStamps, AreNotInATableThatIsNotThereYet) {
  EXPECT_EQ(cursor("archive.items", "items"), "updated_at");
}

TEST_F(CopiedStamps, AreNotGuessedAtWhileTheSystemIsAway) {
  shop_.refusal = ErrorKind::unavailable;
  EXPECT_THROW(cursor("archive.items", "items"), Error);
}

TEST_F(CopiedStamps, CostNoQuestionAboutTablesOfOtherNames) {
  EXPECT_EQ(cursor("orders", "items"), "updated_at");
  EXPECT_EQ(shop_.asked, std::vector<std::string>{"items"});
}

TEST(TableSpelling, TakesForOneTableWhatMayBeOne) {
  const auto may_be = [](std::string_view a, std::string_view b) {
    EXPECT_EQ(TableSpelling(a).may_be(TableSpelling(b)), TableSpelling(b).may_be(TableSpelling(a)));
    return TableSpelling(a).may_be(TableSpelling(b));
  };
  EXPECT_TRUE(may_be("items", "ITEMS"));
  EXPECT_TRUE(may_be("Größe", "GRÖßE"));
  EXPECT_TRUE(may_be("items", "Public.Items"));
  EXPECT_TRUE(may_be("shop.public.items", "public.items"));
  EXPECT_TRUE(may_be("\"public\".\"my.items\"", "my.items"));
  EXPECT_TRUE(may_be("`items`", "[dbo].[items]"));
  EXPECT_FALSE(may_be("items", "old_items"));
  EXPECT_FALSE(may_be("public.items", "sales.items"));
  EXPECT_FALSE(may_be("items", "items.x"));
}

}  // namespace
}  // namespace syncflow
