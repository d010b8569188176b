#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/options.h"
#include "core/schema.h"
#include "provider/destination.h"
#include "provider/session_pool.h"
#include "provider/source.h"

namespace syncflow {

/// What a provider can do as built. The engine asks these, never a provider's name.
struct Capabilities {
  bool source = false;
  bool destination = false;
  bool cursor = false;  ///< strategy `cursor`
  bool feed = false;    ///< strategy `feed`
  bool diff = false;    ///< strategy `diff`
  bool webhooks = false;
  bool create_table = false;  ///< `create: true` on a missing destination table
};

/// What the openers are given. Outlives everything that is opened with it.
struct Resources {
  Clock& clock;
  /// Every wait of what is opened ends within a second of a stop request, with Error(cancelled).
  std::stop_token stop;
  /// Where sessions of this connection come from and go back to. Null: each is made for itself.
  SessionPool* sessions = nullptr;
};

/// What a login may do, in words a person can act on.
struct Access {
  std::string system;  ///< "PostgreSQL 15.18"
  std::string user;
  std::vector<std::string> can;  ///< "read other sessions' transaction starts: late commits are seen exactly"
  std::vector<std::string>
      warnings;  ///< "no right PROCESS: a transaction open longer than 15 minutes can be missed; GRANT PROCESS …"
  /// Why nothing can be written there, to complete "the server …": "is a replica and …"; empty: nothing stands in
  /// the way in general.
  std::string takes_no_writes;
};

/// A field that the `cursor` strategy could read by.
struct CursorCandidate {
  std::string field;
  bool indexed = false;
  std::string note;  ///< "set by a trigger", "no index: each poll reads the whole table", …
};

struct TableInfo {
  Schema schema;  ///< all fields; `key` is the primary key, else the best not-null unique index, else empty
  long row_estimate = -1;                          ///< -1: not known
  std::vector<CursorCandidate> cursor_candidates;  ///< best first
  std::vector<std::string> feeds;
  std::vector<std::string> warnings;
};

/// A foreign key: rows of `from` need rows of `to`.
struct Reference {
  std::string from;
  std::string to;
  bool operator==(const Reference&) const = default;
};

/// One system that can be reached. Opens what works on it; each opened thing has a connection of its own.
///
/// Thread-safe: its members may be called from several threads at once. Members throw Error.
class Connection {
 public:
  virtual ~Connection() = default;

  /// Logs in and says with which rights.
  virtual Access check() = 0;
  /// The tables that the login can read, or only `table` (Error(not_found), naming the nearest, if there is none such).
  /// `schema.table` is the same for every way to spell a table.
  virtual std::vector<TableInfo> discover(const std::string& table = "") = 0;
  /// Names the table as no other table of any system is named, by whatever name it is asked for. Empty: there is no
  /// such table, or it cannot be told.
  virtual std::string identify(const std::string& table) {
    (void)table;
    return "";
  }
  /// The foreign keys among these tables, named as here; a table that does not exist has none. Systems without
  /// foreign keys leave it at this.
  virtual std::vector<Reference> references(const std::vector<std::string>& tables) {
    (void)tables;
    return {};
  }
  virtual std::unique_ptr<Source> open_source(const SourceSpec& spec) = 0;
  virtual std::unique_ptr<Destination> open_destination(const DestinationSpec& spec) = 0;
};

/// A kind of system. A plain value: it can be listed, printed, drawn as a form and tested.
struct Provider {
  std::string id;
  std::string name;
  Capabilities can;
  std::vector<OptionSpec> options;
  /// Logs in nowhere yet. Throws Error(bad_config) for options that contradict each other.
  std::function<std::unique_ptr<Connection>(const Options& options, Resources resources)> connect;
};

/// Thread-safe once built.
class Registry {
 public:
  explicit Registry(std::vector<Provider> providers) : providers_(std::move(providers)) {}
  const std::vector<Provider>& all() const { return providers_; }
  const Provider* find(std::string_view id) const;
  /// Throws Error(bad_config) that names the nearest one.
  const Provider& at(std::string_view id) const;

 private:
  std::vector<Provider> providers_;
};

}  // namespace syncflow
