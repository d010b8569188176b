#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "engine/definition.h"
#include "engine/key_file.h"
#include "engine/mapper.h"
#include "provider/provider.h"

namespace syncflow {

/// What two lists of a mapping's keys differ by, the keys in the destination's fields.
struct KeyDifferences {
  KeyFile surplus;  ///< at the destination, not at the source
  KeyFile left;     ///< at both, but its row at the source does not pass the filters
  KeyFile missing;  ///< at the source and within the filters, not at the destination
  KeyFile unseen;  ///< at both, but without a usable cursor: changes made in place are seen only by comparing
  std::int64_t at_source = 0;
  std::int64_t at_destination = 0;
  std::int64_t foreign = 0;  ///< at the destination, of a form that no key of the source has
};

/// Both sides of one mapping, and how it maps keys.
struct KeySides {
  const TableMapping& mapping;
  Connection& source;
  /// Key and cursor; `fields` are chosen here.
  SourceSpec source_spec;
  bool cursor_may_be_null = false;
  Connection& destination;
  /// What the mapper gives out: the key's names and types at the destination.
  std::shared_ptr<const Schema> outgoing;
  std::function<void(std::int64_t listed)> on_page;  ///< called often; may throw to end it
};

/// Lists both sides' keys in one order and compares them, in bounded memory.
///
/// Where the two systems' types sort differently, or cannot be trusted to sort alike, a side is sorted here. Throws
/// Error when a list could not be read to its end, and Error(bad_config) for keys that cannot be compared.
KeyDifferences compare_keys(const KeySides& sides);

/// The mapping's key alone, with its filters; rows outside them come out as removes.
TableMapping key_mapping(const TableMapping& mapping, const std::vector<std::string>& key);

}  // namespace syncflow
