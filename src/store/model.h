#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/batch.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/position.h"

namespace syncflow {

inline constexpr std::string_view kDefaultTeam = "00000000-0000-4000-8000-000000000001";

enum class SyncStatus { draft, active, paused };
/// Why a sync is stopped though its status is active.
struct Hold {
  std::string kind;    ///< the ErrorKind's name, "removed" (left the file), "table_size", "brake"
  std::string reason;  ///< a sentence that says what to do
  Time since;
};

/// A sync as the store keeps it. What it does is in `definition`, which the engine understands.
struct Sync {
  std::string id;
  std::string name;
  std::string team_id{kDefaultTeam};
  SyncStatus status = SyncStatus::active;
  std::string provider;  ///< of the source
  std::string source;    ///< connection names
  std::string destination;
  std::string schedule;    ///< as written: "every 1 minute"
  std::string definition;  ///< JSON, secrets as references
  /// What the store adds.
  std::optional<Hold> hold;
  std::optional<Time> last_polled_at;
  std::optional<Time> next_run_at;  ///< when the poller looks again
  int failed_polls = 0;             ///< in a row
  std::string message;       ///< what a person should know: why the last look failed, else how changes are
                             ///< found and what is slow
  bool starts_over = false;  ///< the next run is to load everything again; until then nothing noted of its
                             ///< rows counts as applied
};

/// What a look of the poller leaves to be noted about its sync.
struct LookNote {
  std::string sync_id;
  std::optional<Time>
      at;     ///< when it was; empty: the sync was only put off, and the look before stays its last
  Time next;  ///< when the next one is
  int failed_polls = 0;  ///< in a row
  std::string trouble;   ///< why it failed; empty: it did not
};

inline constexpr int kPersonPriority = 10;

enum class JobStatus { pending, processing, completed, failed };
enum class Trigger { manual, schedule, webhook, feed, resync, retry, external };

/// A row of data_sync_jobs: one request to bring one sync up to date.
struct Job {
  std::string id, sync_id, team_id, provider;
  JobStatus status = JobStatus::pending;
  std::string payload;  ///< JSON; "{}"
  std::string error;
  int retry_count = 0;
  Time created_at, updated_at;
  std::optional<Time> started_at, finished_at;
  Trigger trigger = Trigger::manual;
  Time run_after;
  int priority = 0;  ///< higher first; a person's jobs have kPersonPriority
};

/// What became of the changes: read = written + deleted + unchanged + filtered + collapsed + quarantined.
struct Figures {
  std::int64_t read = 0, written = 0, deleted = 0, unchanged = 0, filtered = 0, collapsed = 0,
               quarantined = 0;
  std::int64_t bytes = 0;

