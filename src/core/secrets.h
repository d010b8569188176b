#pragma once

#include <string>
#include <string_view>

namespace syncflow {

/// What a server, a library or a trigger says may repeat what it was given: a password, a constant of a mapping. So
/// what is secret is noted here once it is known, and every sentence that comes from outside passes `without_secrets`
/// before it is logged, stored or answered. Process-wide and thread-safe.

/// Notes a secret, and how it stands in URLs. One of fewer than eight bytes is not: it would tear other words apart, and
/// is no secret for long.
void never_show(std::string_view secret);

/// The text with `***` in place of each secret.
std::string without_secrets(std::string_view text);

}  // namespace syncflow
