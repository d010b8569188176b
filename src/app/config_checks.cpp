#include "app/config_checks.h"

#include <fmt/core.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "engine/table_spelling.h"

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

/// A table as a sync names it.
struct Place {
  std::string connection, table;
  TableSpelling spelling;

  Place(std::string connection_name, std::string table_name)
      : connection(std::move(connection_name)), table(std::move(table_name)), spelling(table) {}
  std::string name() const { return connection + ": " + table; }  ///< "shop: public.customers"
};

/// One mapping as an arrow between two tables, and where it stands.
struct Arrow {
  Place from, to;
  Reader where;
};

/// Without a login nobody knows which tables two names are, so those that may be one table count as one.
class Arrows {
 public:
  explicit Arrows(const Config& config) : config_(config) {}

  void add(const SyncDefinition& sync, const TableMapping& mapping, const Reader& where) {
    const Arrow arrow{{sync.source, mapping.source}, {sync.destination, mapping.destination}, where};
    refuse_second(arrow);
    refuse_circle(arrow);
    into_[std::string(arrow.to.spelling.last_part())].push_back(arrows_.size());
    arrows_.push_back(arrow);
  }

 private:
  bool may_be_one(const Place& a, const Place& b) const {
    return a.spelling.may_be(b.spelling) && config_.is_one_system(a.connection, b.connection);
  }

  /// The arrows that may lead into the table, and others.
  const std::vector<std::size_t>& near(const Place& place) const {
    static const std::vector<std::size_t> none;
    const auto found = into_.find(std::string(place.spelling.last_part()));
    return found == into_.end() ? none : found->second;
  }

  void refuse_second(const Arrow& arrow) const {
    for (const std::size_t i : near(arrow.to)) {
      const Arrow& other = arrows_[i];
      if (!may_be_one(arrow.to, other.to)) continue;
      const bool certain = arrow.to.table == other.to.table;
      arrow.where.at("destination")
          .fail(fmt::format(
              "{} {} filled from {} already, on line {}; not supported yet: several mappings into one table",
              arrow.to.name(), certain ? "is" : fmt::format("may be {}, which is", other.to.name()),
              other.from.name(), other.where.line()));
    }
  }

  void refuse_circle(const Arrow& arrow) const {
    std::set<std::size_t> met;
    const auto way = way_round(arrow, arrow.from, arrow.from.name() + " -> " + arrow.to.name(), met);
    if (way) arrow.where.fail(fmt::format("one-way syncs would go round in a circle: {}", *way));
  }

  /// Goes back from `at` along the arrows until it is where `arrow` leads to. `way`: from `at` on; `met`: arrows that
  /// need no second visit.
  std::optional<std::string> way_round(const Arrow& arrow, const Place& at, const std::string& way,
                                       std::set<std::size_t>& met) const {
    if (may_be_one(at, arrow.to)) return way;
    for (const std::size_t i : near(at)) {
      if (met.contains(i) || !may_be_one(arrows_[i].to, at)) continue;
      met.insert(i);
      const Place& before = arrows_[i].from;
      if (auto round = way_round(arrow, before, before.name() + " -> " + way, met)) return round;
    }
    return std::nullopt;
  }

  const Config& config_;
  std::vector<Arrow> arrows_;
  std::unordered_map<std::string, std::vector<std::size_t>>
      into_;  ///< by the last part of the destination's name
};

void check_names(const std::vector<Reader>& places, const Config& config) {
  std::map<std::pair<std::string, std::string>, std::size_t> names;  // of a team
  std::map<std::string, std::size_t> ids;
  for (std::size_t later = 0; later < config.syncs.size(); ++later) {
    const SyncDefinition& sync = config.syncs[later];
    const auto [named, is_new_name] = names.emplace(std::pair(sync.team_id, sync.name), later);
    if (!is_new_name)
      places[later].at("name").fail(
          fmt::format("the sync on line {} is called \"{}\" too; a name is given once in a team",
                      places[named->second].line(), sync.name));
    const auto [same, is_new_id] = ids.emplace(sync.id, later);
    if (!is_new_id)
      places[later].fail(
          fmt::format("its id {} is that of the sync on line {}", sync.id, places[same->second].line()));
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
