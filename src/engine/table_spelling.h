#pragma once

#include <string>
#include <string_view>

namespace syncflow {

/// How a config spells the name of a table, to be compared where the system itself is not asked. A plain value.
class TableSpelling {
 public:
  explicit TableSpelling(std::string_view name);

  /// Whether both may name one table of one system: they are equal without regard to case and quotes, or one has more in
  /// front, as "items" and "public.items". Not transitive.
  bool may_be(const TableSpelling& other) const;
  /// What all spellings that may be one table have in common: to look them up by. Valid while this lives.
  std::string_view last_part() const;

 private:
  std::string plain_;  ///< in lower case, without quotes
};

}  // namespace syncflow
