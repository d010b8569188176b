#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "core/log.h"
#include "engine/definition.h"
#include "provider/destination.h"
#include "store/store.h"

namespace syncflow {

/// A claim's lease while its run works: beats in a thread of its own, and tells how much time is left. A run that is over
/// before the first heartbeat is due costs none.
/// When the sync is changed, paused or removed meanwhile, `stop_token` is triggered and it beats on, for the run to end
/// after its batch.
///
/// The time left is counted on this machine's monotonic clock from before the claim or the last heartbeat was sent, so
/// that it runs out here before it does in the store; and on the store's clock, by which the store ends it, in case
/// that one is put forward. When it is lost, or the job is cancelled, `stop_token`
/// is triggered. Thread-safe.
class HeldLease : public Fence {
 public:
  /// `claim`: made with the lease of `settings`. `outer`: a stop of the whole engine, passed on. Throws as
  /// Store::heartbeat does.
  HeldLease(Store& store, const Claim& claim, const EngineSettings& settings, std::stop_token outer);
  ~HeldLease() override;

  const Lease& lease() const { return lease_; }
  std::stop_token stop_token() const { return stop_.get_token(); }

  std::chrono::milliseconds left() const override;
  void check() const override;
  Holder holder() const override { return {lease_.sync_id, lease_.epoch}; }

  /// Whether the job was cancelled by a person.
  bool cancelled() const { return cancelled_; }

 private:
  void beat(std::stop_token stop);
  /// Whether it is time for a heartbeat.
  bool is_due() const;
  /// Whether the run may go on.
  bool extend();
  /// What was sent then, and granted, holds for one lease.
  void count_from(std::chrono::steady_clock::time_point sent, Time sent_at);

  Store& store_;
  const Lease lease_;
  const EngineSettings settings_;
  std::atomic<std::int64_t> valid_until_ = 0;        ///< monotonic microseconds
  std::atomic<std::int64_t> store_valid_until_ = 0;  ///< microseconds of the store's clock
  std::atomic<bool> cancelled_ = false;
  const log::Scope::Fields log_fields_ = log::Scope::of_this_thread();
  /// When the claim or the last heartbeat was sent; of the thread that beats.
  std::chrono::steady_clock::time_point asked_at_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> on_outer_stop_;
  std::jthread beating_;
};

}  // namespace syncflow
