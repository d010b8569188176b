#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/clock.h"
#include "store/model.h"
#include "store/observation.h"
#include "store/state.h"

namespace syncflow {

/// How a run ended, for `finish`.
struct Outcome {
  enum class Kind {
    completed,
    failed,     ///< no further attempt; `error` says why and what to do
    retry,      ///< the jobs are pending again after `wait`; uses up an attempt
    give_back,  ///< throttled, shut down or yielded: pending again after `wait`, uses up no attempt
  };
  Kind kind = Kind::completed;
  std::string error;
  Duration wait{0};
  std::optional<Hold> hold;  ///< put on the sync at the same time
  std::string strategy;      ///< for the run's record, as `tables`
  std::vector<TableReport> tables;
  bool yields =
      false;  ///< of give_back: others are to go first, so the jobs lose the priority that a person gave them
};

struct Page {
  std::string team_id;  ///< empty: all
  std::string sync_id;  ///< empty: all
  std::string status;   ///< of jobs; empty: all
  std::size_t limit = 100;
  std::string cursor;  ///< as the page before gave it in `next`
};
template <typename T>
struct Listed {
  std::vector<T> items;
  std::string next;  ///< empty: the last page
};

/// Keeps syncs, jobs, positions and rejections at rest.
///
/// Thread-safe. Each member is one transaction: it happened durably, or it threw Error and did not.
/// Times are the store's clock. Lists of jobs, runs and quarantine begin with the newest, those of syncs go by
/// name; a page never repeats or leaves out what was there when its list began. A `cursor` or `status` that is
/// none throws Error(bad_config). Members that only note something about a sync leave an unknown one alone.
/// Promises are checked by testkit/store_contract.h.
class Store {
 public:
  virtual ~Store() = default;

  // --- syncs ---

  /// Makes the store's syncs those of the file: new ones are added, changed ones replaced (their state is
  /// kept, but they are due for a look at once), ones that left it get the hold "removed"; a sync that came
  /// back loses that hold.
  virtual void apply_syncs(const std::vector<Sync>& from_file) = 0;
  virtual Listed<Sync> list_syncs(const Page& page) = 0;
  virtual std::optional<Sync> find_sync(const std::string& id) = 0;
  /// By name: the default team's, or the only one of that name; syncs with the hold "removed" only if there
  /// is no other. Throws Error(bad_config) when several other teams have one.
  virtual std::optional<Sync> find_sync_named(const std::string& name) = 0;
  /// Active syncs without a hold and without an open job whose next_run_at has come (or is not set), oldest first.
  virtual std::vector<Sync> due_syncs(std::size_t limit) = 0;
  /// Takes due syncs for a look, oldest first: nobody else gets them here, in whatever process, until they are
  /// `polled`, or `look` has passed because who took them died.
  virtual std::vector<Sync> take_due_syncs(std::size_t limit, Duration look) = 0;
  /// When the next sync gets due; empty: none will.
  virtual std::optional<Time> next_due() = 0;
  /// After a look: when it was, when the next is, how often it failed in a row, and why (empty: it did not). While
  /// there is trouble it takes the place of the sync's message.
  virtual void polled(const std::string& sync_id, Time at, Time next, int failed_polls,
                      const std::string& trouble) = 0;
  /// The same for many syncs, for the price of one where the store can: a poller of thousands of syncs must not wait
  /// for the disk at each. Not one transaction in every store: some may be noted when it throws, and all may be
  /// noted again.
  virtual void note_looks(const std::vector<LookNote>& notes);
  virtual void set_message(const std::string& sync_id, const std::string& message) = 0;
  virtual void set_hold(const std::string& sync_id, const Hold& hold) = 0;
  /// The sync is due for a look at once. A hold "brake" lets what it held pass: MappingState::brake of its mappings
  /// goes from `held` to `passes`. False: there was none.
  virtual bool lift_hold(const std::string& sync_id) = 0;
  /// Drops a sync and all that is kept for it, its jobs too; a run of it loses its lease. False: unknown.
  virtual bool forget_sync(const std::string& sync_id) = 0;
  /// Forgets the positions of a sync and what its rows were like, so that its next run loads and writes from the
  /// start, and reconciles. Quarantine stays, the keys that were written, and which destination tables are ours. A run in progress may commit nothing more
  /// (Error(lease_lost)); its jobs are pending again once its lease has run out. Sets Sync::starts_over, until the
  /// next run has done its own reset.
  virtual void reset_sync(const std::string& sync_id) = 0;
  /// The same by the run that holds the sync, which keeps its lease. In several transactions, some thousand rows at a
  /// time: Sync::starts_over stands from the first one to the last. Throws Error(cancelled) when stopped in between.
  virtual void reset_sync(const Lease& lease, std::stop_token stop = {}) = 0;

