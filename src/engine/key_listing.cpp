#include "engine/key_listing.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "engine/cast.h"
#include "engine/side_listing.h"
#include "engine/transforms.h"

namespace syncflow {
namespace {

/// A mark beside kOutside: the row has no usable cursor.
constexpr std::uint8_t kUnseen = 2;

/// The source's keys, mapped, with what the filters and the cursor field say of their rows.
class SourceKeys : public PagedKeys {
 public:
  SourceKeys(Source& source, const TableMapping& keys, std::optional<std::size_t> nullable_cursor,
             std::function<void(std::int64_t)> on_page)
      : PagedKeys(source, std::move(on_page)),
        mapper_(keys, source.schema()),
        reads_rows_(nullable_cursor || !keys.filters.empty()),
        cursor_(nullable_cursor) {}

 protected:
  Batch page(const std::optional<Key>& after) override {
    return reads_rows_ ? source_.scan_rows(after, kKeysPerPage, kPageBytes) : PagedKeys::page(after);
  }

  Batch prepared(Batch page) override {
    unseen_.assign(page.rows(), false);
    for (std::size_t i = 0; cursor_ && i < page.rows(); ++i) {
      const Value& cursor = page.changes[i].row[*cursor_];
      unseen_[i] = cursor.is_null() || cursor.type() == Type::native;
    }
    Mapped mapped = mapper_.apply(std::move(page));
    outside_ = std::move(mapped.left_filter);
    return std::move(mapped.batch);
  }

  bool take(const Change& change) override {
    // A row that cannot be read or mapped waits in quarantine; one whose key cannot be is at no destination.
    const Schema& schema = page_.schema();
    key_.cells.clear();
    for (const std::size_t index : schema.key) key_.cells.push_back(change.row[index]);
    const bool lacks_key = std::any_of(key_.cells.begin(), key_.cells.end(),
                                       [](const Value& cell) { return cell.is_null() || cell.is_absent(); });
    if (lacks_key) return false;
    const std::size_t place = at_ - 1;
    key_.mark = static_cast<std::uint8_t>((outside_[place] ? kOutside : 0) | (unseen_[place] ? kUnseen : 0));
    return true;
  }

 private:
  Mapper mapper_;
  const bool reads_rows_;
  const std::optional<std::size_t> cursor_;
  std::vector<bool> outside_, unseen_;
};

/// The destination's keys, cast to what the mapper gives out.
class DestinationKeys : public PagedKeys {
 public:
  DestinationKeys(Source& source, std::vector<Type> types, std::int64_t& foreign,
                  std::function<void(std::int64_t)> on_page)
      : PagedKeys(source, std::move(on_page)), types_(std::move(types)), foreign_(foreign) {}

 protected:
  bool take(const Change& change) override {
    const Schema& schema = page_.schema();
    key_.cells.clear();
    for (std::size_t i = 0; i < schema.key.size(); ++i) {
      const Cell cell = cast(change.row[schema.key[i]], types_[i], page_.arena());
      if (!cell.ok() || cell.value.is_null()) {
        ++foreign_;
        return false;
      }
      key_.cells.push_back(cell.value);
    }
    return true;
  }

 private:
  const std::vector<Type> types_;
  std::int64_t& foreign_;
};

/// Empty: one of the lists is not in order.
std::optional<KeyDifferences> merge_keys(KeyStream& source, KeyStream& destination) {
  KeyDifferences found;
  Ascending here(source), there(destination);
  bool in_order = here.move_on() && there.move_on();
  while (in_order && (here.head() || there.head())) {
    const auto order = !here.head()    ? std::strong_ordering::greater
                       : !there.head() ? std::strong_ordering::less
                                       : compare_cells(here.head()->cells, there.head()->cells);
    if (order > 0) {
      found.surplus.add(there.head()->cells);
      in_order = there.move_on();
      continue;
    }
    const ListedKey& key = *here.head();
    const bool outside = (key.mark & kOutside) != 0;
    if (order < 0 && !outside) found.missing.add(key.cells);
    if (order == 0 && outside) found.left.add(key.cells);
    if (order == 0 && !outside && (key.mark & kUnseen) != 0) found.unseen.add(key.cells);
    // A key that the destination has twice, spelled in two ways, is the same for both.
    while (in_order && order == 0 && there.head() && compare_cells(key.cells, there.head()->cells) == 0)
      in_order = there.move_on();
    in_order = in_order && here.move_on();
  }
  if (!in_order) return std::nullopt;
  found.at_source = here.count();
  found.at_destination = there.count();
  return found;
}

/// Opens both lists anew.
class Comparison {
 public:
  explicit Comparison(const KeySides& sides)
      : sides_(sides), keys_(key_mapping(sides.mapping, sides.source_spec.key)) {}

