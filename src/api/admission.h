#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

namespace syncflow::api {

/// Counts the requests that wait for their answer, so that neither all clients together nor one of them alone can
/// fill the queue before the handlers. Not thread-safe.
///
/// A client is an address. A connection has one request at a time, and the queue is served in its order: who has few
/// connections waits no longer for that others have many.
class Admission {
 public:
  Admission(std::size_t most, std::size_t most_of_a_client)
      : most_(most), most_of_a_client_(most_of_a_client) {}

  /// 0: come in, and `leave` once it is answered. Otherwise the status to refuse it with: 429 when the client has
  /// too many requests under way, 503 when all have.
  int enter(const std::string& client);
  void leave(const std::string& client);
  std::size_t inside() const { return inside_; }

 private:
  const std::size_t most_;
  const std::size_t most_of_a_client_;
  std::size_t inside_ = 0;
  std::unordered_map<std::string, std::size_t> clients_;
};

}  // namespace syncflow::api
