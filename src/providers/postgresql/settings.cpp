#include "providers/postgresql/settings.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::postgresql {
namespace {

constexpr long kMostSilentSeconds = 86'400;

libpq::Tls parse_tls(const std::string& text) {
  if (text == "disable") return libpq::Tls::disable;
  if (text == "require") return libpq::Tls::require;
  return libpq::Tls::verify;
}

/// libpq's own names for it, as they stand in many a copied URL.
libpq::Tls parse_sslmode(const std::string& mode) {
  if (mode == "disable" || mode == "require") return parse_tls(mode);
  if (mode == "verify-ca" || mode == "verify-full") return libpq::Tls::verify;
  throw Error(
      ErrorKind::bad_config,
      fmt::format("url: sslmode={} protects nothing for sure: write sslmode=disable, require or verify-full",
                  mode));
}

void take_query(const std::map<std::string, std::string>& query, Settings& settings) {
  static const std::vector<std::string> known = {"sslmode",         "sslrootcert",
                                                 "connect_timeout", "application_name",
                                                 "channel_binding", "target_session_attrs"};
  for (const auto& [name, value] : query) {
    if (name == "sslmode") settings.target.tls = parse_sslmode(value);
    else if (name == "sslrootcert") settings.target.ca_file = value;
    else if (name == "channel_binding" || name == "target_session_attrs") settings.target.more[name] = value;
    else if (name == "connect_timeout") {
      int seconds = 0;
      const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), seconds);
      if (problem != std::errc() || *end != '\0' || seconds < 1)
        throw Error(ErrorKind::bad_config,
                    fmt::format("url: connect_timeout={} is no number of seconds", shortened(value)));
      settings.target.connect_timeout = std::chrono::seconds(seconds);
    } else if (name != "application_name") {
      throw Error(ErrorKind::bad_config,
                  fmt::format("url: unknown parameter \"{}\"; it takes {}", name, join(known, ", ")));
    }
  }
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
  if (url.scheme != "postgresql" && url.scheme != "postgres")
    throw Error(ErrorKind::bad_config,
                fmt::format("url: it begins with {}://, not with postgresql://", url.scheme));
  libpq::Target& target = settings.target;
  if (!url.host.empty()) target.host = url.host;
  if (url.port != 0) target.port = url.port;
  target.user = url.user;
  target.password = url.password;
  target.database = url.path.substr(url.path.starts_with('/') ? 1 : 0);
  take_query(url.query, settings);
}

/// The server has the last word on names of zones, and takes them in any case; what this machine's list, which is made
/// from the same one, does not have is a slip. Names with digits may be rules of their own: `EST5EDT`.
void check_zone_name(const std::string& name) {
  const char* folder = std::getenv("TZDIR");
  const std::filesystem::path zones = folder ? folder : "/usr/share/zoneinfo";
  std::error_code unreadable;
  if (name.empty() || name.find_first_of("0123456789") != std::string::npos ||
      !std::filesystem::exists(zones / "Europe/Berlin", unreadable) ||
      std::filesystem::is_regular_file(zones / name, unreadable))
    return;
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::recursive_directory_iterator(zones, unreadable))
    names.push_back(file.path().lexically_relative(zones).string());
  for (const std::string& known : names)
    if (ascii_lower(known) == ascii_lower(name)) return;
  const std::string near = nearest(name, names);
  throw Error(ErrorKind::bad_config,
              fmt::format("timezone \"{}\" is none: write UTC, +02:00 or a name as Europe/Berlin{}",
                          shortened(name), near.empty() ? "" : "; did you mean " + near + "?"));
}

void take_text(const Options& options, const char* name, bool given, std::string& out) {
  if (!options.has(name)) return;
  if (given)
    throw Error(ErrorKind::bad_config,
                fmt::format("{} is given twice: in \"url\" and under \"{}\"; leave one out", name, name));
  out = options.get(name);
}

void take_parts(const Options& options, Settings& settings) {
  const bool url = options.has("url");
  libpq::Target& target = settings.target;
  take_text(options, "host", url, target.host);
  take_text(options, "user", url && !target.user.empty(), target.user);
  take_text(options, "database", url && !target.database.empty(), target.database);
  std::string password;
  take_text(options, "password", url && !target.password.empty(), password);
  if (!password.empty()) target.password = Secret(password);
  if (!options.has("port")) return;
  if (url) throw Error(ErrorKind::bad_config, "port is given beside \"url\": write it into the url");
  const long port = options.number("port", 5432);
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
      spec("url", OptionKind::url,
           "postgresql://user:password@host:5432/database; or the parts below instead"),
      spec("host", OptionKind::text, "name, address, or the folder of a Unix socket", "127.0.0.1"),
      spec("port", OptionKind::number, "where the server listens", "5432"),
      spec("user", OptionKind::text, "the role to log in as"),
      spec("password", OptionKind::secret, "its password"),
      spec("database", OptionKind::text, "the database; one connection reaches one", "the user's name"),
      spec("schema", OptionKind::text, "the schema of tables that are named without one", "public"),
      spec("tls", OptionKind::choice,
           "verify checks the server's certificate and name, require only encrypts",
           "verify; disable on this machine"),
      spec("ca_file", OptionKind::path, "PEM file of the authorities to trust", "the system's"),
      spec("timezone", OptionKind::text, "of times without a zone: a name as Europe/Berlin, or +02:00",
           "what the server assumes for this login"),
      spec("max_connections", OptionKind::number, "how many connections may be open at once", "no limit"),
      spec("silence_timeout", OptionKind::number,
           "seconds that the server may say nothing before the connection is given up",
           "900 while rows are read, 120 while they are written"),
  };
  for (OptionSpec& each : specs)
    if (each.name == "tls") each.choices = {"disable", "require", "verify"};
  return specs;
}

