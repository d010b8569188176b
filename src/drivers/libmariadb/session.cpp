#include "drivers/libmariadb/session.h"

#include <arpa/inet.h>
#include <errmsg.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <system_error>
#include <utility>

#include "drivers/libmariadb/errors.h"
#include "drivers/libmariadb/lookup.h"
#include "drivers/libmariadb/statement.h"

namespace syncflow::mysql {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kConnectTimeout = 10s;
constexpr std::chrono::milliseconds kGlance = 100ms;

/// Plugins that never show the password to whoever listens, or to a server that is not the one it claims to be.
constexpr const char* kPlainTextPlugins =
    "mysql_native_password,caching_sha2_password,sha256_password,client_ed25519,parsec";

void initialise_library() {
  static std::once_flag once;
  std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
}

// The server may answer any statement with a request for a file of ours.
int refuse_file(void** state, const char*, void*) {
  *state = nullptr;
  return 1;
}
int read_nothing(void*, char*, unsigned) { return -1; }
void forget_nothing(void*) {}
int say_refused(void*, char* words, unsigned size) {
  std::snprintf(words, size, "the server asked for a file of this machine, which is always refused");
  return CR_UNKNOWN_ERROR;
}

template <typename T>
void set_option(MYSQL* handle, mysql_option option, const T& value) {
  mysql_optionsv(handle, option, static_cast<const void*>(&value));
}

/// Whether the network ended a TLS handshake: no setting is wrong then.
bool was_cut_off(std::string_view words) {
  for (const char* part :
       {"unexpected eof", "Connection reset", "Broken pipe", "timed out", "Success", "syscall"})
    if (words.find(part) != std::string_view::npos) return true;
  return false;
}

int leading_number(std::string_view& text) {
  int number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc()) return 0;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.empty() && text.front() == '.') text.remove_prefix(1);
  return number;
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------

std::string Target::shown() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}/{}", is_v6 ? "[" : "", host, is_v6 ? "]" : "", port, database);
}

