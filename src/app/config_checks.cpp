#include "app/config_checks.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::app {
namespace {

const ConnectionConfig& connection_at(const Reader& place, const Config& config) {
  const std::string name = place.name();
  if (const ConnectionConfig* connection = config.find_connection(name)) return *connection;
  std::vector<std::string> names;
  for (const ConnectionConfig& connection : config.connections) names.push_back(connection.name);
  if (names.empty())
    place.fail(fmt::format("unknown connection \"{}\"; there are none under connections", shortened(name)));
  const std::string near = nearest(name, names);
  place.fail(
      fmt::format("unknown connection \"{}\"{}", shortened(name),
                  near.empty() ? "; there are " + join(names, ", ") : "; did you mean \"" + near + "\"?"));
}

/// A table of a system. Two connections with the same options are one system.
struct Place {
  std::size_t system = 0;
  std::string table;
  auto operator<=>(const Place&) const = default;
};

/// One mapping as an arrow between two tables, and where it stands.
struct Arrow {
  Place from, to;
  std::string from_name, to_name;  ///< "shop: public.customers"
  Reader where;
};

class Arrows {
 public:
  explicit Arrows(const Config& config) : config_(config) {}

  void add(const SyncDefinition& sync, const TableMapping& mapping, const Reader& where) {
    const Arrow arrow{{system_of(sync.source), mapping.source},
                      {system_of(sync.destination), mapping.destination},
                      sync.source + ": " + mapping.source,
                      sync.destination + ": " + mapping.destination,
                      where};
    refuse_second(arrow);
    refuse_circle(arrow);
    into_.emplace(arrow.to, arrow);
  }

 private:
  std::size_t system_of(const std::string& connection_name) const {
    const ConnectionConfig& wanted = *config_.find_connection(connection_name);
    std::size_t index = 0;
    while (config_.connections[index].provider != wanted.provider ||
           config_.connections[index].options != wanted.options)
      ++index;
    return index;
  }

  void refuse_second(const Arrow& arrow) const {
    const auto other = into_.find(arrow.to);
    if (other == into_.end()) return;
    arrow.where.at("destination")
        .fail(fmt::format(
            "{} is filled from {} already, on line {}; not supported yet: several mappings into one table",
            arrow.to_name, other->second.from_name, other->second.where.line()));
  }

  /// Each table is filled by one arrow at most, so there is one way back.
  void refuse_circle(const Arrow& arrow) const {
    std::string way = arrow.from_name + " -> " + arrow.to_name;
    Place at = arrow.from;
    while (at != arrow.to) {
      const auto back = into_.find(at);
      if (back == into_.end()) return;
      way = back->second.from_name + " -> " + way;
      at = back->second.from;
    }
    arrow.where.fail(fmt::format("one-way syncs would go round in a circle: {}", way));
  }

  const Config& config_;
  std::map<Place, Arrow> into_;
};

void check_names(const std::vector<Reader>& places, const Config& config) {
  for (std::size_t later = 0; later < config.syncs.size(); ++later) {
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      const SyncDefinition& one = config.syncs[earlier];
      const SyncDefinition& other = config.syncs[later];
      if (one.team_id == other.team_id && one.name == other.name)
        places[later].at("name").fail(
            fmt::format("the sync on line {} is called \"{}\" too; a name is given once in a team",
                        places[earlier].line(), other.name));
      if (one.id == other.id)
        places[later].fail(
            fmt::format("its id {} is that of the sync on line {}", other.id, places[earlier].line()));
    }
  }
}

}  // namespace

void check_connections(const Reader& place, const Config& config, const Registry& providers) {
  const Reader source = place.at("source"), destination = place.at("destination");
  const Provider& reads = providers.at(connection_at(source, config).provider);
  if (!reads.can.source) source.fail(fmt::format("{} cannot be read from", reads.name));
  const Provider& writes = providers.at(connection_at(destination, config).provider);
  if (!writes.can.destination) destination.fail(fmt::format("{} cannot be written to", writes.name));
}

void check_syncs(const std::vector<Reader>& places, const Config& config) {
  check_names(places, config);
  Arrows arrows(config);
  for (std::size_t i = 0; i < config.syncs.size(); ++i) {
    const std::vector<Reader> tables = places[i].at("tables").items();
    for (std::size_t j = 0; j < tables.size(); ++j)
      arrows.add(config.syncs[i], config.syncs[i].tables[j], tables[j]);
  }
}

}  // namespace syncflow::app
