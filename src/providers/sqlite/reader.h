#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>

#include "provider/provider.h"
#include "providers/sqlite/settings.h"
#include "providers/sqlite/table_rows.h"
#include "sql/table_reader.h"

namespace syncflow::sqlite {

/// Answers `sql::TableSource` from one table of a file.
///
/// No read transaction outlives one call: in rollback mode it would keep every writer from committing, in WAL
/// mode it would keep the log from being reset. Rows are read in chunks, each from where the last one ended.
///
/// Marks: a SQLite file has one writer at a time. Where BEGIN IMMEDIATE succeeds, no transaction has written
/// anything that is not committed; where it does not, one has ("writer"), and it may be the same one until
/// BEGIN IMMEDIATE succeeds again. A transaction may have stamped its rows before its first write, while it
/// waited for the lock: for that there is the overlap of Visibility::horizon. A file that we may not or must not
/// write to (mode: read_only) shows nothing of this: Visibility::none.
class Reader : public sql::TableReader {
 public:
  /// Throws Error: not_found for a missing file or table, bad_config for fields that are not there or unfit.
  Reader(const SourceSpec& spec, const Settings& settings, Resources resources);

  const std::shared_ptr<const Schema>& schema() const override { return rows_->schema(); }
  std::string identity() override;

  sql::Visibility visibility() override;
  sql::Mark mark() override;
  std::set<std::string> open_now() override;
  Time now() override { return clock_.now(); }

  sql::CursorKind cursor_kind() const override { return rows_->cursor().kind(); }
  bool cursor_nullable() const override { return rows_->cursor().nullable(); }
  bool key_ascends() const override { return key_ascends_; }
  Value cursor_at(Time time) const override { return rows_->cursor().at(time); }
  std::string cursor_text(Time time) const override { return rows_->cursor().text(time); }
  Value cursor_value(const std::string& exact, Arena& arena) const override {
    return rows_->cursor().value(exact, arena);
  }

  std::unique_ptr<sql::RowStream> select(const sql::RowQuery& query) override;
  bool exists(const sql::RowQuery& query) override { return count(query, 1) == 1; }
  std::size_t count(const sql::RowQuery& query, std::size_t limit) override;

 private:
  bool writer_is_busy(std::chrono::milliseconds patience);

  Clock& clock_;
  Settings settings_;
  std::unique_ptr<Database> database_;
  std::optional<TableRows> rows_;
  bool key_ascends_ = false;
};

}  // namespace syncflow::sqlite
