#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/metrics.h"
#include "store/sqlite_connection.h"
#include "store/sqlite_writer.h"
#include "store/store.h"

namespace syncflow::sqlite_store {

/// The store in one SQLite file (WAL, every commit synced). Its members lie in sqlite_syncs.cpp, sqlite_jobs.cpp,
/// sqlite_queue.cpp (claims and leases), sqlite_runs.cpp, sqlite_positions.cpp, sqlite_quarantine.cpp,
/// sqlite_observation.cpp, sqlite_state.cpp (export and import) and sqlite_store.cpp (opening, waiting, sweeping).
class SqliteStore : public Store {
 public:
  SqliteStore(const std::string& file, Clock& clock);

  void apply_syncs(const std::vector<Sync>& from_file) override;
  Listed<Sync> list_syncs(const Page& page) override;
  std::optional<Sync> find_sync(const std::string& id) override;
  std::optional<Sync> find_sync_named(const std::string& name) override;
  std::vector<Sync> due_syncs(std::size_t limit) override;
  std::vector<Sync> take_due_syncs(std::size_t limit, Duration look) override;
  std::optional<Time> next_due() override;
  void polled(const std::string& sync_id, Time at, Time next, int failed_polls,
              const std::string& trouble) override;
  void note_looks(const std::vector<LookNote>& notes) override;
  void set_message(const std::string& sync_id, const std::string& message) override;
  void set_hold(const std::string& sync_id, const Hold& hold) override;
  bool lift_hold(const std::string& sync_id) override;
  bool forget_sync(const std::string& sync_id) override;
  void reset_sync(const std::string& sync_id) override;
  void reset_sync(const Lease& lease, std::stop_token stop) override;

  Enqueued enqueue(const std::string& sync_id, Trigger trigger, int priority,
                   const std::string& payload) override;
  std::optional<Job> find_job(const std::string& id) override;
  Listed<Job> list_jobs(const Page& page) override;
  std::optional<Job> retry_job(const std::string& id) override;
  std::optional<Job> cancel_job(const std::string& id) override;
  std::size_t pending_jobs() override;

  std::optional<Claim> claim(const std::string& owner, Duration lease,
                             const std::vector<std::string>& only) override;
  std::optional<Time> next_job(const std::vector<std::string>& only) override;
  bool is_to_end(const Lease& lease) override;
  bool heartbeat(const Lease& lease, Duration time) override;
  void finish(const Lease& lease, const Outcome& outcome) override;
  std::optional<Claim> finish_and_claim(const Lease& lease, const Outcome& outcome,
                                        Duration next_lease) override;
  std::size_t release_all() override;

  Listed<Run> list_runs(const Page& page) override;
  std::vector<Run> runs_of_job(const std::string& job_id) override;
  std::optional<Run> find_run(const std::string& id) override;

  std::optional<MappingState> find_mapping(const std::string& sync_id, const std::string& mapping) override;
  void each_row(const std::string& sync_id, const std::string& mapping,
                const std::function<void(const RowState&)>& each) override;
  std::vector<bool> has_keys(const std::string& sync_id, const std::string& mapping, KeySet set,
                             const std::vector<RowHash>& keys) override;
  void commit_batch(const Lease& lease, const BatchCommit& commit) override;
  bool commit_look(const std::string& sync_id, const std::string& mapping, const Position& before,
                   const Position& after) override;
  bool forget_mappings_but(const Lease& lease, const std::vector<std::string>& mappings) override;

  Listed<QuarantinedRow> list_quarantine(const Page& page) override;
  std::vector<QuarantinedRow> quarantine_of(const std::string& sync_id, const std::string& mapping,
                                            std::size_t limit) override;
  std::size_t count_quarantine(const std::string& sync_id) override;

  void ping() override;
  Observation observe() override;
  bool sweep(Duration age) override;
  void export_state(const std::function<void(const StateRow&)>& each) override;
  void import_state(const std::function<std::optional<StateRow>()>& next) override;
  void wait_for_jobs(Duration timeout, std::stop_token stop, const std::vector<std::string>& only) override;
  Clock& clock() override { return clock_; }

 private:
  /// Runs `work(Connection&)` in a transaction, durable on return. It may run twice: see Writer::run.
  template <typename Work>
  auto write(Work work) {
    using Result = std::invoke_result_t<Work, Connection&>;
    const metrics::Stopwatch watch(metrics::Timing::store_commit, clock_);
    if constexpr (std::is_void_v<Result>) {
      writer_.run(work);
    } else {
      std::optional<Result> result;
      writer_.run([&](Connection& connection) { result.emplace(work(connection)); });
      return std::move(*result);
    }
  }
  /// Runs `work(Connection&)` on a connection of its own that cannot write.
  template <typename Work>
  auto read(Work work) {
    Readers::Lent reader = readers_.lend();
    return work(*reader);
  }
  /// Jobs may be due: ends the waits of this process.
  void wake_waiters();
  /// Empty: of all syncs.
  void forget_looks(const std::string& sync_id = "");

  const std::string file_;
  Clock& clock_;
  Writer writer_;
  Readers readers_;
  std::mutex waiters_mutex_;
  std::set<std::stop_source*> waiters_;
  std::mutex looks_mutex_;
  /// Until when syncs are looked at, by id. Only one process works on the file: what it took goes with it.
  std::map<std::string, Time> looks_;
};

}  // namespace syncflow::sqlite_store
