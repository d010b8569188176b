#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/definition.h"
#include "provider/source.h"

namespace syncflow {

/// One side of a mapping, and what its system calls the fields that are compared, in an order that both sides share.
struct HashedSide {
  Source& source;
  std::vector<std::string> fields;
};

/// What comparing two sides by the hashes of ranges found.
struct RangeDifferences {
  KeyRanges unequal;           ///< the rows that are to be compared one by one; `bits` 0: all of them
  std::int64_t at_source = 0;  ///< rows in the other ranges, which are equal
  std::int64_t at_destination = 0;

  bool is_equal() const { return unequal.numbers.empty(); }
};

/// The source's names of the mapping's fields in the order of `outgoing`, what the mapper gives out. Empty: rows are
/// chosen or changed on their way, so that no system can judge them by itself.
std::vector<std::string> fields_passed_on(const TableMapping& mapping, const Schema& outgoing);

/// Compares two sides by hashes that their systems compute at the same time, each reading its table once: first of all
/// rows; where these differ, of ranges so small that only the few that hold a difference need to be read row by row.
///
/// Empty: the two cannot be compared so. `on_wait` is called a few times a second, and may throw to end it, which takes
/// until the connections' stop token ends the statements. Rows that change meanwhile make a range unequal, never equal.
std::optional<RangeDifferences> compare_ranges(const HashedSide& source, const HashedSide& destination,
                                               const std::function<void()>& on_wait);

}  // namespace syncflow
