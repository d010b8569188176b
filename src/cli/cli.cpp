#include "cli/cli.h"

namespace syncflow::cli {
namespace {

Config config_of(const Invocation& line, const Surroundings& with) {
  return with.load_config(line.config_file, line.env_file);
}

}  // namespace

int execute(const Invocation& line, const Surroundings& with) {
  switch (line.command) {
    case Command::serve: return with.serve(line, config_of(line, with));
    case Command::run:
    case Command::resync: return run(line, with);
    case Command::validate: return validate(line, with);
    case Command::check: return check(line, with);
    case Command::discover: return discover(line, with);
    case Command::providers: return providers(line, with);
    case Command::jobs: return jobs(line, with);
    case Command::quarantine: return quarantine(line, with);
    case Command::resume: return resume(line, with);
    case Command::forget: return forget(line, with);
    case Command::migrate: return migrate(line, with);
  }
  throw Error(ErrorKind::bug, "a command without a function");
}

int exit_code_of(const Error& error, Command command) {
  if (command == Command::serve) return 2;  // it could not start; what happens later it tells in its log
  if (error.kind() == ErrorKind::cancelled) return 130;  // as shells call a program that Ctrl-C ended
  return error.kind() == ErrorKind::bad_config ? 2 : 1;
}

}  // namespace syncflow::cli
