// Mappings that a sync no longer has.

#include <optional>
#include <span>

#include "testkit/engine_test.h"

namespace syncflow::testkit {
namespace {

class LeftMappings : public EngineTest {
 protected:
  LeftMappings() {
    create_destination();
    to_.refuse_writing("people", [](std::span<const Value> row) -> std::optional<Refusal> {
      if (row[0].as_int64() != 4) return std::nullopt;
      return Refusal{"name", "not this one"};
    });
    for (int id = 1; id <= 9; ++id) put(id, "row");
    both_.retry.max_retries = rest_.retry.max_retries = 0;
  }

  bool is_kept(const TableMapping& mapping) {
    return store_->find_mapping(both_.id, mapping.name()).has_value();
  }

  const TableMapping people_ = people_mapping();
  const TableMapping others_ = to_others();
  SyncDefinition both_ = sync_of({people_, others_});
  SyncDefinition rest_ = sync_of({others_});

 private:
  static TableMapping to_others() {
    TableMapping mapping = people_mapping();
    mapping.destination = "others";
    return mapping;
  }
};

TEST_F(LeftMappings, LeaveNothingBehindOnceARunHasEndedWell) {
  ASSERT_EQ(run(both_).in_quarantine, 1u);
  ASSERT_TRUE(is_kept(people_));
  const SyncReport report = run(rest_);
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.in_quarantine, 0u) << "nobody tries these rows any more";
  EXPECT_FALSE(is_kept(people_));
  EXPECT_TRUE(is_kept(others_));
  expect_quiet(rest_);
}

TEST_F(LeftMappings, ThatAreBackBeginAnew) {
  run(both_);
  run(rest_);
  put(10, "new");
  const SyncReport report = run(both_);
  EXPECT_EQ(report.status, "completed") << report.error;
  EXPECT_EQ(report.in_quarantine, 1u);
  EXPECT_EQ(to_.size("people"), 9u);
  EXPECT_EQ(to_.size("others"), 10u);
}

TEST_F(LeftMappings, StayWhileRunsFail) {
  run(both_);
  from_.calls().fail(Call::discover, ErrorKind::unavailable, 1, 100);
  EXPECT_EQ(run(rest_).status, "failed");
  EXPECT_TRUE(is_kept(people_)) << "perhaps they are put back, as the mend";
  from_.calls().forget();
  EXPECT_EQ(run(rest_).status, "completed");
  EXPECT_FALSE(is_kept(people_));
}

}  // namespace
}  // namespace syncflow::testkit
