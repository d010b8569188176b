#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "app/config.h"
#include "core/error.h"
#include "core/uuid.h"

namespace syncflow::app {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

inline Provider provider(const std::string& id, Capabilities can, std::vector<OptionSpec> options) {
  Provider provider;
  provider.id = provider.name = id;
  provider.can = can;
  provider.options = std::move(options);
  provider.connect = [](const Options&, Resources) { return std::unique_ptr<Connection>(); };
  return provider;
}

inline OptionSpec option(const std::string& name, OptionKind kind, bool required = false,
                         std::vector<std::string> choices = {}) {
  OptionSpec spec;
  spec.name = name;
  spec.kind = kind;
  spec.required = required;
  spec.help = "what " + name + " is for";
  spec.choices = std::move(choices);
  return spec;
}

inline const Registry& registry() {
  Capabilities both;
  both.source = both.destination = both.cursor = both.diff = true;
  Capabilities source_only = both, destination_only = both;
  source_only.destination = false;
  destination_only.source = false;
  static const Registry registry({
      provider("log", source_only, {}),
      provider("mysql", both, {option("url", OptionKind::url), option("timezone", OptionKind::text)}),
      provider("postgresql", both,
               {option("url", OptionKind::url), option("host", OptionKind::text),
                option("port", OptionKind::number), option("password", OptionKind::secret),
                option("ca_file", OptionKind::path),
                option("tls", OptionKind::choice, false, {"disable", "require", "verify"})}),
      provider("sink", destination_only, {}),
      provider("sqlite", both, {option("path", OptionKind::path, true)}),
  });
  return registry;
}

/// A folder of its own with a syncflow.yaml.
class ConfigFile : public ::testing::Test {
 protected:
  ConfigFile() {
    std::string name = (fs::temp_directory_path() / "syncflow-config-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~ConfigFile() override {
    std::error_code left_behind;
    fs::remove_all(folder_, left_behind);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }

  Config load(const std::string& yaml, const std::string& env_file = ".env") const {
    write("syncflow.yaml", yaml);
    return load_config(path("syncflow.yaml"), env_file, registry(), [this](const std::string& name) {
      const auto found = environment_.find(name);
      return found == environment_.end() ? std::nullopt : std::optional(found->second);
    });
  }

  /// What is said of a bad file, its folder left out.
  std::string refusal(const std::string& yaml, const std::string& env_file = ".env") const {
    try {
      load(yaml, env_file);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config);
      std::string said = error.what();
      for (auto at = said.find(folder_.string() + "/"); at != std::string::npos;
           at = said.find(folder_.string() + "/"))
        said.erase(at, folder_.string().size() + 1);
      return said;
    }
    return "no error";
  }

  /// The refusal of a sync between two good connections; `sync` is indented by four, its first line is line 6.
  std::string sync_refusal(const std::string& sync) const { return refusal(kConnections + sync); }
  /// The refusal of a table; `table` is indented by eight, its first line is line 11.
  std::string table_refusal(const std::string& table) const {
    return refusal(kConnections + kSync +
                   "      - source: a\n"
                   "        destination: b\n" +
                   table);
  }

  static inline const std::string kConnections =
      "version: 1\n"
      "connections:\n"
      "  shop: {provider: postgresql, url: \"postgresql://u:secret@db/shop\"}\n"
      "  local: {provider: sqlite, path: data.db}\n"
      "syncs:\n";
  static inline const std::string kSync =
      "  - name: customers\n"
      "    source: shop\n"
      "    destination: local\n"
      "    tables:\n";

  fs::path folder_;
  std::map<std::string, std::string> environment_;
};

}  // namespace syncflow::app
