#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "support/database.h"
#include "support/process.h"

namespace syncflow::tests {

/// A MySQL or MariaDB server of one's own in `folder`, on a port of the loopback. As root it runs as `nobody`, who must
/// be able to pass through the folders above.
///
/// Members throw std::runtime_error with the server's log.
class MysqlServer {
 public:
  /// Why there can be none of this flavour on this machine, for GTEST_SKIP; empty: there can.
  static std::string obstacle(Flavour flavour);

  MysqlServer(Flavour flavour, const std::filesystem::path& folder);
  ~MysqlServer();
  MysqlServer(const MysqlServer&) = delete;
  MysqlServer& operator=(const MysqlServer&) = delete;

  enum class Stop {
    fast,    ///< it tells its clients and writes everything down
    killed,  ///< as by kill -9
  };
  /// Returns when it is gone.
  void stop(Stop how);
  /// Starts it again at the same address; returns when it takes logins.
  void start();

  std::unique_ptr<Database> make_database() const;
  /// Of a user who may do everything, also write while the server is `read_only`, if it is not `super_read_only`.
  std::string url() const;
  /// As messages name it.
  std::string place() const;

 private:
  const Flavour flavour_;
  const std::filesystem::path folder_;
  const std::uint16_t port_;
  std::optional<Process> process_;
};

}  // namespace syncflow::tests
