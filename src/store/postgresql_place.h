#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include "drivers/libpq/session.h"

namespace syncflow::postgresql_store {

/// Where a store is.
struct Place {
  libpq::Target target;
  std::string schema;  ///< empty: the first of the search path
  /// How long the client waits for any answer of the store's own short statements.
  std::chrono::milliseconds patience{40'000};
};

/// Throws Error(bad_config) that names what is wrong with the URL, never its password.
Place parse_place(const std::string& url);

/// A session that works in the store's schema. Every statement of it ends: by the server's limits, or because the
/// client waits no longer.
std::unique_ptr<libpq::Session> connect(const Place& place, std::stop_token stop = {});

}  // namespace syncflow::postgresql_store
