#include "cli/stores.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>

#include "core/error.h"
#include "core/text.h"
#include "core/uuid.h"
#include "store/postgresql.h"

namespace syncflow::cli {
namespace {

constexpr std::string_view kSqlite = "sqlite:";

std::optional<Sync> with_id(Store& store, std::string id) {
  if (!is_uuid(id)) return std::nullopt;
  for (char& c : id)
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  return store.find_sync(id);
}

}  // namespace

bool is_shared_store(const Config& config) { return is_postgresql_store(config.store); }

std::string store_file(const Config& config) {
  if (config.store.substr(0, kSqlite.size()) != kSqlite)
    throw Error(
        ErrorKind::bad_config,
        fmt::format("not supported yet: store {}; write \"store: sqlite:FILE\" or \"store: postgresql://…\"",
                    without_password(config.store)));
  std::string file = config.store.substr(kSqlite.size());
  if (file.empty())
    throw Error(ErrorKind::bad_config, "the store names no file; write \"store: sqlite:FILE\"");
  return file;
}

std::string store_name(const Config& config) {
  return is_shared_store(config) ? without_password(config.store) : store_file(config);
}

std::optional<ProcessLock> try_take_store(const Config& config) {
  if (is_shared_store(config)) return std::nullopt;
  return ProcessLock::try_take(store_file(config));
}

std::unique_ptr<Store> open_store(const Config& config, Clock& clock) {
  if (is_shared_store(config)) return open_postgresql_store(config.store, clock);
  return open_sqlite_store(store_file(config), clock);
}

std::unique_ptr<Store> open_existing_store(const Config& config, Clock& clock) {
  std::error_code unreadable;
  const bool exists = is_shared_store(config) ? postgresql_store_exists(config.store)
                                              : std::filesystem::exists(store_file(config), unreadable);
  if (!exists)
    throw Error(ErrorKind::not_found,
                fmt::format("there is no store {} yet; `syncflow run`, `serve` or `migrate` makes it",
                            store_name(config)));
  return open_store(config, clock);
}

ScratchStore::ScratchStore(Clock& clock) {
  std::string folder = (std::filesystem::temp_directory_path() / "syncflow-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr)
    throw Error(ErrorKind::unavailable,
                fmt::format("cannot make a temporary folder {}: {}", folder, std::strerror(errno)));
  folder_ = folder;
  store_ = open_sqlite_store(folder + "/store.db", clock);
}

ScratchStore::~ScratchStore() {
  store_.reset();
  std::error_code left_behind;  // in a temporary folder, where somebody else sweeps
  std::filesystem::remove_all(folder_, left_behind);
}

std::vector<Sync> all_syncs(Store& store) {
  std::vector<Sync> all;
  Page page;
  page.limit = 1000;
  do {
    Listed<Sync> found = store.list_syncs(page);
    std::move(found.items.begin(), found.items.end(), std::back_inserter(all));
    page.cursor = found.next;
  } while (!page.cursor.empty());
  return all;
}

Sync sync_named(Store& store, const std::string& name) {
  if (std::optional<Sync> sync = with_id(store, name)) return *sync;
  if (std::optional<Sync> sync = store.find_sync_named(name)) return *sync;
  std::vector<std::string> known;
  for (const Sync& sync : all_syncs(store)) known.push_back(sync.name);
  const std::string near = nearest(name, known);
  throw Error(ErrorKind::not_found, fmt::format("there is no sync \"{}\" in the store{}", name,
                                                near.empty() ? "" : "; did you mean \"" + near + "\"?"));
}

Sync left_sync_named(Store& store, const std::string& name) {
  std::vector<Sync> left;
  for (const Sync& sync : all_syncs(store))
    if (sync.name == name && sync.hold && sync.hold->kind == "removed") left.push_back(sync);
  if (left.size() == 1) return left.front();
  if (left.empty()) return sync_named(store, name);
  std::vector<std::string> ids;
  for (const Sync& sync : left) ids.push_back(fmt::format("{} of team {}", sync.id, sync.team_id));
  throw Error(ErrorKind::not_found, fmt::format("several syncs named {} have left the file: {}; give the id",
                                                name, join(ids, ", ")));
}

}  // namespace syncflow::cli
