#include "testkit/memory_provider.h"

#include <utility>

#include "core/error.h"
#include "sql/table_source.h"
#include "testkit/memory_destination.h"
#include "testkit/memory_reader.h"

namespace syncflow::testkit {
namespace {

/// Lets tests watch and fail what the engine asks of a source.
class WatchedSource : public Source {
 public:
  WatchedSource(std::unique_ptr<Source> source, Calls& calls, std::string table)
      : source_(std::move(source)), calls_(calls), table_(std::move(table)) {}

  const std::shared_ptr<const Schema>& schema() const override { return source_->schema(); }
  void open(const Position& position) override {
    calls_.made(Call::open, table_);
    source_->open(position);
  }
  Batch next(std::size_t max_rows, std::size_t max_bytes) override {
    calls_.made(Call::next, table_);
    return source_->next(max_rows, max_bytes);
  }
  Probe has_changes(const Position& position) override {
    calls_.made(Call::has_changes, table_);
    return source_->has_changes(position);
  }
  Batch fetch(const std::vector<Key>& keys, std::size_t max_bytes) override {
    calls_.made(Call::fetch, table_);
    return source_->fetch(keys, max_bytes);
  }
  Batch scan_keys(const std::optional<Key>& after, std::size_t max_rows) override {
    calls_.made(Call::scan_keys, table_);
    return source_->scan_keys(after, max_rows);
  }
  Batch scan_rows(const std::optional<Key>& after, std::size_t max_rows, std::size_t max_bytes) override {
    calls_.made(Call::scan_rows, table_);
    return source_->scan_rows(after, max_rows, max_bytes);
  }
  std::size_t count(std::size_t limit) override {
    calls_.made(Call::count_rows, table_);
    return source_->count(limit);
  }
  RangeHashes* range_hashes() override { return source_->range_hashes(); }
  std::string method() override { return source_->method(); }

 private:
  const std::unique_ptr<Source> source_;
  Calls& calls_;
  const std::string table_;
};

class MemoryConnection : public Connection {
 public:
  MemoryConnection(MemoryDatabase& database, Resources resources)
      : database_(database), resources_(resources) {}

  Access check() override {
    made(Call::check);
    Access access;
    access.system = "memory";
    access.user = "tester";
    access.can.push_back("read and write every table");
    if (database_.visibility() == sql::Visibility::none)
      access.warnings.push_back("open transactions cannot be seen: a late commit can be missed");
    return access;
  }

  std::vector<TableInfo> discover(const std::string& table) override {
    made(Call::discover, table);
    std::vector<TableInfo> found;
    for (const std::string& name : table.empty() ? database_.tables() : std::vector<std::string>{table})
      found.push_back(info_of(name));
    return found;
  }

  std::string identify(const std::string& table) override {
    return database_.has_table(table) ? database_.identity(table) : "";
  }

  std::vector<Reference> references(const std::vector<std::string>& tables) override {
    std::vector<Reference> references;
    for (const std::string& from : tables)
      if (database_.has_table(from))
        for (const MemoryForeignKey& foreign : database_.table(from).foreign_keys)
          if (std::find(tables.begin(), tables.end(), foreign.table) != tables.end())
            references.push_back({from, foreign.table});
    return references;
  }

  std::unique_ptr<Source> open_source(const SourceSpec& spec) override {
    made(Call::open_source, spec.table);
    auto reader = std::make_unique<MemoryReader>(database_, spec, resources_.stop);
    return std::make_unique<WatchedSource>(sql::open_table_source(spec, std::move(reader), resources_.clock),
                                           database_.calls(), spec.table);
  }

  std::unique_ptr<Destination> open_destination(const DestinationSpec& spec) override {
    made(Call::open_destination, spec.table);
    return std::make_unique<MemoryDestination>(database_, spec, resources_.stop);
  }

 private:
  void made(Call call, const std::string& table = "") {
    database_.calls().made(call, table);
    if (resources_.stop.stop_requested()) throw Error(ErrorKind::cancelled, "asked to stop");
  }

  TableInfo info_of(const std::string& name) {
    const MemoryTable table = database_.table(name);
    TableInfo info;
    info.schema = database_.schema(name);
    info.row_estimate = static_cast<long>(database_.size(name));
    if (!table.cursor.empty())
      info.cursor_candidates.push_back(
          {table.cursor, table.cursor_indexed,
           table.cursor_indexed ? "" : "no index: each poll reads the whole table"});
    return info;
  }

  MemoryDatabase& database_;
  Resources resources_;
};

}  // namespace

Provider provider(MemoryDatabase& database, const std::string& id) {
  Provider memory;
  memory.id = id;
  memory.name = "Memory";
  memory.can.source = true;
  memory.can.destination = true;
  memory.can.cursor = true;
  memory.can.diff = true;
  memory.can.create_table = true;
  OptionSpec password;
  password.name = "password";
  password.kind = OptionKind::secret;
  password.help = "Any.";
  memory.options.push_back(password);
  memory.connect = [&database](const Options&, Resources resources) -> std::unique_ptr<Connection> {
    database.calls().made(Call::connect);
    return std::make_unique<MemoryConnection>(database, resources);
  };
  return memory;
}

}  // namespace syncflow::testkit
