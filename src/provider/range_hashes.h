#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace syncflow {

/// Some of a table's rows, told by the hashes of their keys: all hashes fall into 2^bits ranges of one width.
///
/// Not by the keys themselves: so the ranges are evenly full, and two systems need not sort alike.
struct KeyRanges {
  int bits = 0;              ///< 0: there is one range, of all rows
  std::vector<int> numbers;  ///< of the ranges, ascending, from 0 on
};

/// What one range of a table's rows came to.
struct RangeHash {
  int number = 0;
  std::int64_t rows = 0;
  std::string hash;  ///< of what is in the range, whatever its order; a row that is there twice counts twice

  bool operator==(const RangeHash&) const = default;
};

/// Hashes of a table's rows that its system computes where the rows are. Belongs to a Source, and is used like it.
///
/// Against accidents, not against a forger: who chooses the rows can make two tables hash alike.
class RangeHashes {
 public:
  virtual ~RangeHashes() = default;

  /// How rows of these fields, in this order, are hashed. Two tables that give the same words hold equal rows where
  /// their hashes are equal: rows that `scan_rows` would hand out as the same values. Where the hashes differ the rows
  /// may still be equal. Empty: they cannot be hashed.
  virtual std::string form(const std::vector<std::string>& fields) = 0;

  /// All ranges that have rows, ascending, of one snapshot. Only where there is a form. Leaves out the rows that
  /// `SourceSpec::hidden_by` does.
  virtual std::vector<RangeHash> hash(const std::vector<std::string>& fields, int bits) = 0;

  /// From now on `scan_keys` and `scan_rows` hand out only rows of these ranges. `bits` 0: all rows.
  virtual void scan_only(KeyRanges ranges) = 0;
};

}  // namespace syncflow
