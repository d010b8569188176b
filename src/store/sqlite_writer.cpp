#include "store/sqlite_writer.h"

#include <optional>
#include <utility>

namespace syncflow::sqlite_store {

void Writer::run(const std::function<void(Connection&)>& work) {
  Request own{&work, nullptr, false};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&own);
  changed_.wait(lock, [&] { return own.done || !leading_; });
  if (!own.done) {
    // Whoever finds no leader leads, for itself and for all who came meanwhile: no thread of our own is needed.
    leading_ = true;
    const std::vector<Request*> requests = std::exchange(waiting_, {});
    lock.unlock();
    commit_together(requests);
    lock.lock();
    leading_ = false;
    for (Request* request : requests) request->done = true;
    changed_.notify_all();
  }
  if (own.error) std::rethrow_exception(own.error);
}

void Writer::commit_together(const std::vector<Request*>& requests) {
  if (requests.size() > 1 && try_together(requests)) return;
  // Alone, or the whole transaction was lost (a full disk): each for itself, so that a large batch does not
  // take a small heartbeat down with it.
  for (Request* request : requests) commit_alone(*request);
}

bool Writer::try_together(const std::vector<Request*>& requests) {
  sqlite::Database& database = connection_.database();
  std::optional<sqlite::Transaction> transaction;
  try {
    transaction.emplace(database);
  } catch (...) {
    // Another process holds the lock for long: asking again for each would only multiply the wait.
    for (Request* request : requests) request->error = std::current_exception();
    return true;
  }
  try {
    for (Request* request : requests) {
      connection_.statement("SAVEPOINT request").run();
      try {
        (*request->work)(connection_);
      } catch (...) {
        // SQLite itself rolls everything back after some errors (disk full, I/O): the savepoint is gone too.
        if (!database.in_transaction()) return false;
        request->error = std::current_exception();
        connection_.statement("ROLLBACK TO request").run();
      }
      connection_.statement("RELEASE request").run();
    }
    transaction->commit();
    return true;
  } catch (...) {
    return false;  // not swallowed: each request is tried alone next, and gets the error it meets there
  }
}

void Writer::commit_alone(Request& request) {
  request.error = nullptr;
  try {
    sqlite::Transaction transaction(connection_.database());
    (*request.work)(connection_);
    transaction.commit();
  } catch (...) {
    request.error = std::current_exception();
  }
}

}  // namespace syncflow::sqlite_store
