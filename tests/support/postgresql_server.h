#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/database.h"
#include "support/process.h"

namespace syncflow::tests {

/// A PostgreSQL server of one's own in `folder`, behind a Unix socket: it sees the mounts that this process sees. As
/// root it runs as `nobody`, who must be able to pass through the folders above.
///
/// Members throw std::runtime_error with the server's log.
class PostgresqlServer {
 public:
  /// Why there can be none on this machine, for GTEST_SKIP; empty: there can.
  static std::string obstacle();

  explicit PostgresqlServer(const std::filesystem::path& folder) : PostgresqlServer(folder, Network{}) {}
  /// Where it is reached from elsewhere too.
  struct Network {
    std::vector<std::string> enter;  ///< the command that starts a program there; empty: here
    std::string address;             ///< that it listens on; empty: none
    std::string trusts;              ///< the network from which everybody may log in as anybody
  };
  PostgresqlServer(const std::filesystem::path& folder, Network network);
  /// A hot standby, which streams from `primary`.
  PostgresqlServer(const std::filesystem::path& folder, const PostgresqlServer& primary);
  ~PostgresqlServer();
  PostgresqlServer(const PostgresqlServer&) = delete;
  PostgresqlServer& operator=(const PostgresqlServer&) = delete;

  enum class Stop {
    fast,       ///< it tells its clients and writes everything down
    immediate,  ///< it tells its clients, and recovers at its next start
    killed,     ///< as by kill -9
  };
  /// Returns when it is gone.
  void stop(Stop how);
  /// Starts it again at the same address; returns when it takes logins.
  void start();
  /// Stops and starts it as a replica of nobody, which takes no writes until `promote`.
  void demote();
  void promote();
  /// Returns when this standby has replayed what is committed at `primary` by now.
  void catch_up_with(const PostgresqlServer& primary);

  std::unique_ptr<Database> make_database() const;
  /// Of a database on it.
  std::string url(const std::string& database = "postgres") const;
  /// As messages name it.
  std::string place() const { return folder_.string(); }

  /// Makes a folder that the server may use.
  static std::string made_folder(const std::filesystem::path& folder);

 private:
  std::string value(const std::string& sql) const;
  bool comes_up();

  std::filesystem::path folder_;
  Network network_;
  std::optional<Process> process_;
};
const char* name_of(PostgresqlServer::Stop how);

}  // namespace syncflow::tests
