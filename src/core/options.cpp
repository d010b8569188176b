#include "core/options.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/url.hpp>
#include <charconv>

#include "core/error.h"
#include "core/text.h"

namespace syncflow {

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
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return "***";
  // The last @ before the path: an unescaped one in a password must not let its head out.
  const auto authority = scheme + 3;
  const auto path = url.find_first_of("/?#", authority);
  const auto at = url.substr(0, path).rfind('@');
  std::string shown(url);
  if (at != std::string_view::npos && at >= authority) {
    const auto colon = url.find(':', authority);
    if (colon < at) shown = std::string(url.substr(0, colon + 1)) + "***" + std::string(url.substr(at));
  } else if (path != std::string_view::npos && url.find('@', path) != std::string_view::npos) {
    return std::string(url.substr(0, authority)) + "***";
  }
  // Drivers also take a password as a parameter.
  const auto query = shown.find('?');
  if (query != std::string::npos && shown.find("password", query) != std::string::npos)
    shown = shown.substr(0, query) + "?***";
  return shown;
}

Url parse_url(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed)
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
  out.port = parsed->has_port() && !parsed->port().empty() ? parsed->port_number() : 0;
  for (const auto& parameter : parsed->params()) out.query[parameter.key] = parameter.value;
  return out;
}

}  // namespace syncflow
