#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "engine/definition.h"
#include "provider/provider.h"
#include "store/store.h"

namespace syncflow {

/// How one sync did: the line that `run --json` prints.
struct SyncReport {
  std::string sync, job_id;
  std::string status;  ///< completed, failed
  std::string strategy;
  std::string error;
  std::string hold;  ///< the kind of the hold that the failure put on the sync; empty: none
  Figures figures;
  double seconds = 0;
  std::vector<TableReport> tables;
  std::size_t in_quarantine = 0;  ///< rows of the sync that wait there after the run
};

/// What moved, for progress bars. Called from worker threads, at most a few times a second for each sync.
struct Progress {
  std::string sync, table;
  std::string phase;  ///< "first load", "changes", "comparing"
  std::int64_t rows = 0;
  std::int64_t of_rows = -1;  ///< -1: not known
};
using OnProgress = std::function<void(const Progress&)>;

/// One finding of `validate`.
struct Finding {
  enum class Severity { note, warning, error };
  Severity severity = Severity::note;
  std::string sync, table;  ///< empty: of a connection or the whole file
  std::string text;
  std::string ddl;  ///< what `create` would run
};

/// The payload of a job that compares every row and writes what differs.
inline constexpr std::string_view kRepairPayload = R"({"repair":true})";

/// One row that is not at the destination as the source has it.
struct RowDifference {
  std::string kind;                 ///< differs, missing, surplus
  std::string key;                  ///< as the source knows the row, in JSON
  std::vector<std::string> fields;  ///< of `differs`: the destination's names
};

/// What comparing one mapping's two sides found. Counts are exact.
struct TableVerification {
  std::string source, destination;
  std::int64_t at_source = 0;       ///< rows within the filters
  std::int64_t at_destination = 0;  ///< rows, without those that a soft delete marked
  std::int64_t equal = 0;
  std::int64_t differing = 0;
  std::int64_t missing = 0;  ///< not at the destination
  std::int64_t surplus = 0;  ///< ours, and gone at the source or outside the filters
  std::int64_t kept = 0;  ///< only at the destination, and to stay: of others, or by `deletes` or `on_leave`
  std::int64_t waiting = 0;                ///< newer than the position: the next run carries them
  std::int64_t quarantined = 0;            ///< refused, see the quarantine
  std::vector<RowDifference> differences;  ///< the first of them

  static constexpr std::size_t kMostShown = 100;
  bool is_equal() const { return differing + missing + surplus + quarantined == 0; }
};

/// What `verify` found.
struct Verification {
  std::string sync;
  std::vector<TableVerification> tables;
  double seconds = 0;

  bool is_equal() const;
};

/// Keeps syncs in step: scheduler, poller, queue workers and pipeline over one store.
///
/// Thread-safe. Starts and joins its own threads.
class Engine {
 public:
  struct Parts {
    Store& store;
    const Registry& providers;
    Clock& clock;
    Config config;
    OnProgress on_progress;  ///< may be empty
  };
  explicit Engine(Parts parts);
  ~Engine();

  /// Puts the file's syncs into the store. Throws Error(bad_config) for what no run could mend
  /// (unknown connection, feature not supported yet), naming sync and table.
  void apply_config();

  /// Starts pollers and workers. Returns at once.
  void start();
  /// Asks them to stop, gives running batches up to `drain` to end, hands back the rest, joins.
  void stop();

  /// Detects, queues and works until the syncs (empty: all active ones) are up to date once. Works in the
  /// calling thread and up to engine.workers more; not beside `start`. Each report is also given to
  /// `on_report` as soon as its sync is done. `resync` loads again from the start.
  std::vector<SyncReport> run_once(const std::vector<std::string>& sync_names, bool resync,
                                   const std::function<void(const SyncReport&)>& on_report,
                                   std::stop_token stop);

  /// Compares both sides of a sync of the config row by row; changes nothing and needs no lease. Throws
  /// Error(bad_config) for an unknown sync, and Error when a side cannot be read.
  Verification verify(const std::string& sync_name, std::stop_token stop);

  /// As `run_once` of one sync, which also compares every row and writes those that differ, and removes those of its
  /// own that are gone at the source.
  SyncReport repair(const std::string& sync_name, const std::function<void(const SyncReport&)>& on_report,
                    std::stop_token stop);

  /// Looks at connections and mappings without changing anything: access, tables, fields, keys, the
  /// table-size rule, the DDL that `create` would run. An `error` means that a run would be held.
  std::vector<Finding> validate_online(std::stop_token stop);

  /// Opens a connection of the config by name. Throws Error(bad_config) naming the nearest.
  std::unique_ptr<Connection> connect(const std::string& connection_name, std::stop_token stop);

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace syncflow
