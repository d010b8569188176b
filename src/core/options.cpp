#include "core/options.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/url.hpp>
#include <charconv>

#include "core/error.h"
#include "core/text.h"

namespace syncflow {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_scheme(std::string_view text) {
  return !text.empty() && is_letter(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

/// Empty, or 1 to 65535.
bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  return text.empty() ||
         (problem == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65'535);
}

/// `host`, `host:5432`, `[::1]:5432`, or several separated by commas.
bool are_hosts(std::string_view text) {
  for (const std::string& host : split(text, ',')) {
    const auto bracket = host.rfind(']');
    const auto colon = host.find(':', bracket == std::string::npos ? 0 : bracket);
    if (colon != std::string::npos && !is_port(std::string_view(host).substr(colon + 1))) return false;
  }
  return true;
}

bool may_hold_secret(std::string_view query) {
  for (const std::string& parameter : split(query, '&')) {
    std::string name = parameter.substr(0, parameter.find('='));
    for (char& c : name)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    // A name in disguise is not worth decoding, and a value may be the rest of a cut password.
    if (name.find('%') != std::string::npos || parameter.find('@') != std::string::npos) return true;
    for (const char* word : {"pass", "pwd", "secret", "token", "key", "auth", "cred", "sig"})
      if (name.find(word) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

bool Options::has(std::string_view name) const { return values_.find(name) != values_.end(); }

std::string Options::get(std::string_view name, std::string_view fallback) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string(fallback) : found->second;
}

long Options::number(std::string_view name, long fallback) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return fallback;
  long number = 0;
  const std::string& text = found->second;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size())
    throw Error(ErrorKind::bad_config,
                fmt::format("option {}: \"{}\" is not a whole number", name, shortened(text)));
  return number;
}

std::map<std::string, std::string> Options::shown(const std::vector<OptionSpec>& specs) const {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : values_) {
    const auto spec =
        std::find_if(specs.begin(), specs.end(), [&n = name](const OptionSpec& s) { return s.name == n; });
    // What is not declared may be a secret under a wrong name.
    if (spec == specs.end() || spec->kind == OptionKind::secret) out[name] = "***";
    else out[name] = spec->kind == OptionKind::url ? without_password(value) : value;
  }
  return out;
}

void check_options(const Options& options, const std::vector<OptionSpec>& specs, const std::string& where) {
  std::vector<std::string> names;
  for (const OptionSpec& spec : specs) names.push_back(spec.name);
  for (const auto& [name, value] : options.all()) {
    const auto spec =
        std::find_if(specs.begin(), specs.end(), [&n = name](const OptionSpec& s) { return s.name == n; });
    if (spec == specs.end()) {
      const std::string near = nearest(name, names);
      throw Error(ErrorKind::bad_config, fmt::format("{}: unknown option \"{}\"{}", where, name,
                                                     near.empty() ? "; it takes " + join(names, ", ")
                                                                  : "; did you mean \"" + near + "\"?"));
    }
    const auto& choices = spec->choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end())
      throw Error(ErrorKind::bad_config, fmt::format("{}: {} is \"{}\"; it must be {}", where, name,
                                                     shortened(value), join_or(choices)));
    if (spec->kind == OptionKind::number) {
      try {
        options.number(name, 0);
      } catch (const Error& error) {
        throw error.while_doing(where);
      }
    }
  }
  for (const OptionSpec& spec : specs)
    if (spec.required && options.get(spec.name).empty())
      throw Error(ErrorKind::bad_config,
                  fmt::format("{}: option \"{}\" is missing: {}", where, spec.name, spec.help));
}

std::string without_password(std::string_view url) {
  const auto end_of_scheme = url.find("://");
  if (end_of_scheme == std::string_view::npos || !is_scheme(url.substr(0, end_of_scheme))) return "***";
  const std::string scheme(url.substr(0, end_of_scheme + 3));
  const std::string_view rest = url.substr(end_of_scheme + 3);
  const auto end_of_authority = rest.find_first_of("/?#");
  const std::string_view authority = rest.substr(0, end_of_authority);
  const std::string_view tail =
      end_of_authority == std::string_view::npos ? std::string_view() : rest.substr(end_of_authority);
  // An unescaped @ : / ? or # in a password makes its pieces look like other parts. Where any part looks odd,
  // none is shown.
  const auto at = authority.rfind('@');
  const std::string_view hosts = at == std::string_view::npos ? authority : authority.substr(at + 1);
  const auto query = tail.find('?');
  const std::string_view path = tail.substr(0, query);
  if (!are_hosts(hosts) || path.find_first_of("@:#") != std::string_view::npos || tail.find('#') != tail.npos)
    return scheme + "***";
  std::string shown = scheme;
  if (at != std::string_view::npos) {
    const std::string_view login = authority.substr(0, at);
    const auto colon = login.find(':');
    shown += login.substr(0, colon);
    if (colon != std::string_view::npos) shown += ":***";
    shown += '@';
  }
  shown += hosts;
  shown += path;
  if (query == std::string_view::npos) return shown;
  // Drivers also take a password as a parameter.
  return shown + (may_hold_secret(tail.substr(query + 1)) ? "?***" : std::string(tail.substr(query)));
}

namespace {

/// Without this an unescaped @ / ? or # in a password cuts the URL short: its head becomes a host or port, the
/// rest a path.
bool has_plain_authority(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view after = url.substr(scheme + 3);
  const auto end = std::min(after.find_first_of("/?#"), after.size());
  const std::string_view authority = after.substr(0, end);
  const auto at = authority.find('@');
  const std::string_view hosts = at == std::string_view::npos ? authority : authority.substr(at + 1);
  return are_hosts(hosts) && hosts.find('@') == std::string_view::npos &&
         after.substr(end).find('@') == std::string_view::npos;
}

/// The port of a URL that is whole but for it; empty where the digits may be a piece of a password.
std::string port_beyond_all(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return "";
  const std::string_view after = url.substr(scheme + 3);
  const auto end = std::min(after.find_first_of("/?#"), after.size());
  const std::string_view authority = after.substr(0, end);
  const auto at = authority.find('@');
  if (at == std::string_view::npos || authority.find('@', at + 1) != std::string_view::npos) return "";
  if (after.substr(end).find_first_of("@#") != std::string_view::npos) return "";
  const std::string_view host = authority.substr(at + 1);
  const auto bracket = host.rfind(']');
  const auto colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon == std::string_view::npos) return "";
  const std::string_view port = host.substr(colon + 1);
  return is_port(port) || !std::all_of(port.begin(), port.end(), is_digit) ? "" : std::string(port);
}

}  // namespace

Url parse_url(const std::string& url) {
  if (const std::string port = port_beyond_all(url); !port.empty())
    throw Error(ErrorKind::bad_config, fmt::format("port is {}; it must be 1 to 65535", shortened(port)));
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed || !parsed->has_authority() || parsed->has_fragment() || !has_plain_authority(url))
    throw Error(
        ErrorKind::bad_config,
        fmt::format(
            "{} is not a URL like scheme://user:password@host:port/name; characters such as @ : / # % in a "
            "user or password must be percent-encoded",
            without_password(url)));
  Url out;
  out.scheme = parsed->scheme();
  out.user = parsed->user();
  out.password = Secret(parsed->password());
  out.host = parsed->host_address();
  out.path = parsed->path();
  out.port = parsed->port_number();
  for (const auto& parameter : parsed->params()) out.query[parameter.key] = parameter.value;
  return out;
}

}  // namespace syncflow
