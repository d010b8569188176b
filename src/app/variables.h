#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "engine/node.h"

namespace syncflow::app {

/// The value of an environment variable; empty when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// Where `${NAME}` comes from: the environment first, then a .env file.
struct Variables {
  Environment environment;
  std::map<std::string, std::string> dotenv;
  std::string dotenv_file;

  std::optional<std::string> find(const std::string& name) const;
};

/// Fills in every `${NAME}` in the document's scalars; `$${` stands for `${`. What was filled in is not looked
/// at again. Throws Error(bad_config) with file, line and key for a variable that is not set.
void fill_in(Node& document, const Variables& variables, const std::string& file);

}  // namespace syncflow::app
