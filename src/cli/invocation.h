#pragma once

#include <string>
#include <variant>
#include <vector>

namespace syncflow::cli {

enum class Command {
  serve,
  run,
  validate,
  check,
  discover,
  resync,
  verify,
  resume,
  forget,
  jobs,
  quarantine,
  providers,
  migrate,
  state,
};

/// What the user typed, checked for form only.
struct Invocation {
  Command command = Command::serve;
  std::string config_file = "syncflow.yaml";
  std::string env_file = ".env";
  bool json = false;
  bool verbose = false;

  std::string listen = "127.0.0.1:3001";  ///< serve
  std::vector<std::string> syncs;         ///< run, resync, jobs list, quarantine
  bool online = false;                    ///< validate
  bool print = false;                     ///< migrate
  bool repair = false;                    ///< verify
  std::string name;                       ///< connection, sync or provider
  std::string table;                      ///< discover; empty: all
  std::string action;  ///< jobs: list, show, retry, cancel; providers: show or empty; state: export, import
  std::string file;    ///< state
  std::string id;      ///< jobs show, retry, cancel
  std::string status;  ///< jobs list; empty: all
  std::size_t limit = 20;  ///< jobs list, quarantine
};

/// What to print instead of doing anything: help, the version, or what is wrong with the line.
struct Message {
  std::string text;
  int exit_code =
      0;  ///< 0: `text` is for standard output as it is; 2: it is a sentence that says what is wrong
};

/// `arguments` without the program's name.
std::variant<Invocation, Message> parse_arguments(const std::vector<std::string>& arguments);

}  // namespace syncflow::cli
