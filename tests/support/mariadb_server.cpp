#include "support/mariadb_server.h"

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

constexpr const char* kProgram = "/usr/sbin/mariadbd";
constexpr const char* kInstaller = "/usr/bin/mariadb-install-db";
constexpr auto kLongestStart = 60s;

constexpr const char* kAccounts =
    "CREATE DATABASE IF NOT EXISTS test;\n"
    "CREATE USER IF NOT EXISTS 'test'@'%' IDENTIFIED BY 'test';\n"
    "GRANT ALL PRIVILEGES ON *.* TO 'test'@'%' WITH GRANT OPTION;\n";

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

std::filesystem::path made_data(const std::filesystem::path& folder) {
  folder_for_server(folder);
  std::ofstream(folder / "accounts.sql") << kAccounts;
  Process installer(
      {as_server({kInstaller, "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db",
                  "--datadir=" + (folder / "data").string(), "--innodb-log-file-size=8M"},
                 "KILL"),
       folder,
       "install",
       {}});
  if (installer.wait() != Exit{0, 0}) throw std::runtime_error(installer.story());
  return folder;
}

}  // namespace

const char* name_of(MariadbServer::Stop how) { return how == MariadbServer::Stop::fast ? "fast" : "killed"; }

std::string MariadbServer::obstacle() {
  for (const char* program : {kProgram, kInstaller})
    if (!std::filesystem::exists(program)) return fmt::format("MariaDB's program {} is missing", program);
  return server_account_obstacle();
}

MariadbServer::MariadbServer(const std::filesystem::path& folder)
    : folder_(made_data(folder)), port_(free_port()) {
  start();
}

MariadbServer::~MariadbServer() {
  if (!process_) return;
  try {
    stop(Stop::killed);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "MariaDB did not stop: {}\n", problem.what());
  }
}

void MariadbServer::stop(Stop how) {
  process_->signal(how == Stop::fast ? SIGTERM : SIGKILL);
  process_->wait();
  process_.reset();
}

void MariadbServer::start() {
  const std::string data = folder_ / "data";
  process_.emplace(Launch{
      as_server({kProgram, "--no-defaults", "--datadir=" + data, "--socket=" + (folder_ / "socket").string(),
                 "--bind-address=127.0.0.1", fmt::format("--port={}", port_), "--skip-name-resolve",
                 "--init-file=" + (folder_ / "accounts.sql").string(), "--character-set-server=utf8mb4",
                 "--collation-server=utf8mb4_general_ci", "--innodb-buffer-pool-size=16M",
                 "--innodb-log-file-size=8M", "--innodb-flush-log-at-trx-commit=2"},
                "KILL"),
      folder_,
      "mariadbd",
      {}});
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

std::unique_ptr<Database> MariadbServer::make_database() const { return make_mysql_database(url()); }

std::string MariadbServer::url() const { return fmt::format("mysql://test:test@127.0.0.1:{}/test", port_); }

std::string MariadbServer::place() const { return fmt::format("127.0.0.1:{}", port_); }

}  // namespace syncflow::tests
