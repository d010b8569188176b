#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "app/config.h"
#include "app/serve.h"
#include "cli/cli.h"
#include "core/log.h"
#include "providers/registry.h"

namespace {

using namespace syncflow;

void configure_log(const cli::Invocation& line) {
  // Who types a command reads its answer; a service tells what changes.
  const log::Level usual = line.command == cli::Command::serve ? log::Level::info : log::Level::warn;
  log::configure(line.verbose ? log::Level::debug : usual,
                 isatty(STDERR_FILENO) == 1 ? log::Form::text : log::Form::json);
}

int execute(const cli::Invocation& line) {
  configure_log(line);
  const Registry providers = built_in_providers();
  SystemClock clock;
  cli::Surroundings with{
      providers, clock, nullptr, nullptr, std::cout, std::cerr, isatty(STDOUT_FILENO) == 1};
  with.load_config = [&](const std::string& file, const std::string& env_file) {
    return app::load_config(file, env_file, providers);
  };
  with.serve = [&](const cli::Invocation& serving, const Config& config) {
    const char* key = std::getenv("SYNCFLOW_API_KEY");
    return app::serve(serving, config, Secret(key == nullptr ? "" : key), with);
  };
  return cli::execute(line, with);
}

}  // namespace

int main(int argc, char** argv) {
  // A client or a reader of our output that goes away is an error of one write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  cli::Command command = cli::Command::run;
  try {
    const auto parsed = cli::parse_arguments({argv + 1, argv + argc});
    if (const auto* message = std::get_if<cli::Message>(&parsed)) {
      (message->exit_code == 0 ? std::cout : std::cerr) << message->text;
      return message->exit_code;
    }
    command = std::get<cli::Invocation>(parsed).command;
    return execute(std::get<cli::Invocation>(parsed));
  } catch (const Error& error) {
    std::cerr << "syncflow: " << error.what() << "\n";
    return cli::exit_code_of(error, command);
  } catch (const std::exception& error) {
    std::cerr << "syncflow: an unforeseen error: " << error.what() << "\n";
    return 1;
  }
}
