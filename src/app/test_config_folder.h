#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "app/config.h"
#include "core/error.h"
#include "providers/registry.h"

namespace syncflow::app {

/// A folder of its own for a syncflow.yaml that is read with the providers that are built in.
class ConfigFolder : public ::testing::Test {
 protected:
  ConfigFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "syncflow-config-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~ConfigFolder() override {
    std::error_code left_behind;
    std::filesystem::remove_all(folder_, left_behind);
  }

  Config load(const std::string& yaml) const {
    std::ofstream(folder_ / "syncflow.yaml") << yaml;
    return load_config((folder_ / "syncflow.yaml").string(), ".env", providers_,
                       [this](const std::string& name) {
                         const auto found = environment_.find(name);
                         return found == environment_.end() ? std::nullopt : std::optional(found->second);
                       });
  }

  /// What is said of a bad file, its folder left out; empty when it is taken.
  std::string refusal(const std::string& yaml) const {
    try {
      load(yaml);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config) << error.what();
      return std::string(error.what()).substr(folder_.string().size() + 1);
    }
    return "";
  }

  std::filesystem::path folder_;
  std::map<std::string, std::string> environment_;
  const Registry providers_ = built_in_providers();
};

}  // namespace syncflow::app
