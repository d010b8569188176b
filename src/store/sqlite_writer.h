#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "store/sqlite_connection.h"

namespace syncflow::sqlite_store {

/// The one connection of this process that writes. Thread-safe.
///
/// Group commit: what threads ask for while a transaction is being made durable goes into the next one
/// together, each behind a savepoint of its own, so that one wait for the disk serves them all.
class Writer {
 public:
  explicit Writer(const std::string& file) : connection_(file, Connection::Use::write) {}

  /// Does `work` in a transaction; it is durable on return. When `work` throws, or the commit fails, nothing
  /// of it stays and the exception is thrown here.
  ///
  /// `work` may be run twice (the second time after a rollback) and in another thread. It must not write by
  /// way of this writer again.
  void run(const std::function<void(Connection&)>& work);

  /// The connection itself, outside of any transaction and before other threads know of the writer.
  template <typename Work>
  void use_alone(Work work) {
    work(connection_);
  }

 private:
  struct Request {
    const std::function<void(Connection&)>* work;
    std::exception_ptr error;
    bool done = false;
  };

  void commit_together(const std::vector<Request*>& requests);
  bool try_together(const std::vector<Request*>& requests);
  void commit_alone(Request& request);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Request*> waiting_;
  bool leading_ = false;  ///< a thread works for all; `connection_` is its alone
  Connection connection_;
};

}  // namespace syncflow::sqlite_store
