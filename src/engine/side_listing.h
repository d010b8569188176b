#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/definition.h"
#include "engine/key_file.h"
#include "provider/source.h"

namespace syncflow {

inline constexpr std::size_t kKeysPerPage = 10'000;
inline constexpr std::size_t kPageBytes = 4u << 20;
/// A mark of the source's keys: the row does not pass the filters.
inline constexpr std::uint8_t kOutside = 1;

/// The types of the key's fields.
std::vector<Type> key_types(const Schema& schema);
/// Whether keys of these types, cast to those, keep their order.
bool sort_alike(const std::vector<Type>& a, const std::vector<Type>& b);
/// Whether keys of the two types can be brought to one: they are of one kind, or a text stands for one of them.
bool comparable_keys(Type at_destination, Type outgoing);
/// Throws Error(bad_config) that names the field when the two sides' keys cannot be compared.
void check_comparable(const TableMapping& mapping, const Schema& destination, const Schema& outgoing);

/// The keys of one side page by page, as the destination has them.
class PagedKeys : public KeyStream {
 public:
  PagedKeys(Source& source, std::function<void(std::int64_t)> on_page)
      : source_(source), on_page_(std::move(on_page)) {}

  const ListedKey* next() override {
    for (;;) {
      if (at_ < page_.changes.size()) {
        if (take(page_.changes[at_++])) return &key_;
        continue;
      }
      if (at_end_) return nullptr;
      read();
    }
  }

 protected:
  /// Fills `key_`; false: the row counts for nothing.
  virtual bool take(const Change& change) = 0;
  /// The page's rows as `take` wants them.
  virtual Batch prepared(Batch page) { return page; }
  virtual Batch page(const std::optional<Key>& after) { return source_.scan_keys(after, kKeysPerPage); }

  Source& source_;
  Batch page_;
  ListedKey key_;
  std::size_t at_ = 0;

 private:
  void read() {
    Batch read = page(after_);
    at_end_ = read.caught_up;
    if (!read.changes.empty()) after_ = key_of(read.schema(), read.changes.back());
    if (on_page_) on_page_(static_cast<std::int64_t>(read.rows()));
    page_ = prepared(std::move(read));
    at_ = 0;
  }

  std::function<void(std::int64_t)> on_page_;
  std::optional<Key> after_;
  bool at_end_ = false;
};

/// Watches that keys ascend.
class Ascending {
 public:
  /// `beside`: so many cells at the end are not of the key.
  explicit Ascending(KeyStream& keys, std::size_t beside = 0) : keys_(keys), beside_(beside) {}

  const ListedKey* head() const { return head_; }
  /// False: this key sorts below the one before it.
  bool move_on() {
    if (head_) keep(*head_);
    head_ = keys_.next();
    if (head_) ++count_;
    return !head_ || count_ == 1 || compare_cells(last_, key_of(*head_)) <= 0;
  }
  std::int64_t count() const { return count_; }

 private:
  std::span<const Value> key_of(const ListedKey& key) const {
    return {key.cells.data(), key.cells.size() - beside_};
  }
  void keep(const ListedKey& key) {
    arena_.clear();
    last_.clear();
    for (const Value& cell : key_of(key)) last_.push_back(cell.copied_to(arena_));
  }

  KeyStream& keys_;
  const std::size_t beside_;
  const ListedKey* head_ = nullptr;
  std::vector<Value> last_;
  Arena arena_;
  std::int64_t count_ = 0;
};

/// Reads all of `keys`. The sorter outlives what it gives.
std::unique_ptr<KeyStream> sorted(KeyStream& keys, KeySorter& sorter);

}  // namespace syncflow
