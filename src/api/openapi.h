#pragma once

#include <string_view>

namespace syncflow::api {

/// The API as an OpenAPI 3.1 document: src/api/openapi.json, which is compiled in.
std::string_view openapi_document();

}  // namespace syncflow::api
