#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "store/store.h"

namespace syncflow {

/// Whose time the store goes by.
enum class StoreTime {
  server,  ///< `clock_timestamp()` of the server: the same for all processes, whatever their machines think
  clock,   ///< the clock that the store was given: for tests that move its hands
};

/// Whether `store:` of a config names a PostgreSQL store.
bool is_postgresql_store(std::string_view store);

/// Throws Error(bad_config) when the URL cannot be one of a store. Nothing is connected to.
void check_postgresql_store(const std::string& url);

/// Opens (and makes or upgrades) the store in a schema of a PostgreSQL database:
/// `postgresql://user:password@host:5432/database?schema=syncflow`; docs/store.md names what may stand behind `?`.
///
/// Several processes may work on it. Throws Error: bad_config (URL, TLS, a newer schema, a table in the way),
/// unauthorized, forbidden (a right is missing), not_found (database, schema), unavailable. A store on which
/// nothing is to be done needs no right to make tables. `clock` is the local one: it must outlive the store.
std::unique_ptr<Store> open_postgresql_store(const std::string& url, Clock& clock,
                                             StoreTime time = StoreTime::server);

/// Whether the database has a store already. Throws as `open_postgresql_store`.
bool postgresql_store_exists(const std::string& url);

/// The SQL that makes a PostgreSQL store from nothing, for `migrate --print`. It works in the schema that
/// comes first in the search path.
std::string postgresql_store_schema();

}  // namespace syncflow
