#include "support/small_disk.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace syncflow::tests {
namespace {

std::runtime_error failed(const std::string& doing) {
  return std::runtime_error(fmt::format("{}: {}", doing, std::strerror(errno)));
}

void write_to(const char* file, const std::string& text) {
  std::ofstream out(file);
  out << text;
  if (!out.flush()) throw failed(fmt::format("writing {}", file));
}

/// In a user namespace everybody may mount. There this process stays who it is.
void enter_user_namespace() {
  const uid_t uid = ::getuid();
  const gid_t gid = ::getgid();
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) throw failed("entering a user namespace");
  write_to("/proc/self/setgroups", "deny");
  write_to("/proc/self/uid_map", fmt::format("{0} {0} 1", uid));
  write_to("/proc/self/gid_map", fmt::format("{0} {0} 1", gid));
}

void enter_namespace() {
  if (::unshare(CLONE_NEWNS) != 0) enter_user_namespace();
  // What is mounted here shall not show elsewhere.
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) throw failed("parting the mounts");
}

}  // namespace

std::string SmallDisk::obstacle() {
  static const std::string reason = []() -> std::string {
    try {
      enter_namespace();
    } catch (const std::exception& problem) {
      return fmt::format("no small file system can be mounted here, as root or in a user namespace: {}",
                         problem.what());
    }
    return "";
  }();
  return reason;
}

SmallDisk::SmallDisk(std::filesystem::path folder, std::size_t bytes) : folder_(std::move(folder)) {
  if (!obstacle().empty()) throw std::runtime_error(obstacle());
  std::filesystem::create_directories(folder_);
  const std::string options = fmt::format("size={},mode=0777", bytes);
  if (::mount("tmpfs", folder_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0)
    throw failed("mounting " + folder_.string());
}

SmallDisk::~SmallDisk() {
  if (::umount2(folder_.c_str(), MNT_DETACH) != 0)
    fmt::print(stderr, "{} stays mounted: {}\n", folder_.string(), std::strerror(errno));
}

std::size_t SmallDisk::free_bytes() const {
  struct statvfs room {};
  if (::statvfs(folder_.c_str(), &room) != 0) throw failed("looking at " + folder_.string());
  return room.f_bavail * room.f_frsize;
}

void SmallDisk::fill(std::size_t bytes) {
  const int file = ::open(ballast().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) throw failed("making " + ballast().string());
  errno = 0;
  off_t filled = 0;
  // Others may write beside us and take what was free a moment ago.
  for (std::size_t free = free_bytes(); free > bytes && (errno == 0 || errno == ENOSPC);
       free = free_bytes()) {
    const auto more = static_cast<off_t>(free - bytes);
    errno = ::posix_fallocate(file, filled, more);
    if (errno == 0) filled += more;
  }
  ::close(file);
  if (errno != 0 && errno != ENOSPC) throw failed("filling " + folder_.string());
}

void SmallDisk::make_room() { std::filesystem::remove(ballast()); }

}  // namespace syncflow::tests
