#include "core/failpoint.h"

#ifdef SYNCFLOW_FAILPOINTS

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

#include "core/error.h"
#include "core/text.h"

namespace syncflow {
namespace {

constexpr std::string_view kCall = "call:";

/// The port of `call:PORT`; 0: it is none.
std::uint16_t port_of(std::string_view action) {
  std::uint16_t port = 0;
  if (!action.starts_with(kCall)) return port;
  const char* const end = action.data() + action.size();
  const auto [stop, problem] = std::from_chars(action.data() + kCall.size(), end, port);
  return problem == std::errc() && stop == end ? port : 0;
}

/// The test does what it wants to do here while this waits.
void call(std::uint16_t port) {
  const int test = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (test < 0 || ::connect(test, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw Error(ErrorKind::bug, "a failpoint calls port " + std::to_string(port) +
                                    ", and nobody answers: " + std::strerror(errno));
  char byte = 0;
  while (::recv(test, &byte, 1, 0) > 0) {
  }
  ::close(test);
}

struct Armed {
  std::string action;
  int passes_left = 1;
};

class Failpoints {
 public:
  Failpoints() {
    if (const char* spec = std::getenv("SYNCFLOW_FAILPOINT")) arm(spec);
  }

  void arm(std::string_view spec) {
    const std::lock_guard lock(mutex_);
    armed_.clear();
    if (spec.empty()) return;
    for (const std::string& part : split(spec, ',')) {
      const auto equals = part.find('=');
      if (equals == std::string::npos)
        throw Error(ErrorKind::bad_config, "failpoint \"" + part + "\" names no action");
      const auto at = part.find('@', equals);
      Armed armed{part.substr(equals + 1, at == std::string::npos ? at : at - equals - 1),
                  at == std::string::npos ? 1 : std::atoi(part.c_str() + at + 1)};
      // A test whose failpoint never fires passes for the wrong reason.
      if ((armed.action != "die" && armed.action != "fail" && armed.action != "hang" &&
           armed.action != "freeze" && port_of(armed.action) == 0) ||
          armed.passes_left < 1)
        throw Error(
            ErrorKind::bad_config,
            "failpoint \"" + part +
                "\" is not name=die, name=fail, name=hang, name=freeze or name=call:PORT, with @3 for "
                "the third time");
      armed_[part.substr(0, equals)] = armed;
    }
  }

  /// The action that is due now, once.
  std::string reached(std::string_view name) {
    const std::lock_guard lock(mutex_);
    const auto found = armed_.find(name);
    if (found == armed_.end() || --found->second.passes_left > 0) return "";
    const std::string action = found->second.action;
    armed_.erase(found);
    return action;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Armed, std::less<>> armed_;
};

Failpoints& failpoints() {
  static Failpoints all;
  return all;
}

}  // namespace

void failpoint(std::string_view name) {
  const std::string action = failpoints().reached(name);
  if (action.empty()) return;
  if (action == "die") raise(SIGKILL);
  if (action == "hang")
    for (;;) pause();
  if (action == "freeze") {
    raise(SIGSTOP);
    return;
  }
  if (const std::uint16_t port = port_of(action); port != 0) return call(port);
  throw Error(ErrorKind::unavailable, "failpoint " + std::string(name));
}

void arm_failpoints(std::string_view spec) { failpoints().arm(spec); }

}  // namespace syncflow

#endif
