#include "providers/postgresql/provider.h"

#include "providers/postgresql/destination.h"
#include "providers/postgresql/discovery.h"
#include "providers/postgresql/reader.h"
#include "providers/postgresql/settings.h"
#include "sql/table_source.h"

namespace syncflow::postgresql {
namespace {

/// Every member has a login of its own, so that they may be called from several threads at once.
class Database : public Connection {
 public:
  Database(const Options& options, Resources resources)
      : settings_(parse_settings(options)), resources_(resources) {}

  Access check() override { return check_access(settings_, resources_.stop); }

  std::vector<TableInfo> discover(const std::string& table) override {
    return discover_tables(settings_, table, resources_);
  }

  std::string identify(const std::string& table) override {
    return identify_table(settings_, table, resources_);
  }

  std::vector<Reference> references(const std::vector<std::string>& tables) override {
    return list_references(settings_, tables, resources_);
  }

  std::unique_ptr<Source> open_source(const SourceSpec& spec) override {
    return sql::open_table_source(spec, std::make_unique<Reader>(settings_, spec, resources_),
                                  resources_.clock);
  }

  std::unique_ptr<Destination> open_destination(const DestinationSpec& spec) override {
    return std::make_unique<StagedDestination>(settings_, spec, resources_);
  }

 private:
  const Settings settings_;
  Resources resources_;
};

}  // namespace

Provider provider() {
  Provider out;
  out.id = "postgresql";
  out.name = "PostgreSQL";
  out.can.source = true;
  out.can.destination = true;
  out.can.cursor = true;
  out.can.diff = true;
  out.can.create_table = true;
  out.options = option_specs();
  out.connect = [](const Options& options, Resources resources) -> std::unique_ptr<Connection> {
    return std::make_unique<Database>(options, resources);
  };
  return out;
}

}  // namespace syncflow::postgresql
