#include "store/sqlite_connection.h"

#include <fmt/format.h>

namespace syncflow::sqlite_store {
namespace {

// Another process may hold the lock while it commits a large batch.
constexpr std::chrono::seconds kBusyTimeout{30};
constexpr std::size_t kIdleReaders = 4;

}  // namespace

TimeText::TimeText(Time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  const int year = static_cast<int>(date.year());
  if (year < 0 || year > 9999)
    throw Error(ErrorKind::bug, fmt::format("the year {} is outside of what the store can keep", year));
  fmt::format_to_n(text_.data(), text_.size(), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", year,
                   static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                   clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                   clock.subseconds().count());
}

// Lowest byte first whatever the machine: a SQLite file may be moved to another one.
HashBytes::HashBytes(const RowHash& hash) {
  for (std::size_t i = 0; i < 8; ++i) {
    bytes_[i] = static_cast<char>(hash.low >> (8 * i));
    bytes_[8 + i] = static_cast<char>(hash.high >> (8 * i));
  }
}

RowHash HashBytes::read(std::string_view bytes) {
  if (bytes.size() != 16)
    throw Error(ErrorKind::bug, fmt::format("a row hash of {} bytes in the store", bytes.size()));
  RowHash hash;
  for (std::size_t i = 0; i < 8; ++i) {
    hash.low |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    hash.high |= std::uint64_t{static_cast<unsigned char>(bytes[8 + i])} << (8 * i);
  }
  return hash;
}

Connection::Connection(const std::string& file, Use use)
    : database_(file, use == Use::write ? sqlite::OpenMode::create : sqlite::OpenMode::read_write,
                kBusyTimeout) {
  database_.execute(use == Use::write ? "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"
                                      : "PRAGMA query_only = ON");
}

sqlite::Statement& Connection::statement(std::string_view sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second;
  return statements_.emplace(sql, database_.prepare(sql)).first->second;
}

std::int64_t Query::run() {
  while (statement_.step()) {
  }
  return connection_.database().changes();
}

Time Query::time(int column) const { return from_rfc3339(statement_.text(column)); }

std::optional<Time> Query::optional_time(int column) const {
  if (is_null(column)) return std::nullopt;
  return time(column);
}

void Query::put(Time time) {
  TimeText& text = times_.at(times_used_++);
  text = TimeText(time);
  put(text.view());
}

void Query::put(const std::optional<Time>& time) {
  if (time) put(*time);
  else put(std::nullopt);
}

void Query::put(const RowHash& hash) {
  HashBytes& bytes = hashes_.at(hashes_used_++);
  bytes = HashBytes(hash);
  statement_.bind_blob(++bound_, bytes.view());
}

Readers::Readers(std::string file) : file_(std::move(file)) { idle_.reserve(kIdleReaders); }

Readers::Lent Readers::lend() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return {*this, std::move(connection)};
    }
  }
  return {*this, std::make_unique<Connection>(file_, Connection::Use::read)};
}

void Readers::give_back(std::unique_ptr<Connection> connection) noexcept {
  const std::lock_guard lock(mutex_);
  // idle_ was reserved: this cannot throw.
  if (idle_.size() < kIdleReaders) idle_.push_back(std::move(connection));
}

}  // namespace syncflow::sqlite_store
