#include "testkit/mysql_server.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>

#include "core/options.h"
#include "core/uuid.h"
#include "providers/mysql/provider.h"

namespace syncflow::testkit {
namespace {

std::string unique_name() {
  std::string name = "t_" + random_uuid().substr(0, 13);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace

std::optional<mysql::Target> mysql_target(const std::string& flavour) {
  const char* text = std::getenv(("SYNCFLOW_TEST_" + flavour + "_URL").c_str());
  if (!text || !*text) return std::nullopt;
  const Url url = parse_url(text);
  mysql::Target target;
  target.host = url.host;
  target.port = url.port;
  target.user = url.user;
  target.password = url.password;
  target.tls = mysql::Tls::disable;
  return target;
}

ScratchMysql::ScratchMysql(const mysql::Target& server) : target_(server) {
  const std::string name = unique_name();
  session_.emplace(target_, std::stop_token());
  session_->execute("CREATE DATABASE " + name + " CHARACTER SET utf8mb4");
  session_->execute("USE " + name);
  session_->execute("SET SESSION time_zone = '+00:00'");
  target_.database = name;
}

ScratchMysql::~ScratchMysql() {
  try {
    // The session may stand in a transaction, or be broken, by what a test did to it.
    mysql::Target server = target_;
    server.database.clear();
    session_.reset();
    mysql::Session last(server, {});
    last.execute("DROP DATABASE " + target_.database);
    for (const std::string& user : users_) last.execute("DROP USER " + user);
  } catch (const Error& error) {
    ADD_FAILURE() << "dropping the test's database: " << error.what();
  }
}

std::string ScratchMysql::value(const std::string& sql) {
  const auto all = rows(sql);
  if (all.empty() || all[0].empty()) return "(no row)";
  return all[0][0].value_or("(null)");
}

mysql::Target ScratchMysql::with_user(const std::vector<std::string>& grants) {
  const std::string user = unique_name();
  run(fmt::format("CREATE USER {} IDENTIFIED BY 'pass'", user));
  users_.push_back(user);
  for (std::string grant : grants) {
    if (const auto at = grant.find("{db}"); at != std::string::npos) grant.replace(at, 4, name());
    run(fmt::format("GRANT {} TO {}", grant, user));
  }
  mysql::Target target = target_;
  target.user = user;
  target.password = Secret("pass");
  return target;
}

Options mysql_options_of(const mysql::Target& target) {
  Options options;
  options.set("host", target.host);
  options.set("port", std::to_string(target.port));
  options.set("user", target.user);
  if (!target.password.empty()) options.set("password", target.password.reveal());
  options.set("database", target.database);
  return options;
}

namespace {

class MysqlLogin : public Session {
 public:
  explicit MysqlLogin(const mysql::Target& target) : session_(target, {}) {
    session_.execute(
        "SET SESSION time_zone = '+00:00', sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')");
  }
  void run(const std::string& sql) override { session_.execute(sql); }
  std::vector<TextRow> query(const std::string& sql) { return session_.rows(sql); }

 private:
  mysql::Session session_;
};

class MysqlDatabase : public TestDatabase {
 public:
  explicit MysqlDatabase(const mysql::Target& server)
      : scratch_(server),
        login_(scratch_.target()),
        connection_(mysql::provider().connect(mysql_options_of(scratch_.target()),
                                              Resources{clock_, stop_.get_token(), &sessions_})) {}

  Connection& connection() override { return *connection_; }
  std::stop_source& stop() override { return stop_; }
  void run(const std::string& sql) override { login_.run(sql); }
  std::vector<TextRow> query(const std::string& sql) override { return login_.query(sql); }
  std::unique_ptr<Session> open_session() override { return std::make_unique<MysqlLogin>(scratch_.target()); }

 private:
  SystemClock clock_;
  std::stop_source stop_;
  ScratchMysql scratch_;
  MysqlLogin login_;
  SessionPool sessions_{"the test's database", {}, clock_};
  std::unique_ptr<Connection> connection_;
};

}  // namespace

DatabaseCase mysql_case(const std::string& flavour) {
  DatabaseCase out;
  out.name = flavour;
  out.make = [flavour]() -> std::unique_ptr<TestDatabase> {
    const auto server = mysql_target(flavour);
    if (!server) return nullptr;
    return std::make_unique<MysqlDatabase>(*server);
  };
  const bool mariadb = flavour == "MARIADB";
  out.dialect.quote = '`';
  out.dialect.text = "LONGTEXT";
  out.dialect.key_text =
      mariadb ? "VARCHAR(100) COLLATE utf8mb4_nopad_bin" : "VARCHAR(100) COLLATE utf8mb4_0900_bin";
  out.dialect.cursor = "TIMESTAMP(6)";
  out.dialect.ascending_key = "BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY";
  out.dialect.longest_identifier = 64;
  out.dialect.begin = "START TRANSACTION";
  out.dialect.table_suffix = " ENGINE=InnoDB";
  return out;
}

void OnMysqlServers::SetUp() {
  server_ = mysql_target(GetParam());
  if (!server_) GTEST_SKIP() << "SYNCFLOW_TEST_" << GetParam() << "_URL is not set";
  database_.emplace(*server_);
}

}  // namespace syncflow::testkit
