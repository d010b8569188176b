#include "support/postgresql_server.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <stdexcept>
namespace syncflow::tests {
namespace {

constexpr const char* kPrograms = "/usr/lib/postgresql/15/bin/";
constexpr uid_t kNobody = 65534;

/// The server refuses root, and shall not outlive the test, however that ends.
std::vector<std::string> as_server(std::vector<std::string> command) {
  if (::geteuid() != 0) return command;
  const std::string id = std::to_string(kNobody);
  command.insert(command.begin(),
                 {"setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups", "--pdeathsig=QUIT", "--"});
  return command;
}

bool knows_nobody() {
  std::ifstream map("/proc/self/uid_map");
  for (std::uint64_t inside = 0, outside = 0, count = 0; map >> inside >> outside >> count;)
    if (inside <= kNobody && kNobody < inside + count) return true;
  return false;
}

/// The cluster, and the server that runs on it.
Process started(const std::filesystem::path& folder, const PostgresqlServer::Network& network) {
  const std::string programs = kPrograms;
  const std::string data = folder / "data";
  Process initdb({as_server({programs + "initdb", "-D", data, "-U", "postgres", "--auth=trust",
                             "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"}),
                  folder,
                  "initdb",
                  {}});
  if (initdb.wait() != Exit{0, 0}) throw std::runtime_error(initdb.story());
  if (!network.trusts.empty())
    std::ofstream(data + "/pg_hba.conf", std::ios::app) << "host all all " << network.trusts << " trust\n";
  std::vector<std::string> command = as_server(
      {programs + "postgres", "-D", data, "-c", "listen_addresses=" + network.address, "-c",
       "unix_socket_directories=" + folder.string(), "-c", "fsync=off", "-c", "shared_buffers=8MB"});
  command.insert(command.begin(), network.enter.begin(), network.enter.end());
  return Process({std::move(command), folder, "postgres", {}});
}

}  // namespace

std::string PostgresqlServer::obstacle() {
  if (!std::filesystem::exists(std::string(kPrograms) + "initdb"))
    return fmt::format("PostgreSQL's programs are not in {}", kPrograms);
  if (::geteuid() == 0 && !knows_nobody())
    return "root of a user namespace without other users cannot start PostgreSQL, which refuses root";
  return "";
}

PostgresqlServer::PostgresqlServer(const std::filesystem::path& folder, const Network& network)
    : folder_(made_folder(folder)), process_(started(folder_, network)) {
  process_.wait_until("a login", [this] {
    try {
      log_in_to_postgresql(url());
      return true;
    } catch (const std::runtime_error&) {
      return false;  // it is not there yet; wait_until tells its log when it never comes
    }
  });
}

PostgresqlServer::~PostgresqlServer() {
  try {
    process_.signal(SIGQUIT);  // killed outright it would leave its shared memory behind
    process_.wait();
  } catch (const std::exception& problem) {
    fmt::print(stderr, "PostgreSQL did not stop: {}\n", problem.what());
  }
}

std::string PostgresqlServer::url() const {
  std::string host;
  for (const char c : folder_.string()) host += c == '/' ? "%2F" : std::string(1, c);
  return fmt::format("postgresql://postgres@{}/postgres", host);
}

std::unique_ptr<Database> PostgresqlServer::make_database() const { return make_postgresql_database(url()); }

std::string PostgresqlServer::made_folder(const std::filesystem::path& folder) {
  std::filesystem::create_directory(folder);
  if (::geteuid() == 0 && ::chown(folder.c_str(), kNobody, kNobody) != 0)
    throw std::runtime_error(fmt::format("giving {} away: {}", folder.string(), std::strerror(errno)));
  return folder;
}

}  // namespace syncflow::tests
