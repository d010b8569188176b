#include "core/error.h"

namespace syncflow {

std::string_view name_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::bad_config: return "bad_config";
    case ErrorKind::unauthorized: return "unauthorized";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::forbidden: return "forbidden";
    case ErrorKind::rate_limited: return "rate_limited";
    case ErrorKind::unavailable: return "unavailable";
    case ErrorKind::conflict: return "conflict";
    case ErrorKind::position_lost: return "position_lost";
    case ErrorKind::cancelled: return "cancelled";
    case ErrorKind::lease_lost: return "lease_lost";
    case ErrorKind::bug: return "bug";
  }
  return "unknown";
}

bool needs_a_person(ErrorKind kind) {
  return kind == ErrorKind::bad_config || kind == ErrorKind::unauthorized || kind == ErrorKind::not_found ||
         kind == ErrorKind::forbidden;
}

Error Error::while_doing(const std::string& what) const {
  Error told(kind_, what + ": " + this->what());
  told.retry_after_ = retry_after_;
  return told;
}

}  // namespace syncflow
