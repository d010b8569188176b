#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "core/options.h"
#include "drivers/sqlite/database.h"

namespace syncflow::sqlite {

/// A connection's options, checked.
struct Settings {
  std::string path;
  std::chrono::minutes naive_offset{0};  ///< of times without a zone from UTC
  bool read_only = false;
  std::chrono::milliseconds busy_timeout{0};
};

std::vector<OptionSpec> option_specs();

/// Throws Error(bad_config).
Settings settings_from(const Options& options);

/// Opens the file that is there. Throws Error(not_found) when it is missing.
std::unique_ptr<Database> open_file(const Settings& settings, std::stop_token stop);
/// For writing; makes the file when it is missing and `create`.
std::unique_ptr<Database> open_file_to_write(const Settings& settings, bool create, std::stop_token stop);

/// That the missing file could be made. Throws Error(not_found) when its folder is missing, and Error(bad_config) under
/// mode: read_only.
void check_may_make_file(const Settings& settings);

bool file_exists(const Settings& settings);

}  // namespace syncflow::sqlite
