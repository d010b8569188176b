#pragma once

#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace syncflow::tests {

/// One login, in UTC. It speaks to the server through its own C library, so that what a test sees of a table does
/// not depend on the readers that it tests. Not thread-safe. Failures are std::runtime_error with the SQL.
class Session {
 public:
  using Row = std::vector<std::optional<std::string>>;
  virtual ~Session() = default;

  /// Statements parted by semicolons.
  virtual void execute(const std::string& sql) = 0;
  /// The result in the server's own text form, in UTF-8.
  virtual std::vector<Row> rows(const std::string& sql) = 0;
  /// The first cell of the only row; empty when it is null.
  std::string value(const std::string& sql);
};

/// A database of one's own, which goes when this goes.
class Database {
 public:
  virtual ~Database() = default;
  virtual std::unique_ptr<Session> log_in() = 0;
  /// A URL, or the file of SQLite.
  virtual std::string address() const = 0;
  /// What stands behind its name below `connections:` in a config.
  virtual std::string connection() const = 0;
  /// An expression for the bytes of a column in lower-case hex.
  virtual std::string hex(const std::string& column) const { return "lower(hex(" + column + "))"; }
};

/// On the server that the environment names. Throws when the variable is not set: ask `is_set` first.
std::unique_ptr<Database> make_postgresql_database();
/// On the server of this URL.
std::unique_ptr<Database> make_postgresql_database(const std::string& server);
std::unique_ptr<Session> log_in_to_postgresql(const std::string& url);
/// Fills `target` ("table (column, …)") with lines in the text form of COPY, faster than any INSERT. `session`
/// is one of PostgreSQL.
void copy_into_postgresql(Session& session, const std::string& target, const std::string& lines);
enum class Flavour { mysql, mariadb };
const char* name_of(Flavour flavour);
/// For the names of tests.
std::ostream& operator<<(std::ostream& out, Flavour flavour);
std::unique_ptr<Database> make_mysql_database(Flavour flavour);
/// On the server of this URL.
std::unique_ptr<Database> make_mysql_database(const std::string& server);
std::unique_ptr<Session> log_in_to_mysql(const std::string& url);
/// A file in `folder`.
std::unique_ptr<Database> make_sqlite_database(const std::string& folder, const std::string& name);
/// A file that belongs to somebody else.
std::unique_ptr<Session> log_in_to_sqlite(const std::string& file);

/// The program as it is delivered, for what measures it.
inline constexpr const char* kReleaseProgram = "SYNCFLOW_TEST_RELEASE_PROGRAM";
inline constexpr const char* kPostgresqlUrl = "SYNCFLOW_TEST_POSTGRESQL_URL";
inline constexpr const char* kMariadbUrl = "SYNCFLOW_TEST_MARIADB_URL";
inline constexpr const char* kMysqlUrl = "SYNCFLOW_TEST_MYSQL_URL";
/// What tests start MySQL servers of their own with.
inline constexpr const char* kMysqlProgram = "SYNCFLOW_TEST_MYSQL_PROGRAM";
bool is_set(const char* variable);
/// The environment variable's value. Throws when it is not set.
std::string value_of(const char* variable);
/// For `GTEST_SKIP() << not_set(kMysqlUrl)`.
std::string not_set(const char* variable);

struct Column {
  std::string name;
  bool bytes = false;
};

/// A table as text: a line a row, cells escaped and parted by tabs, `\N` for null, ordered by the bytes of
/// the first `key_columns` cells. Equal tables of different systems give equal lines.
std::vector<std::string> canonical(const Database& database, Session& session, const std::string& table,
                                   const std::vector<Column>& columns, std::size_t key_columns);

/// Empty when they are equal, else what differs first, in words.
std::string difference(const std::vector<std::string>& expected, const std::vector<std::string>& actual);

}  // namespace syncflow::tests
