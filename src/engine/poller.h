#pragma once

#include <condition_variable>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/look.h"
#include "engine/look_queue.h"
#include "engine/sync_run.h"

namespace syncflow {

/// Looks at syncs whose time has come and asks for a job where something changed.
///
/// One thread reads from the store which are due and writes down, for many at once, what the looks of all came to; the
/// others look. A connection in trouble is looked at by one sync at a time, under backoff; its other syncs wait with it. A
/// process that dies loses a quarter of a second of notes: those syncs are looked at once more.
class Poller {
 public:
  /// `hands`: how many looks there may be at once.
  Poller(const EngineParts& parts, int hands);
  ~Poller();

  void request_stop();
  /// Whether a look is on its way, or waits for its turn.
  bool is_busy();

 private:
  struct Running;
  class Looking;

  void feed(const std::stop_token& stop);
  Duration feed_once();
  void take_in(std::vector<Sync> due);
  void write_notes();
  void end_long_looks();

  void look(const std::stop_token& stop);
  void look_at(const Looking& looking, const std::stop_token& stop);
  void note_success(const Sync& sync, const Looked& looked);
  void note_failure(const Sync& sync, const Error& error, Time began, bool blames_connection);
  void ask_for_a_run(const Sync& sync);
  /// Under the lock.
  void put_off(const Sync& sync, Time from, const std::string& trouble);
  /// When the next look is: some time before the interval is over, so that syncs which came together part.
  Time next_look(const Sync& sync, int intervals = 1) const;

  const EngineParts& parts_;
  PlanCache plans_;
  std::mutex mutex_;
  std::condition_variable_any work_;
  LookQueue queue_;
  std::vector<LookNote> notes_;
  std::list<Running> running_;
  std::chrono::steady_clock::time_point tidied_;
  std::vector<std::jthread> threads_;
  std::jthread feeder_;
};

}  // namespace syncflow
