#pragma once

#include <optional>
#include <string>

#include "app/variables.h"
#include "engine/definition.h"
#include "provider/provider.h"

namespace syncflow::app {

/// The environment of this process.
Environment process_environment();

/// Reads syncflow.yaml (docs/configuration.md) with `${NAME}` filled in; `Config::variables` knows them on.
///
/// `env_file`: the .env file. The usual ".env" may be missing, and is then looked for beside `file`; any other
/// name must be there. Relative paths of the file (of the store, of options that are paths) are taken from
/// its folder.
///
/// Throws Error(bad_config) that says file, line, key and the nearest right word:
/// `syncflow.yaml:12: syncs[0].tables[0]: unknown key "feilds"; did you mean "fields"?`. What the contract
/// promises and this version lacks is refused with "not supported yet: …". Nothing is connected to.
Config load_config(const std::string& file, const std::string& env_file, const Registry& providers,
                   const Environment& environment = process_environment());

/// A variable as `${NAME}` in the file would find it: in the environment first, then in the .env file.
std::optional<std::string> find_variable(const std::string& name, const std::string& file,
                                         const std::string& env_file,
                                         const Environment& environment = process_environment());

}  // namespace syncflow::app
