#include "provider/provider.h"

#include <fmt/core.h>

#include "core/error.h"
#include "core/text.h"

namespace syncflow {

std::string_view name_of(Strategy strategy) {
  switch (strategy) {
    case Strategy::cursor: return "cursor";
    case Strategy::feed: return "feed";
    case Strategy::diff: return "diff";
  }
  return "unknown";
}

const Provider* Registry::find(std::string_view id) const {
  for (const Provider& provider : providers_)
    if (provider.id == id) return &provider;
  return nullptr;
}

const Provider& Registry::at(std::string_view id) const {
  if (const Provider* provider = find(id)) return *provider;
  std::vector<std::string> ids;
  for (const Provider& provider : providers_) ids.push_back(provider.id);
  const std::string near = nearest(id, ids);
  throw Error(ErrorKind::bad_config, fmt::format("unknown provider \"{}\"{}", id,
                                                 near.empty() ? "; there are " + join(ids, ", ")
                                                              : "; did you mean \"" + near + "\"?"));
}

}  // namespace syncflow
