#include "providers/mysql/horizon.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "core/calendar.h"
#include "core/error.h"
#include "core/uuid.h"

namespace syncflow::mysql {
namespace {

/// The server makes the list anew only when nobody has read it for a tenth of a second.
/// Each waits longer than the last, and for a time of its own: else those that ask together keep the list from
/// being made anew for good.
std::string wait_for_a_new_list(int attempt) {
  thread_local std::mt19937 random{std::random_device{}()};
  return fmt::format("DO SLEEP({:.3f})", 0.12 + std::uniform_real_distribution<>(0, 0.05 * attempt)(random));
}
constexpr int kMostTries = 20;

/// trx_started is in the time zone of the server's machine. In the hour that clocks show twice it is taken for the earlier.
constexpr const char* kStartedInUtc =
    "CAST(IF(CONVERT_TZ(CONVERT_TZ(trx_started, 'SYSTEM', '+00:00') - INTERVAL 1 HOUR, '+00:00', 'SYSTEM') = "
    "trx_started, "
    "CONVERT_TZ(trx_started, 'SYSTEM', '+00:00') - INTERVAL 1 HOUR, CONVERT_TZ(trx_started, 'SYSTEM', "
    "'+00:00')) AS CHAR)";

std::string name_of_transaction(const std::string& thread, const std::string& started) {
  return thread + "@" + started;
}

std::string name_of_statement(const std::string& thread, long long begun) {
  return fmt::format("statement {}@{}", thread, begun);
}

}  // namespace

Time parse_server_time(std::string_view text) {
  const auto parsed = parse_iso(text);
  if (!parsed) throw Error(ErrorKind::bug, fmt::format("the server's time \"{}\" cannot be read", text));
  return Time(std::chrono::microseconds(parsed->days * kMicrosecondsPerDay + parsed->microseconds));
}

bool Horizon::is_visible() {
  // MariaDB answers with an empty table where the right is missing, MySQL with an error; this table is never empty.
  try {
    return !session_.rows("SELECT 1 FROM information_schema.INNODB_METRICS LIMIT 1").empty();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::forbidden) throw;
    return false;
  }
}

Time Horizon::now() {
  return parse_server_time(session_.rows("SELECT CAST(UTC_TIMESTAMP(6) AS CHAR)").at(0).at(0).value());
}

std::shared_ptr<const Listing> SharedListings::ask(const std::function<Listing()>& make,
                                                   const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  // One that is on its way may have been begun before what the caller saw last.
  const std::uint64_t needed = begun_ + 1;
  for (;;) {
    if (!changed_.wait(lock, stop, [&] { return latest_number_ >= needed || !making_; }))
      throw Error(ErrorKind::cancelled, "listing open transactions: asked to stop");
    if (latest_number_ >= needed) return latest_;
    making_ = true;
    const std::uint64_t number = ++begun_;
    lock.unlock();
    std::shared_ptr<const Listing> made;
    std::exception_ptr failure;
    try {
      made = std::make_shared<const Listing>(make());
    } catch (...) {
      failure = std::current_exception();  // thrown below, once the others may go on
    }
    lock.lock();
    making_ = false;
    if (made) {
      latest_ = made;
      latest_number_ = number;
    }
    changed_.notify_all();
    if (failure) std::rethrow_exception(failure);
    return made;
  }
}

std::shared_ptr<const Listing> Horizon::listing() {
  const auto make = [this] {
    Listing made;
    made.fresh = list_fresh(made.open);
    made.waiting = waiting_statements();
    return made;
  };
  if (!shared_) return std::make_shared<const Listing>(make());
  return shared_->ask(make, stop_);
}

OpenTransactions Horizon::list() {
  const Time at = now() - replication_lag();
  const auto listed = listing();
  if (!listed->fresh)
    throw Error(
        ErrorKind::unavailable,
        fmt::format(
            "{}: information_schema.innodb_trx was not made anew for {} tries: other sessions read it more "
            "often than every 100 ms",
            session_.target().shown(), kMostTries));
  OpenTransactions out = listed->open;
  out.at = at;
  // An XA transaction leaves its session when it is prepared, and has no thread from then on.
  for (const std::string& name : listed->open.names)
    out.names.insert(name_of_transaction("0", name.substr(name.find('@') + 1)));
  for (const WaitingStatement& statement : listed->waiting) {
    // When it began is only known by the difference of two clocks that count seconds.
    for (const long long second : {statement.begun - 1, statement.begun, statement.begun + 1})
      out.names.insert(name_of_statement(statement.thread, second));
    const Time start{std::chrono::seconds(statement.begun - 1)};
    out.oldest_start = std::min(out.oldest_start.value_or(start), start);
  }
  return out;
}

