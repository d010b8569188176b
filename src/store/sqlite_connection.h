#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/batch.h"
#include "core/clock.h"
#include "drivers/sqlite/database.h"
#include "store/model.h"

namespace syncflow::sqlite_store {

/// A time as the store keeps it: `2024-01-01T00:00:00.000000Z`, always of this width.
class TimeText {
 public:
  TimeText() = default;
  explicit TimeText(Time time);
  std::string_view view() const { return {text_.data(), text_.size()}; }

 private:
  std::array<char, 27> text_{};
};

/// A hash as the store keeps it: sixteen bytes.
class HashBytes {
 public:
  HashBytes() = default;
  explicit HashBytes(const RowHash& hash);
  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }
  static RowHash read(std::string_view bytes);

 private:
  std::array<char, 16> bytes_{};
};

/// One connection to the store's file with its prepared statements. One thread at a time.
class Connection {
 public:
  enum class Use { read, write };
  /// For writing the file is made if it is missing.
  Connection(const std::string& file, Use use);

  sqlite::Database& database() { return database_; }
  /// Prepared once for each text.
  sqlite::Statement& statement(std::string_view sql);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  sqlite::Database database_;
  std::unordered_map<std::string, sqlite::Statement, Hash, std::equal_to<>> statements_;
};

/// One execution of a prepared statement; ready for the next one when it goes out of scope.
///
/// Bound texts are not copied and must outlive the query; times and hashes are. The same text of SQL must
/// not be executed by two queries of a connection at once.
class Query {
 public:
  Query(Connection& connection, std::string_view sql)
      : connection_(connection), statement_(connection.statement(sql)) {}
  ~Query() { statement_.reset(); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  /// Binds ?1, ?2 and so on; may go on with a second call.
  template <typename... Values>
  Query& bind(Values&&... values) {
    (put(std::forward<Values>(values)), ...);
    return *this;
  }

  /// True: a row is there.
  bool step() { return statement_.step(); }
  /// Runs to the end; how many rows it changed.
  std::int64_t run();

  bool is_null(int column) const { return statement_.is_null(column); }
  std::int64_t integer(int column) const { return statement_.integer(column); }
  int small(int column) const { return static_cast<int>(statement_.integer(column)); }
  bool boolean(int column) const { return statement_.integer(column) != 0; }
  std::string text(int column) const { return statement_.string(column); }
  RowHash hash(int column) const { return HashBytes::read(statement_.blob(column)); }
  Time time(int column) const;
  std::optional<Time> optional_time(int column) const;

 private:
  void put(std::string_view text) { statement_.bind_text(++bound_, text); }
  void put(const std::string& text) { put(std::string_view(text)); }
  void put(const char* text) { put(std::string_view(text)); }
  void put(std::string&&) = delete;  // would be gone before the statement runs
  void put(bool value) { statement_.bind(++bound_, std::int64_t{value}); }
  void put(int value) { statement_.bind(++bound_, std::int64_t{value}); }
  void put(std::int64_t value) { statement_.bind(++bound_, value); }
  void put(std::size_t value) { statement_.bind(++bound_, static_cast<std::int64_t>(value)); }
  void put(std::nullopt_t) { statement_.bind_null(++bound_); }
  void put(Time time);
  void put(const std::optional<Time>& time);
  void put(const RowHash& hash);

  Connection& connection_;
  sqlite::Statement& statement_;
  int bound_ = 0;
  std::array<TimeText, 6> times_;
  std::size_t times_used_ = 0;
  std::array<HashBytes, 2> hashes_;
  std::size_t hashes_used_ = 0;
};

/// Connections for reading, handed out one for each reader at a time. Thread-safe.
class Readers {
 public:
  explicit Readers(std::string file);

  class Lent {
   public:
    Lent(Readers& readers, std::unique_ptr<Connection> connection)
        : readers_(readers), connection_(std::move(connection)) {}
    ~Lent() { readers_.give_back(std::move(connection_)); }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    Connection& operator*() { return *connection_; }

   private:
    Readers& readers_;
    std::unique_ptr<Connection> connection_;
  };
  Lent lend();

 private:
  void give_back(std::unique_ptr<Connection> connection) noexcept;

  std::string file_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace syncflow::sqlite_store
