#include "providers/postgresql/predecessors.h"

#include <fmt/core.h>

#include <string>

#include "core/log.h"

namespace syncflow::postgresql {
namespace {

/// A COPY that waits for rows of its client is bounded by no limit of the server: none of its timeouts is looked at
/// meanwhile, only a request to end the session (ProcessClientReadInterrupt in the server's postgres.c). Frozen there, a
/// worker keeps the keys that it has sent, and whoever writes them waits for it.
constexpr const char* kEnd = R"sql(
SELECT a.pid, pg_terminate_backend(a.pid) FROM pg_stat_activity a
 WHERE a.datname = current_database() AND a.usename = session_user AND a.pid <> pg_backend_pid()
   AND a.state <> 'idle' AND a.wait_event_type = 'Client'
   AND CASE WHEN a.application_name ~ '^syncflow [^ ]+ [0-9]{1,18}$'
            THEN split_part(a.application_name, ' ', 2) = $1 AND split_part(a.application_name, ' ', 3)::bigint < $2::bigint
            ELSE false END)sql";

}  // namespace

void mark(libpq::Session& session, const Holder& holder) {
  session.query("SELECT set_config('application_name', $1, false)",
                {fmt::format("syncflow {} {}", holder.sync_id, holder.epoch)});
}

std::size_t end_predecessors(libpq::Session& session, const Holder& holder) {
  const libpq::Rows ended = session.query(kEnd, {holder.sync_id, std::to_string(holder.epoch)});
  for (int row = 0; row < ended.size(); ++row)
    log::warn("A session of an earlier run stood still while it wrote, and was ended.",
              {{"server", session.target().place()}, {"pid", ended.string(row, 0)}});
  return static_cast<std::size_t>(ended.size());
}

}  // namespace syncflow::postgresql
