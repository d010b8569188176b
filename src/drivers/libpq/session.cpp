#include "drivers/libpq/session.h"

#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace syncflow::libpq {
namespace {

using namespace std::chrono_literals;

/// How long a stop request may go unnoticed.
constexpr auto kWakeUp = 250ms;

/// What every text form and comparison relies on, whatever the role and the database say. The limits that a
/// role may have on statements are lifted: a long read is meant, and writers set their own.
constexpr const char* kSettings =
    "SET timezone = 'UTC';"
    "SET datestyle = 'ISO, YMD';"
    "SET intervalstyle = 'postgres';"
    "SET extra_float_digits = 3;"
    "SET bytea_output = 'hex';"
    "SET xmloption = 'content';"
    "SET standard_conforming_strings = on;"
    "SET statement_timeout = 0;"
    "SET lock_timeout = 0;"
    "SET idle_in_transaction_session_timeout = '15min';"
    "SET jit = off;";

/// The message of a failed login without the parts that verbose mode adds.
std::string readable(std::string message, const std::string& sqlstate) {
  if (const auto location = message.find("\nLOCATION:"); location != std::string::npos)
    message.resize(location);
  if (const auto code = message.find(":  " + sqlstate + ": "); !sqlstate.empty() && code != std::string::npos)
    message.replace(code, sqlstate.size() + 5, ": ");
  return one_line(message);
}

std::string authorities_of(const Target& target) {
  if (target.ca_file.empty()) return system_ca_file();
  if (!std::filesystem::exists(target.ca_file))
    throw Error(ErrorKind::bad_config, fmt::format("ca_file {} does not exist", target.ca_file));
  return target.ca_file;
}

Error login_error(const Target& target, const std::string& message) {
  const std::string sqlstate = sqlstate_in(message);
  const std::string said = readable(message, sqlstate);
  const auto says = [&](const char* part) { return said.find(part) != std::string::npos; };
  if (sqlstate.starts_with("28"))
    return {ErrorKind::unauthorized,
            fmt::format("PostgreSQL {} refuses user \"{}\": {}; correct user and password", target.place(),
                        target.user, said)};
  if (sqlstate == "3D000")
    return {ErrorKind::not_found,
            fmt::format("PostgreSQL {} has no database \"{}\": create it or correct \"database\"",
                        target.place(), target.database)};
  if (sqlstate.empty() && says("does not support SSL"))
    return {
        ErrorKind::bad_config,
        fmt::format(
            "PostgreSQL {} does not offer TLS: {}; set up TLS there, or \"tls: disable\" if the way to it "
            "is safe",
            target.place(), said)};
  // A handshake that the network cut off is no wrong setting.
  const bool cut_off = says("unexpected eof") || says("EOF detected") || says("SYSCALL");
  if (sqlstate.empty() && (says("certificate") || (says("SSL error") && !cut_off)))
    return {ErrorKind::bad_config,
            fmt::format(
                "the TLS certificate of PostgreSQL {} is not accepted: {}; name the authority that signed it "
                "under \"ca_file\", or set \"tls: require\" to go without this check",
                target.place(), said)};
  return {sqlstate.empty() ? ErrorKind::unavailable : kind_of(sqlstate),
          fmt::format("cannot connect to PostgreSQL {}: {}", target.place(), said)};
}

std::vector<const char*> pointers(const Parameters& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const auto& parameter : parameters) values.push_back(parameter ? parameter->c_str() : nullptr);
  return values;
}

}  // namespace

std::int64_t Rows::integer(int row, int column) const {
  const std::string_view digits = text(row, column);
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (problem != std::errc() || end != digits.data() + digits.size())
    throw Error(ErrorKind::bug,
                fmt::format("PostgreSQL answered \"{}\" where a whole number was asked for", digits));
  return number;
}

std::size_t Rows::affected() const {
  const std::string_view digits = PQcmdTuples(result_.get());
  std::size_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number;
}

Session::Session(const Target& target, std::stop_token stop) : target_(target), stop_(std::move(stop)) {
  set_patience(patience_);
  connect();
  usable_ = true;
  if (target_.effective_tls() != Tls::disable && !is_encrypted())
    give_up(ErrorKind::bad_config, "the connection is not encrypted although TLS was asked for");
  set_up();
}

