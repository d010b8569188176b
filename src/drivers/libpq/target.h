#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/options.h"

namespace syncflow::libpq {

/// How a connection is protected.
enum class Tls {
  disable,
  require,  ///< encrypted, but whoever answers is believed
  verify,   ///< encrypted, and the certificate must be valid for the host's name
};

/// Where a server is and how to log in.
struct Target {
  std::string host = "127.0.0.1";  ///< a name, an address, or the folder of a Unix socket
  int port = 5432;
  std::string user;
  Secret password;
  std::string database;
  std::optional<Tls> tls;  ///< empty: verify, but disable on loopback and Unix sockets
  std::string ca_file;     ///< empty: the system's
  std::string application_name = "syncflow";
  std::chrono::milliseconds connect_timeout{15'000};
  /// How long the server may say nothing while it is waited for; empty: what each use of a Session allows.
  std::optional<std::chrono::milliseconds> silence_timeout;
  /// Further libpq keywords, as `channel_binding`.
  std::map<std::string, std::string> more;

  /// "db.example.com:5432/shop": for messages.
  std::string place() const;
  Tls effective_tls() const;
};

/// Whether the host is this machine: localhost, 127.0.0.0/8, ::1 or the folder of a Unix socket.
bool is_loopback(std::string_view host);

/// `"a""b"`
std::string quoted_name(std::string_view identifier);

/// `'it''s'`, for servers with standard_conforming_strings on (a Session sets it). The text must hold no NUL.
std::string literal(std::string_view text);

/// The first of the usual bundles of certificate authorities that exists; throws Error(bad_config) when none does.
std::string system_ca_file();

}  // namespace syncflow::libpq
