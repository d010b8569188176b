#include "store/process_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "core/error.h"

namespace syncflow {
namespace {

/// One lock for one file, whatever way its path is written.
std::string lock_path(const std::string& store_file) {
  std::error_code error;
  const auto canonical = std::filesystem::weakly_canonical(store_file, error);
  return (error ? store_file : canonical.string()) + ".lock";
}

[[noreturn]] void fail(const std::string& doing, const std::string& path) {
  const int code = errno;
  const ErrorKind kind = code == EACCES || code == EPERM || code == EROFS ? ErrorKind::forbidden
                         : code == ENOENT || code == ENOTDIR              ? ErrorKind::not_found
                                                                          : ErrorKind::unavailable;
  const bool full = code == ENOSPC || code == EDQUOT;
  throw Error(kind, fmt::format("{} {}: {}{}", doing, path, std::strerror(code),
                                full ? " (the disk is full: make room there)" : ""));
}

void write_pid(int descriptor, const std::string& path) {
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(descriptor, 0) != 0 ||
      pwrite(descriptor, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
    fail("writing the pid to", path);
}

/// What the holder wrote; empty in the moment between its taking the lock and its writing.
std::string read_pid(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return "";
  std::array<char, 32> text{};
  const ssize_t size = read(descriptor, text.data(), text.size());
  close(descriptor);
  const std::string_view pid(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return std::string(pid.substr(0, pid.find_first_not_of("0123456789")));
}

}  // namespace

std::optional<ProcessLock> ProcessLock::try_take(const std::string& store_file) {
  const std::string path = lock_path(store_file);
  ProcessLock lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (lock.descriptor_ < 0) fail("opening the lock file", path);
  // The file stays when the lock goes: removing it would let two processes lock two files of one name.
  while (flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    if (errno != EINTR) fail("locking", path);
  }
  write_pid(lock.descriptor_, path);
  return lock;
}

ProcessLock::ProcessLock(const std::string& store_file) {
  auto lock = try_take(store_file);
  if (!lock) {
    const std::string path = lock_path(store_file);
    const std::string pid = read_pid(path);
    throw Error(
        ErrorKind::bad_config,
        fmt::format("the store {} is in use by {}, which holds {}: stop it first, or use another store",
                    store_file, pid.empty() ? "another process" : "the process with the pid " + pid, path));
  }
  *this = std::move(*lock);
}

ProcessLock::~ProcessLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

ProcessLock::ProcessLock(ProcessLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

ProcessLock& ProcessLock::operator=(ProcessLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

}  // namespace syncflow
