#pragma once

#include <optional>

#include "api/http.h"
#include "core/options.h"

namespace syncflow::api {

/// Whether an address, as people write it in `--listen` or a URL, is this machine's own:
/// `localhost`, 127.0.0.0/8, `::1` with or without brackets.
bool is_loopback(std::string_view host);

/// Who may come in.
///
/// With a key: `Authorization: Bearer KEY` on all paths but `/hello`, `/healthz`, `/readyz` and `/webhooks/…`.
/// Without one the service listens on loopback only, where every web page that a person of this machine
/// opens can reach it too: a Host that is not loopback (DNS rebinding) and an Origin of another site are
/// refused. Thread-safe.
class Guard {
 public:
  explicit Guard(Secret key) : key_(std::move(key)) {}

  /// The refusal, or nothing.
  std::optional<Response> refuse(const Request& request) const;

 private:
  Secret key_;
};

}  // namespace syncflow::api
