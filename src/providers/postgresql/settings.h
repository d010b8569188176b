#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/options.h"
#include "drivers/libpq/target.h"

namespace syncflow::postgresql {

/// The zone that times without one are in.
struct Zone {
  std::string name;                                ///< empty: the one that the server itself assumes
  std::optional<std::chrono::microseconds> ahead;  ///< of UTC, where it is the same all year: UTC, +02:00

  bool operator==(const Zone&) const = default;
};

/// The options of one connection, understood.
struct Settings {
  libpq::Target target;
  std::string schema = "public";  ///< of tables that are named without one
  Zone zone;
};

/// As `providers show postgresql` lists them.
std::vector<OptionSpec> option_specs();

/// Throws Error(bad_config) for what contradicts itself, naming the option.
Settings parse_settings(const Options& options);

/// `UTC`, `Z`, `+02:00`, `-05:30`, or a name as `Europe/Berlin`. Throws Error(bad_config).
Zone parse_zone(const std::string& text);

/// "public.orders", "orders" or "\"odd.name\".orders": names as they are, case and all.
struct TableName {
  std::string schema, table;

  std::string text() const { return schema + "." + table; }
  /// `"public"."orders"`, for statements.
  std::string quoted() const { return libpq::quoted_name(schema) + "." + libpq::quoted_name(table); }
  bool operator==(const TableName&) const = default;
};
/// Throws Error(bad_config).
TableName parse_table_name(const std::string& text, const std::string& default_schema);

}  // namespace syncflow::postgresql
