#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace syncflow::testkit {

/// Where the in-memory provider can be watched, interrupted and made to fail.
enum class Call {
  connect,
  check,
  discover,
  open_source,
  open_destination,
  // Source, before it does anything.
  open,
  next,
  has_changes,
  fetch,
  scan_keys,
  scan_rows,
  count_rows,
  // Below the source: what a database is asked.
  mark,
  open_now,
  select,  ///< before the snapshot is taken
  read,    ///< each piece of a result
  exists,
  hash,  ///< of ranges, before the snapshot is taken
  // Destination.
  prepare,
  write,          ///< before anything is done
  before_commit,  ///< everything is staged, nothing is durable
  after_commit,   ///< everything is durable, the caller does not know yet
  remove_all,
};

std::string_view name_of(Call call);

/// Counts calls, lets tests do something at each of them, and makes some fail. Thread-safe.
class Calls {
 public:
  using Hook = std::function<void(const std::string& table)>;

  /// Lets the `nth` call from now on fail, and the `times - 1` after it. `table`: only calls for that one.
  void fail(Call call, ErrorKind kind, int nth = 1, int times = 1, const std::string& table = "");
  /// Runs `hook` at each such call, in the caller's thread and without any lock held, before the call does
  /// anything: it may write, commit, move clocks, throw. Empty: no longer.
  void on(Call call, Hook hook);
  /// How often it was called, failed ones included.
  std::size_t count(Call call) const;
  void forget();

  /// For the provider: a call is made.
  void made(Call call, const std::string& table = "");

 private:
  struct Failure {
    ErrorKind kind = ErrorKind::unavailable;
    int passes = 0;
    int times = 1;
    std::string table;
  };
  mutable std::mutex mutex_;
  std::map<Call, std::size_t> counts_;
  std::map<Call, Hook> hooks_;
  std::map<Call, std::vector<Failure>> failures_;
};

}  // namespace syncflow::testkit
