#pragma once

#include "api/http.h"
#include "core/options.h"
#include "engine/definition.h"
#include "provider/provider.h"
#include "store/store.h"

namespace syncflow::api {

/// What the handlers work on. All of it outlives the handler.
struct Backend {
  Store& store;
  const Registry& providers;
  const std::vector<ConnectionConfig>& connections;
  /// SYNCFLOW_API_KEY; empty: only this machine may come in.
  Secret key;
};

/// Method and path pattern of everything that is answered.
struct Route {
  std::string method, pattern;
};
std::vector<Route> routes();

/// Whether the handler answers without the store or anything else that may be slow.
bool is_quick(const Request& request);

/// The API of docs/api.md. Thread-safe. Counts requests in core/metrics.h.
Handler make_handler(Backend backend);

}  // namespace syncflow::api
