#include "support/server_account.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace syncflow::tests {
namespace {

constexpr uid_t kNobody = 65534;

bool knows_nobody() {
  std::ifstream map("/proc/self/uid_map");
  for (std::uint64_t inside = 0, outside = 0, count = 0; map >> inside >> outside >> count;)
    if (inside <= kNobody && kNobody < inside + count) return true;
  return false;
}

}  // namespace

std::string server_account_obstacle() {
  if (::geteuid() == 0 && !knows_nobody())
    return "root of a user namespace without other users cannot start database servers, which refuse root";
  return "";
}

std::vector<std::string> as_server(std::vector<std::string> command, const std::string& last_signal) {
  if (::geteuid() != 0) return command;
  const std::string id = std::to_string(kNobody);
  command.insert(command.begin(), {"setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups",
                                   "--pdeathsig=" + last_signal, "--"});
  return command;
}

std::string folder_for_server(const std::filesystem::path& folder) {
  std::filesystem::create_directory(folder);
  if (::geteuid() == 0 && ::chown(folder.c_str(), kNobody, kNobody) != 0)
    throw std::runtime_error(fmt::format("giving {} away: {}", folder.string(), std::strerror(errno)));
  return folder;
}

}  // namespace syncflow::tests
