#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace syncflow::tests {

/// A file system of its own with little room, in memory, which goes when this goes.
///
/// The first one moves this process into a mount namespace of its own, as root or, for anybody else, into a user
/// namespace too: so nothing of it is seen outside, and programs that are started from then on see it. Make it before
/// this process starts any thread.
class SmallDisk {
 public:
  /// Why there can be none on this machine, for GTEST_SKIP; empty: there can.
  static std::string obstacle();

  /// `folder` is made, and everybody may write there.
  SmallDisk(std::filesystem::path folder, std::size_t bytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  /// Leaves at most `bytes` free.
  void fill(std::size_t bytes = 0);
  /// Makes the room again that `fill` took.
  void make_room();

 private:
  std::size_t free_bytes() const;
  std::filesystem::path ballast() const { return folder_ / "ballast"; }

  const std::filesystem::path folder_;
};

}  // namespace syncflow::tests
