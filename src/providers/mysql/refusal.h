#pragma once

#include <string>
#include <string_view>

#include "drivers/libmariadb/session.h"
#include "provider/destination.h"
#include "providers/mysql/catalog.h"

namespace syncflow::mysql {

/// Whether the error is about the values of a row, so that other rows may well be written.
bool is_about_row(const Session::ServerError& error);

RejectionCause cause_of(const Session::ServerError& error);

/// The column that the server's words name; empty: none.
std::string column_in(std::string_view words);

/// Whether an error that names no column can be about a value of such a one.
bool can_be_about(const Session::ServerError& error, Kind kind, std::string_view charset);

/// What a guarded upsert fails with when a row would change another than its own.
bool is_guard(const Session::ServerError& error);

}  // namespace syncflow::mysql
