#include "providers/postgresql/row_refusals.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace syncflow::postgresql {

bool is_about_a_row(const libpq::ServerError& error) {
  // Data exceptions, broken constraints, views' checks; what triggers raise, in PL/pgSQL or another
  // language; a value too long for an index; two keys that are one for the table.
  static constexpr std::array<std::string_view, 9> kClasses = {"22", "23",    "44",    "P0",   "38",
                                                               "39", "54000", "54001", "21000"};
  return std::any_of(kClasses.begin(), kClasses.end(), [&](std::string_view each) { return error.is(each); });
}

Rejection rejection_of(std::size_t change, const libpq::ServerError& error,
                       const std::string& constraint_field) {
  Rejection rejection;
  rejection.change = change;
  rejection.field = error.column.empty() ? constraint_field : error.column;
  rejection.reason = error.sentence();
  if (error.is("23503")) rejection.cause = RejectionCause::foreign_key;
  else if (error.is("23505") || error.is("23P01")) rejection.cause = RejectionCause::unique;
  else if (error.is("22") || error.is("54")) rejection.cause = RejectionCause::value;
  else rejection.cause = RejectionCause::constraint;
  return rejection;
}

}  // namespace syncflow::postgresql
