#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "engine/definition.h"
#include "store/process_lock.h"
#include "store/store.h"

namespace syncflow::cli {

/// Whether several processes may work on the config's store at once.
bool is_shared_store(const Config& config);
/// The file of `store: sqlite:FILE`. Throws Error(bad_config) for other stores.
std::string store_file(const Config& config);
/// The config's store as people may see it: its file, or its URL without the password.
std::string store_name(const Config& config);
/// The right to work on the store that one process at a time may work on; empty: another one has it, or
/// (`is_shared_store`) nobody needs it.
std::optional<ProcessLock> try_take_store(const Config& config);
/// Opens the config's store, and makes or upgrades it.
std::unique_ptr<Store> open_store(const Config& config, Clock& clock);
/// Opens the config's store if it is there already. Throws Error(not_found) that says how to make it.
std::unique_ptr<Store> open_existing_store(const Config& config, Clock& clock);

/// An empty store in a folder of its own that goes with it, for commands that must change nothing.
class ScratchStore {
 public:
  explicit ScratchStore(Clock& clock);
  ~ScratchStore();
  Store& operator*() const { return *store_; }

 private:
  std::string folder_;
  std::unique_ptr<Store> store_;
};

std::vector<Sync> all_syncs(Store& store);
/// The sync of that name or id. Throws Error(not_found) that names the nearest, and Error(bad_config) that names the ids
/// when several teams have one of that name.
Sync sync_named(Store& store, const std::string& name);
/// The same, where one that left the file goes before others of its name.
Sync left_sync_named(Store& store, const std::string& name);

}  // namespace syncflow::cli
