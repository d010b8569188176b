#include "cli/store_lock.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace syncflow::cli {
namespace {

[[noreturn]] void fail(const std::string& what, const std::string& file) {
  throw Error(ErrorKind::bad_config, fmt::format("cannot {} {}: {}", what, file, std::strerror(errno)));
}

}  // namespace

std::optional<StoreLock> StoreLock::try_take(const std::string& file) {
  const int descriptor = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) fail("open", file);
  StoreLock lock(descriptor);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    fail("lock", file);
  }
  const std::string pid = fmt::format("{}\n", getpid());
  if (ftruncate(descriptor, 0) != 0 ||
      pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    fail("write to", file);
  return lock;
}

long StoreLock::holder(const std::string& file) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return 0;
  char text[32] = {};
  const ssize_t size = pread(descriptor, text, sizeof text - 1, 0);
  close(descriptor);
  return size <= 0 ? 0 : std::strtol(text, nullptr, 10);
}

StoreLock::~StoreLock() {
  // The file stays: to remove it would let one process lock the removed and another the new one.
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace syncflow::cli
