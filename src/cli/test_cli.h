#pragma once

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "cli/cli.h"
#include "cli/stores.h"
#include "core/log.h"
#include "core/text.h"
#include "core/uuid.h"
#include "testkit/memory_provider.h"

namespace syncflow::cli {

using namespace testkit;

/// The commands over two databases in memory and a store in a file.
class Cli : public ::testing::Test {
 protected:
  Cli() : providers_({provider(from_, "from"), provider(to_, "to")}) {
    std::filesystem::create_directories(folder_);
    config_.store = "sqlite:" + (folder_ / "store.db").string();
    config_.file = "syncflow.yaml";
    config_.connections = {{"shop", "from", {}}, {"copy", "to", {}}};
    from_.create_table(table("people"));
    from_.create_table(table("orders"));
    config_.syncs = {sync("people"), sync("orders")};
    for (std::int64_t id = 1; id <= 3; ++id) put("people", id, "someone");
  }
  ~Cli() override {
    log::configure(log::Level::info, log::Form::text);
    std::filesystem::remove_all(folder_);
  }

  static MemoryTable table(const std::string& name) {
    MemoryTable table;
    table.name = name;
    table.fields = {memory_field("id", Type::int64, false), memory_field("name", Type::text),
                    memory_field("updated_at", Type::timestamp_tz)};
    table.key = {"id"};
    table.cursor = "updated_at";
    return table;
  }

  static SyncDefinition sync(const std::string& table) {
    SyncDefinition sync;
    sync.name = table;
    sync.id = url_uuid("syncflow:test/" + table);
    sync.source = "shop";
    sync.destination = "copy";
    sync.tables = {{}};
    sync.tables[0].source = sync.tables[0].destination = table;
    sync.tables[0].fields = {{"id", {"id"}, "", {}, {}}, {"name", {"name"}, "", {}, {}}};
    sync.retry.max_retries = 0;
    return sync;
  }

  void put(const std::string& table, std::int64_t id, const std::string& name) {
    from_.put(table, {integer(id), Value::text(name), instant(from_.now())});
  }

  int command(const std::vector<std::string>& arguments) {
    out_.str("");
    err_.str("");
    const Surroundings with{providers_, clock_, [this](auto&, auto&) { return config_; },
                            [](auto&, auto&) { return 0; }, out_, err_, false,
                            // What the engine logs about failures that are wanted here is no news.
                            [](auto&) { log::configure(log::Level::error, log::Form::text); },
                            err_on_terminal_};
    return command_line(arguments, with);
  }
  std::vector<boost::json::value> json_lines() const {
    std::vector<boost::json::value> lines;
    for (const std::string& line : split(out_.str(), '\n'))
      if (!line.empty()) lines.push_back(boost::json::parse(line));
    return lines;
  }
  std::unique_ptr<Store> store() { return open_store(config_, clock_); }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("syncflow-" + random_uuid());
  SystemClock clock_;
  MemoryDatabase from_;
  MemoryDatabase to_;
  Registry providers_;
  Config config_;
  std::ostringstream out_;
  std::ostringstream err_;
  bool err_on_terminal_ = true;
};

}  // namespace syncflow::cli
