#pragma once

#include <chrono>
#include <stop_token>
#include <string>

namespace syncflow::mysql {

/// Returns once `host` has an address. Throws Error: unavailable when it has none or `timeout` passes,
/// cancelled on a stop.
///
/// The client library looks names up itself, in a call that nothing can interrupt. Asked first here, the
/// resolver has just answered when the library asks again.
void wait_for_address(const std::string& host, std::chrono::milliseconds timeout, std::stop_token stop);

}  // namespace syncflow::mysql
