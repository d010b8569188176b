#pragma once

#include <string>

namespace syncflow {

/// Where a strategy stands: an opaque resume token, written and understood by the source alone.
///
/// It holds what it belongs to (server identity, table, strategy), so that a source can refuse one
/// that is not its own with Error(position_lost). Empty: nothing was read yet.
struct Position {
  std::string token;

  bool empty() const { return token.empty(); }
  bool operator==(const Position&) const = default;
};

}  // namespace syncflow