void Session::connect() {
  const Tls tls = target_.effective_tls();
  std::map<std::string, std::string> settings = target_.more;
  settings["host"] = target_.host;
  settings["port"] = std::to_string(target_.port);
  settings["user"] = target_.user;
  settings["password"] = target_.password.reveal();
  settings["dbname"] = target_.database;
  settings["application_name"] = target_.application_name;
  settings["client_encoding"] = "UTF8";
  settings["gssencmode"] = "disable";
  settings["sslmode"] = tls == Tls::disable ? "disable" : tls == Tls::require ? "require" : "verify-full";
  if (tls == Tls::verify) settings["sslrootcert"] = authorities_of(target_);
  // A machine that vanished without a word is noticed by the kernel.
  settings["keepalives_idle"] = "30";
  settings["keepalives_interval"] = "10";
  settings["keepalives_count"] = "3";
  settings["tcp_user_timeout"] = "60000";

  std::vector<const char*> names, values;
  for (const auto& [name, value] : settings) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  handle_.reset(PQconnectStartParams(names.data(), values.data(), 0));
  if (!handle_) throw Error(ErrorKind::unavailable, "out of memory while connecting to PostgreSQL");
  // In verbose form the message of a refused login carries its SQLSTATE; its words are in the server's language.
  PQsetErrorVerbosity(handle_.get(), PQERRORS_VERBOSE);
  PQsetNoticeReceiver(
      handle_.get(), [](void*, const PGresult*) {}, nullptr);

  const auto deadline = std::chrono::steady_clock::now() + target_.connect_timeout;
  auto state = PQstatus(handle_.get()) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (state != PGRES_POLLING_OK) {
    if (state == PGRES_POLLING_FAILED) throw login_error(target_, PQerrorMessage(handle_.get()));
    if (stop_.stop_requested())
      throw Error(ErrorKind::cancelled,
                  fmt::format("asked to stop while connecting to PostgreSQL {}", target_.place()));
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= 0ms)
      throw Error(ErrorKind::unavailable, fmt::format("PostgreSQL {} did not answer within {} s",
                                                      target_.place(), target_.connect_timeout / 1s));
    pollfd waiting{PQsocket(handle_.get()),
                   static_cast<short>(state == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    if (poll(&waiting, 1, static_cast<int>(std::min<std::chrono::milliseconds>(left, kWakeUp).count())) > 0)
      state = PQconnectPoll(handle_.get());
  }
  // From here on messages of lost connections are shown, which must not carry the DETAIL of an earlier error.
  PQsetErrorVerbosity(handle_.get(), PQERRORS_TERSE);
  PQsetnonblocking(handle_.get(), 1);
}

void Session::set_up() {
  execute(kSettings);
  // Such a database does not know what its texts are: asked for UTF-8 it refuses whole results for one byte that
  // is none. Each text is checked where it is read.
  if (parameter("server_encoding") == "SQL_ASCII") execute("SET client_encoding = SQL_ASCII");
  // A server that computes for a client that went away notices it, and lets go of its locks. Older ones and
  // some systems cannot: they do without.
  attempt("SET client_connection_check_interval = '5s'");
}

std::string Session::parameter(const char* name) const {
  const char* value = PQparameterStatus(handle_.get(), name);
  return value ? value : "";
}

void Session::give_up(ErrorKind kind, const std::string& reason) {
  usable_ = false;
  handle_.reset();
  throw Error(kind, fmt::format("PostgreSQL {}: {}", target_.place(), reason));
}

void Session::connection_lost() {
  // What the server said before it closed the connection (a shutdown, a timeout) tells more than that it did.
  if (refused_) {
    thrown_ = refused_;
    give_up(kind_of(refused_->sqlstate), refused_->sentence());
  }
  const std::string said = handle_ ? one_line(PQerrorMessage(handle_.get())) : "";
  give_up(ErrorKind::unavailable, said.empty() ? "the connection was lost" : said);
}

Error Session::to_error(const ServerError& error) const {
  thrown_ = error;
  return {kind_of(error.sqlstate), fmt::format("PostgreSQL {}: {}", target_.place(), error.sentence())};
}

std::optional<ServerError> Session::refusal_behind(const Error& error) const {
  if (!thrown_) return std::nullopt;
  const std::string message = fmt::format("PostgreSQL {}: {}", target_.place(), thrown_->sentence());
  return message == error.what() ? thrown_ : std::nullopt;
}

void Session::begin() {
  if (!usable_) give_up(ErrorKind::unavailable, "the connection was lost before");
  refused_.reset();
}

void Session::wait(bool for_writing) {
  const auto deadline = std::chrono::steady_clock::now() + patience_;
  for (;;) {
    if (stop_.stop_requested()) give_up(ErrorKind::cancelled, "asked to stop");
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= 0ms)
      give_up(ErrorKind::unavailable,
              fmt::format("the server was silent for {} s (silence_timeout), so the connection was given up",
                          patience_ / 1s));
    pollfd waiting{PQsocket(handle_.get()), static_cast<short>(for_writing ? POLLIN | POLLOUT : POLLIN), 0};
    if (poll(&waiting, 1, static_cast<int>(std::min<std::chrono::milliseconds>(left, kWakeUp).count())) <= 0)
      continue;
    if ((waiting.revents & (POLLIN | POLLERR | POLLHUP)) && !PQconsumeInput(handle_.get())) connection_lost();
    return;
  }
}

void Session::flush() {
  for (;;) {
    const int state = PQflush(handle_.get());
    if (state == 0) return;
    if (state < 0) connection_lost();
    wait(true);
  }
}

void Session::send(const std::string& sql) {
  begin();
  if (!PQsendQuery(handle_.get(), sql.c_str())) connection_lost();
  flush();
}

Result Session::next_result() {
  while (PQisBusy(handle_.get())) wait(false);
  return Result(PQgetResult(handle_.get()));
}

