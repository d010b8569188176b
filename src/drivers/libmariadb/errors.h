#pragma once

#include <string>
#include <string_view>

#include "core/error.h"

namespace syncflow::mysql {

/// The kind of an error number, the server's or the client library's. What concerns a single row (a duplicate, a
/// value out of range) is for whoever writes rows to tell apart; here it is bad_config.
ErrorKind kind_of(unsigned code);

/// Whether the connection is gone for good after this error.
bool ends_connection(unsigned code);

/// What a person can do about it: " (…)" to follow the server's own words, or empty where those say it all.
/// `words` are the server's.
std::string advice_for(unsigned code, std::string_view words);

/// `SELECT, UPDATE` of the server's "SELECT, UPDATE command denied to user …", or empty.
std::string_view denied_command(std::string_view words);

}  // namespace syncflow::mysql
