#pragma once

#include <cstdint>
#include <string>

#include "engine/engine.h"

namespace syncflow::cli {

/// `1,234,567`
std::string with_commas(std::int64_t number);

/// The line of `run --json` (CONTRACT "Program"), without the line's end.
std::string json_line(const SyncReport& report);

/// For people: `customers: completed in 0.12 s by cursor: 10 read, 10 written`; tables of their own lines
/// when there are several. Ends with a line's end.
std::string text_lines(const SyncReport& report);

/// What `run` ends with when these are all its reports: 0, 1 or 4.
int exit_code_of(const std::vector<SyncReport>& reports);

}  // namespace syncflow::cli
