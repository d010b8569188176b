#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/libpq/session.h"
#include "provider/provider.h"
#include "providers/postgresql/fenced_transaction.h"
#include "providers/postgresql/settings.h"
#include "providers/postgresql/target_table.h"
#include "providers/postgresql/write_statements.h"

namespace syncflow::postgresql {

/// Writes one table by way of a temporary one (the stage): binary COPY into it, then one statement for
/// each kind of change. What is most likely new is copied straight into the table.
class StagedDestination : public Destination {
 public:
  StagedDestination(const Settings& settings, const DestinationSpec& spec, const Resources& resources);

  Prepared prepare(bool dry_run) override;
  WriteResult write(const Batch& batch, WriteMode mode, const Fence& fence) override;
  std::size_t remove_all(const Fence& fence) override;

 private:
  libpq::Session& session();
  /// For writing: bears the holder's name, and sessions of earlier holders stand in its way no more.
  libpq::Session& session_for(const Fence& fence);
  /// Runs `work`; what it throws comes back with what a person can do about it.
  template <typename Work>
  auto explaining(const Work& work);
  Prepared prepare_table(bool dry_run);
  void check_takes_writes();
  void prepare_if_needed();
  void ensure_stage();
  WriteResult write_truncate(const Fence& fence);
  /// Empty: something stands in the way of copying these rows straight into the table.
  std::optional<WriteResult> append(const Batch& batch, const Fence& fence);
  WriteResult write_staged(const Batch& batch, const Fence& fence);
  bool may_append(const Batch& batch) const;

  Settings settings_;
  DestinationSpec spec_;
  TableName name_;
  const Resources resources_;
  SessionPool::Place place_;  ///< of the session
  std::unique_ptr<libpq::Session> session_;
  bool has_stage_ = false;
  std::optional<std::int64_t> marked_for_;  ///< the epoch of the holder whose name the session bears
  std::optional<TargetTable> target_;
  std::map<std::string, std::string> constraint_fields_;  ///< of constraints on one column
  int refused_copies_ = 0;                                ///< in a row
};

}  // namespace syncflow::postgresql
