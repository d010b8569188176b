#include "providers/sqlite/provider.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include "core/error.h"
#include "providers/sqlite/destination.h"
#include "providers/sqlite/discovery.h"
#include "providers/sqlite/reader.h"
#include "providers/sqlite/settings.h"
#include "sql/table_source.h"

namespace syncflow::sqlite {
namespace {

/// Thread-safe: everything it opens has a connection of its own.
class FileConnection : public Connection {
 public:
  FileConnection(Settings settings, Resources resources)
      : settings_(std::move(settings)), resources_(std::move(resources)) {}

  Access check() override;

  std::vector<TableInfo> discover(const std::string& table) override {
    return discover_tables(*open_file(settings_, resources_.stop), table, settings_.naive_offset);
  }

  std::string identify(const std::string& name) override {
    if (!file_exists(settings_)) return "";
    const auto table = find_table(*open_file(settings_, resources_.stop), name);
    return table ? identify_table(settings_.path, table->name) : "";
  }

  std::vector<Reference> references(const std::vector<std::string>& tables) override {
    // A file that is not there yet is not made by looking at it.
    if (!file_exists(settings_)) return {};
    return list_references(*open_file(settings_, resources_.stop), tables);
  }

  std::unique_ptr<Source> open_source(const SourceSpec& spec) override {
    return sql::open_table_source(spec, std::make_unique<Reader>(spec, settings_, resources_),
                                  resources_.clock);
  }

  std::unique_ptr<Destination> open_destination(const DestinationSpec& spec) override {
    return std::make_unique<TableWriter>(spec, settings_, resources_);
  }

 private:
  const Settings settings_;
  const Resources resources_;
};

std::string first_text(Database& database, const char* sql) {
  Statement statement = database.prepare(sql);
  return statement.step() ? statement.string(0) : "";
}

Access FileConnection::check() {
  Access access;
  access.system = fmt::format("SQLite {}", sqlite3_libversion());
  if (!file_exists(settings_) && !settings_.read_only) {
    check_may_make_file(settings_);
    access.warnings.push_back(fmt::format(
        "{} does not exist yet: the first sync that writes to it makes it, as a source it must be there",
        settings_.path));
    return access;
  }
  const auto database = open_file(settings_, resources_.stop);
  // Reads the file's head: what is no database shows here.
  first_text(*database, "SELECT count(*) FROM main.sqlite_schema");
  const std::string journal = first_text(*database, "PRAGMA journal_mode");
  access.can.push_back("read every table");
  if (settings_.read_only || sqlite3_db_readonly(database->handle(), "main") == 1) {
    access.warnings.push_back(
        fmt::format("{} cannot be written to{}: a transaction that commits later than the overlap after it "
                    "stamped its rows is missed",
                    settings_.path, settings_.read_only ? " (mode: read_only)" : ""));
    return access;
  }
  access.can.push_back("write, and see whether a writer is at work: late commits are waited for");
  if (journal != "wal")
    access.warnings.push_back(
        fmt::format("{} has journal mode {}: readers and writers wait for each other; "
                    "PRAGMA journal_mode = WAL lets them work side by side",
                    settings_.path, journal));
  return access;
}

}  // namespace

Provider provider() {
  Provider provider;
  provider.id = "sqlite";
  provider.name = "SQLite";
  provider.can.source = true;
  provider.can.destination = true;
  provider.can.cursor = true;
  provider.can.diff = true;
  provider.can.create_table = true;
  provider.options = option_specs();
  provider.connect = [](const Options& options, Resources resources) -> std::unique_ptr<Connection> {
    return std::make_unique<FileConnection>(settings_from(options), std::move(resources));
  };
  return provider;
}

}  // namespace syncflow::sqlite
