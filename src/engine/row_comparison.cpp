#include "engine/row_comparison.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "engine/cast.h"
#include "engine/range_comparison.h"
#include "engine/side_listing.h"

namespace syncflow {
namespace {

/// What two systems may spell in two ways: the members of a JSON object have no order, numbers of a document many
/// spellings.
std::string plain_json(std::string_view text) {
  boost::json::error_code problem;
  boost::json::value value = boost::json::parse(text, problem);
  if (problem) return std::string(text);
  const std::function<void(boost::json::value&)> sort = [&](boost::json::value& part) {
    if (auto* array = part.if_array())
      for (auto& item : *array) sort(item);
    const double* number = part.if_double();
    if (number && std::abs(*number) < 9e15 && *number == std::trunc(*number))
      part = static_cast<std::int64_t>(*number);
    auto* object = part.if_object();
    if (!object) return;
    std::vector<std::pair<std::string, boost::json::value>> members;
    for (auto& member : *object) members.emplace_back(member.key(), member.value());
    std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    object->clear();
    for (auto& [name, member] : members) {
      sort(member);
      object->emplace(name, std::move(member));
    }
  };
  sort(value);
  return boost::json::serialize(value);
}

/// A cell as both sides are compared by: of the type that the mapper gives out, where it can be brought to that.
Value compared(const Value& cell, Type type, Arena& arena) {
  if (cell.is_null()) return cell;
  const Cell there = cast(cell, type, arena);
  const Value value = there.ok() ? there.value : cell;
  return value.type() == Type::json ? Value::json(arena.copy(plain_json(value.view()))) : value;
}

std::vector<Value> compared_row(std::span<const Value> row, const Schema& outgoing, Arena& arena) {
  std::vector<Value> cells;
  for (std::size_t i = 0; i < row.size(); ++i)
    cells.push_back(compared(row[i], outgoing.fields[i].type, arena));
  return cells;
}

/// Whether two cells say the same, where the two systems have it in types that cannot be brought to one.
bool say_the_same(const Value& a, const Value& b, Arena& arena) {
  if (a == b) return true;
  if (a.type() == b.type() || a.is_null() || b.is_null()) return false;
  const Cell there = cast(a, b.type(), arena);
  if (there.ok() && there.value == b) return true;
  return to_text(a) == to_text(b) || plain_json(to_text(a)) == plain_json(to_text(b));
}

Value as_cell(const RowHash& hash, Arena& arena) {
  char bytes[16];
  std::memcpy(bytes, &hash.low, 8);
  std::memcpy(bytes + 8, &hash.high, 8);
  return Value::bytes(arena.copy({bytes, 16}));
}

/// Keys with a hash of their rows as one more cell behind them.
class HashedRows : public PagedKeys {
 public:
  HashedRows(Source& source, const Schema& outgoing, std::function<void(std::int64_t)> on_page)
      : PagedKeys(source, std::move(on_page)), outgoing_(outgoing) {}

 protected:
  Batch page(const std::optional<Key>& after) override {
    return source_.scan_rows(after, kKeysPerPage, kPageBytes);
  }

  /// `cells`: of the fields that the mapper gives out, in their order.
  void fill(std::span<const Value> cells, std::uint8_t mark) {
    arena_.clear();
    const std::vector<Value> row = compared_row(cells, outgoing_, arena_);
    key_.cells.clear();
    key_.mark = mark;
    for (const std::size_t index : outgoing_.key) key_.cells.push_back(row[index]);
    key_.cells.push_back(as_cell(hash_row(row), arena_));
  }

  const Schema& outgoing_;
  Arena arena_;
};

class SourceRows : public HashedRows {
 public:
  SourceRows(Source& source, Mapper& mapper, std::function<void(std::int64_t)> on_page)
      : HashedRows(source, *mapper.outgoing(), std::move(on_page)), mapper_(mapper) {}

 protected:
  Batch prepared(Batch page) override {
    Mapped mapped = mapper_.apply(std::move(page));
    outside_ = std::move(mapped.left_filter);
    return std::move(mapped.batch);
  }

