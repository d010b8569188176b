#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/options.h"
#include "drivers/libmariadb/handles.h"

namespace syncflow::mysql {

enum class Tls {
  disable,  ///< plain text
  require,  ///< encrypted, but whoever answers is trusted
  verify,   ///< encrypted, and the certificate must be valid for the host
};

/// Where to log in.
struct Target {
  std::string host;
  int port = 3306;
  std::string user;
  Secret password;
  std::string database;  ///< may be empty
  Tls tls = Tls::verify;
  std::string ca_file;  ///< empty: the system's certificate authorities
  /// How long the server may say nothing while it is waited for.
  std::chrono::seconds silence_timeout{900};

  /// `host:port/database`, for messages.
  std::string shown() const;
};

/// Whether the host is this machine for certain: there TLS protects nothing and servers rarely have a certificate.
bool is_loopback(std::string_view host);

struct ServerVersion {
  bool mariadb = false;
  int major = 0;
  int minor = 0;
  int patch = 0;
  /// "MySQL 9.7.4", "MariaDB 10.11.19"
  std::string text() const;
  bool at_least(int wanted_major, int wanted_minor = 0, int wanted_patch = 0) const;
};
/// Reads "10.11.19-MariaDB-0+deb12u1-log" and "9.7.4-2".
ServerVersion parse_version(std::string_view text);

/// What a statement did that gave no rows.
struct Outcome {
  std::uint64_t affected = 0;  ///< the server's count: an upsert that changed its row counts 2
  std::string info;            ///< "Records: 3  Duplicates: 1  Warnings: 0", or empty
  /// The number after `label` in `info` ("Duplicates"); 0 when it is not there.
  std::uint64_t count(std::string_view label) const;
};

/// A row of texts; null is an empty optional.
using TextRow = std::vector<std::optional<std::string>>;
/// The same by column names.
using NamedRow = std::map<std::string, std::optional<std::string>>;

class Statement;

/// One login, over TCP. Not thread-safe: one thread at a time.
///
/// Every wait ends within a second of a stop request, with Error(cancelled), and by itself when the server is silent
/// for too long or cannot be reached. The server can never make us send it a file (LOCAL INFILE is refused).
class Session {
 public:
  /// Logs in. Throws Error: unauthorized, not_found (database), bad_config (TLS), unavailable, cancelled.
  Session(const Target& target, std::stop_token stop);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const ServerVersion& server() const { return version_; }
  /// The server's number of this connection.
  unsigned long id() const;
  /// The cipher in use; empty without TLS.
  std::string cipher() const;
  const Target& target() const { return target_; }

  /// Runs one statement that gives no rows.
  Outcome execute(std::string_view sql);
  /// All rows of one statement as texts: for catalogues and other small answers. Values are bound.
  std::vector<TextRow> rows(std::string_view sql, const std::vector<std::string>& values = {});
  /// All rows of a statement that cannot be prepared (SHOW …).
  std::vector<NamedRow> named_rows(std::string_view sql);
  Statement prepare(std::string_view sql);

  /// From now on waits answer to this one.
  void set_stop(std::stop_token stop);
  /// Whether the server said last that a transaction is open.
  bool in_transaction() const;
  /// Asks the server for a sign of life. Throws Error(cancelled) on a stop.
  bool is_alive();
  /// Gives the connection up at once, without waiting for what the server still sends.
  void abandon();
  /// Whether it was abandoned or broke: no statement will succeed any more.
  bool is_broken() const { return broken_; }

  /// The number, the SQLSTATE and the words of the error that was thrown last.
  struct ServerError {
    unsigned code = 0;
    std::string state;
    std::string words;
  };
  const ServerError& last_error() const { return last_error_; }

  /// The last error as an Error: what was being done, the server's words, its number, and what to do about it.
  [[noreturn]] void fail(std::string_view doing);
  [[noreturn]] void fail(std::string_view doing, ServerError error);

 private:
  friend class Statement;
  void set_options();
  void connect();
  void check_tls();
  void keep_alive();
  [[noreturn]] void fail_to_connect();

  /// A second descriptor of the socket, so that a stop request can shut it from another thread though the library
  /// may have closed its own by then.
  class Wire {
   public:
    ~Wire();
    /// From now on this is the socket.
    void take(int socket);
    void shut();

   private:
    std::mutex mutex_;
    int socket_ = -1;
  };
  struct Shutter {
    Wire* wire;
    void operator()() const { wire->shut(); }
  };
  static int wait(my_socket socket, my_bool for_reading, int timeout_milliseconds);
  struct Waiting;
  static thread_local Waiting* current;
  static thread_local bool timed_out;  ///< how the last wait of this thread ended

  Target target_;
  std::stop_token stop_;
  Wire wire_;
  ConnectionHandle handle_;
  std::optional<std::stop_callback<Shutter>> on_stop_;
  ServerVersion version_;
  bool broken_ = false;
  ServerError last_error_;
};

/// `a``b` in backquotes.
std::string quoted_name(std::string_view identifier);

}  // namespace syncflow::mysql
