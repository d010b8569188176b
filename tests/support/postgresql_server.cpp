#include "support/postgresql_server.h"

#include <fmt/core.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <stdexcept>

#include "support/server_account.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPrograms = "/usr/lib/postgresql/15/bin/";
/// Its shared memory is let go of when the last of its processes has noticed that it was killed.
constexpr auto kLongestStart = 60s;

std::string program(const char* name) { return std::string(kPrograms) + name; }

void run_to_its_end(std::vector<std::string> command, const std::filesystem::path& folder, const char* name) {
  Process process({as_server(std::move(command), "QUIT"), folder, name, {}});
  if (process.wait() != Exit{0, 0}) throw std::runtime_error(process.story());
}

void make_cluster(const std::filesystem::path& folder, const PostgresqlServer::Network& network) {
  const std::string data = folder / "data";
  run_to_its_end({program("initdb"), "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8",
                  "--locale=C.UTF-8", "--no-sync"},
                 folder, "initdb");
  if (!network.trusts.empty())
    std::ofstream(data + "/pg_hba.conf", std::ios::app) << "host all all " << network.trusts << " trust\n";
}

}  // namespace

const char* name_of(PostgresqlServer::Stop how) {
  switch (how) {
    case PostgresqlServer::Stop::fast: return "fast";
    case PostgresqlServer::Stop::immediate: return "immediate";
    case PostgresqlServer::Stop::killed: return "killed";
  }
  return "";
}

std::string PostgresqlServer::obstacle() {
  if (!std::filesystem::exists(program("initdb")))
    return fmt::format("PostgreSQL's programs are not in {}", kPrograms);
  return server_account_obstacle();
}

PostgresqlServer::PostgresqlServer(const std::filesystem::path& folder, Network network)
    : folder_(made_folder(folder)), network_(std::move(network)) {
  make_cluster(folder_, network_);
  start();
}

PostgresqlServer::PostgresqlServer(const std::filesystem::path& folder, const PostgresqlServer& primary)
    : folder_(made_folder(folder)) {
  run_to_its_end({program("pg_basebackup"), "-h", primary.folder_, "-U", "postgres", "-D", folder_ / "data",
                  "-R", "-X", "stream", "--checkpoint=fast", "--no-sync"},
                 folder_, "basebackup");
  start();
}

PostgresqlServer::~PostgresqlServer() {
  if (!process_) return;
  try {
    stop(Stop::immediate);  // killed outright it would leave its shared memory behind
  } catch (const std::exception& problem) {
    fmt::print(stderr, "PostgreSQL did not stop: {}\n", problem.what());
  }
}

void PostgresqlServer::stop(Stop how) {
  process_->signal(how == Stop::fast ? SIGINT : how == Stop::immediate ? SIGQUIT : SIGKILL);
  process_->wait();
  process_.reset();
}

void PostgresqlServer::start() {
  const auto give_up = std::chrono::steady_clock::now() + kLongestStart;
  std::vector<std::string> command = as_server(
      {program("postgres"), "-D", folder_ / "data", "-c", "listen_addresses=" + network_.address, "-c",
       "unix_socket_directories=" + folder_.string(), "-c", "fsync=off", "-c", "shared_buffers=8MB"},
      "QUIT");
  command.insert(command.begin(), network_.enter.begin(), network_.enter.end());
  for (;;) {
    process_.emplace(Launch{command, folder_, "postgres", {}});
    if (comes_up()) return;
    if (std::chrono::steady_clock::now() >= give_up) throw std::runtime_error(process_->story());
  }
}

/// False: it ended by itself.
bool PostgresqlServer::comes_up() {
  bool takes_logins = false;
  process_->wait_until(
      "a login",
      [&] {
        try {
          log_in_to_postgresql(url());
          takes_logins = true;
        } catch (const std::runtime_error&) {
          // It is not there yet; wait_until tells its log when it never comes.
        }
        return takes_logins || !process_->running();
      },
      kLongestStart);
  return takes_logins;
}

void PostgresqlServer::demote() {
  stop(Stop::fast);
  std::ofstream(folder_ / "data" / "standby.signal") << std::flush;
  start();
}

void PostgresqlServer::promote() {
  if (value("SELECT pg_promote()") != "t") throw std::runtime_error(process_->story());
}

void PostgresqlServer::catch_up_with(const PostgresqlServer& primary) {
  const std::string written = primary.value("SELECT pg_current_wal_lsn()");
  process_->wait_until("all is replayed", [&] {
    return value(fmt::format("SELECT pg_last_wal_replay_lsn() >= '{}'", written)) == "t";
  });
}

std::string PostgresqlServer::value(const std::string& sql) const {
  return log_in_to_postgresql(url())->value(sql);
}

std::string PostgresqlServer::url(const std::string& database) const {
  std::string host;
  for (const char c : folder_.string()) host += c == '/' ? "%2F" : std::string(1, c);
  return fmt::format("postgresql://postgres@{}/{}", host, database);
}

std::unique_ptr<Database> PostgresqlServer::make_database() const { return make_postgresql_database(url()); }

std::string PostgresqlServer::made_folder(const std::filesystem::path& folder) {
  return folder_for_server(folder);
}

}  // namespace syncflow::tests
