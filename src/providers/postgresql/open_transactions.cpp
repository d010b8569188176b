#include "providers/postgresql/open_transactions.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "core/error.h"

namespace syncflow::postgresql {
namespace {

using sql::Visibility;

Time time_at(const libpq::Rows& rows, int row, int column) {
  return Time(std::chrono::microseconds(rows.integer(row, column)));
}

std::uint64_t number_of(std::string_view digits) {
  std::uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

/// Locks tell the lower 32 bits of a transaction number; it is less than 2^31 away from the next one.
std::uint64_t full_transaction_number(std::uint64_t low, std::uint64_t next) {
  const auto distance =
      static_cast<std::int32_t>(static_cast<std::uint32_t>(low) - static_cast<std::uint32_t>(next));
  return next + static_cast<std::uint64_t>(std::int64_t{distance});
}

/// The lock that a transaction holds on its own number is let go of after its rows have become visible. Sessions
/// of no user are the server's own vacuuming. A lock without a process is a prepared transaction's. A process without
/// a session has ended or begun between the two lists: its rows are visible by now, or were written after `at`.
constexpr const char* kOpen = R"sql(
SELECT coalesce(l.virtualxid, ''), coalesce(l.transactionid::text, ''),
       extract(epoch FROM pg_postmaster_start_time())::bigint, pg_snapshot_xmax(pg_current_snapshot())::text,
       (extract(epoch FROM a.xact_start) * 1000000)::bigint
  FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype IN ('virtualxid', 'transactionid') AND l.mode = 'ExclusiveLock' AND l.granted
   AND l.pid IS DISTINCT FROM pg_backend_pid()
   AND CASE WHEN l.pid IS NULL
            THEN l.transactionid IN (SELECT transaction FROM pg_prepared_xacts WHERE database = current_database())
            ELSE a.datname = current_database() AND a.usesysid IS NOT NULL AND a.application_name <> $1 END)sql";

}  // namespace

OpenTransactions::OpenTransactions(libpq::Session& session) {
  const libpq::Rows rows = session.query_prepared(
      "SELECT pg_is_in_recovery(), pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),"
      " current_setting('track_activities') = 'on',"
      " EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())");
  on_replica_ = rows.boolean(0, 0);
  if (on_replica_) visibility_ = Visibility::none;
  // When a prepared transaction began is not known to anybody.
  else if (rows.boolean(0, 1) && rows.boolean(0, 2) && !rows.boolean(0, 3)) visibility_ = Visibility::exact;
}

Time OpenTransactions::now(libpq::Session& session) const {
  // Before its first replayed commit a replica has at least reached the checkpoint that it started from.
  const char* clock = on_replica_ ? "coalesce(pg_last_xact_replay_timestamp(),"
                                    " (SELECT checkpoint_time FROM pg_control_checkpoint()))"
                                  : "clock_timestamp()";
  return time_at(session.execute(fmt::format("SELECT (extract(epoch FROM {}) * 1000000)::bigint", clock)), 0,
                 0);
}

void OpenTransactions::look(libpq::Session& session, sql::Mark& mark) const {
  if (on_replica_) return;
  const libpq::Rows open = session.query_prepared(kOpen, {kReaderName});
  const bool exact = visibility_ == Visibility::exact;
  for (int row = 0; row < open.size(); ++row) {
    if (const std::string_view virtual_number = open.text(row, 0); !virtual_number.empty())
      mark.open.insert(fmt::format("v{}.{}", open.text(row, 2), virtual_number));
    if (const std::string_view number = open.text(row, 1); !number.empty())
      mark.open.insert(
          fmt::format("x{}", full_transaction_number(number_of(number), number_of(open.text(row, 3)))));
    if (!exact || open.is_null(row, 4)) continue;
    const Time start = time_at(open, row, 4);
    mark.oldest_start = std::min(mark.oldest_start.value_or(start), start);
  }
  if (!exact) return;
  // Asked after the sessions: what was prepared in between is seen here.
  const libpq::Rows prepared =
      session.execute("SELECT 1 FROM pg_prepared_xacts WHERE database = current_database() LIMIT 1");
  if (prepared.size() > 0)
    throw Error(
        ErrorKind::conflict,
        fmt::format("PostgreSQL {}: a transaction was prepared for a two-phase commit while the table "
                    "was looked at, and nobody knows when it began: the table is looked at anew",
                    session.target().place()));
}

}  // namespace syncflow::postgresql
