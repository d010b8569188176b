#include "drivers/libmariadb/errors.h"

#include <errmsg.h>
#include <mysqld_error.h>

#include <algorithm>

namespace syncflow::mysql {
namespace {

// What MySQL has and MariaDB's header has not.
constexpr unsigned kExecutionTimeExceeded = 3024;  // ER_QUERY_TIMEOUT
/// MySQL 9 lists every transaction with its statement's text, and cannot while one of them holds bytes: a moment
/// later that statement is over. (ER_CANNOT_CONVERT_STRING of its message list.)
constexpr unsigned kCannotConvert = 3854;
constexpr unsigned kAccountLocked = 3118;           // ER_ACCOUNT_HAS_BEEN_LOCKED
constexpr unsigned kSecureTransport = 3159;         // ER_SECURE_TRANSPORT_REQUIRED
constexpr unsigned kInteractionTimeout = 4031;      // ER_CLIENT_INTERACTION_TIMEOUT
constexpr unsigned kAccountLockedInMariadb = 4151;  // ER_ACCOUNT_HAS_BEEN_LOCKED

bool has(std::string_view words, std::string_view part) { return words.find(part) != std::string_view::npos; }

/// What stands after `before`, up to the end of its quotes.
std::string_view quoted_after(std::string_view words, std::string_view before) {
  const auto begin = words.find(before);
  if (begin == std::string_view::npos) return {};
  words.remove_prefix(begin + before.size());
  const auto end = words.find_last_of("'`");
  return end == std::string_view::npos ? words : words.substr(0, end);
}

/// "`shop`.`orders`" of MariaDB's words, "`orders`" of MySQL's, which name no database.
std::string denied_table(std::string_view words) {
  constexpr std::string_view kBefore = "table ";
  const auto begin = words.rfind(kBefore);
  if (begin == std::string_view::npos) return "that table";
  std::string table(words.substr(begin + kBefore.size()));
  std::replace(table.begin(), table.end(), '\'', '`');
  return table;
}

std::string grant_advice(std::string_view words) {
  const std::string_view command = denied_command(words);
  const std::string_view user = quoted_after(words.substr(0, words.find(" for ")), "to user '");
  if (command.empty()) return " (ask for the right: GRANT … TO this user)";
  std::string advice =
      " (ask for the right: GRANT " + std::string(command) + " ON " + denied_table(words) + " TO '";
  return advice + std::string(user.empty() ? "this user" : user) + "')";
}

}  // namespace

ErrorKind kind_of(unsigned code) {
  switch (code) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
    case ER_HOST_NOT_PRIVILEGED:
    case ER_MUST_CHANGE_PASSWORD:
    case ER_MUST_CHANGE_PASSWORD_LOGIN:
    case kAccountLocked:
    case kAccountLockedInMariadb: return ErrorKind::unauthorized;

    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
    case ER_PROCACCESS_DENIED_ERROR: return ErrorKind::forbidden;

    case ER_BAD_DB_ERROR:
    case ER_NO_SUCH_TABLE:
    case ER_BAD_TABLE_ERROR:
    case ER_NO_SUCH_TABLE_IN_ENGINE: return ErrorKind::not_found;

    case ER_LOCK_WAIT_TIMEOUT:
    case ER_LOCK_DEADLOCK:
    case ER_CHECKREAD:
    case kCannotConvert: return ErrorKind::conflict;

    case ER_PARSE_ERROR:
    case ER_UNKNOWN_COM_ERROR:
    case ER_NET_PACKETS_OUT_OF_ORDER:
    case CR_COMMANDS_OUT_OF_SYNC:
    case CR_PARAMS_NOT_BOUND:
    case CR_NO_PREPARE_STMT:
    case CR_INVALID_PARAMETER_NO:
    case CR_INVALID_BUFFER_USE:
    case CR_UNSUPPORTED_PARAM_TYPE: return ErrorKind::bug;

    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
    case ER_GET_ERRNO:
    case ER_ERROR_ON_WRITE:
    case ER_FILSORT_ABORT:
    case ER_OUTOFMEMORY:
    case ER_OUT_OF_RESOURCES:
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
    case ER_USER_LIMIT_REACHED:
    case ER_HOST_IS_BLOCKED:
    case ER_CANT_CREATE_THREAD:
    case ER_SERVER_SHUTDOWN:
    case ER_NORMAL_SHUTDOWN:
    case ER_FORCING_CLOSE:
    case ER_ABORTING_CONNECTION:
    case ER_NEW_ABORTING_CONNECTION:
    case ER_HANDSHAKE_ERROR:
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
    case ER_QUERY_INTERRUPTED:
    case ER_STATEMENT_TIMEOUT:
    case ER_CONNECTION_KILLED:
    case ER_OPTION_PREVENTS_STATEMENT:
    case ER_READ_ONLY_MODE:
    case ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION:
    case ER_CANT_UPDATE_WITH_READLOCK:
    case ER_ERROR_DURING_COMMIT:
    case ER_INTERNAL_ERROR:
    case kExecutionTimeExceeded:
    case kInteractionTimeout:
    case CR_SOCKET_CREATE_ERROR:
    case CR_CONNECTION_ERROR:
    case CR_CONN_HOST_ERROR:
    case CR_IPSOCK_ERROR:
    case CR_UNKNOWN_HOST:
    case CR_SERVER_GONE_ERROR:
    case CR_OUT_OF_MEMORY:
    case CR_SERVER_HANDSHAKE_ERR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_SSL_CONNECTION_ERROR:
    case CR_MALFORMED_PACKET:
    case CR_ERR_NET_READ:
    case CR_ERR_NET_WRITE: return ErrorKind::unavailable;

    default: return ErrorKind::bad_config;
  }
}

