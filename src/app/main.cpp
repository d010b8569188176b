#include <unistd.h>

#include <csignal>
#include <iostream>

#include "app/config.h"
#include "app/serve.h"
#include "cli/cli.h"
#include "core/log.h"
#include "providers/registry.h"

namespace syncflow {
namespace {

void configure_log(const cli::Invocation& line) {
  // Who types a command reads its answer; a service tells what changes.
  const log::Level usual = line.command == cli::Command::serve ? log::Level::info : log::Level::warn;
  log::configure(line.verbose ? log::Level::debug : usual,
                 line.json || isatty(STDERR_FILENO) != 1 ? log::Form::json : log::Form::text);
}

int run_program(const std::vector<std::string>& arguments) {
  const Registry providers = built_in_providers();
  SystemClock clock;
  cli::Surroundings with{providers,
                         clock,
                         {},
                         {},
                         std::cout,
                         std::cerr,
                         isatty(STDOUT_FILENO) == 1,
                         configure_log,
                         isatty(STDERR_FILENO) == 1};
  with.load_config = [&](const std::string& file, const std::string& env_file) {
    return app::load_config(file, env_file, providers);
  };
  with.serve = [&](const cli::Invocation& line, const Config& config) {
    const auto key = app::find_variable("SYNCFLOW_API_KEY", line.config_file, line.env_file);
    return app::serve(line, config, Secret(key.value_or("")), with);
  };
  return cli::command_line(arguments, with);
}

}  // namespace
}  // namespace syncflow

int main(int argc, char** argv) {
  // A client or a reader of our output that goes away is an error of one write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return syncflow::run_program({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    syncflow::log::error("An unforeseen error ended the command.", {{"error", error.what()}});
    return 1;
  }
}
