#include "testkit/memory_provider.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace syncflow::testkit
