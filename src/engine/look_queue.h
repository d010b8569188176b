#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/clock.h"
#include "store/model.h"

namespace syncflow {

/// Syncs that are due for a look, in one line for each source connection, and whose turn it is.
///
/// Lines take turns. One that is slow, or in trouble, leaves most hands to the others. Of a connection in trouble only
/// one sync is looked at, as a probe, and not before the time is over that it was given to recover. Pure: no I/O, no
/// clock of its own. Not thread-safe.
class LookQueue {
 public:
  /// `hands`: how many looks there may be at once.
  explicit LookQueue(int hands);

  enum class Offered {
    queued,
    known,       ///< it waits already, is being looked at, or its last look is not noted yet
    in_trouble,  ///< its connection is to be left alone until `trouble_until`, or a probe is on its way
    full,        ///< its line is so long that it would keep others out
  };
  /// What was not queued is known as well, until `forget`, except where it was known before.
  Offered offer(Sync sync, Time now);
  /// Whose turn it is; empty: nobody's, or no hand may be spared.
  std::optional<Sync> take();
  /// The look at a sync that was taken is over. It stays known.
  void ended(const std::string& connection, Duration took);
  /// What was to be noted about the sync is noted.
  void forget(const std::string& sync_id) { known_.erase(sync_id); }

  /// A look that began at `began` found the connection out of order. How often that was so in a row: looks that were
  /// on their way together count once.
  int failed(const std::string& connection, Time began, Time now);
  /// It is left alone until then. Gives back those that waited for it.
  std::vector<Sync> leave_alone(const std::string& connection, Time until);
  void works(const std::string& connection);
  Time trouble_until(const std::string& connection) const;

  std::size_t known() const { return known_.size(); }
  /// Waiting or being looked at.
  bool is_busy() const { return waiting_ + looking_ > 0; }

 private:
  struct Line {
    std::deque<Sync> waiting;
    int looking = 0;
    bool slow = false;
    int failures = 0;
    Time failed_at, until;

    bool in_trouble() const { return failures > 0; }
    bool takes_its_time() const { return slow || in_trouble(); }
  };
  bool has_turn(const Line& line) const;
  void count_slow_hands();
  void tidy(std::map<std::string, Line>::iterator line);

  const int hands_;
  std::map<std::string, Line> lines_;  ///< by connection; none that is empty and well
  std::set<std::string> known_;        ///< sync ids
  std::string last_;                   ///< the connection that had its turn last
  std::size_t waiting_ = 0;
  std::size_t looking_ = 0;
  int slow_hands_ = 0;  ///< at lines that take their time
};

}  // namespace syncflow
