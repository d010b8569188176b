#include <algorithm>
#include <bit>

#include "engine/mapper.h"

namespace syncflow {
namespace {

/// Which change has a key now, and whether as the key that a move leaves.
struct RowHolder {
  std::uint32_t change = 0;
  bool leaving = false;
};

/// Keys to their holders. Open addressing, and nothing is ever taken out: a key that lost its holder got another.
class Keys {
 public:
  explicit Keys(std::size_t changes) : slots_(std::bit_ceil(changes * 4 + 1)) {}

  RowHolder* find(const RowHash& key) {
    Slot& slot = slot_of(key);
    return slot.used ? &slot.holder : nullptr;
  }
  void put(const RowHash& key, RowHolder holder) { slot_of(key) = {key, holder, true}; }
  void clear() { std::fill(slots_.begin(), slots_.end(), Slot()); }

 private:
  struct Slot {
    RowHash key;
    RowHolder holder;
    bool used = false;
  };
  Slot& slot_of(const RowHash& key) {
    std::size_t at = key.low & (slots_.size() - 1);
    while (slots_[at].used && slots_[at].key != key) at = (at + 1) & (slots_.size() - 1);
    return slots_[at];
  }
  std::vector<Slot> slots_;
};

void fill_absent(Change& later, const Change& earlier) {
  if (earlier.operation != Operation::upsert && earlier.operation != Operation::move) return;
  if (earlier.refusal >= 0 || later.refusal >= 0) return;
  for (std::size_t i = 0; i < later.row.size(); ++i)
    if (later.row[i].is_absent()) later.row[i] = earlier.row[i];
}

/// Goes through the changes in their order and lets each take the place of what came before it.
class Collapser {
 public:
  explicit Collapser(Batch& batch) : batch_(batch), keys_(batch.rows()), gone_(batch.rows()) {}

  void add(std::uint32_t index) {
    Change& change = batch_.changes[index];
    if (change.operation == Operation::truncate) return truncate(index);
    const RowHash key = hash_key(batch_.schema(), change);
    // A refused move will not be applied, so it leaves nothing.
    if (change.operation == Operation::move && change.refusal < 0) {
      const RowHash old_key = hash_row(change.old_key);
      if (old_key != key) return move(index, old_key, key);
      become_upsert(change);
    }
    replace(index, key);
  }

  const std::vector<bool>& gone() const { return gone_; }

 private:
  void truncate(std::uint32_t index) {
    std::fill(gone_.begin(), gone_.begin() + index, true);
    keys_.clear();
  }

  void replace(std::uint32_t index, const RowHash& key) {
    Change& change = batch_.changes[index];
    const RowHolder* before = keys_.find(key);
    if (!before) return keys_.put(key, {index});
    Change& earlier = batch_.changes[before->change];
    const bool removes = change.operation == Operation::remove && change.refusal < 0;
    if (before->leaving) {
      // The move took the row away already.
      if (removes) {
        gone_[index] = true;
        return;
      }
      become_upsert(earlier);
      return keys_.put(key, {index});
    }
    const std::uint32_t place = before->change;
    if (!is_move(earlier)) {
      if (!removes) fill_absent(change, earlier);
      gone_[place] = true;
    } else if (change.operation == Operation::upsert && change.refusal < 0) {
      take_over_move(index, place);
    } else {
      become_remove(place);
    }
    keys_.put(key, {index});
  }

  /// move a to b, then upsert b: one move with the later cells.
  void take_over_move(std::uint32_t index, std::uint32_t place) {
    Change& change = batch_.changes[index];
    Change& earlier = batch_.changes[place];
    fill_absent(change, earlier);
    change.operation = Operation::move;
    change.old_key = earlier.old_key;
    gone_[place] = true;
    keys_.put(hash_row(change.old_key), {index, true});
  }

  void move(std::uint32_t index, RowHash old_key, const RowHash& key) {
    Change& change = batch_.changes[index];
    if (const RowHolder* before = keys_.find(old_key)) {
      const std::uint32_t place = before->change;
      Change& earlier = batch_.changes[place];
      if (before->leaving) {
        become_upsert(earlier);
      } else if (is_move(earlier)) {
        old_key = lengthen(index, place);
      } else {
        fill_absent(change, earlier);
        gone_[place] = true;
      }
    }
    if (old_key == key) {
      become_upsert(change);
      return keys_.put(key, {index});
    }
    displace(key);
    keys_.put(old_key, {index, true});
    keys_.put(key, {index});
  }

  /// move a to b, then b to c: a move from a to c. The destination may have taken the first one before a
  /// crash, so b has to go too. Gives the hash of a.
  RowHash lengthen(std::uint32_t index, std::uint32_t place) {
    Change& change = batch_.changes[index];
    Change& earlier = batch_.changes[place];
    fill_absent(change, earlier);
    std::swap_ranges(change.old_key.begin(), change.old_key.end(), earlier.old_key.begin());
    const RowHash first = hash_row(change.old_key);
    become_remove(place);
    return first;
  }

  /// What holds the key that a move goes to gives way.
  void displace(const RowHash& key) {
    const RowHolder* before = keys_.find(key);
    if (!before) return;
    const std::uint32_t place = before->change;
    Change& earlier = batch_.changes[place];
    if (before->leaving) become_upsert(earlier);
    else if (is_move(earlier)) become_remove(place);
    else gone_[place] = true;
  }

  static bool is_move(const Change& change) {
    return change.operation == Operation::move && change.refusal < 0;
  }

  static void become_upsert(Change& change) {
    change.operation = Operation::upsert;
    change.old_key = {};
  }

  /// The removal of what a move leaves.
  void become_remove(std::uint32_t place) {
    Change& change = batch_.changes[place];
    const Schema& schema = batch_.schema();
    const RowHash old_key = hash_row(change.old_key);
    std::fill(change.row.begin(), change.row.end(), Value::null());
    for (std::size_t i = 0; i < schema.key.size(); ++i) change.row[schema.key[i]] = change.old_key[i];
    change.operation = Operation::remove;
    change.old_key = {};
    keys_.put(old_key, {place});
  }

  Batch& batch_;
  Keys keys_;
  std::vector<bool> gone_;
};

}  // namespace

std::size_t collapse(Batch& batch, std::vector<bool>& left_filter) {
  // Keys ascend there, and a cast that could fold two of them refused the row.
  if (batch.loading || batch.rows() < 2) return 0;
  Collapser collapser(batch);
  for (std::uint32_t i = 0; i < batch.rows(); ++i) collapser.add(i);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < batch.rows(); ++i) {
    if (collapser.gone()[i]) continue;
    left_filter[kept] = left_filter[i];
    batch.changes[kept++] = batch.changes[i];
  }
  const std::size_t collapsed = batch.rows() - kept;
  batch.changes.resize(kept);
  left_filter.resize(kept);
  return collapsed;
}

}  // namespace syncflow
