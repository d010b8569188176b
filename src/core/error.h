#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace syncflow {

/// Named after what happens next.
enum class ErrorKind {
  bad_config,     ///< the user must edit the sync: hold it, show the message
  unauthorized,   ///< credentials refused: hold the sync, ask for new ones
  not_found,      ///< the table is gone: hold the sync
  forbidden,      ///< logged in, but a right is missing: hold the sync, name the right
  rate_limited,   ///< wait retry_after(), then go on; no attempt is used up
  unavailable,    ///< network or server trouble: retry with backoff
  conflict,       ///< deadlock or serialisation failure: try the transaction again, no attempt is used up
  position_lost,  ///< the source forgot our position: load again with delete detection
  cancelled,      ///< asked to stop: give the job back, no attempt is used up
  lease_lost,     ///< somebody else owns the sync: stop, write nothing more
  bug,            ///< we broke an invariant: fail the job, log everything
};

std::string_view name_of(ErrorKind kind);

/// Whether only a person can mend it, so that the sync is put on hold.
bool needs_a_person(ErrorKind kind);

/// The one exception of syncflow. The message says what was tried, on what, and what came back;
/// it never holds a secret.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  ErrorKind kind() const { return kind_; }

  /// How long a rate limit lasts, where the system said so.
  std::optional<std::chrono::milliseconds> retry_after() const { return retry_after_; }
  Error& retry_after(std::chrono::milliseconds wait) {
    retry_after_ = wait;
    return *this;
  }

  /// The same failure with what was being done in front: "reading table orders: connection lost".
  Error while_doing(const std::string& what) const;

 private:
  ErrorKind kind_;
  std::optional<std::chrono::milliseconds> retry_after_;
};

}  // namespace syncflow
