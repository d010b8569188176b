#include "cli/invocation.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>

#include "core/text.h"

namespace syncflow::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  syncflow validate                     is syncflow.yaml right?
  syncflow validate --online            ... and would every sync of it work?
  syncflow run                          bring all syncs up to date once
  syncflow run --sync customers         only this one
  syncflow serve                        keep them in step, on http://127.0.0.1:3001
  syncflow discover shop                which tables does the connection "shop" have?
  syncflow jobs --status failed         what went wrong?
  syncflow COMMAND --help               more about one command

The options -c, --env-file, --json and -v go with every command.)";

const std::vector<std::string> kNotBuilt = {"mock"};

CLI::App* add_command(CLI::App& app, Invocation& into, Command command, const char* name,
                      const char* description, const char* footer) {
  CLI::App* added = app.add_subcommand(name, description);
  added->footer(footer);
  added->callback([&into, command] { into.command = command; });
  return added;
}

void add_syncs_option(CLI::App* command, Invocation& into) {
  command->add_option("--sync", into.syncs, "Only this sync; may be given several times")->type_name("NAME");
}

void add_working_commands(CLI::App& app, Invocation& into) {
  CLI::App* serve = add_command(
      app, into, Command::serve, "serve", "Runs the service: keeps the syncs in step, answers HTTP",
      R"(Stops on SIGTERM or Ctrl-C within ten seconds and hands unfinished work back; a second
signal ends it at once. To listen for other machines set SYNCFLOW_API_KEY; they then send
"Authorization: Bearer KEY".

Examples:
  syncflow serve
  syncflow serve -c shop.yaml --listen 127.0.0.1:8080
  SYNCFLOW_API_KEY=... syncflow serve --listen 0.0.0.0:3001

Exit code: 0 stopped as asked, 2 it could not start.)");
  serve->add_option("--listen", into.listen, "Where to listen for HTTP")
      ->type_name("ADDRESS:PORT")
      ->capture_default_str();

  CLI::App* run =
      add_command(app, into, Command::run, "run", "Brings the syncs up to date once, and stops",
                  R"(Beside a running `serve` on the same store it queues its jobs there and waits for them.
With --json each sync prints one line of JSON when it is done.

Examples:
  syncflow run
  syncflow run --sync customers --sync orders
  syncflow run --json | jq .written

Exit code: 0 all completed, 1 one failed, 2 the config is wrong,
           4 completed, but rows wait in quarantine.)");
  add_syncs_option(run, into);

  CLI::App* resync = add_command(app, into, Command::resync, "resync", "Loads a sync again from the start",
                                 R"(Rows that are equal already are not written again. Exit codes as of `run`.

Example:
  syncflow resync --sync customers)");
  resync->add_option("--sync", into.syncs, "The sync; may be given several times")
      ->type_name("NAME")
      ->required();

  CLI::App* verify =
      add_command(app, into, Command::verify, "verify", "Compares both sides of a sync row by row",
                  R"(In the form that the destination holds: mapped, and within the filters. Rows that change
meanwhile are read again; those that the next run will carry are told apart. It changes
nothing, unless --repair is given: then a job brings what differs to what the source has,
and removes rows of its own that are gone there, unless deletes are ignored.

Examples:
  syncflow verify --sync customers
  syncflow verify --sync customers --repair
  syncflow verify --sync customers --json | jq .tables

Exit code: 0 they are equal, 3 they differ, 1 it failed, 2 the config is wrong.)");
  verify->add_option("--sync", into.name, "The sync")->type_name("NAME")->required();
  verify->add_flag("--repair", into.repair, "Write what differs, then compare again");
}

void add_looking_commands(CLI::App& app, Invocation& into) {
  CLI::App* validate =
      add_command(app, into, Command::validate, "validate", "Checks the config file",
                  R"(With --online it also logs in everywhere, checks every mapping, and prints the DDL that
`create` would run. It changes nothing.

Exit code: 0 right, 2 something must be changed.)");
  validate->add_flag("--online", into.online, "Also look at the connections and tables");

  CLI::App* check =
      add_command(app, into, Command::check, "check", "Logs in to a connection and says with which rights",
                  R"(Example:
  syncflow check shop

Exit code: 0 it works, 1 it does not, 2 the config is wrong.)");
  check->add_option("CONNECTION", into.name, "As it is named in the config")->required();

  CLI::App* discover =
      add_command(app, into, Command::discover, "discover", "Lists the tables and fields of a connection",
                  R"(Examples:
  syncflow discover shop
  syncflow discover shop public.customers

Exit code: 0, 1 it cannot be reached or has no such table, 2 the config is wrong.)");
  discover->add_option("CONNECTION", into.name, "As it is named in the config")->required();
  discover->add_option("TABLE", into.table, "Only this table");

  CLI::App* providers =
      add_command(app, into, Command::providers, "providers", "Lists the providers and what each can do",
                  R"(Examples:
  syncflow providers
  syncflow providers show postgresql)");
  providers->add_option("ACTION", into.action, "show")->check(CLI::IsMember({"show"}));
  providers->add_option("ID", into.name, "The provider to show");
}

