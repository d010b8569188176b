#include "providers/mysql/provider.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "providers/mysql/catalog.h"
#include "providers/mysql/destination.h"
#include "providers/mysql/discovery.h"
#include "providers/mysql/reader.h"
#include "providers/mysql/sessions.h"
#include "providers/mysql/settings.h"
#include "sql/table_source.h"

namespace syncflow::mysql {
namespace {

class MysqlConnection : public Connection {
 public:
  MysqlConnection(Settings settings, Resources resources)
      : sessions_(std::make_shared<Sessions>(std::move(settings), resources)) {}

  Access check() override {
    Login login(sessions_, Purpose::look);
    return describe_access(login.session());
  }

  std::vector<TableInfo> discover(const std::string& table) override {
    Login login(sessions_, Purpose::look);
    Catalog catalog(login.session());
    const std::string& database = sessions_->settings().target.database;
    if (!table.empty()) {
      const TableDef found = catalog.at(catalog.resolve(table, database));
      return {describe(found, found.database == database ? found.name : found.database + "." + found.name)};
    }
    std::vector<TableInfo> tables;
    for (const TableDef& each : catalog.all(database)) tables.push_back(describe(each, each.name));
    return tables;
  }

  std::string identify(const std::string& name) override {
    Login login(sessions_, Purpose::look);
    Catalog catalog(login.session());
    const auto table = catalog.find(catalog.resolve(name, sessions_->settings().target.database));
    return table ? mysql::identify(login.session(), *table) : "";
  }

  std::vector<Reference> references(const std::vector<std::string>& tables) override {
    Login login(sessions_, Purpose::look);
    Catalog catalog(login.session());
    std::vector<TableName> names;
    std::set<std::string> databases;
    for (const std::string& table : tables) {
      names.push_back(catalog.resolve(table, sessions_->settings().target.database));
      databases.insert(names.back().database);
    }
    const auto find = [&](const TableName& name) {
      return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
    };
    std::vector<Reference> references;
    for (const std::string& database : databases)
      for (const auto& [referring, referred] : catalog.references(database)) {
        const std::size_t from = find(referring), to = find(referred);
        if (from < tables.size() && to < tables.size()) references.push_back({tables[from], tables[to]});
      }
    return references;
  }

  std::unique_ptr<Source> open_source(const SourceSpec& spec) override {
    return sql::open_table_source(spec, std::make_unique<Reader>(sessions_, spec), sessions_->clock());
  }

  std::unique_ptr<Destination> open_destination(const DestinationSpec& spec) override {
    return std::make_unique<TableDestination>(sessions_, spec);
  }

 private:
  const std::shared_ptr<Sessions> sessions_;
};

}  // namespace

Provider provider() {
  Provider mysql;
  mysql.id = "mysql";
  mysql.name = "MySQL, MariaDB";
  mysql.can.source = true;
  mysql.can.destination = true;
  mysql.can.cursor = true;
  mysql.can.diff = true;
  mysql.can.create_table = true;
  mysql.options = option_specs();
  mysql.connect = [](const Options& options, Resources resources) -> std::unique_ptr<Connection> {
    return std::make_unique<MysqlConnection>(parse_settings(options), resources);
  };
  return mysql;
}

}  // namespace syncflow::mysql
