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

/// Sessions tell the lower 32 bits of their transaction number; it is less than 2^31 away from the next one.
std::uint64_t full_transaction_number(std::uint64_t low, std::uint64_t next) {
  const auto distance =
      static_cast<std::int32_t>(static_cast<std::uint32_t>(low) - static_cast<std::uint32_t>(next));
  return next + static_cast<std::uint64_t>(std::int64_t{distance});
}

// Workers that never write rows of tables, or only for a leader that is listed itself, are left out.
constexpr const char* kSessions = R"sql(
SELECT pid, (extract(epoch FROM xact_start) * 1000000)::bigint, coalesce(backend_xid::text, ''),
       pg_snapshot_xmax(pg_current_snapshot())::text
  FROM pg_stat_activity
 WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
   AND backend_type NOT IN ('autovacuum worker', 'walsender', 'parallel worker') AND application_name <> $1)sql";

}  // namespace

OpenTransactions::OpenTransactions(libpq::Session& session) {
  const libpq::Rows rows = session.execute(
      "SELECT pg_is_in_recovery(), pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),"
      " current_setting('track_activities') = 'on',"
      " EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())");
  on_replica_ = rows.boolean(0, 0);
  // When a prepared transaction began is not known to anybody.
  const bool exact = !on_replica_ && rows.boolean(0, 1) && rows.boolean(0, 2) && !rows.boolean(0, 3);
  visibility_ = exact ? Visibility::exact : Visibility::horizon;
}

Time OpenTransactions::now(libpq::Session& session) const {
  // Before its first replayed commit a replica has at least reached the checkpoint that it started from.
  const char* clock =
      on_replica_
          ? "coalesce(pg_last_xact_replay_timestamp(), (SELECT checkpoint_time FROM pg_control_checkpoint()))"
          : "clock_timestamp()";
  return time_at(session.execute(fmt::format("SELECT (extract(epoch FROM {}) * 1000000)::bigint", clock)), 0,
                 0);
}

void OpenTransactions::look(libpq::Session& session, sql::Mark& mark) const {
  if (visibility_ != Visibility::exact) {
    const libpq::Rows rows = session.execute("SELECT pg_snapshot_xip(pg_current_snapshot())::text");
    for (int row = 0; row < rows.size(); ++row) mark.open.insert("x" + rows.string(row, 0));
    return;
  }
  const libpq::Rows sessions = session.query(kSessions, {kReaderName});
  for (int row = 0; row < sessions.size(); ++row) {
    mark.open.insert(fmt::format("s{}.{}", sessions.text(row, 0), sessions.text(row, 1)));
    const Time start = time_at(sessions, row, 1);
    mark.oldest_start = std::min(mark.oldest_start.value_or(start), start);
    if (sessions.text(row, 2).empty()) continue;
    const auto full =
        full_transaction_number(number_of(sessions.text(row, 2)), number_of(sessions.text(row, 3)));
    mark.open.insert(fmt::format("x{}", full));
  }
  // Read after the sessions: what was prepared in between is seen here.
  const libpq::Rows prepared =
      session.execute("SELECT 1 FROM pg_prepared_xacts WHERE database = current_database() LIMIT 1");
  if (prepared.size() > 0)
    throw Error(
        ErrorKind::conflict,
        fmt::format(
            "PostgreSQL {}: a transaction was prepared for a two-phase commit while the table was looked "
            "at, and nobody knows when it began: the table is looked at anew",
            session.target().place()));
}

}  // namespace syncflow::postgresql