bool ends_connection(unsigned code) {
  switch (code) {
    case ER_SERVER_SHUTDOWN:
    case ER_NORMAL_SHUTDOWN:
    case ER_FORCING_CLOSE:
    case ER_ABORTING_CONNECTION:
    case ER_NEW_ABORTING_CONNECTION:
    case ER_NET_READ_ERROR:
    case ER_NET_READ_INTERRUPTED:
    case ER_NET_ERROR_ON_WRITE:
    case ER_NET_WRITE_INTERRUPTED:
    case ER_NET_PACKETS_OUT_OF_ORDER:
    case ER_CONNECTION_KILLED:
    case kInteractionTimeout:
    case CR_SERVER_GONE_ERROR:
    case CR_SERVER_LOST:
    case CR_SERVER_LOST_EXTENDED:
    case CR_SSL_CONNECTION_ERROR:
    case CR_MALFORMED_PACKET:
    case CR_COMMANDS_OUT_OF_SYNC:
    case CR_ERR_NET_READ:
    case CR_ERR_NET_WRITE: return true;
    default: return false;
  }
}

std::string_view denied_command(std::string_view words) {
  const auto end = words.find(" command denied");
  return end == std::string_view::npos ? std::string_view() : words.substr(0, end);
}

std::string advice_for(unsigned code, std::string_view words) {
  switch (code) {
    case ER_ACCESS_DENIED_ERROR:
    case ER_ACCESS_DENIED_NO_PASSWORD_ERROR:
      return " (user or password is wrong, or this user may not log in from this machine)";
    case ER_HOST_NOT_PRIVILEGED: return " (the server lets no user in from this machine)";
    case ER_MUST_CHANGE_PASSWORD:
    case ER_MUST_CHANGE_PASSWORD_LOGIN:
      return " (the password has expired: set a new one with ALTER USER … IDENTIFIED BY …)";
    case kAccountLocked:
    case kAccountLockedInMariadb: return " (unlock it with ALTER USER … ACCOUNT UNLOCK)";
    case ER_DBACCESS_DENIED_ERROR:
      return " (ask for rights on it: GRANT SELECT ON that database.* TO this user, as a destination also "
             "INSERT, UPDATE, "
             "DELETE and CREATE)";
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR: return grant_advice(words);
    case ER_RECORD_FILE_FULL:
      return " (the server's disk or tablespace is full, or a MEMORY table reached max_heap_table_size: make "
             "room "
             "there)";
    case ER_DISK_FULL: return " (the server's disk is full: make room there)";
    case ER_GET_ERRNO:
    case ER_ERROR_ON_WRITE:
    case ER_FILSORT_ABORT:
      if (has(words, "28") || has(words, "No space")) return " (the server's disk is full: make room there)";
      return "";
    case ER_OPTION_PREVENTS_STATEMENT:
      if (has(words, "read-only") || has(words, "read_only"))
        return " (the server is read-only, as replicas are: connect to the primary, or SET GLOBAL read_only "
               "= OFF)";
      return "";
    case ER_READ_ONLY_MODE: return " (the server is read-only: connect to the primary)";
    case ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION:
      return " (the server begins transactions as read-only: SET GLOBAL transaction_read_only = OFF, or "
             "connect to "
             "the primary)";
    case ER_CON_COUNT_ERROR:
    case ER_TOO_MANY_USER_CONNECTIONS:
      return " (the server has no connection left: raise its max_connections, or lower ours)";
    case ER_HOST_IS_BLOCKED: return " (after too many failed logins: FLUSH HOSTS on the server lifts it)";
    case kSecureTransport: return " (the server wants TLS: set tls to require or verify)";
    case ER_BAD_FIELD_ERROR: return " (a column was dropped or renamed: edit the mapping)";
    case kInteractionTimeout: return " (the connection was idle for too long)";
    default: return "";
  }
}

}  // namespace syncflow::mysql
