#pragma once

#include <string>
#include <string_view>

namespace syncflow::mysql {

/// Why MySQL's JSON type would not give the document back as what it means: a number that it would round, a member
/// that is there twice, a text that is no JSON. Empty: it would. Layout and the order of members are nothing it means.
std::string why_not_kept(std::string_view json);

}  // namespace syncflow::mysql
