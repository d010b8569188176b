#pragma once

#include <optional>
#include <string>

#include "sql/table_source.h"

namespace syncflow::sql {

/// Strategy `diff`: lists every row in key order; the engine compares with the row hashes last seen.
class DiffSource : public TableSource {
 public:
  using TableSource::TableSource;

  void open(const Position& position) override;
  Batch next(std::size_t max_rows, std::size_t max_bytes) override;
  Probe has_changes(const Position& position) override;
  std::string method() override;

 private:
  /// Throws Error(position_lost).
  void check_is_own(const std::string& identity, const std::vector<std::string>& key);
  Position position() const;

  bool first_ = true;  ///< the table was never listed to its end
  bool listing_begins_ = false;
  bool done_ = false;
  std::optional<Key> after_;
};

}  // namespace syncflow::sql
