#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "core/options.h"
#include "drivers/libmariadb/session.h"
#include "testkit/database_case.h"

namespace syncflow::testkit {

/// The test server of that flavour, "MYSQL" or "MARIADB", as SYNCFLOW_TEST_<flavour>_URL names it.
std::optional<mysql::Target> mysql_target(const std::string& flavour);

/// A fresh database on a test server, dropped when it is destroyed, and a login to it that may do everything.
class ScratchMysql {
 public:
  explicit ScratchMysql(const mysql::Target& server);
  ~ScratchMysql();
  ScratchMysql(const ScratchMysql&) = delete;
  ScratchMysql& operator=(const ScratchMysql&) = delete;

  const std::string& name() const { return target_.database; }
  /// How to log in to it.
  const mysql::Target& target() const { return target_; }
  mysql::Session& session() { return *session_; }
  mysql::Outcome run(const std::string& sql) { return session_->execute(sql); }
  std::vector<mysql::TextRow> rows(const std::string& sql) { return session_->rows(sql); }
  /// The first cell of the first row.
  std::string value(const std::string& sql);
  bool is_mariadb() const { return session_->server().mariadb; }

  /// A user of its own, dropped with the database. `grants`: "SELECT ON {db}.*", …; {db} is the database's name.
  mysql::Target with_user(const std::vector<std::string>& grants);

 private:
  mysql::Target target_;
  std::optional<mysql::Session> session_;
  std::vector<std::string> users_;
};

/// The options that a connection to that target takes.
Options mysql_options_of(const mysql::Target& target);

/// For the contract suites: what MySQL and MariaDB have in common.
DatabaseCase mysql_case(const std::string& flavour);

/// Runs its tests on MySQL and on MariaDB, each where the server is there.
class OnMysqlServers : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override;
  ScratchMysql& database() { return *database_; }
  const mysql::Target& server() const { return *server_; }

 private:
  std::optional<mysql::Target> server_;
  std::optional<ScratchMysql> database_;
};

#define SYNCFLOW_ON_MYSQL_SERVERS(suite)                                       \
  INSTANTIATE_TEST_SUITE_P(Live, suite, ::testing::Values("MYSQL", "MARIADB"), \
                           [](const auto& server) { return std::string(server.param); })

}  // namespace syncflow::testkit
