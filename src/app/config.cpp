#include "app/config.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/config_checks.h"
#include "app/dotenv.h"
#include "app/yaml.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/secrets.h"
#include "core/text.h"
#include "engine/definition_reader.h"
#include "store/postgresql.h"

namespace syncflow::app {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kUsualEnvFile = ".env";
constexpr std::string_view kUsualStore = "sqlite:syncflow.db";
constexpr Duration kLongestKept = std::chrono::hours(24 * 3650);

/// What the contract names and this version does not have.
const std::vector<std::string>& providers_to_come() {
  static const std::vector<std::string> ids = {"airtable", "google_sheets", "mongodb",
                                               "mysql",    "notion",        "postgresql",
                                               "sqlite",   "sqlserver",     "supabase"};
  return ids;
}

std::string read_file(const std::string& file, const std::string& advice) {
  std::error_code problem;
  if (std::filesystem::is_directory(file, problem))
    throw Error(ErrorKind::bad_config, file + " is a folder, not a file");
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (!in || in.bad())
    throw Error(ErrorKind::bad_config,
                fmt::format("cannot read {}: {}{}", file, std::strerror(errno), advice));
  return std::move(text).str();
}

Variables read_variables(const std::string& config_file, const std::string& env_file,
                         const Environment& environment) {
  Variables variables{environment, {}, env_file};
  std::string file = env_file;
  if (env_file == kUsualEnvFile) {
    std::error_code problem;
    if (!std::filesystem::exists(file, problem))
      file = (std::filesystem::path(config_file).parent_path() / file).string();
    if (!std::filesystem::exists(file, problem)) return variables;
  }
  variables.dotenv_file = file;
  variables.dotenv = parse_dotenv(read_file(file, "; --env-file names it"), file);
  return variables;
}

class ConfigReader {
 public:
  ConfigReader(const std::string& file, const Registry& providers, Variables variables)
      : folder_(std::filesystem::path(file).parent_path()), providers_(providers) {
    config_.file = file;
    config_.variables = std::move(variables);
  }

  Config read(Node document) {
    fill_in(document, config_.variables, config_.file);
    read(Reader(document, config_.file, &config_.variables));
    return std::move(config_);
  }

 private:
  void read(const Reader& root) {
    if (root.is_null()) root.fail("the file is empty");
    root.expect_keys({"version", "store", "engine", "connections", "syncs"});
    if (const auto version = root.find("version")) read_version(*version);
    read_store(root);
    if (const auto engine = root.find("engine")) read_engine(*engine);
    if (const auto connections = root.find("connections"))
      for (const auto& [name, connection] : connections->members()) read_connection(name, connection);
    if (const auto syncs = root.find("syncs")) read_syncs(*syncs);
  }

  static void read_version(const Reader& version) {
    if (version.text() != "1")
      version.fail(fmt::format("this syncflow reads version 1, not \"{}\"", shortened(version.text())));
  }

  std::string resolved(const std::string& path) const {
    // ":memory:" and "file:…?mode=memory" are no paths; who opens them refuses them.
    if (path.empty() || path.front() == ':' || path.rfind("file:", 0) == 0 || folder_.empty()) return path;
    return (folder_ / path).lexically_normal().string();
  }

  void read_store(const Reader& root) {
    constexpr std::string_view kSqlite = "sqlite:";
    const auto store = root.find("store");
    const std::string text = store ? store->name() : std::string(kUsualStore);
    if (text.substr(0, kSqlite.size()) == kSqlite) {
      if (text.size() == kSqlite.size()) store->fail("it names no file; write sqlite:FILE");
      config_.store = std::string(kSqlite) + resolved(text.substr(kSqlite.size()));
      return;
    }
    if (is_postgresql_store(text)) {
      never_show_password(text);
      try_store(*store, text);
      config_.store = text;
      return;
    }
    const std::string scheme = text.substr(0, text.find(':'));
    if (text == "supabase")
      store->fail(fmt::format("not supported yet: store {}; write sqlite:FILE or postgresql://…", scheme));
    // Whatever this is, it may hold a password.
    store->fail(
        fmt::format("\"{}\" is no store; write sqlite:FILE or postgresql://user:password@host/database",
                    shortened(scheme)));
  }

  static void try_store(const Reader& place, const std::string& url) {
    try {
      check_postgresql_store(url);
    } catch (const Error& error) {
      place.fail(error.what());
    }
  }

  void read_engine(const Reader& place) {
    place.expect_keys({"workers", "lease", "heartbeat", "drain", "keep_finished"});
    EngineSettings& engine = config_.engine;
    if (const auto workers = place.find("workers"))
      engine.workers = static_cast<int>(workers->number(1, 1024));
    read_duration(place, "lease", 1s, engine.lease);
    read_duration(place, "heartbeat", 100ms, engine.heartbeat);
    read_duration(place, "drain", 0s, engine.drain);
    read_duration(place, "keep_finished", 1min, engine.keep_finished, kLongestKept);
    if (engine.heartbeat * 2 > engine.lease)
      place.fail(fmt::format(
          "heartbeat is {} and lease is {}; heartbeat must be half of lease at most, so that one may "
          "be late",
          to_duration_text(engine.heartbeat), to_duration_text(engine.lease)));
  }

