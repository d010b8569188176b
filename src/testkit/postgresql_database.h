#pragma once

#include <memory>
#include <string>

#include "core/options.h"
#include "drivers/libpq/session.h"

namespace syncflow::testkit {

/// Whether the environment names a PostgreSQL server for tests (SYNCFLOW_TEST_POSTGRESQL_URL).
bool has_postgresql();

/// A fresh database on the test server, dropped with what is connected to it at the end.
class PostgresDatabase {
 public:
  /// `settings`: behind CREATE DATABASE name, as "ENCODING 'SQL_ASCII' TEMPLATE template0".
  explicit PostgresDatabase(const std::string& settings = "");
  ~PostgresDatabase();
  PostgresDatabase(const PostgresDatabase&) = delete;
  PostgresDatabase& operator=(const PostgresDatabase&) = delete;

  const std::string& name() const { return name_; }
  /// As the server's superuser.
  const libpq::Target& target() const { return target_; }
  /// The options of a connection to it; as `user` when given.
  Options options(const std::string& user = "") const;
  /// Of a store in it.
  std::string url() const;

  /// Runs statements as the superuser on a connection of the test's own.
  libpq::Rows run(const std::string& sql);
  /// The one value of a query.
  std::string value(const std::string& sql);
  /// All rows, fields separated by "|", rows by newlines; NULL is shown as such.
  std::string rows(const std::string& sql);
  /// A further connection, to hold transactions open.
  std::unique_ptr<libpq::Session> connect(const std::string& user = "");
  /// A role that may log in, unique to this database and dropped with it.
  std::string create_role(const std::string& purpose, const std::string& attributes = "");

 private:
  libpq::Target target_;
  std::string name_;
  std::vector<std::string> roles_;
  std::unique_ptr<libpq::Session> session_;
};

}  // namespace syncflow::testkit

/// The first line of a test that needs the server.
#define SYNCFLOW_NEEDS_POSTGRESQL() \
  if (!::syncflow::testkit::has_postgresql()) GTEST_SKIP() << "SYNCFLOW_TEST_POSTGRESQL_URL is not set"
