#include "core/arena.h"

#include <algorithm>
#include <utility>

namespace syncflow {

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
  while (next_index_ < blocks_.size() && blocks_[next_index_].size_bytes < at_least_bytes) ++next_index_;
  if (next_index_ == blocks_.size()) {
    const std::size_t size = std::max(at_least_bytes, kBlockBytes);
    // Not make_unique: it would clear memory that is about to be written anyway.
    blocks_.push_back({std::unique_ptr<char[]>(new char[size]), size});
  }
  Block& block = blocks_[next_index_++];
  next_ = block.memory.get();
  left_bytes_ = block.size_bytes;
}

}  // namespace syncflow
