#include "providers/mysql/settings.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::mysql {
namespace {

constexpr long kMostSilentSeconds = 86'400;

Tls parse_tls(const std::string& text) {
  if (text == "disable") return Tls::disable;
  return text == "require" ? Tls::require : Tls::verify;
}

Url parsed_url(const std::string& text) {
  try {
    return parse_url(text);
  } catch (const Error& error) {
    throw error.while_doing("url");
  }
}

/// A file that is named and missing would only show at the first login.
void check_ca_file(const std::string& file) {
  if (!file.empty() && ::access(file.c_str(), R_OK) != 0)
    throw Error(ErrorKind::bad_config,
                fmt::format("ca_file {} cannot be read: {}", file, std::generic_category().message(errno)));
}

void take_url(const std::string& text, Settings& settings) {
  const Url url = parsed_url(text);
  if (url.scheme != "mysql" && url.scheme != "mariadb")
    throw Error(ErrorKind::bad_config,
                fmt::format("url: it begins with {}://, not with mysql://", url.scheme));
  if (!url.query.empty())
    throw Error(ErrorKind::bad_config, fmt::format("url: unknown parameter \"{}\"; tls, ca_file, timezone "
                                                   "and max_connections are options beside url",
                                                   url.query.begin()->first));
  Target& target = settings.target;
  target.host = url.host;
  if (url.port != 0) target.port = url.port;
  target.user = url.user;
  target.password = url.password;
  target.database = url.path.substr(url.path.starts_with('/') ? 1 : 0);
}

void take_text(const Options& options, const char* name, bool in_url, std::string& out) {
  if (!options.has(name)) return;
  if (in_url)
    throw Error(ErrorKind::bad_config,
                fmt::format("{} is given twice: in \"url\" and under \"{}\"; leave one out", name, name));
  out = options.get(name);
}

void take_parts(const Options& options, Settings& settings) {
  Target& target = settings.target;
  take_text(options, "host", !target.host.empty(), target.host);
  take_text(options, "user", !target.user.empty(), target.user);
  take_text(options, "database", !target.database.empty(), target.database);
  std::string password;
  take_text(options, "password", !target.password.empty(), password);
  if (!password.empty()) target.password = Secret(password);
  if (!options.has("port")) return;
  if (options.has("url"))
    throw Error(ErrorKind::bad_config, "port is given beside \"url\": write it into the url");
  const long port = options.number("port", target.port);
  if (port < 1 || port > 65535)
    throw Error(ErrorKind::bad_config, fmt::format("port is {}; it must be 1 to 65535", port));
  target.port = static_cast<int>(port);
}

}  // namespace

std::vector<OptionSpec> option_specs() {
  const auto spec = [](std::string name, OptionKind kind, std::string help, std::string fallback = "") {
    OptionSpec out;
    out.name = std::move(name);
    out.kind = kind;
    out.help = std::move(help);
    out.fallback = std::move(fallback);
    return out;
  };
  std::vector<OptionSpec> specs{
      spec("url", OptionKind::url, "mysql://user:password@host:3306/database; or the parts below instead."),
      spec("host", OptionKind::text, "Name or address of the server.", "127.0.0.1"),
      spec("port", OptionKind::number, "Where the server listens.", "3306"),
      spec("user", OptionKind::text, "Who to log in as."),
      spec("password", OptionKind::secret, "The user's password."),
      spec("database", OptionKind::text, "Where tables are that are named without one."),
      spec("tls", OptionKind::choice,
           "verify checks the server's certificate and host name, require only encrypts.",
           "verify; disable on this machine"),
      spec("ca_file", OptionKind::path, "PEM file of the certificate authorities to trust.", "the system's"),
      spec("timezone", OptionKind::text,
           "Of DATETIMEs, which have none: UTC, +02:00 or a name such as Europe/Berlin.", "UTC"),
      spec("max_connections", OptionKind::number, "How many connections may be open at once.", "no limit"),
      spec("silence_timeout", OptionKind::number,
           "Seconds that the server may say nothing before the connection is given up.", "900"),
  };
  for (OptionSpec& each : specs)
    if (each.name == "tls") each.choices = {"disable", "require", "verify"};
  return specs;
}

Settings parse_settings(const Options& options) {
  check_options(options, option_specs(), "mysql");
  Settings settings;
  if (options.has("url")) take_url(options.get("url"), settings);
  take_parts(options, settings);
  Target& target = settings.target;
  if (target.host.empty()) target.host = "127.0.0.1";
  if (target.user.empty()) throw Error(ErrorKind::bad_config, "\"user\" is missing: who to log in as");
  if (target.database.empty())
    throw Error(ErrorKind::bad_config,
                "\"database\" is missing: where the tables are that are named without one");
  target.tls = is_loopback(target.host) ? Tls::disable : Tls::verify;
  if (options.has("tls")) target.tls = parse_tls(options.get("tls"));
  target.ca_file = options.get("ca_file");
  if (!target.ca_file.empty() && target.tls != Tls::verify)
    throw Error(ErrorKind::bad_config,
                "ca_file is given, but no certificate is checked: set \"tls: verify\" or leave it out");
  check_ca_file(target.ca_file);
  if (options.has("timezone")) settings.zone = Zone::parse(options.get("timezone"));
  if (options.has("silence_timeout")) {
    const long seconds = options.number("silence_timeout", 0);
    if (seconds < 1 || seconds > kMostSilentSeconds)
      throw Error(ErrorKind::bad_config, fmt::format("silence_timeout is {}; it must be 1 to {} seconds",
                                                     seconds, kMostSilentSeconds));
    target.silence_timeout = std::chrono::seconds(seconds);
  }
  const long most = options.number("max_connections", 2);
  if (most < 2)
    throw Error(ErrorKind::bad_config,
                "max_connections must be at least 2: one to read or write, one to look for changes");
  if (options.has("max_connections")) settings.max_connections = static_cast<std::size_t>(most);
  return settings;
}

}  // namespace syncflow::mysql
