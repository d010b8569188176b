#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace syncflow::sqlite {

class Database;

/// One prepared statement. Not thread-safe. Bind from 1, read columns from 0, as SQLite does.
///
/// Bound texts and blobs are not copied: they must live until the next `reset`.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  Statement& bind_null(int index);
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, double value);
  Statement& bind_text(int index, std::string_view utf8);
  Statement& bind_blob(int index, std::string_view bytes);
  template <typename T>
  Statement& bind_optional(int index, const std::optional<T>& value) {
    return value ? bind(index, *value) : bind_null(index);
  }

  /// True: a row is there. Throws Error, by `kind_of`.
  bool step();
  /// Runs to the end and resets.
  void run();
  /// Ready for the next execution; bindings stay until replaced.
  void reset();

  int columns() const;
  /// SQLITE_INTEGER, SQLITE_FLOAT, SQLITE_TEXT, SQLITE_BLOB or SQLITE_NULL: of this very value.
  int type(int column) const;
  bool is_null(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  /// Valid until the next step or reset. May hold NUL and malformed UTF-8.
  std::string_view text(int column) const;
  std::string_view blob(int column) const;
  std::string string(int column) const { return std::string(text(column)); }
  sqlite3_stmt* handle() const { return statement_; }

 private:
  friend class Database;
  Statement(sqlite3_stmt* statement, Database* database) : statement_(statement), database_(database) {}
  sqlite3_stmt* statement_ = nullptr;
  Database* database_ = nullptr;
};

enum class OpenMode { read_only, read_write, create };

/// One connection to a SQLite file. Not thread-safe: one thread at a time.
class Database {
 public:
  /// Throws Error: not_found when the file is missing, forbidden when it may not be opened, bad_config when it
  /// is no database. `busy_timeout`: how long a lock is waited for. A stop request ends the wait, and a
  /// statement that runs long, with Error(cancelled).
  Database(const std::string& file, OpenMode mode, std::chrono::milliseconds busy_timeout,
           std::stop_token stop = {});
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Statement prepare(std::string_view sql);
  /// Runs statements separated by semicolons that give no rows.
  void execute(const std::string& sql);
  /// Rows changed by the last statement.
  std::int64_t changes() const;
  /// The number that the last INSERT gave its row.
  std::int64_t last_insert_rowid() const;
  bool in_transaction() const;
  /// How long a lock is waited for from now on.
  void wait_at_most(std::chrono::milliseconds busy_timeout) { busy_timeout_ = busy_timeout; }
  sqlite3* handle() const { return database_; }
  const std::string& file() const { return file_; }

  /// The error of the last call as an Error. The message names the file, what was done and what came back.
  [[noreturn]] void fail(std::string_view doing) const;

 private:
  static int on_busy(void* self, int attempts);
  static int on_progress(void* self);
  sqlite3* database_ = nullptr;
  std::string file_;
  std::chrono::milliseconds busy_timeout_;
  std::chrono::steady_clock::time_point busy_since_{};
  std::stop_token stop_;
};

/// BEGIN IMMEDIATE, and ROLLBACK unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database, const char* begin = "BEGIN IMMEDIATE");
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

/// The kind of an extended SQLite result code. SQLITE_BUSY and SQLITE_LOCKED are conflicts, SQLITE_FULL and
/// SQLITE_IOERR unavailable, SQLITE_AUTH, SQLITE_PERM and SQLITE_READONLY forbidden.
ErrorKind kind_of(int extended_code);

/// `"a""b"`
std::string quoted_name(std::string_view identifier);

}  // namespace syncflow::sqlite
