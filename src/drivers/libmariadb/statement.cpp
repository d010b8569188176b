#include "drivers/libmariadb/statement.h"

#include <fmt/core.h>

#include <bit>
#include <cstring>

namespace syncflow::mysql {
namespace {

static_assert(std::endian::native == std::endian::little, "the binary protocol is little-endian");

template <typename T>
T load(const unsigned char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

/// Bytes of a value whose size its type tells; -1: a length goes before it.
int fixed_size(enum_field_types type) {
  switch (type) {
    case MYSQL_TYPE_NULL: return 0;
    case MYSQL_TYPE_TINY: return 1;
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_YEAR: return 2;
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_FLOAT: return 4;
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_DOUBLE: return 8;
    default: return -1;
  }
}

std::size_t read_length(const unsigned char*& at) {
  const unsigned char first = *at++;
  std::size_t length = first;
  if (first == 252) {
    length = load<std::uint16_t>(at);
    at += 2;
  } else if (first == 253) {
    length = load<std::uint16_t>(at) | static_cast<std::size_t>(at[2]) << 16;
    at += 3;
  } else if (first == 254) {
    length = load<std::uint64_t>(at);
    at += 8;
  }
  return length;
}

void append_fraction(unsigned microsecond, unsigned digits, std::string& out) {
  if (digits == 0) return;
  out += '.' + fmt::format("{:06}", microsecond).substr(0, digits);
}

bool is_time_type(enum_field_types type) {
  return type == MYSQL_TYPE_DATE || type == MYSQL_TYPE_DATETIME || type == MYSQL_TYPE_TIMESTAMP;
}

}  // namespace

Moment moment_of(const Cell& cell) {
  // Parts that are zero are left out from the end.
  Moment moment;
  if (cell.size >= 4) {
    moment.year = load<std::uint16_t>(cell.data);
    moment.month = cell.data[2];
    moment.day = cell.data[3];
  }
  if (cell.size >= 7) {
    moment.hour = cell.data[4];
    moment.minute = cell.data[5];
    moment.second = cell.data[6];
  }
  if (cell.size >= 11) moment.microsecond = load<std::uint32_t>(cell.data + 7);
  return moment;
}

Interval interval_of(const Cell& cell) {
  Interval interval;
  if (cell.size >= 8) {
    interval.negative = cell.data[0] != 0;
    interval.hours = load<std::uint32_t>(cell.data + 1) * 24 + cell.data[5];
    interval.minute = cell.data[6];
    interval.second = cell.data[7];
  }
  if (cell.size >= 12) interval.microsecond = load<std::uint32_t>(cell.data + 8);
  return interval;
}

std::string to_text(const Moment& moment, bool with_time, unsigned digits) {
  std::string out = fmt::format("{:04}-{:02}-{:02}", moment.year, moment.month, moment.day);
  if (!with_time) return out;
  out += fmt::format(" {:02}:{:02}:{:02}", moment.hour, moment.minute, moment.second);
  append_fraction(moment.microsecond, digits, out);
  return out;
}

std::string to_text(const Interval& interval, unsigned digits) {
  std::string out = fmt::format("{}{:02}:{:02}:{:02}", interval.negative ? "-" : "", interval.hours,
                                interval.minute, interval.second);
  append_fraction(interval.microsecond, digits, out);
  return out;
}

std::int64_t integer_of(const Column& column, const Cell& cell) {
  const auto read = [&](auto as_signed, auto as_unsigned) -> std::int64_t {
    if (column.is_unsigned) return static_cast<std::int64_t>(load<decltype(as_unsigned)>(cell.data));
    return load<decltype(as_signed)>(cell.data);
  };
  switch (cell.size) {
    case 1: return read(std::int8_t(), std::uint8_t());
    case 2: return read(std::int16_t(), std::uint16_t());
    case 4: return read(std::int32_t(), std::uint32_t());
    default: return read(std::int64_t(), std::uint64_t());
  }
}

double real_of(const Column& column, const Cell& cell) {
  return column.type == MYSQL_TYPE_FLOAT ? static_cast<double>(load<float>(cell.data))
                                         : load<double>(cell.data);
}

std::string text_of(const Column& column, const Cell& cell) {
  if (column.type == MYSQL_TYPE_FLOAT || column.type == MYSQL_TYPE_DOUBLE)
    return fmt::format("{}", real_of(column, cell));
  if (is_time_type(column.type)) return to_text(moment_of(cell), column.type != MYSQL_TYPE_DATE, 6);
  if (column.type == MYSQL_TYPE_TIME) return to_text(interval_of(cell), 6);
  if (fixed_size(column.type) < 0) return std::string(cell.view());
  const std::int64_t number = integer_of(column, cell);
  return column.is_unsigned ? std::to_string(static_cast<std::uint64_t>(number)) : std::to_string(number);
}

// ---------------------------------------------------------------------------------------------------------------

Statement::Statement(Session& session, std::string_view sql) : session_(&session), sql_(sql.substr(0, 200)) {
  handle_.reset(mysql_stmt_init(session.handle_.get()));
  if (!handle_) session.fail("preparing " + sql_);
  if (mysql_stmt_prepare(handle_.get(), sql.data(), sql.size()) != 0) fail("preparing " + sql_);
  const auto count = mysql_stmt_param_count(handle_.get());
  binds_.resize(count);
  numbers_.resize(count);
  for (std::size_t i = 0; i < count; ++i) bind_null(i);
}

Statement::~Statement() = default;

void Statement::bind_null(std::size_t index) {
  binds_[index] = {};
  binds_[index].buffer_type = MYSQL_TYPE_NULL;
}

MYSQL_BIND& Statement::number(std::size_t index, enum_field_types type) {
  MYSQL_BIND& bind = binds_[index];
  bind = {};
  bind.buffer_type = type;
  bind.buffer = &numbers_[index];
  return bind;
}

void Statement::bind(std::size_t index, std::int64_t value) {
  numbers_[index] = static_cast<std::uint64_t>(value);
  number(index, MYSQL_TYPE_LONGLONG);
}

void Statement::bind(std::size_t index, std::uint64_t value) {
  numbers_[index] = value;
  number(index, MYSQL_TYPE_LONGLONG).is_unsigned = 1;
}

void Statement::bind(std::size_t index, double value) {
  numbers_[index] = std::bit_cast<std::uint64_t>(value);
  number(index, MYSQL_TYPE_DOUBLE);
}

void Statement::bind_text(std::size_t index, std::string_view utf8) {
  MYSQL_BIND& bind = binds_[index];
  bind = {};
  bind.buffer_type = MYSQL_TYPE_STRING;
  bind.buffer = const_cast<char*>(utf8.data() ? utf8.data() : "");
  bind.buffer_length = utf8.size();
}

void Statement::bind_bytes(std::size_t index, std::string_view bytes) {
  bind_text(index, bytes);
  binds_[index].buffer_type = MYSQL_TYPE_BLOB;
}

void Statement::execute() {
  if (!binds_.empty() && mysql_stmt_bind_param(handle_.get(), binds_.data()) != 0) fail("binding values");
  if (mysql_stmt_execute(handle_.get()) != 0) fail("running " + sql_);
}

Outcome Statement::run() {
  execute();
  const char* info = mysql_info(session_->handle_.get());
  return {mysql_stmt_affected_rows(handle_.get()), info ? info : ""};
}

void Statement::open() {
  execute();
  read_columns();
  mysql_stmt_attr_set(handle_.get(), STMT_ATTR_CB_RESULT,
                      reinterpret_cast<const void*>(&Statement::take_cell));
}

void Statement::read_columns() {
  columns_.clear();
  const ResultHandle described(mysql_stmt_result_metadata(handle_.get()));
  if (!described) fail("running " + sql_);
  const MYSQL_FIELD* fields = mysql_fetch_fields(described.get());
  for (unsigned i = 0; i < mysql_num_fields(described.get()); ++i)
    columns_.push_back({fields[i].name, fields[i].type, (fields[i].flags & UNSIGNED_FLAG) != 0});
  cells_.assign(columns_.size(), {});
}

/// Called by the library for each cell of a row, with the place in the packet; moves it on to the next.
void Statement::take_cell(void* self, unsigned index, unsigned char** row) {
  auto& statement = *static_cast<Statement*>(self);
  Cell& cell = statement.cells_[index];
  if (!row) {
    cell = {};
    return;
  }
  const unsigned char* at = *row;
  const int fixed = fixed_size(statement.columns_[index].type);
  cell.size = fixed >= 0 ? static_cast<std::size_t>(fixed) : read_length(at);
  cell.data = at;
  *row = const_cast<unsigned char*>(at + cell.size);
}

bool Statement::fetch() {
  // Set for each row, because a statement may have been moved since the last.
  mysql_stmt_attr_set(handle_.get(), STMT_ATTR_CB_USER_DATA, this);
  switch (mysql_stmt_fetch(handle_.get())) {
    case 0: return true;
    // It speaks of bound buffers, and there are none: cells are taken from the packet as they are.
    case MYSQL_DATA_TRUNCATED: return true;
    case MYSQL_NO_DATA: return false;
    default: fail("reading rows of " + sql_);
  }
}

void Statement::close() { mysql_stmt_free_result(handle_.get()); }

void Statement::fail(std::string_view doing) {
  MYSQL_STMT* handle = handle_.get();
  if (mysql_stmt_errno(handle) != 0)
    session_->fail(doing, {mysql_stmt_errno(handle), mysql_stmt_sqlstate(handle), mysql_stmt_error(handle)});
  // What fails while rows of an unbuffered result arrive is only known to the connection.
  MYSQL* connection = session_->handle_.get();
  session_->fail(doing, {mysql_errno(connection), mysql_sqlstate(connection), mysql_error(connection)});
}

}  // namespace syncflow::mysql
