#include "engine/key_listing.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/row_comparison.h"
#include "engine/side_listing.h"
#include "testkit/engine_test.h"

namespace syncflow::testkit {
namespace {

TEST(Ascending, TellsAKeyThatSortsBelowTheOneBefore) {
  KeyFile keys;
  for (const std::int64_t id : {1, 2, 2, 4, 3, 5}) keys.add(std::vector{Value::of(id)});
  const auto list = keys.read();
  Ascending ascending(*list);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ascending.move_on()) << i;
  EXPECT_FALSE(ascending.move_on()) << "3 after 4";
}

/// Lists everything backwards, as a system does that sorts otherwise than its types tell.
class BackwardSource : public Source {
 public:
  explicit BackwardSource(std::unique_ptr<Source> source) : source_(std::move(source)) {}

  const std::shared_ptr<const Schema>& schema() const override { return source_->schema(); }
  void open(const Position& position) override { source_->open(position); }
  Batch next(std::size_t max_rows, std::size_t max_bytes) override {
    return source_->next(max_rows, max_bytes);
  }
  Probe has_changes(const Position& position) override { return source_->has_changes(position); }
  Batch fetch(const std::vector<Key>& keys, std::size_t max_bytes) override {
    return source_->fetch(keys, max_bytes);
  }
  Batch scan_keys(const std::optional<Key>& after, std::size_t max_rows) override {
    return backwards(source_->scan_keys(after, max_rows));
  }
  Batch scan_rows(const std::optional<Key>& after, std::size_t max_rows, std::size_t max_bytes) override {
    return backwards(source_->scan_rows(after, max_rows, max_bytes));
  }
  std::size_t count(std::size_t limit) override { return source_->count(limit); }
  std::string method() override { return source_->method(); }

 private:
  static Batch backwards(Batch page) {
    EXPECT_TRUE(page.caught_up) << "only a list of one page can be turned round";
    std::reverse(page.changes.begin(), page.changes.end());
    return page;
  }

  const std::unique_ptr<Source> source_;
};

class BackwardConnection : public Connection {
 public:
  explicit BackwardConnection(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

  Access check() override { return connection_->check(); }
  std::vector<TableInfo> discover(const std::string& table) override { return connection_->discover(table); }
  std::unique_ptr<Source> open_source(const SourceSpec& spec) override {
    return std::make_unique<BackwardSource>(connection_->open_source(spec));
  }
  std::unique_ptr<Destination> open_destination(const DestinationSpec& spec) override {
    return connection_->open_destination(spec);
  }

 private:
  const std::unique_ptr<Connection> connection_;
};

/// At the source are rows 1 to 30, at the destination 3 to 32, of which 10 differs.
class Listing : public EngineTest, public ::testing::WithParamInterface<std::tuple<bool, bool>> {
 protected:
  Listing() {
    create_destination();
    for (int id = 1; id <= 30; ++id) put(id, "row");
    for (int id = 3; id <= 32; ++id)
      to_.put("people", {integer(id), Value::text(id == 10 ? "other" : "row"), Value::text("Ulm")});
    spec_.table = "people";
    spec_.key = {"id"};
    spec_.strategy = Strategy::diff;
    source_ = connect("from", std::get<0>(GetParam()));
    destination_ = connect("to", std::get<1>(GetParam()));
  }

  std::unique_ptr<Connection> connect(const std::string& id, bool backwards) {
    auto connection = registry_.at(id).connect({}, {clock_, {}, nullptr});
    if (!backwards) return connection;
    return std::make_unique<BackwardConnection>(std::move(connection));
  }

  static std::vector<std::int64_t> sorted_ids(const KeyFile& keys) {
    std::vector<std::int64_t> ids;
    const auto list = keys.read();
    while (const ListedKey* key = list->next()) ids.push_back(key->cells[0].as_int64());
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  using Ids = std::vector<std::int64_t>;
  const TableMapping mapping_ = people_mapping();
  SourceSpec spec_;
  std::unique_ptr<Connection> source_, destination_;
};

TEST_P(Listing, FindsWhatKeysDifferByWhateverTheirOrder) {
  SourceSpec spec = spec_;
  spec.fields = Mapper::needed_fields(mapping_);
  const auto rows = source_->open_source(spec);
  const Mapper mapper(mapping_, rows->schema());
  KeySides sides{mapping_, *source_, spec_, false, *destination_, mapper.outgoing(), {}};
  const KeyDifferences found = compare_keys(sides);
  EXPECT_EQ(sorted_ids(found.missing), (Ids{1, 2}));
  EXPECT_EQ(sorted_ids(found.surplus), (Ids{31, 32}));
  EXPECT_EQ(found.at_source, 30);
  EXPECT_EQ(found.at_destination, 30);
}

TEST_P(Listing, FindsWhatRowsDifferByWhateverTheirOrder) {
  const RowDifferences found =
      RowComparison(mapping_, spec_, *source_, *destination_).compare([](std::int64_t) {});
  EXPECT_EQ(sorted_ids(found.missing), (Ids{1, 2}));
  EXPECT_EQ(sorted_ids(found.surplus), (Ids{31, 32}));
  EXPECT_EQ(sorted_ids(found.differing), Ids{10});
  EXPECT_EQ(found.at_source, 30);
}

INSTANTIATE_TEST_SUITE_P(OutOfOrder, Listing, ::testing::Combine(::testing::Bool(), ::testing::Bool()),
                         [](const auto& instance) {
                           return std::string(std::get<0>(instance.param) ? "source" : "") +
                                  (std::get<1>(instance.param) ? "destination" : "") + "backwards";
                         });

}  // namespace
}  // namespace syncflow::testkit