  Figures& operator+=(const Figures& more);
  bool add_up() const { return read == written + deleted + unchanged + filtered + collapsed + quarantined; }
  bool operator==(const Figures&) const = default;
};

/// The figures of the sum by their names, in the order in which they are shown.
struct NamedFigure {
  std::string_view name;
  std::int64_t Figures::*count;
};
inline constexpr std::array<NamedFigure, 7> kFigures = {{{"read", &Figures::read},
                                                         {"written", &Figures::written},
                                                         {"deleted", &Figures::deleted},
                                                         {"unchanged", &Figures::unchanged},
                                                         {"filtered", &Figures::filtered},
                                                         {"collapsed", &Figures::collapsed},
                                                         {"quarantined", &Figures::quarantined}}};

/// What a run did to one table.
struct TableReport {
  std::string source, destination, strategy;
  Figures figures;
  bool operator==(const TableReport&) const = default;
};

/// Adds the figures of `more` to those of the same tables, and the tables that are new.
void add_tables(std::vector<TableReport>& tables, const std::vector<TableReport>& more);

/// One attempt to do a sync's due jobs.
struct Run {
  std::string id, job_id, sync_id;
  int attempt = 1;
  std::string status;  ///< processing, completed, failed, yielded
  std::string strategy;
  Figures figures;
  std::vector<TableReport> tables;  ///< once it has ended
  Time started_at;
  std::optional<Time> finished_at;
  std::string error;
};

/// A worker's right to work on a sync, valid while its epoch is the newest and its time has not run out.
struct Lease {
  std::string sync_id;
  std::string run_id;
  std::string owner;
  std::int64_t epoch = 0;
};

struct Claim {
  Sync sync;
  std::vector<Job> jobs;  ///< all due ones of the sync, now processing
  Lease lease;
  int attempt = 1;
  /// Not later than it was granted, by both hands of the store's clock: the lease lasts its time from then at least.
  std::chrono::steady_clock::time_point sent;
  Time sent_at;
};

/// Whether deletes of a mapping are held back for a person to judge (hold "brake").
enum class Brake {
  off,
  held,    ///< those of KeySet::held are
  passes,  ///< a person lifted the hold: they may pass, once
};

/// Sets of keys that the store keeps for a mapping, by `hash_key` of their rows at the destination.
enum class KeySet {
  written,  ///< of a destination table that others fill too: the rows that are ours to remove
  held,     ///< whose removal the brake holds back
};

/// Where a mapping of a sync stands.
struct MappingState {
  Position position;
  std::string fingerprint_data;  ///< of source, key and destination table: another one means a first load
  std::string
      fingerprint_shape;   ///< of fields, transforms, filters, delete policy: another one means a re-read
  bool owned = false;      ///< we created the destination table or found it empty
  bool appending = false;  ///< the first load into an owned table is still going on
  std::int64_t generation = 0;         ///< counts listings and sweeps; see RowState
  std::optional<Time> outgrown_since;  ///< the table-size rule: since when it is too large
  std::optional<Time> reconciled_at;   ///< when both sides' keys were last compared to the end
  std::string reconciled;              ///< what that found, in words; empty: never
  Brake brake = Brake::off;            ///< `lift_hold` of a hold "brake" makes `passes` of `held`
};

/// Keys that come into or leave a KeySet.
struct KeySetChange {
  KeySet set = KeySet::written;
  bool clear = false;  ///< first forgets the whole set
  std::vector<RowHash> added;
  std::vector<RowHash> removed;
};

/// What was last applied for a key: the window of `cursor`, all rows of `diff`.
struct RowState {
  RowHash key;
  RowHash row;
  std::string key_json;  ///< diff: the key itself, to delete by; cursor: empty
  std::int64_t generation = 0;
};

/// A row that a destination refused.
struct QuarantinedRow {
  std::string id, sync_id, mapping;
  std::string table;  ///< of the source
  Key key;
  std::string field;
  std::string reason;
  int attempts = 1;
  Time first_seen_at, last_seen_at;
  RowHash row_hash{};  ///< of the row as the destination refused it; zeros: source or mapper refused it
};

/// Everything about one batch, committed at once under the epoch.
struct BatchCommit {
  std::string mapping;
  MappingState state;
  std::vector<RowState> rows;  ///< added or replaced
  std::vector<RowHash> forgotten_rows;
  std::optional<std::int64_t> forget_rows_below_generation;
  std::vector<QuarantinedRow> quarantined;  ///< entered, or counted once more
  std::vector<Key> cleared;                 ///< written or deleted since: leaves the quarantine
  std::vector<KeySetChange> key_sets;       ///< in this order, after `clear_all_rows`, which empties them
  bool clear_all_rows = false;              ///< a first load begins: forgets row states and quarantine first
  Figures figures;                          ///< added to the run's
};
/// Throws Error(bug) unless its figures add up.
void check_sum(const BatchCommit& commit);

std::string_view name_of(SyncStatus status);
std::string_view name_of(JobStatus status);
std::string_view name_of(Trigger trigger);
/// Empty: no such name.
std::optional<SyncStatus> sync_status_named(std::string_view name);
std::optional<JobStatus> job_status_named(std::string_view name);
std::optional<Trigger> trigger_named(std::string_view name);

}  // namespace syncflow
