#pragma once

#include <boost/json.hpp>
#include <string>

namespace syncflow {

/// As boost::json::serialize, but with numbers as people write them: 0.12 instead of 1.2E-1, and always UTF-8: each
/// malformed byte becomes U+FFFD.
std::string to_json_text(const boost::json::value& value);

}  // namespace syncflow
