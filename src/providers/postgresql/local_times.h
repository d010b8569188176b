#pragma once

#include <map>

#include "core/clock.h"
#include "drivers/libpq/session.h"
#include "providers/postgresql/settings.h"

namespace syncflow::postgresql {

/// Which naive times an instant bears in a zone. The server knows the zones, not this machine.
class LocalTimes {
 public:
  /// A zone without a name is the server's own: the one that its sessions begin with.
  /// Throws Error(bad_config) for a name that the server does not know.
  LocalTimes(const Zone& zone, libpq::Session& session);

  const Zone& zone() const { return zone_; }

  /// The lowest naive time, in microseconds since 1970-01-01, that any instant from `time` on bears. It is
  /// lower than that of `time` itself in the hour before clocks are set back: what is stamped after that
  /// must not lie below it. Asks the server once for each instant.
  std::int64_t lowest_from(Time time, libpq::Session& session) const;

 private:
  Zone zone_;
  mutable std::map<Time, std::int64_t> known_;
};

}  // namespace syncflow::postgresql
