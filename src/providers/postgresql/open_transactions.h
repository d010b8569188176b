#pragma once

#include <set>
#include <string>

#include "drivers/libpq/session.h"
#include "sql/table_reader.h"

namespace syncflow::postgresql {

/// What the login sees of the transactions that are open on the server (DESIGN 5, "Late commits").
///
/// They are named by session and start ("s4711.1700000000000000") and, once they have written, by their
/// 64-bit transaction number ("x815"): neither is ever used again. With Visibility::exact both are told,
/// since a transaction that is being prepared for a two-phase commit leaves its session.
class OpenTransactions {
 public:
  /// Looks once how much can be seen. Replicas show no sessions of their primary.
  explicit OpenTransactions(libpq::Session& session);

  sql::Visibility visibility() const { return visibility_; }
  bool on_replica() const { return on_replica_; }

  /// The source's clock: on a replica the time of the last commit that was replayed.
  Time now(libpq::Session& session) const;
  /// Fills `open` and, with exact visibility, `oldest_start`.
  void look(libpq::Session& session, sql::Mark& mark) const;

 private:
  sql::Visibility visibility_ = sql::Visibility::horizon;
  bool on_replica_ = false;
};

/// The application name of sessions that only read: their transactions hide no rows.
inline constexpr const char* kReaderName = "syncflow reader";

}  // namespace syncflow::postgresql
