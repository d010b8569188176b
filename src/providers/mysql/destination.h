#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "provider/destination.h"
#include "providers/mysql/row_writer.h"
#include "providers/mysql/sessions.h"
#include "providers/mysql/target_table.h"

namespace syncflow::mysql {

/// Writes one table, a batch in one transaction.
class TableDestination : public Destination {
 public:
  TableDestination(std::shared_ptr<Sessions> sessions, DestinationSpec spec);

  Prepared prepare(bool dry_run = false) override;
  WriteResult write(const Batch& batch, WriteMode mode, const Fence& fence) override;
  std::size_t remove_all(const Fence& fence) override;

 private:
  class Transaction;

  Prepared create(const TableName& name, bool dry_run);
  /// Checks that the table can take what comes, and that the login may write it.
  void take(TableDef&& found, std::vector<std::string>& warnings);
  const TargetTable& table();
  Session& ready_session();
  Statements statements();
  std::size_t clear(const Fence& fence);
  std::vector<EncodedChange> encode(const Batch& batch, Arena& arena, std::vector<Rejection>& misfits);
  bool encode_cells(const Change& change, EncodedChange& out, Arena& arena, Rejection& misfit);
  void apply(RowWriter& writer, const std::vector<EncodedChange>& changes, WriteMode mode) const;

  std::shared_ptr<Sessions> sessions_;
  const DestinationSpec spec_;
  Login login_;
  std::optional<TargetTable> table_;
  std::set<std::vector<std::size_t>> presents_;  ///< what EncodedChange::present points to
  std::vector<std::size_t> present_;             ///< of the change at hand
  StatementCache cache_;
  std::size_t cached_for_ = 0;  ///< the session that the cached statements are of
  std::string cached_clock_;    ///< they hold the zone's offset
  std::size_t max_packet_bytes_ = 0;
};

}  // namespace syncflow::mysql
