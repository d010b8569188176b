#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "provider/source.h"
#include "testkit/database_case.h"

namespace syncflow::testkit {

/// One value of a native type and what it must be read as.
struct TypeSample {
  std::string type;     ///< as in CREATE TABLE: "numeric(10,2)"
  std::string literal;  ///< as in INSERT: "'1.50'"
  Type canonical = Type::text;
  std::string text;  ///< the canonical text
};

/// A value that cannot be carried: its row must be refused by field, the others not touched.
struct UnreadableSample {
  std::string type;
  std::string literal;
};

/// Values of a type that may be a key, of which the database sorts or folds some in its own way.
struct KeySample {
  std::string type;                   ///< as in CREATE TABLE: "varchar(20) COLLATE …"
  std::vector<std::string> literals;  ///< as in INSERT, all of them different keys
};

struct SourceCase : DatabaseCase {
  std::vector<TypeSample> samples;
  std::vector<KeySample> keys;
  std::vector<UnreadableSample> unreadable;
  /// Where the login sees little, the default overlap outlasts any test that restarts at every batch.
  std::optional<Duration> overlap;
  /// Several sessions can hold written rows open at once.
  bool several_writers = true;
  /// What another session runs so that reading `items` waits until it ends; empty: nothing makes a read wait.
  std::vector<std::string> block_readers;
};

/// Checks the promises of provider/source.h and DESIGN 4 and 5 on a real table.
///
/// Instantiate with SYNCFLOW_SOURCE_CONTRACT.
class SourceContract : public ::testing::TestWithParam<Shared<SourceCase>> {
 protected:
  void SetUp() override;

  const Dialect& dialect() const { return GetParam()->dialect; }
  Connection& connection() { return database_->connection(); }
  ItemsTable& items() { return *items_; }

  SourceSpec spec(Strategy strategy = Strategy::cursor) const;
  std::unique_ptr<Source> open_source() { return connection().open_source(spec()); }

  /// Reads on from `position` to the end, into `replica`; `max_rows` a batch. Returns where the next read begins.
  Position read_on(Source& source, const Position& position, Replica& replica, std::size_t max_rows = 1000);
  /// The same with a new source for each of the first batches, as if the process had died after it.
  Position read_with_restarts(const SourceSpec& spec, Position position, Replica& replica,
                              std::size_t max_rows);
  /// Everything from the start.
  Replica read_all(const SourceSpec& spec, std::size_t max_rows = 1000);

  /// The replica has exactly the rows of the table.
  void expect_in_step(const Replica& replica);

  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<ItemsTable> items_;
};

/// Types, texts and names.
class SourceValueContract : public SourceContract {};

/// Names the suite's sources, so that the linker takes them out of their library.
int link_source_contract();
int link_source_value_contract();

#define SYNCFLOW_SOURCE_CONTRACT(prefix, ...)                                                          \
  [[maybe_unused]] const int prefix##_source_contract =                                                \
      ::syncflow::testkit::link_source_contract() + ::syncflow::testkit::link_source_value_contract(); \
  INSTANTIATE_TEST_SUITE_P(prefix, SourceContract, ::testing::Values(__VA_ARGS__),                     \
                           [](const auto& tested) { return tested.param->name; });                     \
  INSTANTIATE_TEST_SUITE_P(prefix, SourceValueContract, ::testing::Values(__VA_ARGS__),                \
                           [](const auto& tested) { return tested.param->name; })

}  // namespace syncflow::testkit
