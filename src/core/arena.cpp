#include "core/arena.h"

#include <algorithm>
#include <utility>

namespace syncflow {

Arena::Arena(Arena&& other) noexcept { *this = std::move(other); }

Arena& Arena::operator=(Arena&& other) noexcept {
  blocks_ = std::exchange(other.blocks_, {});
  next_index_ = std::exchange(other.next_index_, 0);
  next_ = std::exchange(other.next_, nullptr);
  left_bytes_ = std::exchange(other.left_bytes_, 0);
  used_bytes_ = std::exchange(other.used_bytes_, 0);
  return *this;
}

void Arena::clear() {
  // Blocks made for one huge value are given back, so that one odd row does not
  // keep its memory for the rest of the run.
  std::erase_if(blocks_, [](const Block& block) { return block.size_bytes > kBlockBytes; });
  next_index_ = 0;
  next_ = nullptr;
  left_bytes_ = 0;
  used_bytes_ = 0;
}

void Arena::next_block(std::size_t at_least_bytes) {
  if (next_index_ == blocks_.size() || at_least_bytes > blocks_[next_index_].size_bytes) {
    const std::size_t size = std::max(at_least_bytes, kBlockBytes);
    // In front of the blocks that wait for use: were they skipped for one huge value, each round of filling and
    // clearing would add as many new ones.
    const auto here = blocks_.begin() + static_cast<std::ptrdiff_t>(next_index_);
    // Not make_unique: it would clear memory that is about to be written anyway.
    blocks_.insert(here, {std::unique_ptr<char[]>(new char[size]), size});
  }
  Block& block = blocks_[next_index_++];
  next_ = block.memory.get();
  left_bytes_ = block.size_bytes;
}

}  // namespace syncflow
