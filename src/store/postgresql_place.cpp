#include "store/postgresql_place.h"

#include <fmt/core.h>
#include <unistd.h>

#include <charconv>

#include "core/error.h"
#include "core/options.h"
#include "core/text.h"

namespace syncflow::postgresql_store {
namespace {

/// Of the server: shorter than the client's patience, so that what ends is known to have ended. A stranger's open
/// transaction may hold a row that we need.
std::string limits(std::chrono::milliseconds patience) {
  // A second try waits for the first one before it asks what that did: a snapshot from before would not show it.
  return fmt::format(
      "SET default_transaction_isolation = 'read committed'; SET lock_timeout = {}; SET statement_timeout = "
      "{}",
      patience.count() / 2, patience.count() * 7 / 8);
}

libpq::Tls parse_sslmode(const std::string& mode) {
  if (mode == "disable") return libpq::Tls::disable;
  if (mode == "require") return libpq::Tls::require;
  if (mode == "verify-ca" || mode == "verify-full") return libpq::Tls::verify;
  throw Error(
      ErrorKind::bad_config,
      fmt::format("sslmode={} protects nothing for sure: write sslmode=disable, require or verify-full",
                  shortened(mode)));
}

std::chrono::seconds parse_seconds(const std::string& name, const std::string& text) {
  int seconds = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (problem != std::errc() || end != text.data() + text.size() || seconds < 1)
    throw Error(ErrorKind::bad_config, fmt::format("{}={} is no number of seconds", name, shortened(text)));
  return std::chrono::seconds(seconds);
}

void take_parameter(const std::string& name, const std::string& value, Place& place) {
  static const std::vector<std::string> known = {
      "application_name", "channel_binding", "connect_timeout",     "options", "schema", "silence_timeout",
      "sslmode",          "sslrootcert",     "target_session_attrs"};
  libpq::Target& target = place.target;
  if (name == "sslmode") target.tls = parse_sslmode(value);
  else if (name == "sslrootcert") target.ca_file = value;
  else if (name == "schema") place.schema = value;
  else if (name == "application_name") target.application_name = value;
  else if (name == "connect_timeout") target.connect_timeout = parse_seconds(name, value);
  else if (name == "silence_timeout") place.patience = parse_seconds(name, value);
  else if (name == "options" || name == "channel_binding" || name == "target_session_attrs")
    target.more[name] = value;
  else
    throw Error(ErrorKind::bad_config,
                fmt::format("unknown parameter \"{}\"; it takes {}", shortened(name), join(known, ", ")));
}

void check(const Place& place) {
  const libpq::Target& target = place.target;
  if (target.user.empty())
    throw Error(ErrorKind::bad_config, "it names no user; write postgresql://user:password@host/database");
  if (target.ca_file.empty()) return;
  if (target.effective_tls() != libpq::Tls::verify)
    throw Error(ErrorKind::bad_config,
                "sslrootcert is given, but no certificate is checked: write sslmode=verify-full too");
  if (::access(target.ca_file.c_str(), R_OK) != 0)
    throw Error(ErrorKind::bad_config, fmt::format("sslrootcert {} cannot be read", target.ca_file));
}

}  // namespace

Place parse_place(const std::string& url) {
  const Url parsed = parse_url(url);
  if (parsed.scheme != "postgresql" && parsed.scheme != "postgres")
    throw Error(ErrorKind::bad_config,
                fmt::format("it begins with {}://, not with postgresql://", shortened(parsed.scheme)));
  Place place;
  libpq::Target& target = place.target;
  if (!parsed.host.empty()) target.host = parsed.host;
  if (parsed.port != 0) target.port = parsed.port;
  target.user = parsed.user;
  target.password = parsed.password;
  target.database = parsed.path.substr(parsed.path.starts_with('/') ? 1 : 0);
  target.application_name = "syncflow store";
  for (const auto& [name, value] : parsed.query) take_parameter(name, value, place);
  check(place);
  if (target.database.empty()) target.database = target.user;
  return place;
}

std::unique_ptr<libpq::Session> connect(const Place& place, std::stop_token stop) {
  auto session = std::make_unique<libpq::Session>(place.target, std::move(stop));
  session->set_patience(place.patience);
  std::string settings = limits(place.patience);
  if (!place.schema.empty()) settings += "; SET search_path = " + libpq::quoted_name(place.schema);
  session->execute(settings);
  return session;
}

}  // namespace syncflow::postgresql_store
