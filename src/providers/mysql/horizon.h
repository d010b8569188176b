#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/clock.h"
#include "drivers/libmariadb/session.h"

namespace syncflow::mysql {

/// The transactions that are open on the server.
struct OpenTransactions {
  Time at;  ///< the server's clock, read before they were listed
  std::optional<Time> oldest_start;
  /// Names that no later transaction bears, save one that began in the same second.
  std::set<std::string> names;
};

/// A statement that runs but has no transaction yet.
struct WaitingStatement {
  std::string thread;
  long long begun = 0;  ///< seconds since 1970, give or take one
};

/// What a login can see of other sessions' transactions.
class Horizon {
 public:
  explicit Horizon(Session& session) : session_(session) {}

  /// Whether it can see them at all: that takes the right PROCESS.
  bool is_visible();
  /// The server's clock, in UTC.
  Time now();
  /// All that could still commit rows which a snapshot taken after this call does not show.
  OpenTransactions list();
  /// The names of those open now; may name some that have just ended.
  std::set<std::string> names_now();
  /// By how much the server is behind the one that it replicates from: no row that was committed there longer ago is
  /// still to come. Zero on a server that is no replica. Throws Error(unavailable) when replication stands still.
  Duration replication_lag();

 private:
  bool list_fresh(OpenTransactions& out);
  bool try_list(OpenTransactions& out);
  template <typename Read>
  bool readable(int attempt, Read read);
  std::vector<WaitingStatement> waiting_statements();
  Session& session_;
};

/// `2024-02-29 12:30:00.000001`, as the server writes an instant in UTC.
Time parse_server_time(std::string_view text);

}  // namespace syncflow::mysql
