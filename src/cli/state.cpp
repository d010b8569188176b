// `syncflow state export | import`: everything that one store keeps, to go on in another one.

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <ostream>

#include "cli/cli.h"
#include "cli/interrupts.h"
#include "cli/report.h"
#include "cli/stores.h"
#include "core/json.h"
#include "core/log.h"
#include "engine/state_file.h"

namespace syncflow::cli {
namespace {

using namespace std::chrono_literals;

constexpr Duration kBetweenTries = 500ms;
/// Runs that go on are given as long to come to an end: the longest batch, and the lease of a worker that died.
constexpr Duration kPatience = 2min;

/// "moved 1,200,000 rows", kept up to date on a terminal.
class Ticker {
 public:
  Ticker(const Invocation& line, const Surroundings& with)
      : out_(with.out), clock_(with.clock), shows_(with.on_terminal && !line.json) {}
  ~Ticker() {
    if (shows_) out_ << "\r\033[K" << std::flush;
  }
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  void tick(const char* doing) {
    ++rows_;
    if (!shows_ || clock_.monotonic() - shown_ < 200ms) return;
    shown_ = clock_.monotonic();
    out_ << "\r\033[K" << doing << " " << with_commas(rows_) << " rows" << std::flush;
  }

 private:
  std::ostream& out_;
  Clock& clock_;
  const bool shows_;
  std::int64_t rows_ = 0;
  decltype(std::declval<Clock&>().monotonic()) shown_{};
};

/// Holds the store's syncs while they are exported, and afterwards: else two stores would work on the same tables, each
/// from a position of its own. Lets them go when the export fails.
class MovedSyncs {
 public:
  MovedSyncs(Store& store, const std::string& file) : store_(store) {
    for (const Sync& sync : all_syncs(store)) {
      if (sync.hold) continue;
      store.set_hold(
          sync.id,
          {std::string(kMovedHold),
           fmt::format("its state was exported to {}, to go on in another store; to go on here all the "
                       "same, where that file is not used: syncflow resume {}",
                       file, sync.name),
           store.clock().now()});
      held_.push_back(sync.id);
    }
  }
  ~MovedSyncs() {
    if (stays_) return;
    for (const std::string& id : held_) {
      try {
        store_.lift_hold(id);
      } catch (const Error& error) {
        log::warn(
            "Syncs stay on hold after an export that failed: lift that with `syncflow resume`, or export "
            "again.",
            {{"error", error.what()}});
        return;
      }
    }
  }
  MovedSyncs(const MovedSyncs&) = delete;
  MovedSyncs& operator=(const MovedSyncs&) = delete;
  void stay() { stays_ = true; }

 private:
  Store& store_;
  std::vector<std::string> held_;
  bool stays_ = false;
};

void heed(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error(ErrorKind::cancelled, "interrupted");
}

/// Runs of other processes come to their end before, and none begins: their syncs are on hold.
void export_at_rest(Store& store, const Surroundings& with, const std::stop_token& stop,
                    const std::function<void(const StateRow&)>& each) {
  const auto began = with.clock.monotonic();
  for (bool told = false;; told = true) {
    bool begun = false;
    try {
      store.export_state([&](const StateRow& row) {
        begun = true;
        heed(stop);
        each(row);
      });
      return;
    } catch (const Error& error) {
      if (begun || error.kind() != ErrorKind::conflict || with.clock.monotonic() - began > kPatience) throw;
      if (!told) with.err << fmt::format("{}: waiting for its end\n", error.what()) << std::flush;
      with.clock.sleep(kBetweenTries, stop);
    }
    heed(stop);
  }
}

/// What people count, of what the file holds.
std::string in_words(const StateCounts& counts) {
  const auto count = [&](const std::string& table) {
    const auto found = counts.find(table);
    return found == counts.end() ? 0 : found->second;
  };
  return fmt::format("{} syncs, {} positions, {} noted rows, {} rows in quarantine, {} jobs, {} runs",
                     with_commas(count("syncs")), with_commas(count("sync_mappings")),
                     with_commas(count("sync_rows") + count("sync_keys")),
                     with_commas(count("sync_row_errors")), with_commas(count("data_sync_jobs")),
                     with_commas(count("sync_runs")));
}

void say(const Invocation& line, const Surroundings& with, const std::string& sentence, const char* done,
         const StateCounts& counts) {
  if (!line.json) {
    with.out << sentence << "\n";
    return;
  }
  boost::json::object rows;
  for (const auto& [table, count] : counts) rows[table] = count;
  with.out << to_json_text(boost::json::object{{done, line.file}, {"rows", std::move(rows)}}) << "\n";
}

int export_state(const Invocation& line, const Surroundings& with, const std::stop_token& stop) {
  const Config config = with.load_config(line.config_file, line.env_file);
  const std::unique_ptr<Store> store = open_existing_store(config, with.clock);
  StateFileWriter file(line.file, store->clock().now());
  MovedSyncs moved(*store, line.file);
  {
    Ticker ticker(line, with);
    export_at_rest(*store, with, stop, [&](const StateRow& row) {
      ticker.tick("exported");
      file.add(row);
    });
  }
  file.finish();
  moved.stay();
  say(line, with,
      fmt::format("exported {} to {}\nThe syncs are on hold in {} from now on. Name the other store in the "
                  "config, then: "
                  "syncflow state import {}",
                  in_words(file.counts()), line.file, store_name(config), line.file),
      "exported_to", file.counts());
  return 0;
}

int import_state(const Invocation& line, const Surroundings& with, const std::stop_token& stop) {
  const Config config = with.load_config(line.config_file, line.env_file);
  StateFileReader file(line.file);
  const std::unique_ptr<Store> store = open_store(config, with.clock);
  {
    Ticker ticker(line, with);
    store->import_state([&] {
      heed(stop);
      ticker.tick("imported");
      return file.next();
    });
  }
  say(line, with,
      fmt::format(
          "imported {} into {}, as they were at {}\nThe syncs go on from there with `serve` or `run`.",
          in_words(file.counts()), store_name(config), to_rfc3339(file.exported_at())),
      "imported_from", file.counts());
  return 0;
}

}  // namespace

int state(const Invocation& line, const Surroundings& with) {
  const Interrupts interrupts;
  return line.action == "export" ? export_state(line, with, interrupts.token())
                                 : import_state(line, with, interrupts.token());
}

}  // namespace syncflow::cli
