#include "support/network.h"

#include <fmt/core.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "support/process.h"

namespace syncflow::tests {
namespace {

/// Where `ip netns` keeps its names.
constexpr const char* kNames = "/run/netns";
constexpr const char* kSwitch = "switch";

std::runtime_error failed(const std::string& doing) {
  return std::runtime_error(fmt::format("{}: {}", doing, std::strerror(errno)));
}

/// A place for names that only this process and its children see.
void enter_namespace() {
  if (::unshare(CLONE_NEWNS) != 0) throw failed("entering a mount namespace");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) throw failed("parting the mounts");
  std::filesystem::create_directories(kNames);
  if (::mount("tmpfs", kNames, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0)
    throw failed(std::string("mounting ") + kNames);
}

std::string try_out() {
  if (::geteuid() != 0) return "making network namespaces takes root";
  if (::access("/usr/sbin/ip", X_OK) != 0 && ::access("/sbin/ip", X_OK) != 0 &&
      ::access("/usr/bin/ip", X_OK) != 0)
    return "the program ip is missing (package iproute2)";
  try {
    enter_namespace();
    const std::string pattern = std::filesystem::temp_directory_path() / "syncflow-network";
    const std::filesystem::path folder = fmt::format("{}.{}", pattern, ::getpid());
    std::filesystem::create_directory(folder);
    { const Network trial({"trial"}, folder); }
    std::filesystem::remove_all(folder);
  } catch (const std::exception& problem) {
    return fmt::format("no network namespaces can be made here: {}", problem.what());
  }
  return "";
}

}  // namespace

std::string Network::obstacle() {
  static const std::string reason = try_out();
  return reason;
}

std::string Network::range() { return "10.77.0.0/24"; }

Network::Network(const std::vector<std::string>& hosts, std::filesystem::path folder)
    : hosts_(hosts), folder_(std::move(folder)) {
  ip({"netns", "add", kSwitch});
  ip({"-n", kSwitch, "link", "add", "bridge", "type", "bridge"});
  ip({"-n", kSwitch, "link", "set", "bridge", "up"});
  for (const std::string& host : hosts_) add(host);
  // Each knows where the others are, so that nobody has to ask, and a lie is a broken wire.
  for (const std::string& from : hosts_)
    for (const std::string& to : hosts_)
      if (from != to) heal(from, to);
}

Network::~Network() {
  for (const std::string& host : hosts_) {
    try {
      ip({"netns", "delete", host});
    } catch (const std::exception& problem) {
      fmt::print(stderr, "a network namespace stays until this process ends: {}\n", problem.what());
    }
  }
  try {
    ip({"netns", "delete", kSwitch});
  } catch (const std::exception& problem) {
    fmt::print(stderr, "a network namespace stays until this process ends: {}\n", problem.what());
  }
}

void Network::add(const std::string& host) {
  ip({"netns", "add", host});
  const std::string port = fmt::format("port{}", number(host));
  ip({"link", "add", "eth0", "netns", host, "address", hardware_address(host), "type", "veth", "peer", "name",
      port, "netns", kSwitch});
  ip({"-n", kSwitch, "link", "set", port, "master", "bridge", "up"});
  ip({"-n", host, "address", "add", address(host) + "/24", "dev", "eth0"});
  ip({"-n", host, "link", "set", "eth0", "up"});
  ip({"-n", host, "link", "set", "lo", "up"});
}

std::size_t Network::number(const std::string& host) const {
  const auto found = std::find(hosts_.begin(), hosts_.end(), host);
  if (found == hosts_.end()) throw std::runtime_error("there is no host " + host);
  return static_cast<std::size_t>(found - hosts_.begin()) + 1;
}

std::string Network::address(const std::string& host) const {
  return fmt::format("10.77.0.{}", number(host));
}

std::string Network::hardware_address(const std::string& host) const {
  return fmt::format("02:77:00:00:00:{:02x}", number(host));
}

void Network::point(const std::string& from, const std::string& to,
                    const std::string& hardware_address) const {
  ip({"-n", from, "neighbour", "replace", address(to), "lladdr", hardware_address, "dev", "eth0", "nud",
      "permanent"});
}

std::vector<std::string> Network::enter(const std::string& host) const {
  return {"nsenter", fmt::format("--net={}/{}", kNames, host), "setpriv", "--pdeathsig=KILL", "--"};
}

void Network::ip(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), "ip");
  Process process({std::move(arguments), folder_, "ip", {}});
  if (process.wait() != Exit{0, 0}) throw std::runtime_error(process.story());
}

}  // namespace syncflow::tests