  std::optional<KeyDifferences> run(bool sorts_all) {
    std::int64_t foreign = 0;
    const auto here = open_source();
    const auto there = open_destination();
    const std::vector<Type> outgoing = key_types(*sides_.outgoing);
    check_comparable(sides_.mapping, *there->schema(), *sides_.outgoing);
    SourceKeys source(*here, keys_, cursor_of(*here->schema()), sides_.on_page);
    DestinationKeys destination(*there, outgoing, foreign, sides_.on_page);
    KeySorter source_sorter, destination_sorter;
    std::unique_ptr<KeyStream> source_sorted, destination_sorted;
    if (sorts_all || !sort_alike(key_types(*here->schema()), outgoing))
      source_sorted = sorted(source, source_sorter);
    if (sorts_all || !sort_alike(key_types(*there->schema()), outgoing))
      destination_sorted = sorted(destination, destination_sorter);
    auto found = merge_keys(source_sorted ? *source_sorted : source,
                            destination_sorted ? *destination_sorted : destination);
    if (found) found->foreign = foreign;
    return found;
  }

 private:
  std::unique_ptr<Source> open_source() const {
    SourceSpec spec = sides_.source_spec;
    spec.fields = Mapper::needed_fields(keys_);
    const auto has = std::find(spec.fields.begin(), spec.fields.end(), spec.cursor);
    if (sides_.cursor_may_be_null && has == spec.fields.end()) spec.fields.push_back(spec.cursor);
    spec.strategy = Strategy::diff;  // nothing is read by the cursor
    spec.cursor.clear();
    return sides_.source.open_source(spec);
  }

  std::unique_ptr<Source> open_destination() const {
    SourceSpec spec;
    spec.table = sides_.mapping.destination;
    for (const std::size_t index : sides_.outgoing->key)
      spec.key.push_back(sides_.outgoing->fields[index].name);
    spec.fields = spec.key;
    spec.strategy = Strategy::diff;
    if (sides_.mapping.deletes == Deletes::soft) spec.hidden_by = sides_.mapping.soft_delete;
    return sides_.destination.open_source(spec);
  }

  std::optional<std::size_t> cursor_of(const Schema& schema) const {
    if (!sides_.cursor_may_be_null) return std::nullopt;
    return schema.at(sides_.source_spec.cursor);
  }

  const KeySides& sides_;
  const TableMapping keys_;
};

}  // namespace

TableMapping key_mapping(const TableMapping& mapping, const std::vector<std::string>& key) {
  TableMapping keys = mapping;
  keys.key = key;
  keys.fields.clear();
  keys.on_leave = OnLeave::remove;
  for (const std::string& name : key) {
    if (mapping.fields.empty()) keys.fields.push_back({name, {name}, "", {}, std::nullopt});
    else keys.fields.push_back(mapping.fields[key_carrier(name, mapping.fields)]);
  }
  return keys;
}

KeyDifferences compare_keys(const KeySides& sides) {
  Comparison comparison(sides);
  if (auto found = comparison.run(false)) return std::move(*found);
  // One of the systems sorts otherwise than its types tell (values without a canonical form do).
  if (auto found = comparison.run(true)) return std::move(*found);
  throw Error(ErrorKind::bug, fmt::format("{}: sorted keys are not in order", sides.mapping.name()));
}

}  // namespace syncflow