Settings parse_settings(const Options& options) {
  check_options(options, option_specs(), "postgresql");
  Settings settings;
  if (options.has("url")) take_url(options.get("url"), settings);
  take_parts(options, settings);
  libpq::Target& target = settings.target;
  if (target.user.empty()) throw Error(ErrorKind::bad_config, "\"user\" is missing: the role to log in as");
  if (target.database.empty()) target.database = target.user;
  if (options.has("tls")) target.tls = parse_tls(options.get("tls"));
  if (options.has("ca_file")) target.ca_file = options.get("ca_file");
  if (!target.ca_file.empty() && target.effective_tls() != libpq::Tls::verify)
    throw Error(ErrorKind::bad_config,
                "ca_file is given, but no certificate is checked: set \"tls: verify\" or leave it out");
  check_ca_file(target.ca_file);
  if (!options.get("schema").empty()) settings.schema = options.get("schema");
  if (options.has("timezone")) settings.zone = parse_zone(options.get("timezone"));
  if (!settings.zone.ahead) check_zone_name(settings.zone.name);
  if (options.has("silence_timeout")) {
    const long seconds = options.number("silence_timeout", 0);
    if (seconds < 1 || seconds > kMostSilentSeconds)
      throw Error(ErrorKind::bad_config, fmt::format("silence_timeout is {}; it must be 1 to {} seconds",
                                                     seconds, kMostSilentSeconds));
    target.silence_timeout = std::chrono::seconds(seconds);
  }
  if (options.number("max_connections", 2) < 2)
    throw Error(ErrorKind::bad_config,
                "max_connections must be at least 2: one to read or write, one to look for changes");
  return settings;
}

Zone parse_zone(const std::string& text) {
  for (const char* name : {"UTC", "Z", "GMT", "Etc/UTC", "utc"})
    if (text == name) return {"UTC", std::chrono::microseconds(0)};
  if (text.empty())
    throw Error(ErrorKind::bad_config, "timezone is empty: write UTC, +02:00 or a name as Europe/Berlin");
  if (text.front() != '+' && text.front() != '-') return {text, std::nullopt};
  const auto number = [&](std::size_t at) {
    int value = -1;
    const char* const end = text.data() + at + 2;
    return std::from_chars(text.data() + at, end, value).ptr == end ? value : -1;
  };
  const int hours = text.size() == 6 && text[3] == ':' ? number(1) : -1;
  const int minutes = hours >= 0 ? number(4) : -1;
  if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59)
    throw Error(ErrorKind::bad_config,
                fmt::format("timezone \"{}\" is none: write UTC, +02:00 or a name as Europe/Berlin",
                            shortened(text)));
  const auto ahead = std::chrono::hours(hours) + std::chrono::minutes(minutes);
  return {text, text.front() == '-' ? -ahead : ahead};
}

TableName parse_table_name(const std::string& text, const std::string& default_schema) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    std::string part;
    if (at < text.size() && text[at] == '"') {
      for (++at;; ++at) {
        if (at >= text.size())
          throw Error(ErrorKind::bad_config, fmt::format("table name {}: a quote is not closed", text));
        if (text[at] != '"') part += text[at];
        else if (at + 1 < text.size() && text[at + 1] == '"') part += text[at++];
        else break;
      }
      ++at;
    } else {
      // Only the first dot separates: what follows may hold dots of its own.
      const auto dot = parts.empty() ? std::min(text.find('.', at), text.size()) : text.size();
      part = text.substr(at, dot - at);
      at = dot;
    }
    if (part.empty() || (at < text.size() && text[at] != '.'))
      throw Error(ErrorKind::bad_config, fmt::format("\"{}\" is no table name: write schema.table", text));
    parts.push_back(part);
    if (at++ >= text.size()) break;
  }
  if (parts.size() > 2)
    throw Error(
        ErrorKind::bad_config,
        fmt::format("\"{}\" has too many parts: write schema.table; a connection reaches one database",
                    text));
  if (parts.size() == 1) return {default_schema, parts[0]};
  return {parts[0], parts[1]};
}

}  // namespace syncflow::postgresql
