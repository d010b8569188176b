#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "testkit/fake_clock.h"
#include "testkit/memory_database.h"
#include "testkit/tiny_engine.h"

namespace syncflow::testkit {

/// A table `notes` (id int64, body text, changed) in a database of its own, and an engine that copies it.
class NotesTable {
 public:
  struct Options {
    sql::Visibility visibility = sql::Visibility::exact;
    Strategy strategy = Strategy::cursor;
    Type cursor = Type::timestamp_tz;  ///< of `changed`; int64: a number that ascends
    bool nullable = false;             ///< `changed` may be null
    bool key_ascends = false;
    std::optional<int> precision = std::nullopt;  ///< of `changed`: digits of the second
    std::optional<Duration> overlap = std::nullopt;
  };
  NotesTable() : NotesTable(Options()) {}
  explicit NotesTable(const Options& options);

  FakeClock clock;
  MemoryDatabase database{clock};
  TinyEngine engine;

  /// Writes a row, stamped with the time of the statement, in a transaction of its own.
  void put(std::int64_t id, std::string_view body) { put(id, body, instant(clock.now())); }
  void put(std::int64_t id, std::string_view body, const Value& changed);
  /// Writes a row stamped with the transaction's start.
  void put(MemoryTransaction& transaction, std::int64_t id, std::string_view body);
  void put(MemoryTransaction& transaction, std::int64_t id, std::string_view body, const Value& changed);
  void remove(std::int64_t id) { database.remove("notes", {integer(id)}); }
  /// Rows 1 to `count`, in one statement at one time.
  void fill(std::int64_t count, std::string_view body = "filled");

  SourceSpec spec() const { return spec_; }
  std::unique_ptr<Source> open_source() { return open_source(spec_); }
  std::unique_ptr<Source> open_source(const SourceSpec& spec);

  /// Whether the copy is the table, and if not, where they differ.
  ::testing::AssertionResult is_copied() const;
  /// The copy's body of a row; empty: it has no such row.
  std::string copied_body(std::int64_t id) const;

 private:
  SourceSpec spec_;
};

}  // namespace syncflow::testkit
