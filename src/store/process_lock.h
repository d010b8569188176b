#pragma once

#include <optional>
#include <string>

namespace syncflow {

/// The right to be the one process that works on a SQLite store: an exclusive lock on `<file>.lock`.
///
/// The system drops it when the process ends, however it ends, so that the next one goes on at once. Reading
/// beside it needs no lock. Movable; held until destruction.
class ProcessLock {
 public:
  /// Throws Error(bad_config) naming the holder's pid when another holds it, in this process or elsewhere.
  explicit ProcessLock(const std::string& store_file);
  /// Empty: another holds it.
  static std::optional<ProcessLock> try_take(const std::string& store_file);
  ~ProcessLock();
  ProcessLock(ProcessLock&& other) noexcept;
  ProcessLock& operator=(ProcessLock&& other) noexcept;

 private:
  explicit ProcessLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

}  // namespace syncflow
