#include "providers/postgresql/local_times.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::postgresql {
namespace {

/// Times that a reader asks for are those of its marks: a few at a time.
constexpr std::size_t kMostKnown = 256;

Zone checked(const std::string& name, libpq::Session& session) {
  const libpq::Rows rows = session.execute("SELECT name FROM pg_timezone_names ORDER BY name");
  std::vector<std::string> names;
  for (int row = 0; row < rows.size(); ++row) names.push_back(rows.string(row, 0));
  if (std::find(names.begin(), names.end(), name) != names.end()) return {name, std::nullopt};
  const std::string near = nearest(name, names);
  throw Error(ErrorKind::bad_config,
              fmt::format("timezone \"{}\": PostgreSQL {} knows no zone of that name{}", name,
                          session.target().place(), near.empty() ? "" : "; did you mean " + near + "?"));
}

}  // namespace

LocalTimes::LocalTimes(const Zone& zone, libpq::Session& session) : zone_(zone) {
  if (zone_.ahead) return;
  const bool own = zone_.name.empty();
  // The session itself is set to UTC; what it began with is the reset value.
  if (own)
    zone_ =
        parse_zone(session.execute("SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'").string(0, 0));
  if (!own && !zone_.ahead) zone_ = checked(zone_.name, session);
}

std::int64_t LocalTimes::lowest_from(Time time, libpq::Session& session) const {
  const std::int64_t microseconds = time.time_since_epoch().count();
  if (zone_.ahead) return microseconds + zone_.ahead->count();
  if (const auto found = known_.find(time); found != known_.end()) return found->second;
  // Clocks are set back by an hour, rarely by two or three, and at a quarter of an hour.
  const libpq::Rows rows = session.query(
      "SELECT (extract(epoch FROM min(local)) * 1000000)::bigint FROM ("
      " SELECT $1::timestamptz AT TIME ZONE $2 AS local"
      " UNION ALL SELECT later AT TIME ZONE $2 FROM generate_series(date_trunc('hour', $1::timestamptz) + "
      "'15 min',"
      "  $1::timestamptz + '4 h', '15 min') AS later WHERE later > $1::timestamptz) AS all_of_them",
      {to_rfc3339(time), zone_.name});
  if (known_.size() >= kMostKnown) known_.clear();
  return known_[time] = rows.integer(0, 0);
}

}  // namespace syncflow::postgresql