bool is_loopback(std::string_view host) {
  if (host == "localhost") return true;
  const std::string text(host);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, text.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

ServerVersion parse_version(std::string_view text) {
  ServerVersion version;
  version.mariadb = text.find("MariaDB") != std::string_view::npos;
  // What MariaDB puts in front so that old replicas take it for a MySQL.
  constexpr std::string_view kDisguise = "5.5.5-";
  if (version.mariadb && text.substr(0, kDisguise.size()) == kDisguise) text.remove_prefix(kDisguise.size());
  version.major = leading_number(text);
  version.minor = leading_number(text);
  version.patch = leading_number(text);
  return version;
}

std::string ServerVersion::text() const {
  return fmt::format("{} {}.{}.{}", mariadb ? "MariaDB" : "MySQL", major, minor, patch);
}

bool ServerVersion::at_least(int wanted_major, int wanted_minor, int wanted_patch) const {
  if (major != wanted_major) return major > wanted_major;
  if (minor != wanted_minor) return minor > wanted_minor;
  return patch >= wanted_patch;
}

std::uint64_t Outcome::count(std::string_view label) const {
  const auto at = info.find(std::string(label) + ": ");
  if (at == std::string::npos) return 0;
  std::uint64_t number = 0;
  std::from_chars(info.data() + at + label.size() + 2, info.data() + info.size(), number);
  return number;
}

std::string quoted_name(std::string_view identifier) {
  std::string out = "`";
  for (const char c : identifier) {
    if (c == '`') out += '`';
    out += c;
  }
  return out + '`';
}

// ---------------------------------------------------------------------------------------------------------------

Session::Wire::~Wire() {
  if (socket_ >= 0) ::close(socket_);
}

void Session::Wire::take(int socket) {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::close(socket_);
  socket_ = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
}

void Session::Wire::shut() {
  const std::lock_guard lock(mutex_);
  if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

/// What the library's waits need to know while it connects, when no stop callback can reach its socket yet.
struct Session::Waiting {
  Waiting(Wire& wire, const std::stop_token& stop) : wire(wire), stop(stop) { current = this; }
  ~Waiting() { current = nullptr; }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  Wire& wire;
  const std::stop_token& stop;
};
thread_local Session::Waiting* Session::current = nullptr;
thread_local bool Session::timed_out = false;

/// The library's wait for its socket. While it connects it tries one address after the other, each with a socket of
/// its own, and waits for each to become writable. Its TLS handshake waits elsewhere, where only `shut` reaches it.
int Session::wait(my_socket socket, my_bool for_reading, int timeout_milliseconds) {
  const auto stopped = [] { return current && current->stop.stop_requested(); };
  if (current && !for_reading) current->wire.take(socket);
  pollfd poll_for{socket, static_cast<short>(for_reading ? POLLIN : POLLOUT), 0};
  const bool for_ever = timeout_milliseconds <= 0;
  auto left = std::chrono::milliseconds(timeout_milliseconds);
  timed_out = false;
  while (!stopped()) {
    const auto slice = for_ever ? kGlance : std::min(left, kGlance);
    const int ready = ::poll(&poll_for, 1, static_cast<int>(slice.count()));
    if (ready > 0 || (ready < 0 && errno != EINTR)) return ready;
    if (!for_ever && (left -= slice) <= 0ms) break;
  }
  timed_out = !stopped();
  errno = ETIMEDOUT;
  return 0;
}

// ---------------------------------------------------------------------------------------------------------------

Session::Session(const Target& target, std::stop_token stop) : target_(target), stop_(std::move(stop)) {
  initialise_library();
  if (stop_.stop_requested())
    throw Error(ErrorKind::cancelled, "connecting to " + target_.shown() + ": asked to stop");
  wait_for_address(target_.host, kConnectTimeout, stop_);
  handle_.reset(mysql_init(nullptr));
  if (!handle_) throw Error(ErrorKind::unavailable, "connecting to " + target_.shown() + ": out of memory");
  set_options();
  connect();
  check_tls();
  keep_alive();
  version_ = parse_version(mysql_get_server_info(handle_.get()));
}

Session::~Session() {
  // First nobody may shut the wire any more, then the library closes its socket, then ours goes.
  on_stop_.reset();
}

void Session::set_options() {
  if (!target_.ca_file.empty() && ::access(target_.ca_file.c_str(), R_OK) != 0)
    throw Error(ErrorKind::bad_config,
                fmt::format("connecting to {}: ca_file {} cannot be read: {}", target_.shown(),
                            target_.ca_file, std::generic_category().message(errno)));
  MYSQL* handle = handle_.get();
  set_option(handle, MYSQL_OPT_PROTOCOL, static_cast<unsigned>(MYSQL_PROTOCOL_TCP));
  set_option(handle, MYSQL_OPT_CONNECT_TIMEOUT, static_cast<unsigned>(kConnectTimeout.count()));
  // A server that is alive may sort for long before its first row; one that is not is noticed by keep_alive.
  const auto silence = static_cast<unsigned>(target_.silence_timeout.count());
  set_option(handle, MYSQL_OPT_READ_TIMEOUT, silence);
  set_option(handle, MYSQL_OPT_WRITE_TIMEOUT, silence);
  set_option(handle, MYSQL_OPT_LOCAL_INFILE, 0U);
  set_option(handle, MYSQL_OPT_RECONNECT, static_cast<my_bool>(0));
  mysql_optionsv(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_optionsv(handle, MARIADB_OPT_IO_WAIT, &Session::wait);
  mysql_set_local_infile_handler(handle, refuse_file, read_nothing, forget_nothing, say_refused, nullptr);
  const auto on = static_cast<my_bool>(target_.tls != Tls::disable);
  set_option(handle, MYSQL_OPT_SSL_ENFORCE, on);
  set_option(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, static_cast<my_bool>(target_.tls == Tls::verify));
  if (target_.tls == Tls::verify && !target_.ca_file.empty())
    mysql_optionsv(handle, MYSQL_OPT_SSL_CA, target_.ca_file.c_str());
  if (target_.tls != Tls::verify) mysql_optionsv(handle, MARIADB_OPT_RESTRICTED_AUTH, kPlainTextPlugins);
}

void Session::connect() {
  MYSQL* handle = handle_.get();
  on_stop_.emplace(stop_, Shutter{&wire_});
  const Waiting waiting(wire_, stop_);
  const MYSQL* connected = mysql_real_connect(handle, target_.host.c_str(), target_.user.c_str(),
                                              target_.password.reveal().c_str(),
                                              target_.database.empty() ? nullptr : target_.database.c_str(),
                                              static_cast<unsigned>(target_.port), nullptr, 0);
  if (!connected) fail_to_connect();
  wire_.take(mysql_get_socket(handle));
  // A stop may have come before the wire was known.
  if (stop_.stop_requested()) wire_.shut();
}

void Session::fail_to_connect() {
  const unsigned code = mysql_errno(handle_.get());
  const std::string doing = "connecting to " + target_.shown() + " as " + target_.user;
  if (code == CR_SSL_CONNECTION_ERROR && !stop_.stop_requested() && !was_cut_off(mysql_error(handle_.get())))
    throw Error(
        ErrorKind::bad_config,
        fmt::format(
            "{}: {} (tls is {}: name the server's certificate authority in ca_file, and its host as in the "
            "certificate; or set tls to require, which trusts whoever answers)",
            doing, mysql_error(handle_.get()), target_.tls == Tls::verify ? "verify" : "require"));
  if (code == CR_AUTH_PLUGIN_CANNOT_LOAD || code == CR_PLUGIN_NOT_ALLOWED)
    throw Error(
        ErrorKind::bad_config,
        fmt::format(
            "{}: {} (the server wants a way to log in that is not there, or that would show the password: "
            "give the user another, or set tls to verify)",
            doing, mysql_error(handle_.get())));
  fail(doing);
}

/// The library goes on in plain text when a server has no TLS and no certificate was asked for.
void Session::check_tls() {
  if (target_.tls == Tls::disable || !cipher().empty()) return;
  throw Error(ErrorKind::bad_config,
              fmt::format("connecting to {}: the server offers no TLS (give it a certificate, or set "
                          "tls to disable where the network is trusted)",
                          target_.shown()));
}

/// A peer that vanished without a word is noticed within two minutes, however long an answer may take.
void Session::keep_alive() {
  const int socket = mysql_get_socket(handle_.get());
  const auto set = [&](int level, int option, int value) {
    ::setsockopt(socket, level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 6);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 90'000);
}

unsigned long Session::id() const { return mysql_thread_id(handle_.get()); }

std::string Session::cipher() const {
  const char* cipher = mysql_get_ssl_cipher(handle_.get());
  return cipher ? cipher : "";
}

Outcome Session::execute(std::string_view sql) {
  MYSQL* handle = handle_.get();
  if (mysql_real_query(handle, sql.data(), sql.size()) != 0)
    fail("running " + std::string(sql.substr(0, 200)));
  if (mysql_field_count(handle) > 0) {
    const ResultHandle ignored(mysql_store_result(handle));
    return {};
  }
  const char* info = mysql_info(handle);
  return {mysql_affected_rows(handle), info ? info : ""};
}

std::vector<TextRow> Session::rows(std::string_view sql, const std::vector<std::string>& values) {
  Statement statement = prepare(sql);
  for (std::size_t i = 0; i < values.size(); ++i) statement.bind_text(i, values[i]);
  statement.open();
  std::vector<TextRow> rows;
  while (statement.fetch()) {
    TextRow& row = rows.emplace_back();
    const auto cells = statement.cells();
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (cells[i].is_null()) row.emplace_back();
      else row.emplace_back(text_of(statement.columns()[i], cells[i]));
    }
  }
  return rows;
}

std::vector<NamedRow> Session::named_rows(std::string_view sql) {
  MYSQL* handle = handle_.get();
  if (mysql_real_query(handle, sql.data(), sql.size()) != 0) fail("running " + std::string(sql));
  const ResultHandle result(mysql_store_result(handle));
  if (!result) fail("running " + std::string(sql));
  const MYSQL_FIELD* fields = mysql_fetch_fields(result.get());
  std::vector<NamedRow> rows;
  while (MYSQL_ROW cells = mysql_fetch_row(result.get())) {
    NamedRow& row = rows.emplace_back();
    for (unsigned i = 0; i < mysql_num_fields(result.get()); ++i)
      row[fields[i].name] = cells[i] ? std::optional<std::string>(cells[i]) : std::nullopt;
  }
  return rows;
}

Statement Session::prepare(std::string_view sql) { return {*this, sql}; }

void Session::set_stop(std::stop_token stop) {
  on_stop_.reset();
  stop_ = std::move(stop);
  on_stop_.emplace(stop_, Shutter{&wire_});
}

bool Session::in_transaction() const {
  unsigned status = 0;
  if (mariadb_get_infov(handle_.get(), MARIADB_CONNECTION_SERVER_STATUS, &status) != 0) return true;
  return (status & SERVER_STATUS_IN_TRANS) != 0;
}

bool Session::is_alive() {
  if (broken_) return false;
  if (mysql_ping(handle_.get()) == 0) return true;
  if (stop_.stop_requested()) fail("asking for a sign of life");
  broken_ = true;
  return false;
}

void Session::abandon() {
  broken_ = true;
  wire_.shut();
}

void Session::fail(std::string_view doing) {
  MYSQL* handle = handle_.get();
  fail(doing, {mysql_errno(handle), mysql_sqlstate(handle), mysql_error(handle)});
}

void Session::fail(std::string_view doing, ServerError error) {
  if (ends_connection(error.code)) broken_ = true;
  last_error_ = std::move(error);
  const auto& [code, state, words] = last_error_;
  const ErrorKind kind = kind_of(code);
  if (kind == ErrorKind::unavailable && stop_.stop_requested())
    throw Error(ErrorKind::cancelled, fmt::format("{}: {}: asked to stop", target_.shown(), doing));
  if (broken_ && std::exchange(timed_out, false))
    throw Error(kind,
                fmt::format("{}: {}: the server was silent for {} s (silence_timeout), so the connection "
                            "was given up",
                            target_.shown(), doing, target_.silence_timeout.count()));
  throw Error(kind, fmt::format("{}: {}: {} (error {}){}", target_.shown(), doing, words, code,
                                advice_for(code, words)));
}

}  // namespace syncflow::mysql
