#include "drivers/libmariadb/lookup.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netdb.h>
#include <sys/socket.h>

#include <memory>

#include "core/error.h"

namespace syncflow::mysql {
namespace {

using namespace std::chrono_literals;

/// How often a stop request is looked for.
constexpr auto kSlice = 100ms;

/// What the resolver writes to: it must outlive a lookup that was given up.
struct Lookup {
  explicit Lookup(const std::string& name) : host(name) {
    hints.ai_socktype = SOCK_STREAM;
    request.ar_name = host.c_str();
    request.ar_request = &hints;
  }
  ~Lookup() {
    if (request.ar_result) freeaddrinfo(request.ar_result);
  }

  std::string host;
  addrinfo hints{};
  gaicb request{};
};

bool is_address(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 || inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

void wait_for_address(const std::string& host, std::chrono::milliseconds timeout, std::stop_token stop) {
  if (is_address(host)) return;
  auto lookup = std::make_unique<Lookup>(host);
  gaicb* requests[] = {&lookup->request};
  if (const int problem = getaddrinfo_a(GAI_NOWAIT, requests, 1, nullptr); problem != 0)
    throw Error(ErrorKind::unavailable, fmt::format("looking up {}: {}", host, gai_strerror(problem)));
  const timespec pause{0, std::chrono::nanoseconds(kSlice).count()};
  auto left = timeout;
  while (gai_error(&lookup->request) == EAI_INPROGRESS && left > 0ms && !stop.stop_requested()) {
    gai_suspend(requests, 1, &pause);
    left -= kSlice;
  }
  const int outcome = gai_error(&lookup->request);
  if (outcome == 0) return;
  if (outcome == EAI_INPROGRESS && gai_cancel(&lookup->request) == EAI_NOTCANCELED) {
    // The resolver still works on it, and nothing tells when it is done: its few bytes are left to it.
    static_cast<void>(lookup.release());
  }
  if (stop.stop_requested())
    throw Error(ErrorKind::cancelled, fmt::format("looking up {}: asked to stop", host));
  if (outcome == EAI_INPROGRESS)
    throw Error(ErrorKind::unavailable,
                fmt::format("looking up {}: no answer from the name servers in {} s", host, timeout / 1s));
  throw Error(ErrorKind::unavailable, fmt::format("looking up {}: {}", host, gai_strerror(outcome)));
}

}  // namespace syncflow::mysql
