#include "providers/postgresql/fenced_transaction.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "core/failpoint.h"

namespace syncflow::postgresql {

FencedTransaction::FencedTransaction(libpq::Session& session, const Fence& fence)
    : session_(session), fence_(fence) {
  // Deferred constraints are checked with each statement, or COMMIT would refuse rows that nobody could name.
  session_.execute("BEGIN ISOLATION LEVEL READ COMMITTED;" + limits() + "SET CONSTRAINTS ALL IMMEDIATE");
  try {
    failpoint("destination.begun");
    fence_.check();
  } catch (...) {
    session_.attempt("ROLLBACK");
    throw;
  }
}

FencedTransaction::~FencedTransaction() {
  if (!session_.in_transaction()) return;
  try {
    session_.attempt("ROLLBACK");
  } catch (const Error&) {
    // The connection is lost: the server rolls back by itself, and what failed first is on its way up.
  }
}

std::string FencedTransaction::limits() {
  // A tenth is left for the way back and the check before COMMIT. 0 would mean no limit.
  constexpr std::int64_t kDay = 86'400'000;
  const auto left = std::clamp<std::int64_t>(fence_.left().count() * 9 / 10, 1, kDay);
  pause_ = std::chrono::milliseconds(left);
  std::string sql = fmt::format(
      "SET LOCAL statement_timeout = {0}; SET LOCAL idle_in_transaction_session_timeout = {0};", left);
  if (session_.server_version() >= 170000) sql += fmt::format("SET LOCAL transaction_timeout = {};", left);
  return sql;
}

libpq::Answer FencedTransaction::attempt(const std::string& sql) {
  libpq::Answer answer = session_.attempt(limits() + sql);
  if (answer.refused && savepoint_ == Savepoint::kept) savepoint_ = Savepoint::spent;
  if (answer.refused && answer.refused->is("57014")) fence_.check();
  return answer;
}

libpq::Rows FencedTransaction::execute(const std::string& sql) {
  libpq::Answer answer = attempt(sql);
  if (answer.refused) throw session_.to_error(*answer.refused);
  return std::move(answer.rows);
}

libpq::Answer FencedTransaction::attempt_apart(const std::string& sql) {
  // The statement before us left the savepoint either behind it, as a place to go back to no more, or used up.
  const char* const before = savepoint_ == Savepoint::none ? "SAVEPOINT syncflow;"
                             : savepoint_ == Savepoint::kept
                                 ? "RELEASE SAVEPOINT syncflow; SAVEPOINT syncflow;"
                                 : "ROLLBACK TO SAVEPOINT syncflow;";
  libpq::Answer answer = session_.attempt(before + limits() + sql);
  savepoint_ = answer.refused ? Savepoint::spent : Savepoint::kept;
  if (answer.refused && answer.refused->is("57014")) fence_.check();
  return answer;
}

libpq::Answer FencedTransaction::begin_copy_in(const std::string& sql) {
  return session_.begin_copy_in(limits() + sql);
}

/// The server counts a pause from the end of a statement, and what it may last was counted from its begin: after a
/// long one the two together outlast the lease. A refused statement takes its limits back with it.
void FencedTransaction::fit_into_lease() {
  fence_.check();
  while (savepoint_ == Savepoint::spent || fence_.left() < pause_) {
    session_.execute((savepoint_ == Savepoint::spent ? "ROLLBACK TO SAVEPOINT syncflow;" : "") + limits());
    if (savepoint_ == Savepoint::spent) savepoint_ = Savepoint::kept;
    fence_.check();
  }
}

void FencedTransaction::commit() {
  bool asked = false;
  try {
    fit_into_lease();
    failpoint("destination.before_commit");
    asked = true;
    session_.execute("COMMIT");
  } catch (const Error& error) {
    // What the server ended because its time was over is told as that.
    fence_.check();
    if (!asked || session_.usable()) throw;
    throw Error(error.kind(), fmt::format("{}; COMMIT was not answered: its rows are there or not, and are "
                                          "written again",
                                          error.what()));
  }
}

}  // namespace syncflow::postgresql
