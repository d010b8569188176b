#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace syncflow::mysql {

/// The first character of a UTF-8 text that a character set lacks, for messages; empty when it has them all, or when
/// only the server can tell.
std::string missing_character(std::string_view utf8, std::string_view charset);

/// Bytes that the text takes in a character set; empty when only the server can tell.
std::optional<std::size_t> bytes_in(std::string_view utf8, std::string_view charset);

std::size_t count_characters(std::string_view utf8);

}  // namespace syncflow::mysql
