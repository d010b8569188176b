#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "core/error.h"
#include "store/store.h"
#include "testkit/fake_clock.h"

namespace syncflow::testkit {

/// One kind of store on storage of its own, empty at first and gone with the harness.
class StoreHarness {
 public:
  virtual ~StoreHarness() = default;
  /// Opens the storage; a second time as another process would.
  virtual std::unique_ptr<Store> open(Clock& clock) = 0;
  /// What another program does to the tables, past the store.
  virtual void execute(const std::string& sql) = 0;
};

struct StoreCase {
  std::string name;
  /// Null: the server that it needs is not there.
  std::function<std::unique_ptr<StoreHarness>()> make;
};
inline std::ostream& operator<<(std::ostream& out, const StoreCase& a_case) { return out << a_case.name; }

/// Checks the promises of store/store.h and DESIGN 5, 7 and 9.
///
/// Instantiate with SYNCFLOW_STORE_CONTRACT.
class StoreContract : public ::testing::TestWithParam<StoreCase> {
 protected:
  static constexpr Duration kLease = std::chrono::seconds(30);
  static constexpr const char* kOtherTeam = "6f1c1f6e-0000-4000-8000-000000000001";

  void SetUp() override;

  /// An active sync as a config would give it; the same name gives the same id.
  static Sync make_sync(const std::string& name, const std::string& team_id = std::string(kDefaultTeam));
  /// Puts these syncs, and no others, into the store and returns the first one's id.
  std::string apply(const std::vector<Sync>& syncs);
  std::string apply(const std::string& name) { return apply(std::vector{make_sync(name)}); }

  std::optional<Claim> claim(const std::string& owner = "worker") { return store_->claim(owner, kLease); }
  /// A claim that must succeed.
  Claim claimed(const std::string& owner = "worker");
  /// Asks for the sync and claims it.
  Claim claim_of(const std::string& sync_id);
  void finish(const Claim& claim, Outcome::Kind kind, const std::string& error = "",
              Duration wait = Duration(0));
  void complete(const Claim& claim) { finish(claim, Outcome::Kind::completed); }
  Job job(const std::string& id);
  JobStatus status_of(const std::string& job_id) { return job(job_id).status; }
  Sync sync(const std::string& id);
  std::vector<std::string> due_names();

  /// A batch of one written row that moves the mapping to `position`.
  static BatchCommit batch_to(const std::string& position, const std::string& mapping = "orders");
  std::string position_of(const std::string& sync_id, const std::string& mapping = "orders");
  std::vector<RowState> rows_of(const std::string& sync_id, const std::string& mapping = "orders");
  static RowState row(std::uint64_t key, std::uint64_t content = 1, std::int64_t generation = 0);
  /// Whether there is such a row, past the store: `what` is a table with its condition.
  bool has_any(const std::string& what);
  static QuarantinedRow refused(const std::string& key, const std::string& reason = "too long");

  std::unique_ptr<StoreHarness> harness_;
  FakeClock clock_{FakeClock::Sleep::waits};
  std::unique_ptr<Store> store_;
};

class StoreJobContract : public StoreContract {};
class StoreClaimContract : public StoreContract {};
class StoreLeaseContract : public StoreContract {};
class StorePositionContract : public StoreContract {};
class StoreObservationContract : public StoreContract {};
class StoreStateContract : public StoreContract {
 protected:
  void SetUp() override {
    StoreContract::SetUp();
    if (!harness_) return;
    other_harness_ = GetParam().make();
    other_ = other_harness_->open(clock_);
  }
  std::unique_ptr<StoreHarness> other_harness_;
  std::unique_ptr<Store> other_;  ///< empty, of the same kind
};
class StoreThreadContract : public StoreContract {
 protected:
  /// Lets many threads ask for and work on syncs of stores that share their storage (`store_` is one of them).
  void expect_order_in_a_crowd(const std::vector<Store*>& stores);
};

/// The kind of Error that `act` throws; empty: none.
template <typename Act>
std::optional<ErrorKind> error_of(Act act) {
  try {
    act();
  } catch (const Error& error) {
    return error.kind();
  }
  return std::nullopt;
}

/// Names a case. Lies in the library, which pulls the suite out of it.
std::string store_case_name(const ::testing::TestParamInfo<StoreCase>& each);

#define SYNCFLOW_STORE_SUITE(prefix, suite, ...) \
  INSTANTIATE_TEST_SUITE_P(prefix, suite, ::testing::Values(__VA_ARGS__), store_case_name)
#define SYNCFLOW_STORE_CONTRACT(prefix, ...)                           \
  SYNCFLOW_STORE_SUITE(prefix, StoreContract, __VA_ARGS__);            \
  SYNCFLOW_STORE_SUITE(prefix, StoreJobContract, __VA_ARGS__);         \
  SYNCFLOW_STORE_SUITE(prefix, StoreClaimContract, __VA_ARGS__);       \
  SYNCFLOW_STORE_SUITE(prefix, StoreLeaseContract, __VA_ARGS__);       \
  SYNCFLOW_STORE_SUITE(prefix, StorePositionContract, __VA_ARGS__);    \
  SYNCFLOW_STORE_SUITE(prefix, StoreObservationContract, __VA_ARGS__); \
  SYNCFLOW_STORE_SUITE(prefix, StoreStateContract, __VA_ARGS__);       \
  SYNCFLOW_STORE_SUITE(prefix, StoreThreadContract, __VA_ARGS__)

/// Pull the suite's other sources out of the library.
void link_store_job_contract();
void link_store_claim_contract();
void link_store_lease_contract();
void link_store_position_contract();
void link_store_observation_contract();
void link_store_state_contract();
void link_store_thread_contract();

/// All that the store gives.
std::vector<StateRow> exported(Store& store);
void import(Store& store, const std::vector<StateRow>& rows);
/// The rows as texts in one order, without what is each store's own: epochs and numbers of mappings.
std::vector<std::string> comparable(std::vector<StateRow> rows);
/// Puts something of every kind into an empty store: positions, row states, key sets, quarantine, holds, jobs, runs.
void fill_with_everything(Store& store, FakeClock& clock, const std::vector<Sync>& syncs);

}  // namespace syncflow::testkit
