// The command that compares both sides of a sync, and mends what differs.

#include <fmt/core.h>

#include <boost/json.hpp>
#include <cmath>
#include <optional>
#include <ostream>
#include <utility>

#include "cli/beside.h"
#include "cli/cli.h"
#include "cli/interrupts.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/stores.h"
#include "core/json.h"
#include "core/text.h"
#include "engine/engine.h"
#include "store/process_lock.h"

namespace syncflow::cli {
namespace {

namespace json = boost::json;

struct NamedCount {
  const char* name;
  const char* words;
  std::int64_t TableVerification::*count;
};
constexpr NamedCount kCounts[] = {
    {"equal", "equal", &TableVerification::equal},
    {"differing", "differ", &TableVerification::differing},
    {"missing", "missing at the destination", &TableVerification::missing},
    {"surplus", "surplus at the destination", &TableVerification::surplus},
    {"quarantined", "in quarantine", &TableVerification::quarantined},
    {"waiting", "newer than the position, for the next run", &TableVerification::waiting},
    {"kept", "only at the destination, and to stay", &TableVerification::kept},
};

json::object to_json(const TableVerification& table) {
  json::object object{{"source", table.source},
                      {"destination", table.destination},
                      {"at_source", table.at_source},
                      {"at_destination", table.at_destination}};
  for (const NamedCount& count : kCounts) object[count.name] = table.*count.count;
  json::array differences;
  for (const RowDifference& row : table.differences) {
    json::object shown{{"kind", row.kind}, {"key", json::parse(row.key)}};
    if (!row.fields.empty()) shown["fields"] = json::array(row.fields.begin(), row.fields.end());
    differences.push_back(std::move(shown));
  }
  object["differences"] = std::move(differences);
  return object;
}

json::object to_json(const Verification& found, const SyncReport* repaired) {
  json::object line{{"sync", found.sync},
                    {"equal", found.is_equal()},
                    {"seconds", std::round(found.seconds * 1000) / 1000}};
  if (repaired) line["repair"] = json::parse(json_line(*repaired));
  json::array tables;
  for (const TableVerification& table : found.tables) tables.push_back(to_json(table));
  line["tables"] = std::move(tables);
  return line;
}

std::string in_words(const TableVerification& table) {
  std::vector<std::string> words;
  for (const NamedCount& count : kCounts)
    if (table.*count.count != 0)
      words.push_back(fmt::format("{} {}", with_commas(table.*count.count), count.words));
  return words.empty() ? "both are empty" : join(words, ", ");
}

std::string text_lines(const Verification& found) {
  std::string lines =
      fmt::format("{}: {}, compared in {:.2f} s\n", found.sync,
                  found.is_equal() ? "both sides are equal" : "the sides differ", found.seconds);
  for (const TableVerification& table : found.tables) {
    lines += fmt::format("  {} -> {}: {}\n", table.source, table.destination, in_words(table));
    for (const RowDifference& row : table.differences)
      lines += fmt::format("    {} {}{}{}\n", row.kind, row.key, row.fields.empty() ? "" : ": ",
                           join(row.fields, ", "));
    const std::int64_t all = table.differing + table.missing + table.surplus;
    if (all > static_cast<std::int64_t>(table.differences.size()))
      lines += fmt::format("    … and {} more\n",
                           with_commas(all - static_cast<std::int64_t>(table.differences.size())));
  }
  return lines;
}

/// One `verify`.
class Comparison {
 public:
  Comparison(const Invocation& line, const Surroundings& with)
      : line_(line), with_(with), config_(with.load_config(line.config_file, line.env_file)) {
    if (!config_.find_sync(line.name)) throw_unknown();
    store_ = open_existing_store(config_, with.clock);
  }

  int run() {
    SyncReport repaired;
    if (line_.repair) {
      repaired = repair();
      if (repaired.status != "completed") {
        with_.out << (line_.json ? json_line(repaired) + "\n" : cli::text_lines(repaired));
        return 1;
      }
      if (!line_.json) with_.out << cli::text_lines(repaired);
    }
    const Verification found = compare();
    with_.out << (line_.json ? to_json_text(to_json(found, line_.repair ? &repaired : nullptr)) + "\n"
                             : text_lines(found));
    return found.is_equal() ? 0 : 3;
  }

 private:
  [[noreturn]] void throw_unknown() const {
    std::vector<std::string> known;
    for (const SyncDefinition& definition : config_.syncs) known.push_back(definition.name);
    const std::string near = nearest(line_.name, known);
    throw Error(ErrorKind::bad_config, fmt::format("{} has no sync \"{}\"{}", line_.config_file, line_.name,
                                                   near.empty() ? "; it has " + join(known, ", ")
                                                                : "; did you mean \"" + near + "\"?"));
  }

  Verification compare() {
    const auto view = view_for(line_, with_);
    Engine engine(
        {*store_, with_.providers, with_.clock, config_, [&](const Progress& p) { view->moved(p); }});
    return engine.verify(line_.name, interrupts_.token());
  }

  /// As a job: here, or by the process that works on the store.
  SyncReport repair() {
    const auto view = view_for(line_, with_);
    const OnProgress moved = [&](const Progress& p) { view->moved(p); };
    std::optional<ProcessLock> lock = try_take_store(config_);
    // On a shared store this is one more process that works: the queue keeps them apart.
    if (!lock && !is_shared_store(config_)) {
      RunBeside beside(*store_, {moved, [](const SyncReport&) {},
                                 [&] {
                                   if (auto taken = try_take_store(config_)) lock.emplace(std::move(*taken));
                                   return lock.has_value();
                                 },
                                 interrupts_.token()});
      beside.ask({sync_named(*store_, line_.name)}, false, std::string(kRepairPayload));
      if (beside.follow().empty()) return beside.reports().front();
    }
    if (lock) store_->release_all();
    Engine engine({*store_, with_.providers, with_.clock, config_, moved});
    engine.apply_config();
    return engine.repair(line_.name, {}, interrupts_.token());
  }

  const Invocation& line_;
  const Surroundings& with_;
  const Interrupts interrupts_;  // before anything that starts threads
  const Config config_;
  std::unique_ptr<Store> store_;
};

}  // namespace

int verify(const Invocation& line, const Surroundings& with) { return Comparison(line, with).run(); }

}  // namespace syncflow::cli
