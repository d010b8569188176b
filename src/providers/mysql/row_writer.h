#pragma once

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "provider/destination.h"
#include "providers/mysql/encode.h"
#include "providers/mysql/statements.h"

namespace syncflow::mysql {

/// A change with its values as they are bound. Cells of a remove are null beside its key.
struct EncodedChange {
  std::size_t change = 0;  ///< index into the batch
  Operation operation = Operation::upsert;
  /// The fields that are not absent; shared by all changes with the same.
  const std::vector<std::size_t>* present = nullptr;
  std::span<const Encoded> cells;    ///< one for each field
  std::span<const Encoded> old_key;  ///< of a move
  std::size_t size_bytes = 0;
};

/// Prepared statements of one session, made once for each form and number of rows.
class StatementCache {
 public:
  /// `make` gives the SQL.
  Statement& get(Session& session, const std::string& name, const std::function<std::string()>& make);
  void clear() { statements_.clear(); }

 private:
  static constexpr std::size_t kMost = 60;
  std::map<std::string, Statement> statements_;
};

/// Writes changes inside a transaction that somebody else opened. Many rows go into one statement; where that fails by
/// a row, its rows go in smaller ones until the row is alone.
///
/// Why this form. Measured on both servers with rows of five fields, a prepared INSERT of some hundred rows with
/// ON DUPLICATE KEY UPDATE writes as many rows as the same text without it, and three to five times as many as a
/// temporary table with UPDATE … JOIN and INSERT … SELECT. LOAD DATA LOCAL cuts values in silence even in strict mode
/// and is off on MySQL servers by default. REPLACE deletes rows, with what hangs on them. InnoDB takes back a statement
/// that fails, so no savepoint is needed between the attempts.
class RowWriter {
 public:
  RowWriter(Session& session, const TargetTable& table, const Statements& statements, StatementCache& cache,
            std::size_t max_packet_bytes)
      : session_(session),
        table_(table),
        statements_(statements),
        cache_(cache),
        max_packet_bytes_(max_packet_bytes) {}

  /// Rows with the same fields present.
  void upsert(const std::vector<EncodedChange>& rows, bool most_likely_new);
  void remove(const std::vector<EncodedChange>& rows);
  void move(const EncodedChange& change);
  /// Once more what other rows of the batch may have stood in the way of.
  void retry();

  WriteResult& result() { return result_; }
  /// Changes of the batch whose keys the table takes for one another's: none of them may be written, and since one
  /// was, the batch must be written anew without them.
  const std::map<std::size_t, Rejection>& folded() const { return folded_; }

 private:
  using Rows = std::span<const EncodedChange>;
  using Attempt = bool (RowWriter::*)(Rows rows);

  void apply(Rows rows, std::size_t level, std::size_t values_per_row, Attempt attempt);
  std::size_t chunk_size(Rows rows, std::size_t level, std::size_t values_per_row) const;
  bool try_append(Rows rows);
  bool try_upsert(Rows rows);
  bool try_remove(Rows rows);
  void upsert_partly(const EncodedChange& row);
  bool update_present(const EncodedChange& row, bool& changed);
  bool make_way(const EncodedChange& change);
  /// False when the statement failed by a row.
  bool run(Statement& statement, Outcome& outcome);
  void bind_rows(Statement& statement, Rows rows);
  std::size_t bind_key(Statement& statement, std::size_t at, std::span<const Encoded> key);
  std::vector<Encoded> key_of(const EncodedChange& row) const;
  bool exists(std::span<const Encoded> key);
  void refuse(const EncodedChange& row);
  void refuse(const EncodedChange& row, std::string field, std::string reason, RejectionCause cause);
  std::string suspect(const EncodedChange& row, const Session::ServerError& error) const;
  void explain_guard(const EncodedChange& row);
  bool refuse_folded(const EncodedChange& row);
  std::string name_of(const char* form, const std::vector<std::size_t>& fields, std::size_t rows) const;

  Session& session_;
  const TargetTable& table_;
  const Statements& statements_;
  StatementCache& cache_;
  const std::size_t max_packet_bytes_;
  WriteResult result_;
  std::vector<EncodedChange> refused_;  ///< by other rows: worth another try
  std::vector<EncodedChange> upserts_;  ///< that went by, to find what folds
  std::map<std::size_t, Rejection> folded_;
  std::set<std::string> taken_keys_;  ///< that moves of this batch have written
};

}  // namespace syncflow::mysql
