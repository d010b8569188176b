#include "engine/sha256.h"

#include <openssl/evp.h>

#include "core/error.h"
#include "core/text.h"

namespace syncflow {

std::string sha256_hex(std::string_view bytes) {
  unsigned char digest[32];
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) != 1 ||
      size != sizeof digest)
    throw Error(ErrorKind::bug, "OpenSSL gives no SHA-256");
  return to_hex({reinterpret_cast<const char*>(digest), sizeof digest});
}

}  // namespace syncflow
