#include "core/failpoint.h"

#ifdef SYNCFLOW_FAILPOINTS

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

#include "core/error.h"
#include "core/text.h"

namespace syncflow {
namespace {

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
           armed.action != "freeze") ||
          armed.passes_left < 1)
        throw Error(
            ErrorKind::bad_config,
            "failpoint \"" + part +
                "\" is not name=die, name=fail, name=hang or name=freeze, with @3 for the third time");
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
  throw Error(ErrorKind::unavailable, "failpoint " + std::string(name));
}

void arm_failpoints(std::string_view spec) { failpoints().arm(spec); }

}  // namespace syncflow

#endif
