#include "drivers/sqlite/database.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <cerrno>
#include <thread>
#include <utility>

namespace syncflow::sqlite {

namespace {

/// Instructions of SQLite's virtual machine: some milliseconds' worth.
constexpr int kStepsBetweenLooks = 100'000;

/// SQLite counts every allocation, behind one lock for the whole process, for sums that nobody asks for: a tenth of what
/// a small statement costs. Too late once SQLite is in use; then it goes on counting.
void stop_counting_memory() {
  [[maybe_unused]] static const int code = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

bool is_disk_full(int extended_code, int system_error) {
  const int code = extended_code & 0xff;
  // Memory shared beside a WAL file is made room for by itself, and fails as input and output.
  return code == SQLITE_FULL || (code == SQLITE_IOERR && (system_error == ENOSPC || system_error == EDQUOT));
}

/// What a person can do about it, to follow SQLite's own words.
const char* advice_for(int extended_code, int system_error) {
  if (is_disk_full(extended_code, system_error)) return " (the disk is full: make room there)";
  switch (extended_code & 0xff) {
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return " (this user must be able to write the file, and to make files in its folder)";
    default: return "";
  }
}

}  // namespace

ErrorKind kind_of(int extended_code) {
  switch (extended_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ErrorKind::conflict;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_NOMEM:
    case SQLITE_PROTOCOL: return ErrorKind::unavailable;
    case SQLITE_AUTH:
    case SQLITE_PERM:
    case SQLITE_READONLY: return ErrorKind::forbidden;
    case SQLITE_CANTOPEN: return ErrorKind::not_found;
    case SQLITE_INTERRUPT: return ErrorKind::cancelled;
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
    case SQLITE_INTERNAL: return ErrorKind::bug;
    default: return ErrorKind::bad_config;
  }
}

std::string quoted_name(std::string_view identifier) {
  std::string out = "\"";
  for (char c : identifier) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

Statement::Statement(Statement&& other) noexcept
    : statement_(std::exchange(other.statement_, nullptr)), database_(other.database_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(statement_, other.statement_);
  std::swap(database_, other.database_);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind_null(int index) {
  if (sqlite3_bind_null(statement_, index) != SQLITE_OK) database_->fail("binding a value");
  return *this;
}

Statement& Statement::bind(int index, std::int64_t value) {
  if (sqlite3_bind_int64(statement_, index, value) != SQLITE_OK) database_->fail("binding a value");
  return *this;
}

Statement& Statement::bind(int index, double value) {
  if (sqlite3_bind_double(statement_, index, value) != SQLITE_OK) database_->fail("binding a value");
  return *this;
}

// A null pointer would bind NULL: an empty text needs one that is not.
static const char* data_of(std::string_view bytes) { return bytes.data() ? bytes.data() : ""; }

Statement& Statement::bind_text(int index, std::string_view utf8) {
  if (sqlite3_bind_text64(statement_, index, data_of(utf8), utf8.size(), SQLITE_STATIC, SQLITE_UTF8) !=
      SQLITE_OK)
    database_->fail("binding a text");
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  if (sqlite3_bind_blob64(statement_, index, data_of(bytes), bytes.size(), SQLITE_STATIC) != SQLITE_OK)
    database_->fail("binding bytes");
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  database_->fail("running a statement");
}

void Statement::run() {
  while (step()) {
  }
  reset();
}

void Statement::reset() { sqlite3_reset(statement_); }

int Statement::columns() const { return sqlite3_column_count(statement_); }
int Statement::type(int column) const { return sqlite3_column_type(statement_, column); }
bool Statement::is_null(int column) const { return type(column) == SQLITE_NULL; }
std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }

std::string_view Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  return {bytes ? bytes : "", static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::string_view Statement::blob(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return {bytes ? bytes : "", static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

Database::Database(const std::string& file, OpenMode mode, std::chrono::milliseconds busy_timeout,
                   std::stop_token stop)
    : file_(file), busy_timeout_(busy_timeout), stop_(std::move(stop)) {
  stop_counting_memory();
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (mode == OpenMode::read_only) flags |= SQLITE_OPEN_READONLY;
  if (mode != OpenMode::read_only) flags |= SQLITE_OPEN_READWRITE;
  if (mode == OpenMode::create) flags |= SQLITE_OPEN_CREATE;
  const int code = sqlite3_open_v2(file.c_str(), &database_, flags, nullptr);
  if (code != SQLITE_OK) {
    const std::string reason = database_ ? sqlite3_errmsg(database_) : "out of memory";
    const char* advice = advice_for(code, database_ ? sqlite3_system_errno(database_) : 0);
    sqlite3_close(database_);
    database_ = nullptr;
    throw Error(kind_of(code), fmt::format("opening SQLite file {}: {}{}", file, reason, advice));
  }
  sqlite3_busy_handler(database_, &Database::on_busy, this);
  if (stop_.stop_possible())
    sqlite3_progress_handler(database_, kStepsBetweenLooks, &Database::on_progress, this);
}

Database::~Database() { sqlite3_close_v2(database_); }

int Database::on_progress(void* self) { return static_cast<Database*>(self)->stop_.stop_requested(); }

int Database::on_busy(void* self, int attempts) {
  auto& database = *static_cast<Database*>(self);
  const auto now = std::chrono::steady_clock::now();
  if (attempts == 0) database.busy_since_ = now;
  if (database.stop_.stop_requested() || now - database.busy_since_ >= database.busy_timeout_) return 0;
  // The lock is held by another process, which wakes nobody: trying again is all there is.
  std::this_thread::sleep_for(std::chrono::milliseconds(attempts < 10 ? 1 : 5));
  return 1;
}

Statement Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()), 0, &statement, nullptr);
  if (code != SQLITE_OK) fail(fmt::format("preparing {}", sql));
  return {statement, this};
}

void Database::execute(const std::string& sql) {
  if (sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    fail(fmt::format("running {}", sql));
}

std::int64_t Database::changes() const { return sqlite3_changes64(database_); }
std::int64_t Database::last_insert_rowid() const { return sqlite3_last_insert_rowid(database_); }
bool Database::in_transaction() const { return sqlite3_get_autocommit(database_) == 0; }

void Database::fail(std::string_view doing) const {
  const int code = sqlite3_extended_errcode(database_);
  if ((code & 0xff) == SQLITE_BUSY && stop_.stop_requested())
    throw Error(ErrorKind::cancelled, fmt::format("{}: {}: asked to stop", file_, doing));
  throw Error(kind_of(code), fmt::format("{}: {}: {}{}", file_, doing, sqlite3_errmsg(database_),
                                         advice_for(code, sqlite3_system_errno(database_))));
}

Transaction::Transaction(Database& database, const char* begin) : database_(database) {
  database_.execute(begin);
}

Transaction::~Transaction() {
  // A failed COMMIT may have rolled back already; a second ROLLBACK is then an error nobody needs.
  if (open_ && database_.in_transaction())
    sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace syncflow::sqlite
