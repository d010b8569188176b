#pragma once

#include <map>
#include <optional>
#include <string>

#include "drivers/libpq/session.h"
#include "provider/destination.h"

namespace syncflow::postgresql {

/// Whether the server refused a row for what is in it, so that other rows may still go in.
bool is_about_a_row(const libpq::ServerError& error);

/// Why one row was refused. `constraint_field`: the only column of the constraint, where it has just one.
Rejection rejection_of(std::size_t change, const libpq::ServerError& error,
                       const std::string& constraint_field);

}  // namespace syncflow::postgresql
