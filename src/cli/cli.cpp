#include "cli/cli.h"

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>

#include "core/error.h"
#include "core/json.h"
#include "core/secrets.h"

namespace syncflow::cli {
namespace {

int execute(const Invocation& line, const Surroundings& with) {
  if (with.configure_log) with.configure_log(line);
  switch (line.command) {
    case Command::serve: return with.serve(line, with.load_config(line.config_file, line.env_file));
    case Command::run:
    case Command::resync: return run(line, with);
    case Command::verify: return verify(line, with);
    case Command::validate: return validate(line, with);
    case Command::check: return check(line, with);
    case Command::discover: return discover(line, with);
    case Command::providers: return providers(line, with);
    case Command::jobs: return jobs(line, with);
    case Command::quarantine: return quarantine(line, with);
    case Command::resume: return resume(line, with);
    case Command::forget: return forget(line, with);
    case Command::state: return state(line, with);
    case Command::migrate: return migrate(line, with);
  }
  throw Error(ErrorKind::bug, "a command without a function");
}

int exit_code_after(const Error& error, Command command) {
  // `serve` could not start: what happens later it tells in its log.
  if (error.kind() == ErrorKind::bad_config || command == Command::serve) return 2;
  return error.kind() == ErrorKind::cancelled ? 130 : 1;  // 130: as shells call a program that Ctrl-C ended
}

/// A line as the log writes it where programs read, a sentence where people do.
void complain(const std::string& what, bool as_json, const Surroundings& with) {
  const std::string sentence = without_secrets(what);
  if (as_json)
    with.err << to_json_text(boost::json::object{
                    {"time", to_rfc3339(with.clock.now())}, {"level", "error"}, {"message", sentence}})
             << "\n";
  else with.err << "syncflow: " << sentence << "\n";
  with.err << std::flush;
}

int answer(const Message& message, bool as_json, const Surroundings& with) {
  if (message.exit_code == 0) with.out << message.text << std::flush;
  else complain(message.text, as_json, with);
  return message.exit_code;
}

}  // namespace

int command_line(const std::vector<std::string>& arguments, const Surroundings& with) {
  const auto parsed = parse_arguments(arguments);
  const bool as_json =
      !with.err_on_terminal || std::find(arguments.begin(), arguments.end(), "--json") != arguments.end();
  if (const auto* message = std::get_if<Message>(&parsed)) return answer(*message, as_json, with);
  const Invocation& line = std::get<Invocation>(parsed);
  try {
    return execute(line, with);
  } catch (const Error& error) {
    complain(error.what(), as_json, with);
    return exit_code_after(error, line.command);
  }
}

}  // namespace syncflow::cli
