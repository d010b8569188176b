#pragma once

#include <functional>
#include <iosfwd>
#include <string>

#include "cli/invocation.h"
#include "core/clock.h"
#include "core/error.h"
#include "engine/definition.h"
#include "provider/provider.h"

namespace syncflow::cli {

/// What the commands work with. All of it outlives the command.
struct Surroundings {
  const Registry& providers;
  Clock& clock;
  /// Reads the config file; `env_file` is where `${VAR}` may stand besides the environment.
  std::function<Config(const std::string& file, const std::string& env_file)> load_config;
  /// The service: it belongs to what knows the HTTP server too.
  std::function<int(const Invocation&, const Config&)> serve;
  std::ostream& out;
  std::ostream& err;
  bool on_terminal = false;  ///< `out` is one
};

/// Does what the user asked for; returns the exit code of CONTRACT "Program". Throws Error.
int execute(const Invocation& line, const Surroundings& with);

/// What the program ends with after this error of a command.
int exit_code_of(const Error& error, Command command);

// One function for each command, by subject.

int run(const Invocation& line, const Surroundings& with);
int validate(const Invocation& line, const Surroundings& with);
int check(const Invocation& line, const Surroundings& with);
int discover(const Invocation& line, const Surroundings& with);
int providers(const Invocation& line, const Surroundings& with);
int jobs(const Invocation& line, const Surroundings& with);
int quarantine(const Invocation& line, const Surroundings& with);
int resume(const Invocation& line, const Surroundings& with);
int forget(const Invocation& line, const Surroundings& with);
int migrate(const Invocation& line, const Surroundings& with);

}  // namespace syncflow::cli