  // --- jobs ---

  struct Enqueued {
    Job job;
    bool created = false;  ///< false: the sync's pending job was joined
  };
  /// Asks for a sync to be brought up to date. Joins the pending job that is due or waits for a retry, if there is
  /// one: a higher priority or an earlier run_after is taken over, and Trigger::resync with its payload; a payload
  /// other than {} takes the place of {}.
  /// Trigger::resync sets Sync::starts_over, until a run has done `reset_sync`. While the sync waits for a retry
  /// the job waits too, unless a person asks (`priority` above 0). Throws Error(not_found): unknown sync.
  virtual Enqueued enqueue(const std::string& sync_id, Trigger trigger, int priority = 0,
                           const std::string& payload = "{}") = 0;
  virtual std::optional<Job> find_job(const std::string& id) = 0;
  virtual Listed<Job> list_jobs(const Page& page) = 0;
  /// failed -> pending with retry_count 0 and a person's priority. Empty: not failed.
  virtual std::optional<Job> retry_job(const std::string& id) = 0;
  /// pending or processing -> failed, "cancelled: …" (a processing run stops after its batch). Empty: already over.
  virtual std::optional<Job> cancel_job(const std::string& id) = 0;
  /// How many are pending, counted one by one: for people. Whether others wait says `next_job`.
  virtual std::size_t pending_jobs() = 0;

  /// Takes all due pending jobs of the sync whose turn it is: a person's first, then round robin over
  /// teams, then the one that is due longest. Takes over syncs whose lease ran out, which uses up no attempt.
  /// Jobs whose sync is unknown or another team's fail at once; those of a held, paused or draft sync wait.
  /// `jobs` begins with the most urgent, which gives Run::job_id; `attempt` is their highest retry_count plus
  /// one. Empty: nothing is due.
  /// `only`: of these syncs; empty: of any.
  virtual std::optional<Claim> claim(const std::string& owner, Duration lease,
                                     const std::vector<std::string>& only = {}) = 0;
  /// When `claim` may next give something: a pending job gets due (in the past: it is already), or a lease
  /// runs out. Jobs of held, paused or draft syncs do not count. Empty: nothing waits.
  virtual std::optional<Time> next_job(const std::vector<std::string>& only = {}) = 0;
  /// Extends the lease. False: `apply_syncs` changed, paused or removed the sync since it was claimed, so the run is to
  /// end after its batch and give its jobs back. Throws Error(lease_lost) when the lease is no longer ours,
  /// Error(cancelled) when every job of the run was cancelled.
  virtual bool heartbeat(const Lease& lease, Duration time) = 0;
  /// Whether the run is to end: every job of it was cancelled, or taken from it, or its sync was changed; `heartbeat`
  /// tells which. Cheap enough to be asked each second.
  virtual bool is_to_end(const Lease& lease) = 0;
  /// Ends the run and gives the lease back. Cancelled jobs stay as they are; so does the hold "removed". Throws
  /// Error(lease_lost).
  virtual void finish(const Lease& lease, const Outcome& outcome) = 0;
  /// `finish`, and then a `claim` of any sync by the same worker, for the price of one. When it throws, neither happened,
  /// unless that is because no answer came: then both may have, and the sync that was claimed is free after `next_lease`.
  virtual std::optional<Claim> finish_and_claim(const Lease& lease, const Outcome& outcome,
                                                Duration next_lease) = 0;
  /// Hands back what earlier processes held and returns how many jobs are pending again. Only for the one
  /// process that may work on this store (ProcessLock), before it starts.
  virtual std::size_t release_all() = 0;

  virtual Listed<Run> list_runs(const Page& page) = 0;
  virtual std::vector<Run> runs_of_job(const std::string& job_id) = 0;
  virtual std::optional<Run> find_run(const std::string& id) = 0;

