#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/libmariadb/session.h"

namespace syncflow::mysql {

/// What the server says of a result's column.
struct Column {
  std::string name;
  enum_field_types type = MYSQL_TYPE_NULL;
  bool is_unsigned = false;
};

/// One cell in the binary protocol, as it lies in the packet.
struct Cell {
  const unsigned char* data = nullptr;  ///< nullptr: null
  std::size_t size = 0;
  bool is_null() const { return data == nullptr; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data), size}; }
};

/// A DATE, DATETIME or TIMESTAMP as the server holds it: month and day may be 0, the day beyond its month.
struct Moment {
  unsigned year = 0, month = 0, day = 0;
  unsigned hour = 0, minute = 0, second = 0, microsecond = 0;
};
Moment moment_of(const Cell& cell);

/// A TIME: up to 838 hours, either way.
struct Interval {
  bool negative = false;
  unsigned hours = 0, minute = 0, second = 0, microsecond = 0;
};
Interval interval_of(const Cell& cell);

/// `2024-00-00 10:00:00.500000`, with `digits` of the second; a DATE without its time.
std::string to_text(const Moment& moment, bool with_time, unsigned digits);
/// `-838:59:59.000000`
std::string to_text(const Interval& interval, unsigned digits);

std::int64_t integer_of(const Column& column, const Cell& cell);
/// DOUBLE, and FLOAT as the double that it exactly is.
double real_of(const Column& column, const Cell& cell);
/// Any cell as text: for small answers of catalogues.
std::string text_of(const Column& column, const Cell& cell);

/// A prepared statement. Parameters are bound from 0; texts and bytes are not copied: they must live until `run` or
/// `open` returns. Rows come in the binary protocol, unbuffered, so nothing is rounded on its way. Not thread-safe.
class Statement {
 public:
  Statement(Session& session, std::string_view sql);
  ~Statement();
  Statement(Statement&& other) noexcept = default;
  Statement& operator=(Statement&& other) noexcept = default;

  std::size_t parameters() const { return binds_.size(); }
  void bind_null(std::size_t index);
  void bind(std::size_t index, std::int64_t value);
  void bind(std::size_t index, std::uint64_t value);
  void bind(std::size_t index, double value);
  void bind_text(std::size_t index, std::string_view utf8);
  void bind_bytes(std::size_t index, std::string_view bytes);

  /// Runs a statement that gives no rows.
  Outcome run();

  /// Runs a statement that gives rows; until they are all fetched, or closed, nothing else may run on the session.
  void open();
  /// The next row. False: the result has ended, by the server's word.
  bool fetch();
  /// The row fetched last; valid until the next call.
  std::span<const Cell> cells() const { return cells_; }
  const std::vector<Column>& columns() const { return columns_; }
  /// Reads and forgets what rows are left: only for small results. For large ones abandon the session.
  void close();

 private:
  static void take_cell(void* self, unsigned index, unsigned char** row);
  MYSQL_BIND& number(std::size_t index, enum_field_types type);
  void read_columns();
  void execute();
  [[noreturn]] void fail(std::string_view doing);

  Session* session_;
  StatementHandle handle_;
  std::string sql_;
  std::vector<MYSQL_BIND> binds_;
  std::vector<std::uint64_t> numbers_;  ///< what number parameters point to
  std::vector<Column> columns_;
  std::vector<Cell> cells_;
};

}  // namespace syncflow::mysql
