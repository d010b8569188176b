#include "providers/postgresql/predecessors.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "core/clock.h"
#include "core/error.h"
#include "providers/postgresql/provider.h"
#include "testkit/postgresql_database.h"
#include "testkit/rows.h"

namespace syncflow::postgresql {
namespace {

using namespace std::chrono_literals;
using testkit::BatchBuilder;
using testkit::field;
using testkit::make_schema;
using testkit::PostgresDatabase;

constexpr const char* kSync = "0b8f7a3c-0000-4000-8000-000000000001";
constexpr const char* kOtherSync = "0b8f7a3c-0000-4000-8000-000000000002";

/// A lease with some seconds left, of a holder with a name.
class NamedFence : public Fence {
 public:
  explicit NamedFence(std::int64_t epoch) : epoch_(epoch) {}
  std::chrono::milliseconds left() const override { return 8s; }
  void check() const override {}
  Holder holder() const override { return {kSync, epoch_}; }

 private:
  const std::int64_t epoch_;
};

class PostgresPredecessors : public ::testing::Test {
 protected:
  void SetUp() override {
    SYNCFLOW_NEEDS_POSTGRESQL();
    database_ = std::make_unique<PostgresDatabase>();
    database_->run("CREATE TABLE t (id bigint PRIMARY KEY, name text)");
    for (int i = 1; i <= 5; ++i) database_->run(fmt::format("CREATE TABLE u{} (LIKE t INCLUDING ALL)", i));
  }

  /// A session that has sent two thousand rows of a COPY, and then nothing more. Its keys are in the index.
  std::unique_ptr<libpq::Session> frozen(const std::string& name, const std::string& table) {
    auto session = database_->connect();
    session->query("SELECT set_config('application_name', $1, false)", {name});
    session->execute("BEGIN");
    EXPECT_FALSE(session->begin_copy_in("COPY " + table + " FROM STDIN").refused);
    std::string rows;
    for (int id = 1; id <= 2000; ++id) rows += fmt::format("{}\tearlier\n", id);
    session->put_copied(rows);
    const std::string there =
        fmt::format("SELECT count(*) FROM pg_stat_progress_copy WHERE pid = {} AND tuples_processed >= 1000",
                    session->backend_pid());
    while (database_->value(there) == "0") {
    }
    return session;
  }
  /// Whether its COPY can still be ended well.
  static bool lives(libpq::Session& session) {
    try {
      return !session.end_copy_in().refused;
    } catch (const Error&) {
      return false;
    }
  }
  WriteResult write(WriteMode mode, std::int64_t epoch) {
    const auto schema = make_schema("t", {field("id", Type::int64), field("name", Type::text)});
    DestinationSpec spec;
    spec.table = "t";
    spec.incoming = *schema;
    const auto connection = provider().connect(database_->options(), {clock_, {}});
    const auto destination = connection->open_destination(spec);
    destination->prepare();
    WriteResult result =
        destination->write(BatchBuilder(schema).upsert({7, "later"}), mode, NamedFence(epoch));
    names_ = database_->rows(
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND "
        "application_name LIKE "
        "'syncflow % 5'");
    return result;
  }

  SystemClock clock_;
  std::unique_ptr<PostgresDatabase> database_;
  std::string names_;  ///< that sessions bore right after the write
};

TEST_F(PostgresPredecessors, DoNotStandInTheWayWhenTheyAreFrozenInTheMiddleOfACopy) {
  for (const WriteMode mode : {WriteMode::append, WriteMode::upsert}) {
    database_->run("TRUNCATE t");
    const auto before = frozen(fmt::format("syncflow {} 4", kSync), "t");
    EXPECT_EQ(write(mode, 5).written, 1u);
    EXPECT_EQ(names_, fmt::format("syncflow {} 5", kSync));
    EXPECT_EQ(database_->rows("SELECT * FROM t"), "7|later");
    EXPECT_FALSE(lives(*before));
  }
}

TEST_F(PostgresPredecessors, AreOnlyEarlierHoldersOfTheSameSync) {
  const auto same = frozen(fmt::format("syncflow {} 5", kSync), "u1");
  const auto later = frozen(fmt::format("syncflow {} 6", kSync), "u2");
  const auto other = frozen(fmt::format("syncflow {} 1", kOtherSync), "u3");
  const auto nameless = frozen("syncflow", "u4");
  const auto odd = frozen(fmt::format("syncflow {} 1 of mine", kSync), "u5");
  EXPECT_EQ(write(WriteMode::upsert, 5).written, 1u);
  for (const auto* session : {&same, &later, &other, &nameless, &odd}) EXPECT_TRUE(lives(**session));
}

TEST_F(PostgresPredecessors, AreLeftAloneWhileTheyOnlyIdle) {
  const auto before = database_->connect();
  before->query("SELECT set_config('application_name', $1, false)", {fmt::format("syncflow {} 4", kSync)});
  EXPECT_EQ(write(WriteMode::upsert, 5).written, 1u);
  EXPECT_NO_THROW(before->execute("SELECT 1"));
}

}  // namespace
}  // namespace syncflow::postgresql
