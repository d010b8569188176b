#include "drivers/libpq/target.h"

#include <fmt/core.h>

#include <filesystem>

#include "core/error.h"

namespace syncflow::libpq {

bool is_loopback(std::string_view host) {
  return host.starts_with('/') || host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::string Target::place() const {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}/{}", is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", port, database);
}

Tls Target::effective_tls() const { return tls.value_or(is_loopback(host) ? Tls::disable : Tls::verify); }

static std::string doubled(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  return out + quote;
}

std::string quoted_name(std::string_view identifier) { return doubled(identifier, '"'); }

std::string literal(std::string_view text) {
  if (text.find('\0') != std::string_view::npos)
    throw Error(ErrorKind::bug, "a text with a NUL character was to become part of a statement");
  return doubled(text, '\'');
}

std::string system_ca_file() {
  // libpq 15 cannot be told to take the system's authorities, only a file (libpq 16: sslrootcert=system).
  for (const char* file :
       {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"})
    if (std::filesystem::exists(file)) return file;
  throw Error(ErrorKind::bad_config,
              "no certificate authorities are installed here: install ca-certificates, or name a file under "
              "\"ca_file\"");
}

}  // namespace syncflow::libpq