std::set<std::string> Horizon::names_now() {
  // One that is not made anew may still name what has ended, which the next look will find. It names all that was open
  // when the mark was made that it is compared with: that one was fresh, and the server's list does not get older.
  const auto listed = listing();
  std::set<std::string> names = listed->open.names;
  for (const WaitingStatement& statement : listed->waiting)
    names.insert(name_of_statement(statement.thread, statement.begun));
  return names;
}

/// Lists the transactions as they are after this call began; false when the server would not make the list anew.
bool Horizon::list_fresh(OpenTransactions& out) {
  // A transaction of our own: a list that shows it in the middle of this very statement is of now.
  session_.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
  bool fresh = false;
  for (int attempt = 1; !fresh && attempt <= kMostTries; ++attempt) {
    if (attempt > 1) session_.execute(wait_for_a_new_list(attempt));
    fresh = readable(attempt, [&] { return try_list(out); });
  }
  session_.execute("COMMIT");
  return fresh;
}

/// MySQL lists no transaction at all while one of them is in a statement that its list has no characters for: bytes,
/// or text beyond three bytes a character. Such statements are over in a moment, unless they wait for a lock.
template <typename Read>
bool Horizon::readable(int attempt, Read read) {
  try {
    return read();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::conflict) throw;
    if (attempt < kMostTries) return false;
    throw Error(ErrorKind::conflict,
                fmt::format("{}: a statement that another session is in holds bytes or characters for which "
                            "information_schema.innodb_trx has no place, so that open transactions cannot be "
                            "listed; it is asked again later",
                            session_.target().shown()));
  }
}

bool Horizon::try_list(OpenTransactions& out) {
  const std::string nonce = random_uuid();
  const std::string own = std::to_string(session_.id());
  out.names.clear();
  out.oldest_start.reset();
  bool fresh = false;
  // READ ONLY transactions will never write. Those that only read so far may.
  for (const TextRow& row : session_.rows(fmt::format("SELECT /* {} */ CAST(trx_mysql_thread_id AS CHAR), "
                                                      "CAST(trx_started AS CHAR), {}, trx_is_read_only, "
                                                      "trx_query FROM information_schema.innodb_trx",
                                                      nonce, kStartedInUtc))) {
    const std::string thread = row[0].value_or("0");
    if (thread == own) {
      fresh = fresh || row[4].value_or("").find(nonce) != std::string::npos;
      continue;
    }
    if (row[3] == "1") continue;
    const std::string started = row[1].value_or("");
    out.names.insert(name_of_transaction(thread, started));
    const Time start = parse_server_time(row[2].value_or(""));
    out.oldest_start = std::min(out.oldest_start.value_or(start), start);
  }
  return fresh;
}

/// A statement that waits for a lock on its table, or for a backup, has fixed its NOW() but has no transaction yet.
/// Those that have only just begun are left to the overlap: nearly all of them are over in a moment.
std::vector<WaitingStatement> Horizon::waiting_statements() {
  std::vector<TextRow> rows;
  const auto read = [&] {
    rows = session_.rows(
        "SELECT CAST(p.ID AS CHAR), CAST(UNIX_TIMESTAMP() - p.TIME AS CHAR) FROM "
        "information_schema.PROCESSLIST p "
        "LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.ID "
        "WHERE p.COMMAND IN ('Query', 'Execute') AND p.TIME >= 1 AND p.ID <> CONNECTION_ID() "
        "AND t.trx_mysql_thread_id IS NULL");
    return true;
  };
  for (int attempt = 1; !readable(attempt, read); ++attempt) session_.execute(wait_for_a_new_list(attempt));
  std::vector<WaitingStatement> out;
  for (const TextRow& row : rows)
    out.push_back({row[0].value_or(""), std::strtoll(row[1].value_or("0").c_str(), nullptr, 10)});
  return out;
}

Duration Horizon::replication_lag() {
  const bool newer =
      session_.server().mariadb ? session_.server().at_least(10, 5, 1) : session_.server().at_least(8, 0, 22);
  std::vector<NamedRow> channels;
  try {
    channels = session_.named_rows(newer ? "SHOW REPLICA STATUS" : "SHOW SLAVE STATUS");
  } catch (const Error& error) {
    // Without the right nothing tells; `check` says so.
    if (error.kind() != ErrorKind::forbidden) throw;
    return {};
  }
  Duration lag{};
  for (const auto& channel : channels) {
    std::optional<std::string> seconds;
    for (const char* name : {"Seconds_Behind_Source", "Seconds_Behind_Master"})
      if (const auto found = channel.find(name); found != channel.end()) seconds = found->second;
    if (!seconds)
      throw Error(ErrorKind::unavailable, fmt::format("{}: the server is a replica whose replication stands "
                                                      "still: START REPLICA, or RESET REPLICA ALL "
                                                      "if it is none any more",
                                                      session_.target().shown()));
    lag = std::max<Duration>(lag, std::chrono::seconds(std::strtoll(seconds->c_str(), nullptr, 10) + 1));
  }
  return lag;
}

}  // namespace syncflow::mysql
