#pragma once

#include <chrono>
#include <string>

#include "drivers/libpq/session.h"
#include "provider/destination.h"

namespace syncflow::postgresql {

/// A transaction that is dead before somebody else may own the sync: each of its statements, and each
/// pause between them, is limited by the server to less than what the lease has left. Rolled back unless
/// committed.
class FencedTransaction {
 public:
  FencedTransaction(libpq::Session& session, const Fence& fence);
  ~FencedTransaction();
  FencedTransaction(const FencedTransaction&) = delete;
  FencedTransaction& operator=(const FencedTransaction&) = delete;

  /// Runs statements, behind the last savepoint if there is one; a refusal leaves the transaction failed
  /// until the next `attempt_apart`. Throws Error(lease_lost) when they were
  /// stopped because the lease is over.
  libpq::Answer attempt(const std::string& sql);
  /// The same, but a refusal is thrown.
  libpq::Rows execute(const std::string& sql);
  /// Behind a savepoint of its own: after a refusal the next one finds the transaction as it was before.
  libpq::Answer attempt_apart(const std::string& sql);
  /// COPY … FROM STDIN, as Session::begin_copy_in.
  libpq::Answer begin_copy_in(const std::string& sql);
  /// Checks the lease once more. Throws Error(lease_lost) and commits nothing when it is over; frozen after that check,
  /// this process finds the transaction dead.
  void commit();

  libpq::Session& session() { return session_; }

 private:
  enum class Savepoint { none, kept, spent };

  std::string limits();
  void fit_into_lease();

  libpq::Session& session_;
  const Fence& fence_;
  std::chrono::milliseconds pause_{0};  ///< what the server was told last to bear between two statements
  Savepoint savepoint_ = Savepoint::none;
};

}  // namespace syncflow::postgresql
