#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/batch.h"
#include "engine/definition.h"
#include "engine/like.h"

namespace syncflow {

/// What a condition says of a cell: SQL's three values, and one more where nothing can be said.
enum class Truth {
  no,
  yes,
  unknown,      ///< of null
  not_decided,  ///< a cell that is absent, or ordered in the source's own way only ('infinity')
};

/// One filter, its values read as values of the field's type.
class Condition {
 public:
  /// Throws Error(bad_config) that names field and operator: an unknown field, an operator that the type
  /// does not have, a value that is not of the field's type, a value too many or missing.
  Condition(const Filter& filter, const Schema& source);

  Truth judge(const Value& cell) const;
  std::size_t index() const { return index_; }
  const std::string& field() const { return filter_.field; }

 private:
  void read_values(const Field& field);
  Truth equals_any(const Value& cell) const;
  Truth compares(const Value& cell) const;
  Truth is(const Value& cell) const;
  Truth fits(const Value& cell) const;

  Filter filter_;
  std::size_t index_ = 0;
  std::shared_ptr<Arena> arena_;  // shared, so that a copy's values stay valid
  std::vector<Value> values_;
  std::vector<LikePattern> pattern_;
};

/// All filters of a mapping, joined by AND.
class RowFilter {
 public:
  RowFilter(const std::vector<Filter>& filters, const Schema& source);

  bool empty() const { return conditions_.empty(); }

  struct Verdict {
    bool passes = false;
    std::optional<Refusal> refusal;  ///< nothing can be said: the row must not be dropped
  };
  /// `row`: all cells, in the order of the source's schema.
  Verdict judge(std::span<const Value> row) const;

 private:
  std::vector<Condition> conditions_;
};

/// What can be said of a filter without knowing the table: the count of values, patterns.
/// Throws Error(bad_config).
void check_filter(const Filter& filter);

/// "nin", as configs write it.
std::string_view name_of(Operator op);

}  // namespace syncflow
