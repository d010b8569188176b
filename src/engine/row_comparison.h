#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/definition.h"
#include "engine/key_file.h"
#include "engine/mapper.h"
#include "provider/provider.h"

namespace syncflow {

/// Where the rows of a mapping's two sides differ, by their keys in the destination's fields.
struct RowDifferences {
  KeyFile differing;           ///< at both
  KeyFile missing;             ///< at the source and within the filters, not at the destination
  KeyFile surplus;             ///< at the destination, not at the source
  KeyFile left;                ///< at both, but outside the filters at the source
  std::int64_t at_source = 0;  ///< within the filters
  std::int64_t at_destination = 0;
  std::int64_t foreign = 0;  ///< at the destination, with a key that no row of the source has
};

/// Compares the two sides of one mapping in the form that the destination holds rows in: mapped, and both brought to
/// the types that the mapper gives out. Bounded memory. Not thread-safe.
///
/// Rows change while they are compared: what differs is to be looked at once more, by `look_again`.
class RowComparison {
 public:
  RowComparison(const TableMapping& mapping, const SourceSpec& source_spec, Connection& source,
                Connection& destination);
  ~RowComparison();

  using OnPage = std::function<void(std::int64_t rows)>;

  /// By hashes that the two systems compute, where these can be held against each other; what they cannot vouch for
  /// is read row by row. `on_page` is called often, also while no row has come, and may throw to end it. Throws Error
  /// when a side could not be read to its end.
  RowDifferences compare(const OnPage& on_page);

  /// What a second look at one key says.
  struct Looked {
    enum class State { equal, differs, missing, surplus, left, gone } state = State::equal;
    Key source_key;
    std::vector<std::string> fields;  ///< of State::differs: the destination's names
  };
  /// Fetches these keys from both sides as they are now. One answer for each.
  std::vector<Looked> look_again(const std::vector<std::vector<Value>>& keys);

  Mapper& mapper();

 private:
  RowDifferences compare_rows(const OnPage& on_page);

  struct Sides;
  std::unique_ptr<Sides> sides_;
};

}  // namespace syncflow
