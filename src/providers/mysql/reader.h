#pragma once

#include <memory>
#include <optional>
#include <string>

#include "provider/source.h"
#include "providers/mysql/row_query.h"
#include "providers/mysql/sessions.h"
#include "sql/table_reader.h"

namespace syncflow::mysql {

/// Reads one table or view.
class Reader : public sql::TableReader {
 public:
  /// Throws Error: not_found (table), bad_config (fields, key, cursor).
  Reader(std::shared_ptr<Sessions> sessions, const SourceSpec& spec);

  const std::shared_ptr<const Schema>& schema() const override { return reading_.schema; }
  std::string identity() override;

  sql::Visibility visibility() override { return visibility_; }
  sql::Mark mark() override;
  std::set<std::string> open_now() override;
  Time now() override;

  sql::CursorKind cursor_kind() const override;
  bool cursor_nullable() const override;
  bool key_ascends() const override { return key_ascends_; }
  Value cursor_at(Time time) const override;
  std::string cursor_text(Time time) const override;
  Value cursor_value(const std::string& exact, Arena& arena) const override;

  std::unique_ptr<sql::RowStream> select(const sql::RowQuery& query) override;
  bool exists(const sql::RowQuery& query) override;
  std::size_t count(const sql::RowQuery& query, std::size_t limit) override;

 private:
  void choose_fields(const SourceSpec& spec);
  std::vector<std::string> choose_key(const SourceSpec& spec) const;
  void check_cursor(const std::string& name) const;
  bool ascends(const std::vector<std::string>& key);
  const ColumnInfo& cursor_column() const;
  std::int64_t cursor_microseconds(Time time) const;
  std::string highest(const ColumnInfo& column);

  std::shared_ptr<Sessions> sessions_;
  Login login_;
  Reading reading_;
  sql::Visibility visibility_ = sql::Visibility::none;
  bool key_ascends_ = false;
};

/// Whether a column's values can tell what is new: "" when they can, else why not.
std::string why_no_cursor(const ColumnInfo& column);

}  // namespace syncflow::mysql
