#pragma once

#include <string>
#include <string_view>

namespace syncflow {

/// RFC 4122 version 4, lower case with hyphens, from the system's random source.
std::string random_uuid();
/// RFC 4122 version 5 in the URL namespace.
std::string url_uuid(std::string_view name);
/// The usual 8-4-4-4-12 form, any case.
bool is_uuid(std::string_view text);

}  // namespace syncflow
