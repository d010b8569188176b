#pragma once

#include <memory>
#include <string>

#include "core/clock.h"
#include "engine/definition.h"
#include "store/store.h"

namespace syncflow::cli {

/// The file of `store: sqlite:FILE`. Throws Error(bad_config) for other stores: not supported yet.
std::string store_file(const Config& config);
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

/// The sync of that name or id. Throws Error(not_found) that names the nearest, and Error(bad_config) that names the ids
/// when several teams have one of that name.
Sync sync_named(Store& store, const std::string& name);
/// The same, where one that left the file goes before others of its name.
Sync left_sync_named(Store& store, const std::string& name);

}  // namespace syncflow::cli
