#include "core/secrets.h"

#include <fmt/core.h>

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace syncflow {
namespace {

constexpr std::size_t kShortest = 8;

struct Noted {
  std::shared_mutex mutex;
  std::vector<std::string> secrets;  ///< the longest first: one may be a part of another
};

Noted& noted() {
  static Noted all;
  return all;
}

/// As it stands in a URL, with hex digits in one case or the other.
std::string escaped(std::string_view text, const char* digits) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    const auto byte = static_cast<unsigned char>(c);
    if (plain) out += c;
    else out.append({'%', digits[byte >> 4], digits[byte & 15]});
  }
  return out;
}

void note(std::vector<std::string>& secrets, std::string secret) {
  if (std::find(secrets.begin(), secrets.end(), secret) != secrets.end()) return;
  const auto shorter = [&](const std::string& other) { return other.size() < secret.size(); };
  secrets.insert(std::find_if(secrets.begin(), secrets.end(), shorter), std::move(secret));
}

}  // namespace

void never_show(std::string_view secret) {
  if (secret.size() < kShortest) return;
  const std::unique_lock lock(noted().mutex);
  note(noted().secrets, std::string(secret));
  note(noted().secrets, escaped(secret, "0123456789ABCDEF"));
  note(noted().secrets, escaped(secret, "0123456789abcdef"));
}

std::string without_secrets(std::string_view text) {
  std::string shown(text);
  const std::shared_lock lock(noted().mutex);
  for (const std::string& secret : noted().secrets)
    for (std::size_t at = shown.find(secret); at != std::string::npos; at = shown.find(secret, at + 3))
      shown.replace(at, secret.size(), "***");
  return shown;
}

}  // namespace syncflow
