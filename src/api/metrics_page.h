#pragma once

#include <string>

#include "store/store.h"

namespace syncflow::api {

/// What `GET /metrics` answers with: all that was counted, this process, and what the store holds now. Where the store
/// cannot be read the rest is there all the same, with syncflow_store_up at 0. Thread-safe; asks the store once.
std::string metrics_page(Store& store);

inline constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace syncflow::api
