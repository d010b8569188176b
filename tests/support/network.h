#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace syncflow::tests {

/// Hosts of a network of its own: network namespaces on one bridge, in a mount namespace of this process, so that
/// nothing of it is seen or sent outside, and that it goes with this process and what it started, however they end.
///
/// Make it before this process starts any thread. Members throw std::runtime_error.
class Network {
 public:
  /// Why there can be none on this machine, for GTEST_SKIP; empty: there can.
  static std::string obstacle();

  /// `folder`: for the output of the commands that make it.
  Network(const std::vector<std::string>& hosts, std::filesystem::path folder);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// The command that starts a program there, which dies with this process.
  std::vector<std::string> enter(const std::string& host) const;
  std::string address(const std::string& host) const;
  /// All addresses, as `10.77.0.0/24`.
  static std::string range();

  /// From now on what `from` sends to `to` vanishes without a word.
  void cut(const std::string& from, const std::string& to) { point(from, to, "02:77:00:00:00:ff"); }
  void heal(const std::string& from, const std::string& to) { point(from, to, hardware_address(to)); }

 private:
  std::size_t number(const std::string& host) const;
  std::string hardware_address(const std::string& host) const;
  void add(const std::string& host);
  void point(const std::string& from, const std::string& to, const std::string& hardware_address) const;
  void ip(std::vector<std::string> arguments) const;

  const std::vector<std::string> hosts_;
  const std::filesystem::path folder_;
};

}  // namespace syncflow::tests
