#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/options.h"
#include "engine/free_text.h"
#include "provider/destination.h"
#include "provider/source.h"
#include "store/model.h"

namespace syncflow {

enum class Operator {
  eq,
  neq,
  gt,
  gte,
  lt,
  lte,
  in,
  nin,
  like,
  nlike,
  ilike,
  nilike,
  is,
  is_not,
  is_null,
  is_not_null
};

/// A condition on a source field, three-valued as in SQL. Values stand for canonical texts of the field's type.
struct Filter {
  std::string field;
  Operator op = Operator::eq;
  std::vector<FreeText> values;  ///< one, several for in and nin, none for is_null and is_not_null
  bool null_value = false;       ///< the value is null: `is` and `is_not` take it, others match nothing
  bool operator==(const Filter&) const = default;
};

/// Where one destination field comes from.
struct FieldMapping {
  std::string to;
  std::vector<std::string> from;  ///< source fields; several only for combine and coalesce
  std::string transform;          ///< empty: as it is
  std::map<std::string, FreeText> params;
  std::optional<FreeText> constant;  ///< instead of `from`
  bool operator==(const FieldMapping&) const = default;
};

enum class WantedStrategy { automatic, cursor, feed, diff };
enum class OnLeave { by_deletes, remove, keep };

/// How much may be deleted at once before a person is asked: more than `rows` rows that are also more than `share`
/// percent of the table are held back.
struct BrakePolicy {
  int share = 10;  ///< percent; 100: nothing is held back
  std::int64_t rows = 100;

  bool holds(std::int64_t deletes, std::int64_t rows_of_table) const {
    return deletes > rows && deletes * 100 > share * rows_of_table;
  }
  bool operator==(const BrakePolicy&) const = default;
};

/// One source table and one destination table.
struct TableMapping {
  std::string source;
  std::string destination;
  std::vector<std::string> key;  ///< source fields; empty: the source table's primary key
  WantedStrategy strategy = WantedStrategy::automatic;
  std::string cursor;  ///< empty: the best candidate
  std::optional<Duration> overlap;
  Deletes deletes = Deletes::ignore;
  std::string soft_delete = "deleted_at";
  std::string reconcile = "every 1 hour";  ///< how often deletes are looked for where the strategy sees none
  BrakePolicy brake;
  bool create = true;
  Existing existing = Existing::adopt;
  std::string stamp;
  std::vector<FieldMapping> fields;  ///< empty: every field under its own name
  std::vector<Filter> filters;       ///< joined by AND
  OnLeave on_leave = OnLeave::by_deletes;

  /// How the store and `--json` name it: "public.customers -> Customers".
  std::string name() const { return source + " -> " + destination; }
  /// What a filter-leaving row becomes, policy and deletes taken together.
  bool removes_what_leaves() const;
  bool operator==(const TableMapping&) const = default;
};

struct RetryPolicy {
  enum class Backoff { exponential, linear, constant };
  int max_retries = 3;
  Backoff backoff = Backoff::exponential;
  bool operator==(const RetryPolicy&) const = default;
};

struct BatchPolicy {
  std::size_t rows = 0;  ///< 0: auto
  std::size_t bytes = 8u << 20;
  std::chrono::milliseconds interval{0};
  bool operator==(const BatchPolicy&) const = default;
};

/// What a sync does. Round-trips through JSON (Sync::definition), free texts as they were written.
struct SyncDefinition {
  std::string name;
  std::string id;  ///< never empty: given, or UUIDv5(URL namespace, "syncflow:<team_id>/<name>")
  std::string team_id{kDefaultTeam};
  std::string source;
  std::string destination;
  SyncStatus status = SyncStatus::active;
  std::string schedule = "every 1 minute";
  std::string conflict_resolution = "latest";
  BatchPolicy batch;
  RetryPolicy retry;
  std::vector<TableMapping> tables;
  bool operator==(const SyncDefinition&) const = default;
};

std::string to_json(const SyncDefinition& definition);
/// Throws Error(bad_config). Free texts that hold a variable are not filled in, so that no run can be made from it.
SyncDefinition definition_from_json(const std::string& json);
/// The same with them filled in. Throws Error(bad_config) for a variable that is not set.
SyncDefinition definition_from_json(const std::string& json, const Variables& variables);

/// `data`: source, key and destination table, where another one means a first load; `shape`: fields,
/// transforms, filters, delete policy, where another one means a full re-read. What free texts stand for counts, and
/// is given away by the SHA-256 over all of it only.
std::string data_fingerprint(const SyncDefinition& sync, const TableMapping& table);
std::string shape_fingerprint(const TableMapping& table);
/// The same with the fields that come out, which change where a mapping takes every field of its source.
std::string shape_fingerprint(const TableMapping& table, const Schema& outgoing);

/// "every 5 minutes" as a duration; months are 30 days, years 365. Throws Error(bad_config).
Duration parse_schedule(const std::string& schedule);
/// "15m", "30s", "2h", "500ms", "20us", "1d", "0". Throws Error(bad_config).
Duration parse_duration(const std::string& text);
/// In the largest unit that leaves no rest: "15m".
std::string to_duration_text(Duration duration);

/// How to reach one system: options with `${VAR}` filled in.
struct ConnectionConfig {
  std::string name;
  std::string provider;
  Options options;
  int line = 0;  ///< of the file
};

struct EngineSettings {
  int workers = 4;
  Duration lease = std::chrono::seconds(30);
  Duration heartbeat = std::chrono::seconds(10);
  Duration drain = std::chrono::seconds(10);
  Duration keep_finished =
      std::chrono::hours(24 * 30);  ///< jobs and runs that ended longer ago are forgotten
};

/// All of syncflow.yaml.
struct Config {
  std::string store;    ///< a URL; the file's default is filled in when it is read
  Variables variables;  ///< for the definitions that come back from the store
  EngineSettings engine;
  std::vector<ConnectionConfig> connections;
  std::vector<SyncDefinition> syncs;
  /// The file, as it was named, and where in it the syncs and their tables begin, in the order of `syncs`.
  std::string file;
  struct SyncLines {
    int sync = 0;
    std::vector<int> tables;
  };
  std::vector<SyncLines> lines;

  const ConnectionConfig* find_connection(std::string_view name) const;
  /// Whether two connections, by their names, reach one system: they have the same provider and the same options.
  bool is_one_system(std::string_view connection, std::string_view other) const;
  /// The names of all connections that reach the system of this one, itself among them.
  std::vector<std::string> same_system(std::string_view connection) const;
  const SyncDefinition* find_sync(std::string_view name) const;
  /// "syncflow.yaml:12: sync customers", for sentences about a sync or (with `table`, an index) one of its
  /// tables; without file and line when the sync is not of the file.
  std::string where(const SyncDefinition& sync, std::optional<std::size_t> table = std::nullopt) const;
};

}  // namespace syncflow
