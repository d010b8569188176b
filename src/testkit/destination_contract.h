#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "provider/destination.h"
#include "testkit/database_case.h"

namespace syncflow::testkit {

/// One canonical value that a destination is given.
struct ValueSample {
  Type type = Type::text;
  std::string text;  ///< canonical
};

/// A value for a column that cannot hold it.
struct MisfitSample {
  std::string column_type;  ///< as in CREATE TABLE: "varchar(3)"
  ValueSample value;
};

struct DestinationCase : DatabaseCase {
  /// What a field that `create` made for values of this type reads back as, where that is not the same
  /// text (a JSON document laid out anew); empty optional: it is a rejection that names the field.
  /// Without a function: everything reads back as it was written.
  std::function<std::optional<std::string>(const ValueSample&)> reads_back;
  std::vector<MisfitSample> misfits;
  /// What another session runs so that writing to `items` waits until it ends.
  std::vector<std::string> block_writers;
};

/// Time without end, until told otherwise.
class TestFence : public Fence {
 public:
  std::chrono::milliseconds left() const override { return std::chrono::seconds(30); }
  void check() const override;
  /// The n-th check from now on (1 is the next) and every later one throw Error(lease_lost).
  void close_at(int check) { checks_left_ = check; }
  int checks() const { return checks_; }

 private:
  mutable std::optional<int> checks_left_;
  mutable int checks_ = 0;
};

/// Checks the promises of provider/destination.h and DESIGN 4, 6 and 7 on a real table.
///
/// Instantiate with SYNCFLOW_DESTINATION_CONTRACT.
class DestinationContract : public ::testing::TestWithParam<Shared<DestinationCase>> {
 protected:
  void SetUp() override;

  const Dialect& dialect() const { return GetParam()->dialect; }
  Connection& connection() { return database_->connection(); }

  /// id (key), name, note.
  static std::shared_ptr<const Schema> item_schema(const std::string& table = "items");
  /// CREATE TABLE items (id, name, note) with `extra` (", CHECK (…)") after the columns.
  void create_items(const std::string& extra = "");
  void create_table(const std::string& name, const std::string& columns);

  DestinationSpec spec(const std::shared_ptr<const Schema>& schema) const;
  /// Opened and prepared.
  std::unique_ptr<Destination> open(const DestinationSpec& spec);
  std::unique_ptr<Destination> open_items() { return open(spec(item_schema())); }

  /// Writes, and checks that the figures add up to the batch.
  WriteResult write(Destination& destination, const Batch& batch, WriteMode mode = WriteMode::upsert);
  /// Writes the batch twice; both leave the same rows, and the second changes nothing.
  WriteResult write_twice(Destination& destination, const Batch& batch, const std::string& table = "items",
                          const std::vector<std::string>& columns = {"id", "name", "note"});

  std::vector<TextRow> rows(const std::string& table = "items",
                            const std::vector<std::string>& columns = {"id", "name", "note"});
  void expect_rows(const std::vector<TextRow>& wanted, const std::string& table = "items",
                   const std::vector<std::string>& columns = {"id", "name", "note"});

  std::unique_ptr<TestDatabase> database_;
  TestFence fence_;
};

/// Deletes, moves, truncate, soft marks and stamps.
class DestinationDeleteContract : public DestinationContract {};
/// Types, texts and names.
class DestinationValueContract : public DestinationContract {};

/// Name the suite's sources, so that the linker takes them out of their library.
int link_destination_contract();
int link_destination_delete_contract();
int link_destination_value_contract();

#define SYNCFLOW_DESTINATION_CONTRACT(prefix, ...)                                            \
  [[maybe_unused]] const int prefix##_destination_contract =                                  \
      ::syncflow::testkit::link_destination_contract() +                                      \
      ::syncflow::testkit::link_destination_delete_contract() +                               \
      ::syncflow::testkit::link_destination_value_contract();                                 \
  INSTANTIATE_TEST_SUITE_P(prefix, DestinationContract, ::testing::Values(__VA_ARGS__),       \
                           [](const auto& tested) { return tested.param->name; });            \
  INSTANTIATE_TEST_SUITE_P(prefix, DestinationDeleteContract, ::testing::Values(__VA_ARGS__), \
                           [](const auto& tested) { return tested.param->name; });            \
  INSTANTIATE_TEST_SUITE_P(prefix, DestinationValueContract, ::testing::Values(__VA_ARGS__),  \
                           [](const auto& tested) { return tested.param->name; })

}  // namespace syncflow::testkit
