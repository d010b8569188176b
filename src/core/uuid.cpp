#include "core/uuid.h"

#include <openssl/rand.h>
#include <openssl/sha.h>

#include <cstring>

#include "core/error.h"
#include "core/text.h"

namespace syncflow {
namespace {

std::string formatted(unsigned char (&bytes)[16], unsigned char version) {
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | version << 4);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  const std::string hex = to_hex({reinterpret_cast<const char*>(bytes), sizeof bytes});
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

}  // namespace

std::string random_uuid() {
  unsigned char bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1)
    throw Error(ErrorKind::unavailable, "the system gives no random bytes");
  return formatted(bytes, 4);
}

std::string url_uuid(std::string_view name) {
  // RFC 4122, appendix C: the URL namespace.
  std::string hashed = from_hex("6ba7b8119dad11d180b400c04fd430c8");
  hashed += name;
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(hashed.data()), hashed.size(), digest);
  unsigned char bytes[16];
  std::memcpy(bytes, digest, sizeof bytes);
  return formatted(bytes, 5);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (hyphen ? c != '-' : !hex) return false;
  }
  return true;
}

}  // namespace syncflow