void add_keeping_commands(CLI::App& app, Invocation& into) {
  CLI::App* resume =
      add_command(app, into, Command::resume, "resume", "Lifts the hold of a sync once its cause is mended",
                  R"(Example:
  syncflow resume customers

Exit code: 0, 1 there is no such sync, or no hold on it.)");
  resume->add_option("SYNC", into.name, "The sync's name or id")->required();

  CLI::App* forget = add_command(app, into, Command::forget, "forget",
                                 "Drops what is kept for a sync that left the config file",
                                 R"(Its destination table stays as it is.

Exit code: 0, 1 there is no such sync, or it still stands in the file.)");
  forget->add_option("SYNC", into.name, "The sync's name or id")->required();

  CLI::App* jobs =
      add_command(app, into, Command::jobs, "jobs", "Shows and changes the queue, also beside `serve`",
                  R"(Examples:
  syncflow jobs
  syncflow jobs --sync customers --status failed
  syncflow jobs show 2f6b0d52-6a3f-4bd3-a2d5-6f2f0c1c9d10
  syncflow jobs retry 2f6b0d52-6a3f-4bd3-a2d5-6f2f0c1c9d10
  syncflow jobs cancel 2f6b0d52-6a3f-4bd3-a2d5-6f2f0c1c9d10

Exit code: 0, 1 there is no such job, or it cannot be retried or cancelled now.)");
  jobs->add_option("ACTION", into.action, "list (the default), show, retry or cancel")
      ->check(CLI::IsMember({"list", "show", "retry", "cancel"}));
  jobs->add_option("ID", into.id, "The job");
  add_syncs_option(jobs, into);
  jobs->add_option("--status", into.status, "Only pending, processing, completed or failed jobs")
      ->check(CLI::IsMember({"pending", "processing", "completed", "failed"}));
  jobs->add_option("--limit", into.limit, "How many")->check(CLI::Range(1, 1000))->capture_default_str();

  CLI::App* quarantine = add_command(app, into, Command::quarantine, "quarantine",
                                     "Shows the rows that a destination refused, and why",
                                     R"(They are tried again by every run of their sync.

Example:
  syncflow quarantine --sync customers)");
  add_syncs_option(quarantine, into);
  quarantine->add_option("--limit", into.limit, "How many")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();

  CLI::App* migrate =
      add_command(app, into, Command::migrate, "migrate", "Prepares or upgrades the store",
                  R"(`serve` and `run` do so by themselves; this is for those who want to see it first.

Examples:
  syncflow migrate --print
  syncflow migrate)");
  migrate->add_flag("--print", into.print, "Print the SQL, change nothing");

  CLI::App* state =
      add_command(app, into, Command::state, "state", "Moves everything from one store to another",
                  R"(Positions, noted rows, quarantine, jobs and runs: in the other store the syncs go on
where they stood, and read nothing again. `export` puts the syncs on hold, waits for the
end of their runs and writes the file; then name the other store in the config, and
`import`. Whatever goes wrong, a store holds all of it or nothing.

Examples:
  syncflow state export state.jsonl
  syncflow state import state.jsonl

Exit code: 0, 1 it failed, or the store keeps something for these syncs, 2 the config is
           wrong, or the file is none.)");
  state->add_option("ACTION", into.action, "export or import")
      ->required()
      ->check(CLI::IsMember({"export", "import"}));
  state->add_option("FILE", into.file, "Where the state is written to, or read from")->required();
}

void add_general_options(CLI::App& app, Invocation& into) {
  app.add_option("-c,--config", into.config_file, "The config file")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--env-file", into.env_file, "Where ${VAR} of the config may stand besides the environment")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_flag("--json", into.json, "Print JSON, one value a line");
  app.add_flag("-v,--verbose", into.verbose, "Log what is done");
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

/// Names the nearest command or option where CLI11 only says that something was not expected.
std::string complaint(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  const std::string help =
      fmt::format("syncflow{} --help", chosen.empty() ? "" : " " + chosen.front()->get_name());
  const std::vector<std::string> unexpected = app.remaining(true);
  std::string what = chosen.empty() ? "a command is missing" : error.what();
  if (!unexpected.empty()) {
    std::vector<std::string> known = chosen.empty() ? command_names(app) : std::vector<std::string>();
    for (const CLI::App* command : chosen)
      for (const CLI::Option* option : command->get_options()) known.push_back(option->get_name());
    for (const CLI::Option* option : app.get_options()) known.push_back(option->get_name());
    const std::string near = nearest(unexpected.front(), known);
    what = fmt::format("\"{}\" was not expected{}", unexpected.front(),
                       near.empty() ? "" : "; did you mean \"" + near + "\"?");
  }
  return fmt::format("{} (see: {})", what, help);
}

/// What CLI11 cannot say: which second word an action needs.
std::string missing_operand(const Invocation& line) {
  if (line.command == Command::jobs && !line.action.empty() && line.action != "list" && line.id.empty())
    return "jobs " + line.action + " needs the job's id";
  if (line.command == Command::providers && !line.action.empty() && line.name.empty())
    return "providers show needs the provider's id";
  return "";
}

}  // namespace

std::variant<Invocation, Message> parse_arguments(const std::vector<std::string>& arguments) {
  if (!arguments.empty() &&
      std::find(kNotBuilt.begin(), kNotBuilt.end(), arguments.front()) != kNotBuilt.end())
    return Message{"not supported yet: " + arguments.front(), 2};
  Invocation line;
  CLI::App app("Keeps tables in step across databases.", "syncflow");
  app.set_version_flag("--version", "syncflow " SYNCFLOW_VERSION, "Print the version");
  app.set_help_flag("-h,--help", "Print this help");
  app.get_formatter()->column_width(34);
  app.require_subcommand(1);
  app.fallthrough();
  add_general_options(app, line);
  add_working_commands(app, line);
  add_looking_commands(app, line);
  add_keeping_commands(app, line);
  app.footer(kExamples);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    if (app.exit(error, out, err) == 0) return Message{out.str(), 0};
    return Message{complaint(app, error), 2};
  }
  const std::string missing = missing_operand(line);
  if (!missing.empty()) return Message{missing, 2};
  return line;
}

}  // namespace syncflow::cli
