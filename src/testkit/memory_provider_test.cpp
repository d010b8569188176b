#include "testkit/memory_provider.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/error.h"
#include "testkit/fake_clock.h"
#include "testkit/memory_destination.h"

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;
using Mode = WriteMode;

class NoFence : public Fence {
 public:
  std::chrono::milliseconds left() const override { return 30s; }
  void check() const override {}
};

MemoryTable people() {
  MemoryTable table;
  table.name = "people";
  table.fields = {memory_field("id", Type::int64, false), memory_field("name", Type::text),
                  memory_field("updated_at", Type::timestamp_tz, false)};
  table.key = {"id"};
  table.cursor = "updated_at";
  return table;
}

class MemoryProvider : public ::testing::Test {
 protected:
  MemoryProvider() { database_.create_table(people()); }

  void put(std::int64_t id, std::string_view name) {
    database_.put("people", {integer(id), Value::text(name), instant(database_.now())});
  }
  std::unique_ptr<Connection> connect() {
    return provider(database_).connect({}, {clock_, stop_.get_token()});
  }
  SourceSpec spec(Strategy strategy = Strategy::cursor) {
    SourceSpec out;
    out.table = "people";
    out.strategy = strategy;
    if (strategy == Strategy::cursor) out.cursor = "updated_at";
    return out;
  }
  DestinationSpec into(const std::string& table) {
    DestinationSpec out;
    out.table = table;
    out.incoming = database_.schema("people");
    return out;
  }
  /// Copies everything that the source has after `position`, and returns where it ended.
  Position copy(Source& source, Destination& destination, Position position) {
    source.open(position);
    for (;;) {
      const Batch batch = source.next(3, 1 << 20);
      destination.write(batch, Mode::upsert, fence_);
      if (batch.caught_up) return batch.resume;
    }
  }
  MemoryDatabase::Contents rows(const std::string& table) { return database_.contents(table); }

  FakeClock clock_;
  std::stop_source stop_;
  MemoryDatabase database_;
  NoFence fence_;
};

template <typename Function>
ErrorKind kind_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::bug;
}

TEST_F(MemoryProvider, CopiesATableAndThenItsChanges) {
  for (int id = 1; id <= 10; ++id) put(id, "first");
  const auto connection = connect();
  const auto source = connection->open_source(spec());
  const auto destination = connection->open_destination(into("copy"));
  EXPECT_TRUE(destination->prepare().created);
  const Position position = copy(*source, *destination, {});
  EXPECT_EQ(rows("copy"), rows("people"));
  database_.advance(10s);
  put(4, "second");
  put(11, "first");
  copy(*source, *destination, position);
  EXPECT_EQ(rows("copy"), rows("people"));
}

TEST_F(MemoryProvider, HidesATransactionUntilItCommits) {
  put(1, "before");
  const auto writer = database_.begin();
  writer->put("people", {integer(1), Value::text("changed"), instant(writer->start())});
  writer->put("people", {integer(2), Value::text("new"), instant(writer->start())});
  EXPECT_EQ(database_.size("people"), 1u);
  EXPECT_EQ(writer->rows("people").size(), 2u);
  EXPECT_TRUE(database_.is_locked("people", {integer(2)}));
  EXPECT_EQ(kind_of([&] { put(1, "another's"); }), ErrorKind::conflict);
  writer->commit();
  EXPECT_EQ(database_.contents("people", {"name"}), (MemoryDatabase::Contents{{"changed"}, {"new"}}));
  EXPECT_FALSE(database_.is_locked("people", {integer(2)}));
  {
    const auto undone = database_.begin();
    undone->truncate("people");
    EXPECT_TRUE(undone->rows("people").empty());
  }
  EXPECT_EQ(database_.size("people"), 2u);
}

