#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace syncflow {

/// The value of an environment variable; empty when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// Where `${NAME}` comes from: the environment first, then a .env file.
struct Variables {
  Environment environment;  ///< may be none
  std::map<std::string, std::string> dotenv;
  std::string dotenv_file;

  std::optional<std::string> find(const std::string& name) const;
  /// Throws Error(bad_config) that says where to set it.
  std::string at(const std::string& name) const;
};

/// Whether `name` can be a variable: letters, digits and underscores, no digit in front.
bool is_variable_name(const std::string& name);

/// `text` with each `${NAME}` replaced by what `value_of` gives for it; `$${` stands for `${`. What was filled in is not
/// looked at again. Throws Error(bad_config) for a `${` that begins no name of a variable.
std::string fill_in(std::string_view text, const std::function<std::string(const std::string&)>& value_of);

/// What `fill_in` makes `text` of.
std::string escaped(std::string_view text);

}  // namespace syncflow
