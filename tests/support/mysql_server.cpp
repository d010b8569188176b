#include "support/mysql_server.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <random>
#include <stdexcept>
#include <vector>

#include "support/server_account.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;

/// Making the data takes MySQL ten seconds on a machine that does nothing else.
constexpr auto kLongestStart = 120s;

constexpr const char* kAccounts =
    "CREATE DATABASE IF NOT EXISTS test;\n"
    "CREATE USER IF NOT EXISTS 'test'@'%' IDENTIFIED BY 'test';\n"
    "GRANT ALL PRIVILEGES ON *.* TO 'test'@'%' WITH GRANT OPTION;\n";

/// What makes a server's data, and what serves it.
struct Commands {
  std::vector<std::string> install, serve;
};

Commands commands_of(Flavour flavour) {
  if (flavour == Flavour::mysql) {
    const std::string mysqld = value_of(kMysqlProgram);
    // innodb_doublewrite stays on: a kill may leave a page that was written in part.
    return {{mysqld, "--initialize-insecure"},
            {mysqld, "--mysqlx=OFF", "--performance-schema=OFF", "--sync-binlog=0"}};
  }
  const std::string short_log = "--innodb-log-file-size=8M";
  return {{"/usr/bin/mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal",
           "--skip-test-db", short_log},
          {"/usr/sbin/mariadbd", "--no-defaults", short_log, "--character-set-server=utf8mb4",
           "--collation-server=utf8mb4_general_ci"}};
}

std::string data_option(const std::filesystem::path& folder) {
  return "--datadir=" + (folder / "data").string();
}

bool is_free(std::uint16_t port) {
  const int trial = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const bool free =
      trial >= 0 && ::bind(trial, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  if (trial >= 0) ::close(trial);
  return free;
}

/// Below those that the kernel hands to outgoing connections: it stays free while the server is down.
std::uint16_t free_port() {
  std::mt19937 random(std::random_device{}());
  for (int tries = 0; tries < 1000; ++tries) {
    const auto port = static_cast<std::uint16_t>(20'000 + random() % 12'000);
    if (is_free(port)) return port;
  }
  throw std::runtime_error("no free port was found on the loopback");
}

std::filesystem::path made_data(Flavour flavour, const std::filesystem::path& folder) {
  folder_for_server(folder);
  std::ofstream(folder / "accounts.sql") << kAccounts;
  std::vector<std::string> command = commands_of(flavour).install;
  command.push_back(data_option(folder));
  Process installer({as_server(std::move(command), "KILL"), folder, "install", {}});
  if (installer.wait(kLongestStart) != Exit{0, 0}) throw std::runtime_error(installer.story());
  return folder;
}

}  // namespace

std::string MysqlServer::obstacle(Flavour flavour) {
  if (flavour == Flavour::mysql && !is_set(kMysqlProgram)) return not_set(kMysqlProgram);
  const Commands commands = commands_of(flavour);
  for (const auto* command : {&commands.install, &commands.serve})
    if (!std::filesystem::exists(command->front()))
      return fmt::format("there is no program {}", command->front());
  return server_account_obstacle();
}

MysqlServer::MysqlServer(Flavour flavour, const std::filesystem::path& folder)
    : flavour_(flavour), folder_(made_data(flavour, folder)), port_(free_port()) {
  start();
}

MysqlServer::~MysqlServer() {
  if (!process_) return;
  try {
    stop(Stop::killed);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "{} did not stop: {}\n", name_of(flavour_), problem.what());
  }
}

void MysqlServer::stop(Stop how) {
  process_->signal(how == Stop::fast ? SIGTERM : SIGKILL);
  process_->wait();
  process_.reset();
}

void MysqlServer::start() {
  std::vector<std::string> command = commands_of(flavour_).serve;
  command.insert(command.end(), {data_option(folder_), "--socket=" + (folder_ / "socket").string(),
                                 "--bind-address=127.0.0.1", fmt::format("--port={}", port_),
                                 "--skip-name-resolve", "--init-file=" + (folder_ / "accounts.sql").string(),
                                 "--innodb-buffer-pool-size=24M", "--innodb-flush-log-at-trx-commit=2"});
  process_.emplace(Launch{as_server(std::move(command), "KILL"), folder_, "server", {}});
  process_->wait_until(
      "a login",
      [this] {
        try {
          log_in_to_mysql(url());
          return true;
        } catch (const std::runtime_error&) {
          return false;  // it is not there yet; wait_until tells its log when it never comes
        }
      },
      kLongestStart);
}

std::unique_ptr<Database> MysqlServer::make_database() const { return make_mysql_database(url()); }

std::string MysqlServer::url() const { return fmt::format("mysql://test:test@127.0.0.1:{}/test", port_); }

std::string MysqlServer::place() const { return fmt::format("127.0.0.1:{}", port_); }

}  // namespace syncflow::tests
