// The commands that look and change nothing: validate, check, discover, providers.

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>

#include "cli/cli.h"
#include "cli/columns.h"
#include "cli/report.h"
#include "cli/stores.h"
#include "core/json.h"
#include "core/secrets.h"
#include "core/text.h"
#include "engine/engine.h"
#include "engine/table_plan.h"

namespace syncflow::cli {
namespace {

const ConnectionConfig& connection_named(const Config& config, const Invocation& line) {
  if (const ConnectionConfig* connection = config.find_connection(line.name)) return *connection;
  std::vector<std::string> names;
  for (const ConnectionConfig& known : config.connections) names.push_back(known.name);
  const std::string near = nearest(line.name, names);
  throw Error(ErrorKind::bad_config, fmt::format("{} has no connection \"{}\"{}", line.config_file, line.name,
                                                 near.empty() ? "; it has " + join(names, ", ")
                                                              : "; did you mean \"" + near + "\"?"));
}

/// What `work` gives back of the connection that the line names; what goes wrong is said with its name.
template <typename Work>
auto on_connection(const Config& config, const Invocation& line, const Surroundings& with, Work work) {
  const ConnectionConfig& wanted = connection_named(config, line);
  try {
    return work(*with.providers.at(wanted.provider).connect(wanted.options, {with.clock, std::stop_token()}));
  } catch (const Error& error) {
    throw error.while_doing("connection " + line.name);
  }
}

// --- validate ---

std::string_view word_of(Finding::Severity severity) {
  switch (severity) {
    case Finding::Severity::note: return "note";
    case Finding::Severity::warning: return "warning";
    case Finding::Severity::error: return "error";
  }
  return "error";
}

std::string indented(const std::string& text) {
  std::string out;
  for (const std::string& line : split(text, '\n'))
    if (!line.empty()) out += "    " + line + "\n";
  return out;
}

/// What `validate` ends with.
struct Verdict {
  std::size_t connections = 0, syncs = 0;
  std::vector<std::string> errors;
};

std::string in_words(const Verdict& verdict, const Invocation& line) {
  return fmt::format("{}: {} connections, {} syncs: {}\n", line.config_file, verdict.connections,
                     verdict.syncs,
                     verdict.errors.empty() ? "right" : fmt::format("{} to mend", verdict.errors.size()));
}

boost::json::object to_json(const Verdict& verdict, const Invocation& line) {
  boost::json::array errors(verdict.errors.begin(), verdict.errors.end());
  return {{"config", line.config_file},
          {"connections", verdict.connections},
          {"syncs", verdict.syncs},
          {"errors", std::move(errors)}};
}

std::string place_of(const Finding& finding) {
  std::string where;
  if (!finding.sync.empty()) where = finding.sync + ": ";
  if (!finding.table.empty()) where += finding.table + ": ";
  return where;
}

std::string in_words(const Finding& finding) {
  return fmt::format("{}: {}{}\n{}", word_of(finding.severity), place_of(finding), finding.text,
                     indented(finding.ddl));
}

boost::json::object to_json(const Finding& finding) {
  return {{"severity", word_of(finding.severity)},
          {"sync", finding.sync},
          {"table", finding.table},
          {"text", finding.text},
          {"ddl", finding.ddl}};
}

/// Reads the file, and online looks at all that it names; prints what is found there as it goes.
void judge(const Invocation& line, const Surroundings& with, Verdict& verdict) {
  const Config config = with.load_config(line.config_file, line.env_file);
  verdict.connections = config.connections.size();
  verdict.syncs = config.syncs.size();
  (void)store_name(config);  // throws for a store that is not supported
  const ScratchStore store(with.clock);
  Engine engine({*store, with.providers, with.clock, config, {}});
  engine.apply_config();
  if (!line.online) return;
  for (const Finding& finding : engine.validate_online({})) {
    with.out << (line.json ? to_json_text(to_json(finding)) + "\n" : in_words(finding)) << std::flush;
    if (finding.severity == Finding::Severity::error)
      verdict.errors.push_back(place_of(finding) + finding.text);
  }
}

// --- discover ---

boost::json::object to_json(const TableInfo& table) {
  boost::json::array fields;
  for (const Field& field : table.schema.fields)
    fields.push_back(boost::json::object{{"name", field.name},
                                         {"type", name_of(field.type)},
                                         {"native", field.native},
                                         {"nullable", field.nullable},
                                         {"generated", field.generated}});
  boost::json::array key;
  for (const std::size_t index : table.schema.key)
    key.push_back(boost::json::value(table.schema.fields[index].name));
  boost::json::array cursors;
  for (const CursorCandidate& candidate : table.cursor_candidates)
    cursors.push_back(boost::json::object{
        {"field", candidate.field}, {"indexed", candidate.indexed}, {"note", candidate.note}});
  boost::json::array warnings;
  for (const std::string& warning : table.warnings) warnings.push_back(boost::json::value(warning));
  return {
      {"table", table.schema.table},
      {"rows", table.row_estimate < 0 ? boost::json::value(nullptr) : boost::json::value(table.row_estimate)},
      {"key", std::move(key)},
      {"fields", std::move(fields)},
      {"cursors", std::move(cursors)},
      {"warnings", std::move(warnings)}};
}

std::string notes_on(const TableInfo& table, std::size_t index) {
  const Field& field = table.schema.fields[index];
  std::vector<std::string> notes;
  for (const std::size_t key : table.schema.key)
    if (key == index) notes.emplace_back("key");
  if (!field.nullable) notes.emplace_back("not null");
  if (field.generated) notes.emplace_back("generated");
  for (const CursorCandidate& candidate : table.cursor_candidates)
    if (candidate.field == field.name)
      notes.push_back(candidate.note.empty() ? (candidate.indexed ? "cursor" : "cursor, no index")
                                             : "cursor: " + candidate.note);
  return join(notes, ", ");
}

/// Does not offer what a sync of this config writes: rows come late there, under stamps of long ago.
void leave_out_copied(TableInfo& table, const std::vector<std::string>& copied) {
  std::vector<CursorCandidate> offered;
  for (CursorCandidate& candidate : table.cursor_candidates) {
    if (std::find(copied.begin(), copied.end(), candidate.field) == copied.end()) {
      offered.push_back(std::move(candidate));
      continue;
    }
    table.warnings.push_back(fmt::format(
        "{} is no cursor field: a sync of this config fills it with copied values, under which rows "
        "can be missed; give that sync a \"stamp\" field and read by it",
        candidate.field));
  }
  table.cursor_candidates = std::move(offered);
}

std::string in_words(const TableInfo& table) {
  const std::string rows =
      table.row_estimate < 0 ? "" : fmt::format(", about {} rows", with_commas(table.row_estimate));
  std::vector<std::vector<std::string>> fields = {{"  FIELD", "TYPE", "NATIVE TYPE", "NOTES"}};
  for (std::size_t i = 0; i < table.schema.fields.size(); ++i) {
    const Field& field = table.schema.fields[i];
    fields.push_back({"  " + field.name, std::string(name_of(field.type)), field.native, notes_on(table, i)});
  }
  std::string out = fmt::format("{}{}\n{}", table.schema.table, rows, in_columns(fields));
  for (const std::string& warning : table.warnings) out += "  warning: " + warning + "\n";
  return out;
}

// --- providers ---

std::string abilities(const Capabilities& can) {
  std::vector<std::string> words;
  if (can.source) words.emplace_back("source");
  if (can.destination) words.emplace_back("destination");
  if (can.cursor) words.emplace_back("cursor");
  if (can.feed) words.emplace_back("feed");
  if (can.diff) words.emplace_back("diff");
  if (can.webhooks) words.emplace_back("webhooks");
  if (can.create_table) words.emplace_back("create");
  return join(words, ", ");
}

std::string_view name_of(OptionKind kind) {
  switch (kind) {
    case OptionKind::text: return "text";
    case OptionKind::secret: return "secret";
    case OptionKind::number: return "number";
    case OptionKind::choice: return "choice";
    case OptionKind::path: return "path";
    case OptionKind::url: return "url";
  }
  return "text";
}

boost::json::object to_json(const OptionSpec& option) {
  boost::json::array choices;
  for (const std::string& choice : option.choices) choices.push_back(boost::json::value(choice));
  return {{"name", option.name},        {"kind", name_of(option.kind)},  {"required", option.required},
          {"default", option.fallback}, {"choices", std::move(choices)}, {"help", option.help}};
}

boost::json::object to_json(const Provider& provider) {
  const Capabilities& can = provider.can;
  boost::json::array options;
  for (const OptionSpec& option : provider.options) options.push_back(to_json(option));
  return {{"id", provider.id},
          {"name", provider.name},
          {"can",
           {{"source", can.source},
            {"destination", can.destination},
            {"cursor", can.cursor},
            {"feed", can.feed},
            {"diff", can.diff},
            {"webhooks", can.webhooks},
            {"create", can.create_table}}},
          {"options", std::move(options)}};
}

std::string in_words(const Provider& provider) {
  std::vector<std::vector<std::string>> options = {{"  OPTION", "KIND", "DEFAULT", "MEANING"}};
  for (const OptionSpec& option : provider.options) {
    const std::string help =
        option.choices.empty() ? option.help : fmt::format("{} ({})", option.help, join_or(option.choices));
    options.push_back({"  " + option.name, std::string(name_of(option.kind)),
                       option.required ? "(required)" : option.fallback, help});
  }
  return fmt::format("{} ({}): {}\n{}", provider.id, provider.name, abilities(provider.can),
                     in_columns(options));
}

// --- check ---

/// A server that only lets us read is good for a source.
void require_writable(const Config& config, const std::string& connection, const Access& access) {
  if (access.takes_no_writes.empty()) return;
  for (const SyncDefinition& sync : config.syncs)
    if (sync.destination == connection)
      throw Error(ErrorKind::unavailable,
                  fmt::format("connection {} is the destination of sync {}, and the server {}", connection,
                              sync.name, access.takes_no_writes));
}

void show(const Access& access, const Invocation& line, std::ostream& out) {
  if (line.json) {
    boost::json::array can(access.can.begin(), access.can.end());
    boost::json::array warnings(access.warnings.begin(), access.warnings.end());
    out << to_json_text(boost::json::object{{"connection", line.name},
                                            {"system", access.system},
                                            {"user", access.user},
                                            {"can", std::move(can)},
                                            {"warnings", std::move(warnings)}})
        << "\n";
    return;
  }
  // What may do nothing there has not come in: a file that is yet to be made.
  out << fmt::format("{}: {}{}{}\n", line.name, access.can.empty() ? "" : "logged in to ", access.system,
                     access.user.empty() ? "" : " as " + access.user);
  for (const std::string& right : access.can) out << "  can: " << right << "\n";
  for (const std::string& warning : access.warnings) out << "  warning: " << warning << "\n";
}

}  // namespace

int validate(const Invocation& line, const Surroundings& with) {
  Verdict verdict;
  try {
    judge(line, with, verdict);
  } catch (const Error& error) {
    // Who asked for JSON gets what is wrong with the file as the answer, like what is wrong online.
    if (!line.json || error.kind() != ErrorKind::bad_config) throw;
    verdict.errors.push_back(without_secrets(error.what()));
  }
  with.out << (line.json ? to_json_text(to_json(verdict, line)) + "\n" : in_words(verdict, line));
  return verdict.errors.empty() ? 0 : 2;
}

int check(const Invocation& line, const Surroundings& with) {
  const Config config = with.load_config(line.config_file, line.env_file);
  const Access access =
      on_connection(config, line, with, [](Connection& connection) { return connection.check(); });
  show(access, line, with.out);
  require_writable(config, line.name, access);
  return 0;
}

int discover(const Invocation& line, const Surroundings& with) {
  const Config config = with.load_config(line.config_file, line.env_file);
  const std::vector<TableInfo> tables = on_connection(config, line, with, [&](Connection& connection) {
    std::vector<TableInfo> found = connection.discover(line.table);
    for (TableInfo& table : found)
      leave_out_copied(table, copied_fields(config, line.name, table.schema.table, table, connection));
    return found;
  });
  for (const TableInfo& table : tables)
    with.out << (line.json ? to_json_text(to_json(table)) + "\n" : in_words(table));
  return 0;
}

int providers(const Invocation& line, const Surroundings& with) {
  if (line.action == "show") {
    const Provider& provider = with.providers.at(line.name);
    with.out << (line.json ? to_json_text(to_json(provider)) + "\n" : in_words(provider));
    return 0;
  }
  std::vector<std::vector<std::string>> rows = {{"PROVIDER", "NAME", "CAN"}};
  for (const Provider& provider : with.providers.all()) {
    if (line.json) with.out << to_json_text(to_json(provider)) << "\n";
    rows.push_back({provider.id, provider.name, abilities(provider.can)});
  }
  if (!line.json) with.out << in_columns(rows);
  return 0;
}

}  // namespace syncflow::cli
