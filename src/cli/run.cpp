// The commands that work in the foreground: run and resync.

#include <fmt/core.h>

#include <algorithm>
#include <ostream>

#include "cli/beside.h"
#include "cli/cli.h"
#include "cli/interrupts.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/stores.h"
#include "core/text.h"
#include "engine/engine.h"
#include "store/process_lock.h"

namespace syncflow::cli {
namespace {

/// One `run` or `resync`, in this process or beside the one that works on the store.
class Round {
 public:
  Round(const Invocation& line, const Surroundings& with)
      : line_(line),
        with_(with),
        config_(with.load_config(line.config_file, line.env_file)),
        view_(view_for(line, with)),
        lock_(try_take_store(config_)),
        store_(open_store(config_, with.clock)) {}

  int run() {
    const bool resync = line_.command == Command::resync;
    // On a shared store this is one more process that works: the queue keeps them apart.
    if (lock_ || is_shared_store(config_)) return exit_code(here(line_.syncs, resync));
    RunBeside beside(*store_, {[this](const Progress& p) { view_->moved(p); },
                               [this](const SyncReport& r) { view_->done(r); },
                               [this] { return took_over(); }, interrupts_.token()});
    beside.ask(wanted(), resync);
    const std::vector<std::string> left = beside.follow();
    std::vector<SyncReport> reports = beside.reports();
    if (!left.empty()) {
      // The jobs are queued, and their syncs reset where that was asked for: what is left is an ordinary run.
      const std::vector<SyncReport> here_done = here(left, false);
      reports.insert(reports.end(), here_done.begin(), here_done.end());
    }
    return exit_code(reports);
  }

 private:
  std::vector<SyncReport> here(const std::vector<std::string>& names, bool resync) {
    if (lock_) store_->release_all();
    Engine engine(
        {*store_, with_.providers, with_.clock, config_, [this](const Progress& p) { view_->moved(p); }});
    engine.apply_config();
    return engine.run_once(
        names, resync, [this](const SyncReport& r) { view_->done(r); }, interrupts_.token());
  }

  /// The syncs asked for, as the process that works on the store knows them.
  std::vector<Sync> wanted() {
    std::vector<Sync> found;
    for (const SyncDefinition& definition : config_.syncs) {
      const bool named =
          std::find(line_.syncs.begin(), line_.syncs.end(), definition.name) != line_.syncs.end();
      if (!named && (!line_.syncs.empty() || definition.status != SyncStatus::active)) continue;
      if (definition.status != SyncStatus::active)
        throw Error(ErrorKind::bad_config, fmt::format("sync {} is {}; set its status to active to run it",
                                                       definition.name, name_of(definition.status)));
      const std::optional<Sync> sync = store_->find_sync(definition.id);
      if (!sync)
        throw Error(
            ErrorKind::bad_config,
            fmt::format(
                "the syncflow that works on the store {} does not know sync {}; start it again to apply {}",
                store_name(config_), definition.name, line_.config_file));
      found.push_back(*sync);
    }
    for (const std::string& name : line_.syncs) require_known(name);
    return found;
  }

  void require_known(const std::string& name) const {
    if (config_.find_sync(name) != nullptr) return;
    std::vector<std::string> known;
    for (const SyncDefinition& definition : config_.syncs) known.push_back(definition.name);
    const std::string near = nearest(name, known);
    throw Error(ErrorKind::bad_config, fmt::format("{} has no sync \"{}\"{}", line_.config_file, name,
                                                   near.empty() ? "; it has " + join(known, ", ")
                                                                : "; did you mean \"" + near + "\"?"));
  }

  bool took_over() {
    if (!lock_)
      if (auto lock = try_take_store(config_)) lock_.emplace(std::move(*lock));
    return lock_.has_value();
  }

  static int exit_code(const std::vector<SyncReport>& reports) {
    // A table that needs a cursor field is a matter of the config, which no further run mends.
    const bool too_large =
        std::any_of(reports.begin(), reports.end(), [](const auto& r) { return r.hold == "table_size"; });
    return too_large ? 2 : exit_code_of(reports);
  }

  const Invocation& line_;
  const Surroundings& with_;
  const Interrupts interrupts_;  // first: before anything that starts threads
  const Config config_;
  const std::unique_ptr<ProgressView> view_;
  std::optional<ProcessLock> lock_;
  const std::unique_ptr<Store> store_;
};

}  // namespace

int run(const Invocation& line, const Surroundings& with) { return Round(line, with).run(); }

}  // namespace syncflow::cli
