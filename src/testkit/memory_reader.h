#pragma once

#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "provider/source.h"
#include "sql/table_reader.h"
#include "testkit/memory_database.h"

namespace syncflow::testkit {

/// Reads a table of a MemoryDatabase.
///
/// A result shows what was committed when `select` began. Stricter than a database need be: anything asked while
/// a result is alive is an Error(bug), the end of a result is only told by a read of its own, and exact texts of
/// cursors look like nothing but themselves (`@1704067200000000.000`, `#42`).
class MemoryReader : public sql::TableReader {
 public:
  /// Throws Error(not_found) for an unknown table and Error(bad_config) for an unknown field.
  MemoryReader(MemoryDatabase& database, const SourceSpec& spec, std::stop_token stop = {});

  const std::shared_ptr<const Schema>& schema() const override { return schema_; }
  std::string identity() override;
  sql::Visibility visibility() override { return database_.visibility(); }
  sql::Mark mark() override;
  std::set<std::string> open_now() override;
  Time now() override;

  sql::CursorKind cursor_kind() const override;
  bool cursor_nullable() const override;
  bool key_ascends() const override;
  Value cursor_at(Time time) const override;
  std::string cursor_text(Time time) const override;
  Value cursor_value(const std::string& exact, Arena& arena) const override;

  std::unique_ptr<sql::RowStream> select(const sql::RowQuery& query) override;
  bool exists(const sql::RowQuery& query) override;
  std::size_t count(const sql::RowQuery& query, std::size_t limit) override;

  std::string hash_form(const std::vector<std::string>& fields) override;
  std::vector<RangeHash> hash_ranges(const sql::RowQuery& query, const std::vector<std::string>& fields,
                                     int bits) override;

 private:
  friend class MemoryStream;
  class Condition;

  std::vector<RowPointer> rows_of(const sql::RowQuery& query) const;
  void sort(std::vector<RowPointer>& rows, sql::RowQuery::Order order) const;
  void made(Call call) const;
  void must_be_free() const;
  std::string exact_text(const Value& cursor) const;

  MemoryDatabase& database_;
  const std::string table_;
  const std::stop_token stop_;
  MemoryTable info_;
  std::shared_ptr<const Schema> schema_;
  std::vector<std::size_t> columns_;  ///< of the table, for each field handed out
  std::vector<std::size_t> key_columns_;
  std::optional<std::size_t> cursor_column_;
  int live_streams_ = 0;
};

}  // namespace syncflow::testkit
