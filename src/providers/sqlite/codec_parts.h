#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "providers/sqlite/types.h"

namespace syncflow::sqlite {

// What reading and writing values share; not for others.

/// A finite number as the shortest decimal that reads back, without an exponent.
std::string fixed_digits(double number);

/// Why a decimal does not fit the declared precision and scale; empty: it does.
std::optional<std::string> check_digits(std::string_view decimal, const ColumnType& type);

/// Whether `text` is one JSON document.
bool is_json(std::string_view text);

}  // namespace syncflow::sqlite