  bool take(const Change& change) override {
    for (const std::size_t index : outgoing_.key)
      if (change.row[index].is_null() || change.row[index].is_absent()) return false;
    fill(change.row, outside_[at_ - 1] ? kOutside : 0);
    return true;
  }

 private:
  Mapper& mapper_;
  std::vector<bool> outside_;
};

/// Some systems do not tell names apart by case.
std::size_t place_of(const std::string& name, const Schema& there) {
  if (const auto place = there.find(name)) return *place;
  const auto folds = [&](const Field& field) {
    return std::equal(name.begin(), name.end(), field.name.begin(), field.name.end(),
                      [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
  };
  const auto found = std::find_if(there.fields.begin(), there.fields.end(), folds);
  return found == there.fields.end() ? there.at(name)
                                     : static_cast<std::size_t>(found - there.fields.begin());
}

/// Where the destination has the fields that the mapper gives out, which may stand in another order there.
std::vector<std::size_t> places(const Schema& outgoing, const Schema& there) {
  std::vector<std::size_t> places;
  for (const Field& field : outgoing.fields) places.push_back(place_of(field.name, there));
  return places;
}

class DestinationRows : public HashedRows {
 public:
  DestinationRows(Source& source, const Schema& outgoing, std::int64_t& foreign,
                  std::function<void(std::int64_t)> on_page)
      : HashedRows(source, outgoing, std::move(on_page)),
        places_(places(outgoing, *source.schema())),
        foreign_(foreign) {}

 protected:
  bool take(const Change& change) override {
    row_.clear();
    for (const std::size_t place : places_) row_.push_back(change.row[place]);
    fill(row_, 0);
    for (std::size_t i = 0; i < outgoing_.key.size(); ++i)
      if (!of_the_type(key_.cells[i], outgoing_.fields[outgoing_.key[i]].type)) {
        ++foreign_;
        return false;
      }
    return true;
  }

 private:
  static bool of_the_type(const Value& cell, Type type) {
    const bool integers = cell.type() == Type::int64 && type == Type::uint64;
    return cell.type() == type || integers || (cell.type() == Type::uint64 && type == Type::int64);
  }

  const std::vector<std::size_t> places_;
  std::int64_t& foreign_;
  std::vector<Value> row_;
};

std::span<const Value> key_of(const ListedKey& row) { return {row.cells.data(), row.cells.size() - 1}; }

/// Empty: one of the lists is not in order.
std::optional<RowDifferences> merge_rows(KeyStream& source, KeyStream& destination) {
  RowDifferences found;
  Ascending here(source, 1), there(destination, 1);
  bool in_order = here.move_on() && there.move_on();
  while (in_order && (here.head() || there.head())) {
    const auto order = !here.head()    ? std::strong_ordering::greater
                       : !there.head() ? std::strong_ordering::less
                                       : compare_cells(key_of(*here.head()), key_of(*there.head()));
    if (order > 0) {
      found.surplus.add(key_of(*there.head()));
      in_order = there.move_on();
      continue;
    }
    const ListedKey& row = *here.head();
    const bool outside = (row.mark & kOutside) != 0;
    if (!outside) ++found.at_source;
    if (order < 0 && !outside) found.missing.add(key_of(row));
    if (order == 0 && outside) found.left.add(key_of(row));
    if (order == 0 && !outside && !(row.cells.back() == there.head()->cells.back()))
      found.differing.add(key_of(row));
    while (in_order && order == 0 && there.head() && compare_cells(key_of(row), key_of(*there.head())) == 0)
      in_order = there.move_on();
    in_order = in_order && here.move_on();
  }
  if (!in_order) return std::nullopt;
  found.at_destination = there.count();
  return found;
}

}  // namespace

struct RowComparison::Sides {
  const TableMapping mapping;
  std::unique_ptr<Source> source;
  std::unique_ptr<Mapper> mapper;
  std::unique_ptr<Source> destination;

  Sides(const TableMapping& of, const SourceSpec& source_spec, Connection& here, Connection& there)
      : mapping(marking_what_leaves(of)) {
    SourceSpec spec = source_spec;
    spec.strategy = Strategy::diff;  // nothing is read by the cursor
    spec.cursor.clear();
    spec.fields = Mapper::needed_fields(mapping);
    source = here.open_source(spec);
    mapper = std::make_unique<Mapper>(mapping, source->schema());
    const Schema& outgoing = *mapper->outgoing();
    SourceSpec written;
    written.table = mapping.destination;
    for (const std::size_t index : outgoing.key) written.key.push_back(outgoing.fields[index].name);
    for (const Field& field : outgoing.fields) written.fields.push_back(field.name);
    written.strategy = Strategy::diff;
    if (mapping.deletes == Deletes::soft) {
      written.hidden_by = mapping.soft_delete;
      written.fields.push_back(mapping.soft_delete);
    }
    destination = there.open_source(written);
    check_comparable(mapping, *destination->schema(), outgoing);
  }

  static TableMapping marking_what_leaves(TableMapping mapping) {
    mapping.on_leave = OnLeave::remove;
    return mapping;
  }

  /// Empty: the systems cannot tell by themselves.
  std::optional<RangeDifferences> compare_ranges(const OnPage& on_page) const {
    const Schema& outgoing = *mapper->outgoing();
    const HashedSide here{*source, fields_passed_on(mapping, outgoing)};
    if (here.fields.empty()) return std::nullopt;
    HashedSide there{*destination, {}};
    const Schema& schema = *destination->schema();
    for (const std::size_t place : places(outgoing, schema))
      there.fields.push_back(schema.fields[place].name);
    return syncflow::compare_ranges(here, there, [&] { on_page(0); });
  }

  void scan_only(const KeyRanges& ranges) const {
    for (Source* side : {source.get(), destination.get()})
      if (RangeHashes* hashes = side->range_hashes()) hashes->scan_only(ranges);
  }

  /// The key as the destination knows it. Empty: it can have no such key.
  std::optional<Key> key_at_destination(std::span<const Value> key) const {
    Key texts;
    Arena arena;
    const Schema& schema = *destination->schema();
    for (std::size_t i = 0; i < key.size(); ++i) {
      const Cell cell = cast(key[i], schema.fields[schema.key[i]].type, arena);
      if (!cell.ok()) return std::nullopt;
      texts.parts.push_back(to_text(cell.value));
    }
    return texts;
  }

  /// Where a soft delete's mark stands.
  std::optional<std::size_t> mark_in(const Schema& there) const {
    if (mapping.deletes != Deletes::soft) return std::nullopt;
    return place_of(mapping.soft_delete, there);
  }

  /// Fetches in as many pieces as it takes.
  static std::vector<Batch> fetch_all(Source& from, std::vector<Key> keys) {
    std::vector<Batch> all;
    while (!keys.empty()) {
      std::vector<Key> some = keys;
      for (;;) {
        Batch rows = from.fetch(some, 16u << 20);
        if (rows.caught_up || some.size() == 1) {
          all.push_back(std::move(rows));
          break;
        }
        some.resize((some.size() + 1) / 2);
      }
      keys.erase(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(some.size()));
    }
    return all;
  }
};

RowComparison::RowComparison(const TableMapping& mapping, const SourceSpec& source_spec, Connection& source,
                             Connection& destination)
    : sides_(std::make_unique<Sides>(mapping, source_spec, source, destination)) {}
RowComparison::~RowComparison() = default;

Mapper& RowComparison::mapper() { return *sides_->mapper; }

RowDifferences RowComparison::compare(const OnPage& on_page) {
  const RangeDifferences hashed = sides_->compare_ranges(on_page).value_or(RangeDifferences{{0, {0}}});
  RowDifferences found;
  if (!hashed.is_equal()) {
    sides_->scan_only(hashed.unequal);
    found = compare_rows(on_page);
  }
  on_page(hashed.at_source + hashed.at_destination);
  found.at_source += hashed.at_source;
  found.at_destination += hashed.at_destination;
  return found;
}

RowDifferences RowComparison::compare_rows(const OnPage& on_page) {
  const Schema& outgoing = *sides_->mapper->outgoing();
  const std::vector<Type> types = key_types(outgoing);
  for (const bool sorts_all : {false, true}) {
    std::int64_t foreign = 0;
    SourceRows source(*sides_->source, *sides_->mapper, on_page);
    DestinationRows destination(*sides_->destination, outgoing, foreign, on_page);
    KeySorter source_sorter, destination_sorter;
    std::unique_ptr<KeyStream> here, there;
    if (sorts_all || !sort_alike(key_types(*sides_->source->schema()), types))
      here = sorted(source, source_sorter);
    if (sorts_all || !sort_alike(key_types(*sides_->destination->schema()), types))
      there = sorted(destination, destination_sorter);
    auto found = merge_rows(here ? *here : source, there ? *there : destination);
    if (!found) continue;
    found->foreign = foreign;
    return std::move(*found);
  }
  throw Error(ErrorKind::bug, fmt::format("{}: sorted rows are not in order", sides_->mapping.name()));
}

std::vector<RowComparison::Looked> RowComparison::look_again(const std::vector<std::vector<Value>>& keys) {
  using State = Looked::State;
  const Schema& outgoing = *sides_->mapper->outgoing();
  std::vector<Key> here, there;
  std::vector<Looked> looked(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (auto key = sides_->mapper->key_at_source(keys[i])) here.push_back(looked[i].source_key = *key);
    if (auto key = sides_->key_at_destination(keys[i])) there.push_back(std::move(*key));
  }
  Arena arena;
  struct Row {
    std::vector<Value> cells;
    bool outside = false;
    bool refused = false;
  };
  // By their values: the two systems may spell a number in two ways.
  std::unordered_map<RowHash, Row> at_source, at_destination;
  const auto key_hash = [&](const std::vector<Value>& row) {
    std::vector<Value> key;
    for (const std::size_t index : outgoing.key) key.push_back(row[index]);
    return hash_row(key);
  };
  // The destination first: what the sync writes in between is then seen as a difference that is looked at again, not as
  // rows that are equal by chance.
  for (Batch& rows : Sides::fetch_all(*sides_->destination, std::move(there))) {
    const std::vector<std::size_t> where = places(outgoing, rows.schema());
    const auto mark = sides_->mark_in(rows.schema());
    for (const Change& change : rows.changes) {
      if (mark && !change.row[*mark].is_null()) continue;
      std::vector<Value> row;
      for (const std::size_t place : where) row.push_back(change.row[place].copied_to(arena));
      row = compared_row(row, outgoing, arena);
      const RowHash key = key_hash(row);
      at_destination[key] = {std::move(row), false, change.refusal >= 0};
    }
  }
  for (Batch& rows : Sides::fetch_all(*sides_->source, std::move(here))) {
    const Mapped mapped = sides_->mapper->apply(std::move(rows));
    for (std::size_t i = 0; i < mapped.batch.rows(); ++i) {
      const Change& change = mapped.batch.changes[i];
      std::vector<Value> row;
      for (const Value& cell : change.row) row.push_back(cell.copied_to(arena));
      row = compared_row(row, outgoing, arena);
      const RowHash key = key_hash(row);
      at_source[key] = {std::move(row), mapped.left_filter[i], change.refusal >= 0};
    }
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const RowHash key = hash_row(keys[i]);
    const auto mine = at_source.find(key);
    const auto theirs = at_destination.find(key);
    const bool is_here = mine != at_source.end(), is_there = theirs != at_destination.end();
    Looked& answer = looked[i];
    if (!is_here && !is_there) answer.state = State::gone;
    else if (!is_here) answer.state = State::surplus;
    else if (mine->second.outside) answer.state = is_there ? State::left : State::gone;
    else if (!is_there) answer.state = State::missing;
    if (!is_here || !is_there || mine->second.outside) continue;
    for (std::size_t field = 0; field < outgoing.fields.size(); ++field)
      if (!say_the_same(mine->second.cells[field], theirs->second.cells[field], arena) ||
          mine->second.refused)
        answer.fields.push_back(outgoing.fields[field].name);
    if (!answer.fields.empty()) answer.state = State::differs;
  }
  return looked;
}

}  // namespace syncflow
