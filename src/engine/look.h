#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "core/error.h"
#include "engine/sync_run.h"
#include "engine/table_plan.h"

namespace syncflow {

/// How tables were planned, so that a look does not read the catalogue each time. Forgets what is old. Thread-safe.
class PlanCache {
 public:
  std::optional<TablePlan> find(const std::string& name, std::chrono::steady_clock::time_point now);
  void put(const std::string& name, const TablePlan& plan, std::chrono::steady_clock::time_point now);

 private:
  struct Kept {
    TablePlan plan;
    std::chrono::steady_clock::time_point until;
  };
  std::mutex mutex_;
  std::map<std::string, Kept> plans_;
  std::chrono::steady_clock::time_point tidied_;
};

/// A failure of the store during a look: it says nothing of the source.
class StoreTrouble : public Error {
 public:
  explicit StoreTrouble(const Error& error) : Error(error) {}
};

/// What a look at a sync's sources found.
struct Looked {
  bool changed = false;
  bool asked_source = false;  ///< else the store alone knew
  bool outgrown = false;      ///< a table outgrew the size rule: each run compares more rows than it should
  /// How each mapping is read; complete only when nothing changed.
  std::vector<Strategy> strategies;
};

/// Whether a sync has anything to do, without a job and without writing to its destination.
///
/// One cheap look-up for each mapping; where that says `perhaps`, the overlap is read and compared with what
/// was applied last, and the position moves on when all of it was. Throws Error, and StoreTrouble where it was the
/// store that failed.
Looked look_for_changes(const EngineParts& parts, PlanCache& plans, const Sync& sync, std::stop_token stop);

}  // namespace syncflow
