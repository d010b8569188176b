#include "core/schema.h"

#include <fmt/core.h>

#include "core/error.h"
#include "core/text.h"

namespace syncflow {

std::optional<std::size_t> Schema::find(std::string_view name) const {
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (fields[i].name == name) return i;
  return std::nullopt;
}

std::size_t Schema::at(std::string_view name) const {
  if (const auto index = find(name)) return *index;
  std::vector<std::string> names;
  for (const Field& field : fields) names.push_back(field.name);
  const std::string near = nearest(name, names);
  throw Error(ErrorKind::bad_config, fmt::format("table {} has no field \"{}\"{}", table, name,
                                                 near.empty() ? "; it has " + join(names, ", ")
                                                              : "; did you mean \"" + near + "\"?"));
}

}  // namespace syncflow
