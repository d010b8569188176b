#pragma once

#include <set>
#include <string>

#include "drivers/libpq/session.h"
#include "sql/table_reader.h"

namespace syncflow::postgresql {

/// What the login sees of the transactions that are open in its database (DESIGN 5, "Late commits").
///
/// Every login sees, in pg_locks, which transactions are open, for each holds a lock on its own number. It
/// takes pg_read_all_stats to see since when. pg_current_snapshot() would not do: transactions with a higher
/// number than any that has ended are missing from its list, though they are open.
///
/// They are named by the virtual number that each has from its BEGIN on ("v1700000000.3/4711", with the
/// server's start, since it counts anew then) and, once they have written, also by their 64-bit transaction
/// number ("x815"), which outlives the session where one is prepared for a two-phase commit.
class OpenTransactions {
 public:
  /// Looks once how much can be seen. Replicas show nothing of their primary's transactions.
  explicit OpenTransactions(libpq::Session& session);

  sql::Visibility visibility() const { return visibility_; }
  bool on_replica() const { return on_replica_; }

  /// The source's clock: on a replica the time of the last commit that was replayed.
  Time now(libpq::Session& session) const;
  /// Fills `open` and, with exact visibility, `oldest_start`. Throws Error(conflict) when a transaction whose
  /// start cannot be known turned up since this object was made.
  void look(libpq::Session& session, sql::Mark& mark) const;

 private:
  sql::Visibility visibility_ = sql::Visibility::horizon;
  bool on_replica_ = false;
};

/// The application name of sessions that only read: their transactions hide no rows.
inline constexpr const char* kReaderName = "syncflow reader";

}  // namespace syncflow::postgresql
