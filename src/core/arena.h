#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace syncflow {

/// Memory that is handed out piece by piece and given back all at once.
///
/// A batch keeps its rows in one arena, so that reading a row allocates nothing per field.
/// Pieces stay where they are until `clear` or destruction; moving the arena keeps them valid.
/// Not thread-safe.
class Arena {
 public:
  Arena() = default;
  /// What was moved from is empty and can be used anew.
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;

  /// `size_bytes` uninitialised bytes, aligned for any Value.
  char* allocate(std::size_t size_bytes) {
    size_bytes = (size_bytes + kAlignment - 1) & ~(kAlignment - 1);
    if (size_bytes > left_bytes_) next_block(size_bytes);
    char* piece = next_;
    next_ += size_bytes;
    left_bytes_ -= size_bytes;
    used_bytes_ += size_bytes;
    return piece;
  }

  /// A copy of `text` that lives as long as the arena's other pieces.
  std::string_view copy(std::string_view text) {
    if (text.empty()) return {};
    char* piece = allocate(text.size());
    std::memcpy(piece, text.data(), text.size());
    return {piece, text.size()};
  }

  /// Bytes handed out since the last `clear`.
  std::size_t used_bytes() const { return used_bytes_; }

  /// Forgets every piece and keeps the ordinary blocks for the next use.
  void clear();

 private:
  static constexpr std::size_t kAlignment = 8;
  static constexpr std::size_t kBlockBytes = 256 * 1024;

  void next_block(std::size_t at_least_bytes);

  struct Block {
    std::unique_ptr<char[]> memory;
    std::size_t size_bytes = 0;
  };
  std::vector<Block> blocks_;
  std::size_t next_index_ = 0;
  char* next_ = nullptr;
  std::size_t left_bytes_ = 0;
  std::size_t used_bytes_ = 0;
};

}  // namespace syncflow
