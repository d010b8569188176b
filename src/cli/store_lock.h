#pragma once

#include <optional>
#include <string>

namespace syncflow::cli {

/// The right to work on a store that one process at a time may have: an exclusive lock on a file beside
/// it, in which the holder writes its pid. The kernel lifts it when the holder dies, whatever way.
class StoreLock {
 public:
  /// Nothing when another process has it. Throws Error(bad_config) when the file cannot be made.
  static std::optional<StoreLock> try_take(const std::string& file);
  /// The pid that the holder wrote; 0: nobody, or it has not written it yet.
  static long holder(const std::string& file);

  StoreLock(StoreLock&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  StoreLock& operator=(StoreLock&&) = delete;
  ~StoreLock();

 private:
  explicit StoreLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace syncflow::cli
