#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/arena.h"
#include "core/value.h"

namespace syncflow {

/// By their parts, in the order of `compare(Value, Value)`.
std::strong_ordering compare_cells(std::span<const Value> a, std::span<const Value> b);

/// Bytes that may outgrow memory: beyond a MiB they go into a nameless file in the system's temporary folder.
///
/// Not thread-safe. Members throw Error(unavailable) when that file cannot be made, written or read.
class Spill {
 public:
  Spill() = default;
  Spill(Spill&& other) noexcept;
  Spill& operator=(Spill&& other) noexcept;
  ~Spill();

  void append(std::string_view bytes);
  std::uint64_t size() const { return written_ + tail_.size(); }
  /// Up to `most` bytes from place `at` on; fewer only at the end.
  std::size_t read(std::uint64_t at, char* into, std::size_t most) const;

 private:
  void write_tail();

  int file_ = -1;
  std::uint64_t written_ = 0;  ///< bytes in the file; those after them are in `tail_`
  std::string tail_;
};

/// One key of a list. The cells' bytes stay valid until the list moves on.
struct ListedKey {
  std::vector<Value> cells;
  std::uint8_t mark = 0;  ///< what the list's maker notes of the key
};

/// Keys one after the other.
class KeyStream {
 public:
  virtual ~KeyStream() = default;
  /// The next key, or none: the list is at its end, by proof. Throws Error; a list that was cut is an error.
  virtual const ListedKey* next() = 0;
};

/// A list of keys in bounded memory, written once and then read.
class KeyFile {
 public:
  void add(std::span<const Value> cells, std::uint8_t mark = 0);
  std::int64_t count() const { return count_; }
  std::uint64_t size_bytes() const { return spill_.size(); }

  /// Reads the keys between two places that `size_bytes` gave. The file outlives it, and grows no more meanwhile.
  std::unique_ptr<KeyStream> read(std::uint64_t from, std::uint64_t to) const;
  std::unique_ptr<KeyStream> read() const { return read(0, size_bytes()); }

 private:
  Spill spill_;
  std::string record_;
  std::int64_t count_ = 0;
};

/// Sorts more keys than memory holds: pieces are sorted, put away and merged.
class KeySorter {
 public:
  explicit KeySorter(std::size_t piece_bytes = 16u << 20) : piece_bytes_(piece_bytes) {}

  void add(const ListedKey& key);
  /// All of them in the order of compare_cells; call once. The sorter outlives it.
  std::unique_ptr<KeyStream> sorted();

 private:
  void put_piece_away();

  const std::size_t piece_bytes_;
  Arena arena_;
  std::vector<ListedKey> piece_;
  std::size_t size_bytes_ = 0;
  KeyFile pieces_;
  std::vector<std::uint64_t> ends_;  ///< of the pieces in `pieces_`
};

}  // namespace syncflow
