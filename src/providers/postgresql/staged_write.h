#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/batch.h"
#include "provider/destination.h"
#include "providers/postgresql/fenced_transaction.h"
#include "providers/postgresql/target_table.h"
#include "providers/postgresql/write_statements.h"
#include "sql/postgresql_encode.h"

namespace syncflow::postgresql {

/// Rows on their way into a COPY in binary format, sent in pieces.
class CopyRows {
 public:
  explicit CopyRows(libpq::Session& session);

  /// A row of so many fields begins.
  void begin_row(std::size_t fields);
  void put_number(std::int32_t number);
  void put_null();
  /// 64-bit microseconds since 2000: a timestamp of either kind.
  void put_moment(std::int64_t since_2000);
  /// False: the column cannot hold it; `reason` says why.
  bool put(const sql::pg::Encoding& encoding, const Value& value, std::string& reason);
  /// The row is complete; what has gathered may be sent.
  void end_row();
  /// Takes back what of the row is there.
  void drop_row();
  /// Ends the COPY.
  libpq::Answer finish();

 private:
  libpq::Session& session_;
  sql::pg::Encoder encoder_;
  std::string bytes_;
  std::size_t row_begin_ = 0;
};

/// One batch on its way through the stage. Rows that the server refuses are found by halving what they
/// came with, so that they do not sink the others.
class StagedWrite {
 public:
  StagedWrite(const TargetTable& target, Deletes deletes,
              const std::map<std::string, std::string>& constraint_fields, FencedTransaction& transaction,
              const Batch& batch);

  /// Leaves the transaction to be committed.
  WriteResult run();

 private:
  enum class Kind { remove, move, upsert };
  /// Upserts of rows that have values in the same columns.
  struct Group {
    std::vector<bool> present;
    std::vector<std::size_t> changes;
    StageRange range;
  };
  struct Refused {
    std::size_t n;
    Kind kind;
    Rejection rejection;
  };

  void sort_changes();
  Group& group_of(const Change& change);
  void fill_stage();
  StageRange stage(CopyRows& rows, const std::vector<std::size_t>& changes, Kind kind);
  bool stage_row(CopyRows& rows, std::size_t change, Kind kind);
  bool put_cell(CopyRows& rows, std::size_t change, std::size_t column, Kind kind, const Value& value);
  bool keeps_its_key(const Change& change) const;
  void reject_folded_keys();
  void apply(const StageRange& range, Kind kind);
  libpq::Answer attempt(const StageRange& range, Kind kind);
  libpq::Answer attempt_move(std::size_t n);
  const Group& group_at(std::size_t n) const;
  std::size_t live_rows(const StageRange& range) const;
  void count(Kind kind, std::size_t changed, std::size_t rows);
  void refuse(std::size_t n, Kind kind, const libpq::ServerError& error);
  std::string field_that_fails(std::size_t n);
  void retry_refused();

  const TargetTable& target_;
  const WriteStatements statements_;
  Deletes deletes_;
  const std::map<std::string, std::string>& constraint_fields_;
  FencedTransaction& transaction_;
  const Batch& batch_;
  WriteResult result_;

  std::vector<std::size_t> removes_, moves_;
  std::vector<Group> groups_;
  bool has_old_keys_ = false;
  std::vector<std::size_t> change_of_;  ///< for each row number of the stage
  std::vector<std::vector<bool>> present_of_moves_;
  std::vector<bool> dropped_;  ///< rows of the stage that were rejected before anything was written
  StageRange removed_range_, moved_range_;
  std::vector<Refused> refused_;
};

}  // namespace syncflow::postgresql
