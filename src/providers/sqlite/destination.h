#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "provider/provider.h"
#include "providers/sqlite/settings.h"
#include "providers/sqlite/write_statements.h"
#include "providers/sqlite/write_target.h"

namespace syncflow::sqlite {

/// Writes one table of a file: one transaction a batch, one prepared statement a row.
///
/// A statement that fails undoes its own row alone, so a refused row costs the others nothing. There are two
/// exceptions, for which the batch is rolled back and tried again: a trigger that says RAISE(ROLLBACK), and foreign
/// keys that are checked at COMMIT only (DEFERRABLE INITIALLY DEFERRED).
///
/// Foreign keys are enforced, though SQLite does not by itself.
class TableWriter : public Destination {
 public:
  TableWriter(const DestinationSpec& spec, const Settings& settings, Resources resources);

  Prepared prepare(bool dry_run) override;
  WriteResult write(const Batch& batch, WriteMode mode, const Fence& fence) override;
  std::size_t remove_all(const Fence& fence) override;

 private:
  enum class Outcome { written, deleted, unchanged };
  /// How carefully a batch is applied.
  struct Attempt {
    WriteMode mode = WriteMode::upsert;
    std::set<std::size_t> left_out;  ///< changes that roll the whole transaction back
    bool row_by_row = false;         ///< each in a savepoint, with its foreign keys checked at once
  };

  Prepared create(bool dry_run);
  void open(bool create);
  void bind_to(const Table& table, std::vector<std::string>& warnings);

  /// Empty: the batch was rolled back and `attempt` says how to try again.
  std::optional<WriteResult> try_to_write(const Batch& batch, const Fence& fence, Attempt& attempt);
  void apply(const Batch& batch, std::size_t index, const Attempt& attempt, WriteResult& result);
  Outcome change_row(const Change& change, const Attempt& attempt);
  Outcome upsert(const WriteStatements::Cells& cells, WriteMode mode);
  Outcome move(const Change& change, const WriteStatements::Cells& cells, WriteMode mode);
  Outcome remove(const Change& change);
  Outcome outcome_of(const Ran& ran, const WriteStatements::Cells& cells);

  WriteStatements::Cells encode(const Change& change);
  /// Empty: no row can have that key.
  std::optional<std::vector<Stored>> encode_key(std::span<const Value> key);
  Stored encode_cell(const Value& value, std::size_t column);
  void reject_folded_keys(const Batch& batch, std::vector<bool>& rejected, WriteResult& result);

  void begin_wait(const Fence& fence);
  void commit(Transaction& transaction, const Fence& fence);
  void read_clock();
  bool owes_foreign_keys() const;

  const DestinationSpec spec_;
  const Settings settings_;
  const Resources resources_;
  std::unique_ptr<Database> database_;
  std::optional<WriteTarget> target_;
  std::optional<WriteStatements> statements_;
  Spelling spelling_;
  Arena arena_;  ///< of the row in hand
  std::string now_text_;
  Stored now_;  ///< for marks and stamps
};

}  // namespace syncflow::sqlite
