#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "drivers/libpq/session.h"
#include "provider/source.h"
#include "providers/postgresql/local_times.h"
#include "providers/postgresql/login.h"
#include "providers/postgresql/open_transactions.h"
#include "providers/postgresql/row_query.h"
#include "providers/postgresql/settings.h"
#include "sql/table_reader.h"

namespace syncflow::postgresql {

/// Reads one table (or view, partitioned or foreign table) by COPY in binary format, each statement in a
/// transaction of its own that is REPEATABLE READ and READ ONLY. Not thread-safe.
class Reader : public sql::TableReader {
 public:
  /// Throws Error: not_found, forbidden (naming the GRANT), bad_config for key and cursor fields that
  /// cannot be read by.
  Reader(const Settings& settings, const SourceSpec& spec, const Resources& resources);

  const std::shared_ptr<const Schema>& schema() const override { return schema_; }
  std::string identity() override;

  sql::Visibility visibility() override { return transactions_->visibility(); }
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
  class CopyStream;

  /// The connection, made anew when a stream was left before its end or the last one was lost.
  libpq::Session& session() const { return login_.session(); }
  void make_plan(const Relation& relation, const SourceSpec& spec);
  void check_rights(const Relation& relation) const;
  void check_key() const;
  void check_cursor();
  bool cursor_is_time() const;
  /// The highest value of a column that is neither null nor beyond all numbers; empty when there is none.
  std::string highest(const ReadColumn& column);
  /// The same error with what a person can do about it.
  Error explained(const Error& error) const;
  template <typename Ask>
  auto explaining(const Ask& ask) const;

  Settings settings_;
  mutable Login login_;
  ReadPlan plan_;
  std::shared_ptr<const Schema> schema_;
  std::optional<OpenTransactions> transactions_;
  std::optional<LocalTimes> local_times_;  ///< of a naive cursor
};

}  // namespace syncflow::postgresql
