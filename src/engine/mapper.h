#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/batch.h"
#include "engine/definition.h"

namespace syncflow {

/// A batch in the destination's fields.
struct Mapped {
  Batch batch;
  /// For each change of `batch`: a remove that stands for a row that does not pass the filters (counted
  /// as deleted when the destination had it, else as filtered).
  std::vector<bool> left_filter;
  /// Changes that were dropped because they do not pass the filters.
  std::size_t filtered = 0;
  std::vector<RowHash> filtered_keys{};  ///< of those that are watched
};

/// Filters, renames and transforms the rows of one mapping. Built once per run; not thread-safe.
class Mapper {
 public:
  /// `source`: the fields that the source hands out. Throws Error(bad_config) that names the field, the
  /// transform and the nearest right name for what does not fit: an unknown field, a transform with wrong
  /// or missing params, a filter value that is not of the field's type, a key field that is not mapped or
  /// is changed by more than a rename or an exact cast.
  Mapper(const TableMapping& mapping, std::shared_ptr<const Schema> source);
  ~Mapper();
  Mapper(Mapper&&) noexcept;

  /// The source fields that a mapping needs (for SourceSpec::fields); empty: all.
  static std::vector<std::string> needed_fields(const TableMapping& mapping);

  /// What comes out: the destination's field names with types, and the key. Without `fields` that is every
  /// source field but those of the names that `stamp` and `soft_delete` set at the destination. `native` is kept where the
  /// value is unchanged, and empty where a transform changes it.
  const std::shared_ptr<const Schema>& outgoing() const;

  /// A transform that fails on a value (a cast that does not fit) refuses the row with field and reason; so
  /// does a null in the key, a key that a cast would fold into another one, and a filter on a cell that is
  /// absent or of no known order. What the source refused comes out refused, unfiltered, with its key.
  /// The order of changes is kept; `resume`, `caught_up`, `loading` and `listing_begins` are taken over.
  /// When nothing but names change, the rows are passed on without being copied.
  Mapped apply(Batch batch);

  /// The key that the source knows a change of a mapped batch by, for `Source::fetch` and the quarantine.
  /// Of a move it is the new one.
  Key source_key(const Change& mapped) const;

  /// The same for a key's cells in the destination's fields. Empty: the source can have no such key.
  std::optional<Key> key_at_source(std::span<const Value> outgoing_key) const;

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

/// Keeps the last change of each key (and of its old key), in order; returns how many went.
/// An absent cell of the later change takes the earlier one's value. Afterwards each key is in at most one
/// change, and a truncate, if there is one, is the first. A batch that is `loading` has no key twice.
std::size_t collapse(Batch& batch, std::vector<bool>& left_filter);

}  // namespace syncflow
