#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "provider/destination.h"
#include "testkit/memory_database.h"

namespace syncflow::testkit {

/// Writes a table of a MemoryDatabase, with everything that provider/destination.h asks for.
///
/// What a MemoryTable says is kept: types, text lengths, not-null, unique indexes, foreign keys; beyond that the
/// database's `refuse_writing`. A batch that breaks the contract (two changes of one key, a refused change among
/// them) is an Error(bug). Removes delete the row under Deletes::ignore too: who ignores them sends none.
class MemoryDestination : public Destination {
 public:
  MemoryDestination(MemoryDatabase& database, const DestinationSpec& spec, std::stop_token stop = {});

  Prepared prepare(bool dry_run = false) override;
  WriteResult write(const Batch& batch, WriteMode mode, const Fence& fence) override;
  std::size_t remove_all(const Fence& fence) override;

 private:
  enum class Outcome { written, deleted, unchanged };

  MemoryTable wanted_table() const;
  Prepared created(bool dry_run);
  void check_fields() const;
  void check_key() const;
  void bind();

  Outcome apply(const Batch& batch, const Change& change);
  Outcome upsert(const Change& change, const RowPointer& old);
  Outcome remove(const MemoryRow& key);
  Outcome move(const Batch& batch, const Change& change);
  void check_row(const MemoryRow& row, const MemoryRow& key) const;
  void check_cells(const MemoryRow& row) const;
  void check_unique(const MemoryRow& row, const MemoryRow& key) const;
  void check_parents(const MemoryRow& row) const;
  void check_children(const MemoryRow& key) const;
  bool mark_deleted(MemoryRow row);
  MemoryRow as_table_row(const Change& change) const;
  MemoryRow key_cells(std::span<const Value> row) const;
  void made(Call call) const;

  MemoryDatabase& database_;
  const DestinationSpec spec_;
  const std::stop_token stop_;
  MemoryTable table_;
  Schema schema_;
  std::vector<std::size_t> columns_;  ///< of the table, for each incoming field
  std::optional<std::size_t> stamp_;
  std::optional<std::size_t> soft_;
  std::unique_ptr<MemoryTransaction> transaction_;
};

}  // namespace syncflow::testkit
