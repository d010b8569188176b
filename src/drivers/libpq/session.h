#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "drivers/libpq/handles.h"
#include "drivers/libpq/server_error.h"
#include "drivers/libpq/target.h"

namespace syncflow::libpq {

/// The rows of a statement. Views stay valid while it lives.
class Rows {
 public:
  Rows() = default;
  explicit Rows(Result result) : result_(std::move(result)) {}

  int size() const { return PQntuples(result_.get()); }
  int columns() const { return PQnfields(result_.get()); }
  bool is_null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  /// Empty when null.
  std::string_view text(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
  }
  std::string string(int row, int column) const { return std::string(text(row, column)); }
  bool boolean(int row, int column) const { return text(row, column) == "t"; }
  std::int64_t integer(int row, int column) const;
  /// What the command tag says: rows inserted, updated, deleted, copied.
  std::size_t affected() const;

 private:
  Result result_;
};

/// A statement's end: rows, or why the server refused it.
struct Answer {
  Rows rows;
  std::optional<ServerError> refused;
};

/// Bound parameters in text form; empty: NULL.
using Parameters = std::vector<std::optional<std::string>>;

/// One connection to a PostgreSQL server, in UTF-8, UTC and ISO notations. Not thread-safe.
///
/// Every wait ends within a second of a stop request with Error(cancelled), and with Error(unavailable)
/// when the server stays silent for longer than `patience`. After either, and after a lost connection, the
/// session is not `usable` any more: the server rolls back what was open. Notices are dropped.
class Session {
 public:
  /// Logs in. Throws Error: unauthorized, not_found (database), bad_config (TLS), unavailable.
  Session(const Target& target, std::stop_token stop);

  bool usable() const { return usable_; }
  /// 150018 for 15.18.
  int server_version() const { return PQserverVersion(handle_.get()); }
  bool is_encrypted() const { return PQsslInUse(handle_.get()) != 0; }
  /// A connection pooler in between gives another one than pg_backend_pid().
  int backend_pid() const { return PQbackendPID(handle_.get()); }
  bool in_transaction() const { return usable_ && PQtransactionStatus(handle_.get()) != PQTRANS_IDLE; }
  /// A parameter that the server reports, as `server_encoding`; empty when it does not.
  std::string parameter(const char* name) const;
  /// From now on waits answer to this one.
  void set_stop(std::stop_token stop) { stop_ = std::move(stop); }
  /// Counts unless the target names a `silence_timeout`.
  void set_patience(std::chrono::milliseconds patience) {
    patience_ = target_.silence_timeout.value_or(patience);
  }

  /// Runs statements separated by semicolons; the last one's rows. Throws Error by `kind_of`.
  Rows execute(const std::string& sql);
  /// Runs one statement with bound parameters.
  Rows query(const std::string& sql, const Parameters& parameters);
  /// The same for a statement that is run again and again: the server parses it once for each session.
  Rows query_prepared(const std::string& sql, const Parameters& parameters = {});
  /// As `execute`, but what the server refuses is a value. A lost connection still throws.
  Answer attempt(const std::string& sql);
  Answer attempt(const std::string& sql, const Parameters& parameters);
  /// As the last `attempt`, prepared.
  Answer attempt_prepared(const std::string& sql, const Parameters& parameters);

  /// Waits until a notification is there that this session listens for, or the time is over (false). All that are
  /// there are taken; what they say is not told.
  bool await_notification(std::chrono::milliseconds time);

  /// COPY … TO STDOUT: begins it, and hands out message after message (in binary format: one row each,
  /// the header in front of the first). False: the server says that this was the end.
  /// The view is valid until the next call.
  void begin_copy_out(const std::string& sql);
  bool next_copied(std::string_view& message);

  /// COPY … FROM STDIN: begins it, takes its bytes in pieces, and ends it.
  Answer begin_copy_in(const std::string& sql);
  void put_copied(std::string_view bytes);
  Answer end_copy_in();

  /// What the server said when this error was thrown; empty: the error is not of this session's last refusal.
  std::optional<ServerError> refusal_behind(const Error& error) const;
  const Target& target() const { return target_; }
  /// "PostgreSQL db:5432/shop: …": the error as an Error by `kind_of`.
  Error to_error(const ServerError& error) const;

 private:
  void connect();
  void set_up();
  void begin();
  void send(const std::string& sql);
  void wait(bool for_writing);
  /// Why the server refuses it.
  std::optional<ServerError> prepare(const std::string& sql);
  bool take_notifications();
  void flush();
  Result next_result();
  Answer collect();
  Answer begin_copy(const std::string& sql, ExecStatusType wanted);
  [[noreturn]] void give_up(ErrorKind kind, const std::string& reason);
  [[noreturn]] void connection_lost();

  struct MessageDeleter {
    void operator()(char* bytes) const noexcept { PQfreemem(bytes); }
  };

  Target target_;
  std::stop_token stop_;
  std::chrono::milliseconds patience_{300'000};
  Handle handle_;
  std::unique_ptr<char, MessageDeleter> message_;
  std::optional<ServerError> refused_;                     ///< the first refusal of the statement at hand
  mutable std::optional<ServerError> thrown_;              ///< the last refusal that became an Error
  std::unordered_map<std::string, std::string> prepared_;  ///< names of statements by their text
  bool usable_ = false;
};

}  // namespace syncflow::libpq
