#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
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

/// One look at the server's list of transactions.
struct Listing {
  OpenTransactions open;  ///< `at` is not set, names are those of the list
  bool fresh = false;     ///< the server made the list anew for it
  std::vector<WaitingStatement> waiting;
};

/// The listings that all readers of a server share. Thread-safe.
///
/// The server makes its list anew only when nobody has read it for a tenth of a second, so readers that each ask for
/// themselves keep it from each other. Here whoever asks while a listing is on its way gets the next one, together with all
/// who asked meanwhile: it was begun after each of them asked.
class SharedListings {
 public:
  /// `make` is called in the thread of one of those who wait; when it throws, only that one fails and another tries.
  /// Throws Error(cancelled) on a stop.
  std::shared_ptr<const Listing> ask(const std::function<Listing()>& make, const std::stop_token& stop);

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool making_ = false;
  std::uint64_t begun_ = 0;  ///< listings
  std::uint64_t latest_number_ = 0;
  std::shared_ptr<const Listing> latest_;
};

/// What a login can see of other sessions' transactions.
class Horizon {
 public:
  explicit Horizon(Session& session) : session_(session) {}
  /// Listings are shared with others.
  Horizon(Session& session, SharedListings* shared, std::stop_token stop)
      : session_(session), shared_(shared), stop_(std::move(stop)) {}

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
  std::shared_ptr<const Listing> listing();
  bool list_fresh(OpenTransactions& out);
  bool try_list(OpenTransactions& out);
  template <typename Read>
  bool readable(int attempt, Read read);
  std::vector<WaitingStatement> waiting_statements();
  Session& session_;
  SharedListings* shared_ = nullptr;
  std::stop_token stop_;
};

/// `2024-02-29 12:30:00.000001`, as the server writes an instant in UTC.
Time parse_server_time(std::string_view text);

}  // namespace syncflow::mysql
