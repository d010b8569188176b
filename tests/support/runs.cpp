#include "support/runs.h"

namespace syncflow::tests {

std::string overlapping_runs(Session& store) {
  return store.value(R"sql(
SELECT coalesce(string_agg(format('sync %s: run %s from %s to %s and run %s from %s', a.sync_id, a.id, a.started_at,
                                  a.finished_at, b.id, b.started_at), E'\n'), '')
FROM sync_runs a JOIN sync_runs b ON b.sync_id = a.sync_id AND b.seq > a.seq
WHERE a.finished_at IS NULL OR b.started_at < a.finished_at)sql");
}

}  // namespace syncflow::tests
