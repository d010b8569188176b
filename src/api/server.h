#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "api/http.h"
#include "core/clock.h"

namespace syncflow::api {

struct Address {
  std::string host = "127.0.0.1";  ///< an IP address or `localhost`
  std::uint16_t port = 3001;       ///< 0: a free one
};

/// "127.0.0.1:3001", "[::1]:3001", "0.0.0.0:80", ":3001" (every address) or "3001" (loopback).
/// Throws Error(bad_config) that says what was expected.
Address parse_address(const std::string& text);

/// `127.0.0.1:3001`, `[::1]:3001`
std::string to_text(const Address& address);

struct Limits {
  std::size_t header_bytes = 16 * 1024;
  std::size_t body_bytes = 1024 * 1024;
  /// Beyond it the connection whose last step lies back furthest is closed, unless its request is being handled.
  std::size_t connections = 8192;
  /// What bodies and answers on their way may take together; beyond it connections that hold some are closed, in the
  /// same order.
  std::size_t buffered_bytes = 32 * 1024 * 1024;
  /// That wait for their answer; beyond it 503.
  std::size_t requests = 256;
  /// The same of one address (of IPv6: one network of 64 bits); beyond it 429.
  std::size_t requests_of_a_client = 64;
  /// From the end of one answer to the end of the next request's headers.
  std::chrono::milliseconds idle{30'000};
  std::chrono::milliseconds body{30'000};
  std::chrono::milliseconds answer{30'000};
  /// How long `stop` lets answers that are on their way arrive.
  std::chrono::milliseconds grace{2'000};
};

/// Answers HTTP/1.1 at one address: one thread for all sockets, four for the handler.
///
/// Requests that are quick are handled on the thread of the sockets, and count for no limit of requests: however long
/// others take, these are answered.
///
/// What is no request gets its 400, 413 or 431 here, and what is too much its 429 or 503; the handler sees only whole
/// requests with one Host. Counts in core/metrics.h what the handler does not see.
class Server {
 public:
  /// Listens as soon as it is made. Throws Error(bad_config) when the address cannot be used.
  /// `is_quick` empty: no request is.
  Server(const Address& address, Handler handler, Clock& clock, Limits limits = {}, IsQuick is_quick = {});
  /// As `stop`, and waits until all is closed.
  ~Server();

  /// Where it listens, with the port that was free.
  Address address() const;

  /// Takes no more connections, closes idle ones at once and the others after their answer. Returns at once.
  void stop();

 private:
  class Session;
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace syncflow::api
