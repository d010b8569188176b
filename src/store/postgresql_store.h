#pragma once

#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "store/postgresql.h"
#include "store/postgresql_clock.h"
#include "store/postgresql_rows.h"
#include "store/postgresql_sessions.h"
#include "store/store.h"

namespace syncflow::postgresql_store {

/// The store in a schema of a PostgreSQL database. Its members lie in postgresql_syncs.cpp, postgresql_jobs.cpp
/// (the queue), postgresql_lists.cpp, postgresql_positions.cpp (and quarantine), postgresql_observation.cpp,
/// postgresql_state.cpp (export and import) and postgresql_store.cpp (opening, calling, waiting, sweeping).
///
/// Each member is one statement, mostly a call of a function that the migrations install, so one transaction and one
/// round trip. Where the connection is lost the statement is sent again on another one: what changes things finds
/// what the first try did, if it did.
class PostgresqlStore : public Store {
 public:
  PostgresqlStore(Place place, Clock& clock, StoreTime time);
  ~PostgresqlStore() override;

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
  Clock& clock() override;

 private:
  /// Whether the last parameter of a call tells of earlier tries.
  enum class Retry { plain, told };
  libpq::Rows run(Sessions& sessions, Call& call, Retry retry);
  libpq::Rows run(Call& call, Retry retry = Retry::plain) { return run(sessions_, call, retry); }
  libpq::Rows run(Call&& call) { return run(call, Retry::plain); }
  /// What a function takes as `p_now`: null, for the server's clock, but in tests.
  Call& now(Call& call);
  bool sweep_notes(std::int64_t mapping, int& steps);
  std::vector<Sync> syncs(Call& call, Retry retry = Retry::plain);
  std::optional<Job> one_job(Call& call);
  void wake_waiters();
  /// Passes on what other processes notify, until asked to stop.
  void listen(std::stop_token stop);
  void begin_to_listen();

  Clock& clock_;
  const StoreTime time_;
  Sessions sessions_;
  Sessions heartbeats_;
  ServerClock server_clock_;
  std::mutex waiters_mutex_;
  std::set<std::stop_source*> waiters_;
  std::jthread listener_;  ///< begun by the first wait; last, so that it ends first
};

}  // namespace syncflow::postgresql_store