Answer Session::collect() {
  Answer answer;
  while (Result result = next_result()) {
    switch (PQresultStatus(result.get())) {
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
      case PGRES_EMPTY_QUERY: answer.rows = Rows(std::move(result)); break;
      case PGRES_COPY_IN:
      case PGRES_COPY_OUT:
      case PGRES_COPY_BOTH: give_up(ErrorKind::bug, "a COPY was begun where none was expected");
      default:
        if (!refused_) refused_ = server_error(result.get());
    }
  }
  if (PQstatus(handle_.get()) != CONNECTION_OK) connection_lost();
  answer.refused = refused_;
  return answer;
}

Answer Session::attempt(const std::string& sql) {
  send(sql);
  return collect();
}

Rows Session::execute(const std::string& sql) {
  Answer answer = attempt(sql);
  if (answer.refused) throw to_error(*answer.refused);
  return std::move(answer.rows);
}

Answer Session::attempt(const std::string& sql, const Parameters& parameters) {
  begin();
  const std::vector<const char*> values = pointers(parameters);
  if (!PQsendQueryParams(handle_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(),
                         nullptr, nullptr, 0))
    connection_lost();
  flush();
  return collect();
}

// By its text a statement has one name in every session: a pooler in between that hands one client's session to another
// may lose a statement, but never take one for another.
std::optional<ServerError> Session::prepare(const std::string& sql) {
  if (prepared_.contains(sql)) return std::nullopt;
  const std::string name = fmt::format("syncflow_{:016x}", std::hash<std::string>()(sql));
  if (!PQsendPrepare(handle_.get(), name.c_str(), sql.c_str(), 0, nullptr)) connection_lost();
  flush();
  Answer answer = collect();
  if (!answer.refused) prepared_.emplace(sql, name);
  return std::move(answer.refused);
}

Answer Session::attempt_prepared(const std::string& sql, const Parameters& parameters) {
  begin();
  if (auto refused = prepare(sql)) return {{}, std::move(refused)};
  const std::string& name = prepared_.at(sql);
  const std::vector<const char*> values = pointers(parameters);
  if (!PQsendQueryPrepared(handle_.get(), name.c_str(), static_cast<int>(values.size()), values.data(),
                           nullptr, nullptr, 0))
    connection_lost();
  flush();
  return collect();
}

bool Session::take_notifications() {
  bool any = false;
  while (PGnotify* notification = PQnotifies(handle_.get())) {
    PQfreemem(notification);
    any = true;
  }
  return any;
}

bool Session::await_notification(std::chrono::milliseconds time) {
  begin();
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (!take_notifications()) {
    if (stop_.stop_requested()) give_up(ErrorKind::cancelled, "asked to stop");
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left <= 0ms) return false;
    pollfd waiting{PQsocket(handle_.get()), POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(std::min<std::chrono::milliseconds>(left, kWakeUp).count())) <= 0)
      continue;
    if (!PQconsumeInput(handle_.get())) connection_lost();
  }
  return true;
}

Rows Session::query(const std::string& sql, const Parameters& parameters) {
  Answer answer = attempt(sql, parameters);
  if (answer.refused) throw to_error(*answer.refused);
  return std::move(answer.rows);
}

Rows Session::query_prepared(const std::string& sql, const Parameters& parameters) {
  Answer answer = attempt_prepared(sql, parameters);
  if (answer.refused) throw to_error(*answer.refused);
  return std::move(answer.rows);
}

Answer Session::begin_copy(const std::string& sql, ExecStatusType wanted) {
  send(sql);
  for (;;) {
    Result result = next_result();
    if (!result) give_up(ErrorKind::bug, "a statement that should have begun a COPY did not");
    const auto status = PQresultStatus(result.get());
    if (status == wanted) return {};
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) continue;  // statements in front of the COPY
    refused_ = server_error(result.get());
    return collect();
  }
}

void Session::begin_copy_out(const std::string& sql) {
  const Answer answer = begin_copy(sql, PGRES_COPY_OUT);
  if (answer.refused) throw to_error(*answer.refused);
}

bool Session::next_copied(std::string_view& message) {
  for (;;) {
    char* bytes = nullptr;
    const int size = PQgetCopyData(handle_.get(), &bytes, 1);
    message_.reset(bytes);
    if (size > 0) {
      message = {bytes, static_cast<std::size_t>(size)};
      return true;
    }
    if (size < 0) break;
    wait(false);
  }
  const Answer answer = collect();
  if (answer.refused) throw to_error(*answer.refused);
  return false;
}

Answer Session::begin_copy_in(const std::string& sql) { return begin_copy(sql, PGRES_COPY_IN); }

void Session::put_copied(std::string_view bytes) {
  for (;;) {
    const int taken = PQputCopyData(handle_.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (taken > 0) break;
    if (taken < 0) connection_lost();
    wait(true);
  }
  flush();
}

Answer Session::end_copy_in() {
  for (;;) {
    const int ended = PQputCopyEnd(handle_.get(), nullptr);
    if (ended > 0) break;
    if (ended < 0) connection_lost();
    wait(true);
  }
  flush();
  return collect();
}

}  // namespace syncflow::libpq
