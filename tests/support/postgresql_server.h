#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "support/database.h"
#include "support/process.h"

namespace syncflow::tests {

/// A PostgreSQL server of one's own in `folder`, behind a Unix socket: it sees the mounts that this process sees. As
/// root it runs as `nobody`, who must be able to pass through the folders above.
class PostgresqlServer {
 public:
  /// Why there can be none on this machine, for GTEST_SKIP; empty: there can.
  static std::string obstacle();

  explicit PostgresqlServer(const std::filesystem::path& folder) : PostgresqlServer(folder, {}) {}
  /// Where it is reached from elsewhere too.
  struct Network {
    std::vector<std::string> enter;  ///< the command that starts a program there; empty: here
    std::string address;             ///< that it listens on; empty: none
    std::string trusts;              ///< the network from which everybody may log in as anybody
  };
  PostgresqlServer(const std::filesystem::path& folder, const Network& network);
  ~PostgresqlServer();

  std::unique_ptr<Database> make_database() const;
  /// Makes a folder that the server may use.
  static std::string made_folder(const std::filesystem::path& folder);

 private:
  std::string url() const;

  std::filesystem::path folder_;
  Process process_;
};

}  // namespace syncflow::tests
