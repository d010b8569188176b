#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

#include "cli/invocation.h"
#include "core/clock.h"
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
  /// Called before a command begins; may be empty.
  std::function<void(const Invocation&)> configure_log;
  bool err_on_terminal = false;  ///< `err` is one: errors are sentences there, and JSON elsewhere
};

/// Does what the user asked for, says on `err` why it could not, and returns the exit code of docs/cli.md.
/// `arguments` without the program's name.
int command_line(const std::vector<std::string>& arguments, const Surroundings& with);

// One function for each command. They throw Error.

int run(const Invocation& line, const Surroundings& with);
int verify(const Invocation& line, const Surroundings& with);
int validate(const Invocation& line, const Surroundings& with);
int check(const Invocation& line, const Surroundings& with);
int discover(const Invocation& line, const Surroundings& with);
int providers(const Invocation& line, const Surroundings& with);
int jobs(const Invocation& line, const Surroundings& with);
int quarantine(const Invocation& line, const Surroundings& with);
int resume(const Invocation& line, const Surroundings& with);
int forget(const Invocation& line, const Surroundings& with);
int state(const Invocation& line, const Surroundings& with);
int migrate(const Invocation& line, const Surroundings& with);

}  // namespace syncflow::cli