  static void read_duration(const Reader& place, std::string_view key, Duration least, Duration& into,
                            Duration most = 24h) {
    const auto value = place.find(key);
    if (!value) return;
    into = value->duration();
    if (into < least) value->fail(fmt::format("it must be at least {}", to_duration_text(least)));
    if (into > most) value->fail(fmt::format("it must be at most {}", to_duration_text(most)));
  }

  const Provider& read_provider(const Reader& place) const {
    const std::string id = place.name();
    if (const Provider* provider = providers_.find(id)) return *provider;
    const auto& to_come = providers_to_come();
    if (std::find(to_come.begin(), to_come.end(), id) != to_come.end())
      place.fail("not supported yet: provider " + id);
    const std::string near = nearest(id, to_come);
    std::vector<std::string> ids;
    for (const Provider& provider : providers_.all()) ids.push_back(provider.id);
    place.fail(
        fmt::format("unknown provider \"{}\"{}", shortened(id),
                    near.empty() ? "; there are " + join(ids, ", ") : "; did you mean \"" + near + "\"?"));
  }

  void read_connection(const std::string& name, const Reader& place) {
    if (name.empty()) place.fail("the name of the connection is empty");
    if (!place.is_map()) place.fail("here belongs a map with provider and its options");
    const Provider& provider = read_provider(place.at("provider"));
    std::vector<std::string> keys = {"provider"};
    for (const OptionSpec& spec : provider.options) keys.push_back(spec.name);
    place.expect_keys(keys);
    ConnectionConfig connection{name, provider.id, {}, place.line()};
    for (const OptionSpec& spec : provider.options)
      if (const auto option = place.find(spec.name)) set_option(connection.options, spec, *option);
    check_options(connection.options, provider.options, place.where());
    try_options(place, connection.options, provider);
    config_.connections.push_back(std::move(connection));
  }

  void set_option(Options& options, const OptionSpec& spec, const Reader& option) const {
    const std::string written = option.text();
    if (spec.kind == OptionKind::secret) never_show(written);
    if (spec.kind == OptionKind::url) never_show_password(written);
    options.set(spec.name, read_option(option, spec));
  }

  /// Of a URL that may be none: what stands where a password does.
  static void never_show_password(const std::string& url) {
    const std::size_t begin = url.find("://"), at = url.rfind('@');
    if (begin == std::string::npos || at == std::string::npos) return;
    const std::size_t colon = url.find(':', begin + 3);
    if (colon < at) never_show(std::string_view(url).substr(colon + 1, at - colon - 1));
    try {
      never_show(parse_url(url).password.reveal());
    } catch (const Error&) {
      // Whoever uses it says what is wrong with it.
    }
  }

  /// What only the provider can judge, as whether a URL can be one of its own. It logs in nowhere yet.
  static void try_options(const Reader& place, const Options& options, const Provider& provider) {
    SystemClock clock;
    try {
      (void)provider.connect(options, {clock, std::stop_token()});
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::bad_config) throw error.while_doing(place.where());
      fail_at_option(place, error.what());
    }
  }

  /// A sentence that begins with the name of an option that is given is about that one.
  [[noreturn]] static void fail_at_option(const Reader& place, const std::string& what) {
    const std::string name = what.substr(0, what.find_first_of(" :"));
    const auto option = place.find(name);
    if (!option) place.fail(what);
    option->fail(what.compare(name.size(), 2, ": ") == 0 ? what.substr(name.size() + 2) : what);
  }

  std::string read_option(const Reader& place, const OptionSpec& spec) const {
    // Checked alone first, so that the sentence names its own line.
    Options alone;
    alone.set(spec.name, place.text());
    OptionSpec only = spec;
    only.required = false;
    check_options(alone, {only}, place.where());
    return spec.kind == OptionKind::path ? resolved(place.text()) : place.text();
  }

  void read_syncs(const Reader& syncs) {
    std::vector<Reader> places = syncs.items();
    for (const Reader& place : places) {
      config_.syncs.push_back(read_sync(place));
      Config::SyncLines lines{place.line(), {}};
      for (const Reader& table : place.at("tables").items()) lines.tables.push_back(table.line());
      config_.lines.push_back(std::move(lines));
      check_connections(place, config_, providers_);
    }
    check_syncs(places, config_);
  }

  std::filesystem::path folder_;
  const Registry& providers_;
  Config config_;
};

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

Config load_config(const std::string& file, const std::string& env_file, const Registry& providers,
                   const Environment& environment) {
  Node document =
      parse_yaml(read_file(file, "; -c names another file, and examples/ holds some to begin with"), file);
  return ConfigReader(file, providers, read_variables(file, env_file, environment)).read(std::move(document));
}

std::optional<std::string> find_variable(const std::string& name, const std::string& file,
                                         const std::string& env_file, const Environment& environment) {
  return read_variables(file, env_file, environment).find(name);
}

}  // namespace syncflow::app
