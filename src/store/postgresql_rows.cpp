#include "store/postgresql_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "core/text.h"

namespace syncflow::postgresql_store {
namespace {

std::uint64_t from_digits(std::string_view digits) {
  std::uint64_t number = 0;
  for (const char c : digits) {
    if (c == '-') continue;
    number = number << 4 | static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return number;
}

}  // namespace

std::string plain_text(std::string_view text) {
  std::string repaired = repaired_utf8(text);
  for (std::size_t at; (at = repaired.find('\0')) != std::string::npos;)
    repaired.replace(at, 1, "\xEF\xBF\xBD");
  return repaired;
}

std::string id_text(std::string_view text) {
  std::string out = plain_text(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

Call& Call::text(std::string_view text) {
  parameters_.emplace_back(plain_text(text));
  return *this;
}

Call& Call::null() {
  parameters_.emplace_back(std::nullopt);
  return *this;
}

Call& Call::id(std::string_view id) {
  parameters_.emplace_back(id_text(id));
  return *this;
}

Call& Call::lease(const Lease& lease) {
  return id(lease.sync_id).id(lease.run_id).text(lease.owner).number(lease.epoch);
}

Call& Call::number(std::int64_t number) {
  parameters_.emplace_back(std::to_string(number));
  return *this;
}

Call& Call::boolean(bool value) {
  parameters_.emplace_back(value ? "t" : "f");
  return *this;
}

Call& Call::time(Time time) {
  parameters_.emplace_back(to_rfc3339(time));
  return *this;
}

Call& Call::time(const std::optional<Time>& time) { return time ? this->time(*time) : null(); }

Call& Call::bytes(std::string_view bytes) {
  parameters_.emplace_back("\\x" + to_hex(bytes));
  return *this;
}

Call& Call::hash(const RowHash& hash) {
  std::string out;
  append_hash(out, hash);
  parameters_.emplace_back(std::move(out));
  return *this;
}

void Call::try_again(bool tells) {
  tried_ = true;
  if (tells) parameters_.back() = "t";
}

void append_text(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : plain_text(text)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

void append_id(std::string& out, std::string_view id) { append_text(out, id_text(id)); }

void append_bytes(std::string& out, std::string_view bytes) {
  out += R"("\\x)";
  out += to_hex(bytes);
  out += '"';
}

void append_number(std::string& out, std::int64_t number) {
  fmt::format_to(std::back_inserter(out), "{}", number);
}

// Highest digits first: the order of the uuids is of no meaning.
void append_hash(std::string& out, const RowHash& hash) {
  fmt::format_to(std::back_inserter(out), "{:016x}{:016x}", hash.high, hash.low);
}

Time read_time(const libpq::Rows& rows, int row, int column) {
  return Time(std::chrono::microseconds(rows.integer(row, column)));
}

std::optional<Time> read_optional_time(const libpq::Rows& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return read_time(rows, row, column);
}

std::string read_bytes(const libpq::Rows& rows, int row, int column) {
  return from_hex(rows.text(row, column).substr(2));  // behind "\x"
}

RowHash read_hash(const libpq::Rows& rows, int row, int column) {
  const std::string_view digits = rows.text(row, column);  // 8-4-4-4-12
  RowHash hash;
  hash.high = from_digits(digits.substr(0, 18));
  hash.low = from_digits(digits.substr(19));
  return hash;
}

std::optional<RowHash> read_optional_hash(const libpq::Rows& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return read_hash(rows, row, column);
}

Sync read_sync(const libpq::Rows& rows, int row, int first) {
  const auto text = [&](int column) { return rows.string(row, first + column); };
  Sync sync;
  sync.id = text(0);
  sync.name = text(1);
  sync.team_id = text(2);
  sync.status = sync_status_named(text(3)).value();
  sync.provider = text(4);
  sync.source = text(5);
  sync.destination = text(6);
  sync.schedule = text(7);
  sync.definition = text(8);
  if (!rows.is_null(row, first + 9)) sync.hold = Hold{text(9), text(10), read_time(rows, row, first + 11)};
  sync.last_polled_at = read_optional_time(rows, row, first + 12);
  sync.next_run_at = read_optional_time(rows, row, first + 13);
  sync.failed_polls = static_cast<int>(rows.integer(row, first + 14));
  sync.message = text(15);
  sync.starts_over = rows.boolean(row, first + 16);
  return sync;
}

Job read_job(const libpq::Rows& rows, int row, int first) {
  const auto text = [&](int column) { return rows.string(row, first + column); };
  Job job;
  job.id = text(1);
  job.sync_id = text(2);
  job.team_id = text(3);
  job.provider = text(4);
  // A table that was there before us may hold a status of its own: whatever it is, such a job is over.
  job.status = job_status_named(text(5)).value_or(JobStatus::failed);
  job.payload = text(6);
  job.error = text(7);
  job.retry_count = static_cast<int>(rows.integer(row, first + 8));
  job.created_at = read_time(rows, row, first + 9);
  job.updated_at = read_time(rows, row, first + 10);
  job.started_at = read_optional_time(rows, row, first + 11);
  job.finished_at = read_optional_time(rows, row, first + 12);
  // Other programs may name triggers of their own.
  job.trigger = trigger_named(text(13)).value_or(Trigger::external);
  job.run_after = read_time(rows, row, first + 14);
  job.priority = static_cast<int>(rows.integer(row, first + 15));
  return job;
}

Error to_error(const libpq::Session& session, const libpq::ServerError& refused) {
  // Raised by our own functions: see migrations/postgresql/0002_queue.sql.
  if (refused.is("SF001")) return {ErrorKind::lease_lost, refused.message};
  if (refused.is("SF002")) return {ErrorKind::cancelled, refused.message};
  if (refused.is("SF003")) return {ErrorKind::not_found, refused.message};
  if (refused.is("SF004")) return {ErrorKind::bug, refused.message};
  if (refused.is("SF005")) return {ErrorKind::bad_config, refused.message};
  // A row that somebody else has locked, or a statement that took too long, may go next time.
  if (refused.is("55P03"))
    return {ErrorKind::unavailable,
            fmt::format("{}: another program's transaction holds a row of the store; end it there",
                        session.to_error(refused).what())};
  if (refused.is("42501"))
    return {ErrorKind::forbidden, fmt::format("{}: docs/store.md names the rights that the store needs",
                                              session.to_error(refused).what())};
  return session.to_error(refused);
}

}  // namespace syncflow::postgresql_store