  // --- positions and rows ---

  virtual std::optional<MappingState> find_mapping(const std::string& sync_id,
                                                   const std::string& mapping) = 0;
  /// Calls `each` for every row state of the mapping, in no set order. `each` may call the store. While
  /// Sync::starts_over stands, RowState::row is zeros in all of them, which no row has.
  virtual void each_row(const std::string& sync_id, const std::string& mapping,
                        const std::function<void(const RowState&)>& each) = 0;
  /// For each of these keys whether it is in the mapping's set.
  virtual std::vector<bool> has_keys(const std::string& sync_id, const std::string& mapping, KeySet set,
                                     const std::vector<RowHash>& keys) = 0;
  /// The position moves here and nowhere else. In this order: clear_all_rows, forgotten rows, rows, cleared,
  /// quarantined; times and ids of quarantined rows are the store's. Throws Error(lease_lost) under a stale
  /// epoch and Error(bug) when the figures do not add up.
  virtual void commit_batch(const Lease& lease, const BatchCommit& commit) = 0;
  /// A look of the poller found nothing: the position moves without a run. False (and nothing done) when
  /// the sync is leased or the mapping's position is no longer `before`.
  virtual bool commit_look(const std::string& sync_id, const std::string& mapping, const Position& before,
                           const Position& after) = 0;
  /// Drops what is kept for mappings of the sync that are none of these: position, rows, keys and quarantine. Some
  /// thousand rows at a time: true says that there may be more, so call it again. Throws Error(lease_lost).
  virtual bool forget_mappings_but(const Lease& lease, const std::vector<std::string>& mappings) = 0;

  // --- quarantine ---

  virtual Listed<QuarantinedRow> list_quarantine(const Page& page) = 0;
  /// Those that were not tried for longest.
  virtual std::vector<QuarantinedRow> quarantine_of(const std::string& sync_id, const std::string& mapping,
                                                    std::size_t limit) = 0;
  virtual std::size_t count_quarantine(const std::string& sync_id) = 0;

  // --- housekeeping ---

  /// Throws Error(unavailable) when the store cannot be reached.
  virtual void ping() = 0;
  /// Asked for every few seconds: its cost grows with the number of syncs, not with that of jobs, runs or rows.
  virtual Observation observe() = 0;
  /// Forgets jobs and runs that finished longer than `age` ago, in several transactions. Each sync's last run stays:
  /// how it ended says whether what is known of the sync's rows can be trusted. Also deletes some of what was noted of
  /// rows and keys for mappings that were forgotten since. True: there may be more of that; sweep again soon.
  virtual bool sweep(Duration age) = 0;
  /// Gives all that the store keeps, as one snapshot, in the order of `state_tables`, each row settled for its next
  /// store. Throws Error(conflict) before the first row while a worker holds a lease. `each` must not call the store.
  virtual void export_state(const std::function<void(const StateRow&)>& each) = 0;
  /// Takes what `next` gives until it is empty, rows of one table behind each other in the order of `state_tables`,
  /// beside what the store keeps already: all of it, or nothing when it throws, as `next` may. Throws Error(conflict)
  /// when the store keeps positions or runs of a sync that comes in.
  virtual void import_state(const std::function<std::optional<StateRow>()>& next) = 0;
  /// Waits until `claim` may give something, `timeout` has passed or a stop is asked for. What other processes
  /// insert is seen within a second.
  virtual void wait_for_jobs(Duration timeout, std::stop_token stop,
                             const std::vector<std::string>& only = {}) = 0;
  virtual Clock& clock() = 0;
};

/// The words of every store when a reset is stopped in between.
inline constexpr const char* kResetStopped =
    "asked to stop while the sync was reset; its next run begins that again";

/// Opens (and makes or upgrades) the SQLite store in `file`. Throws Error(bad_config) for a newer schema and
/// for a file that is no store. Several processes may open it; only one may work (store/process_lock.h).
std::unique_ptr<Store> open_sqlite_store(const std::string& file, Clock& clock);
/// The SQL that makes a SQLite store from nothing, for `migrate --print`.
std::string sqlite_store_schema();

}  // namespace syncflow