TEST_F(MemoryProvider, ShowsOfOpenTransactionsWhatTheLoginMaySee) {
  const Time began = database_.now();
  const auto reads_only = database_.begin();
  const auto writes = database_.begin();
  database_.advance(1min);
  writes->put("people", {integer(1), Value::null(), instant(began)});
  const auto mark = [&] { return database_.mark("people", [](sql::Mark&, const Rows&) {}); };
  EXPECT_EQ(mark().open.size(), 2u);
  EXPECT_EQ(mark().oldest_start, began);
  EXPECT_EQ(mark().at, began + 1min);
  database_.set_visibility(sql::Visibility::horizon);
  EXPECT_EQ(mark().open.size(), 1u);
  EXPECT_FALSE(mark().oldest_start);
  database_.set_visibility(sql::Visibility::none);
  EXPECT_TRUE(mark().open.empty());
}

TEST_F(MemoryProvider, ReadsWhatWasCommittedWhenTheStatementBegan) {
  put(1, "one");
  put(2, "two");
  const auto source = connect()->open_source(spec(Strategy::diff));
  source->open({});
  const Batch first = source->next(1, SIZE_MAX);
  put(2, "changed meanwhile");
  EXPECT_EQ(source->next(1, SIZE_MAX).changes.at(0).row[1].view(), "two");
}

TEST_F(MemoryProvider, FailsTheCallsItIsToldToFail) {
  put(1, "one");
  Calls& calls = database_.calls();
  const auto connection = connect();
  const auto source = connection->open_source(spec());
  calls.fail(Call::open, ErrorKind::unavailable, 2);
  EXPECT_NO_THROW(source->open({}));
  EXPECT_EQ(kind_of([&] { source->open({}); }), ErrorKind::unavailable);
  EXPECT_NO_THROW(source->open({}));
  calls.fail(Call::next, ErrorKind::conflict, 1, 2);
  EXPECT_EQ(kind_of([&] { source->next(1, 1); }), ErrorKind::conflict);
  EXPECT_EQ(kind_of([&] { source->next(1, 1); }), ErrorKind::conflict);
  EXPECT_NO_THROW(source->next(1, 1));
  EXPECT_EQ(calls.count(Call::next), 3u);
  calls.fail(Call::fetch, ErrorKind::forbidden, 1, 1, "another table");
  EXPECT_NO_THROW(source->fetch({}));
  calls.fail(Call::discover, ErrorKind::unauthorized);
  EXPECT_EQ(kind_of([&] { connection->discover(); }), ErrorKind::unauthorized);
  calls.fail(Call::connect, ErrorKind::unauthorized);
  EXPECT_EQ(kind_of([&] { connect(); }), ErrorKind::unauthorized);
}

TEST_F(MemoryProvider, LetsATestActAtTheVeryMomentOfACall) {
  put(1, "one");
  database_.calls().on(Call::select, [&](const std::string& table) {
    EXPECT_EQ(table, "people");
    put(2, "written just before the snapshot");
  });
  const auto source = connect()->open_source(spec(Strategy::diff));
  source->open({});
  EXPECT_EQ(source->next(10, SIZE_MAX).rows(), 2u);
}

TEST_F(MemoryProvider, EndsEveryWaitWhenItIsAskedToStop) {
  const auto connection = connect();
  const auto source = connection->open_source(spec());
  stop_.request_stop();
  EXPECT_EQ(kind_of([&] { source->open({}); }), ErrorKind::cancelled);
  EXPECT_EQ(kind_of([&] { connection->check(); }), ErrorKind::cancelled);
}

TEST_F(MemoryProvider, NamesTheNearestTable) {
  try {
    connect()->discover("poeple");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
    EXPECT_NE(std::string(error.what()).find("did you mean \"people\"?"), std::string::npos) << error.what();
  }
  const auto tables = connect()->discover();
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0].schema.key, std::vector<std::size_t>{0});
  ASSERT_EQ(tables[0].cursor_candidates.size(), 1u);
  EXPECT_EQ(tables[0].cursor_candidates[0].field, "updated_at");
}

TEST_F(MemoryProvider, IsSharedByManyThreads) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const auto source = connect()->open_source(spec());
      for (int i = 0; i < 50; ++i) {
        put(1000 * t + i, "written");
        source->open({});
        while (!source->next(100, SIZE_MAX).caught_up) {
        }
        database_.advance(1ms);
      }
    });
  threads.clear();
  EXPECT_EQ(database_.size("people"), 200u);
}

}  // namespace
}  // namespace syncflow::testkit
