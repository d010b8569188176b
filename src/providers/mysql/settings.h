#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/options.h"
#include "drivers/libmariadb/session.h"
#include "providers/mysql/zone.h"

namespace syncflow::mysql {

/// What a connection's options say.
struct Settings {
  Target target;
  Zone zone;                        ///< of DATETIMEs, which have none
  std::size_t max_connections = 0;  ///< 0: no limit of ours
};

std::vector<OptionSpec> option_specs();

/// Throws Error(bad_config) for options that contradict each other.
Settings parse_settings(const Options& options);

}  // namespace syncflow::mysql
