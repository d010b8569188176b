#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "provider/provider.h"
#include "testkit/rows.h"

namespace syncflow::testkit {

/// Another login to the database under test, for what other people do to it while we read and write.
class Session {
 public:
  virtual ~Session() = default;
  /// One statement, in autocommit unless it begins a transaction itself.
  virtual void run(const std::string& sql) = 0;
};

/// A fresh, empty database of one system, dropped when it is destroyed.
class TestDatabase {
 public:
  virtual ~TestDatabase() = default;

  /// The provider under test, connected to this database, with Resources::stop = `stop().get_token()`.
  virtual Connection& connection() = 0;
  virtual std::stop_source& stop() = 0;

  /// Behind the provider's back: one statement.
  virtual void run(const std::string& sql) = 0;
  /// Rows in the driver's own texts; the suites only ask for integers and texts this way.
  virtual std::vector<TextRow> query(const std::string& sql) = 0;
  virtual std::unique_ptr<Session> open_session() = 0;
};

/// How a database writes what the suites need.
struct Dialect {
  char quote = '"';                ///< of identifiers; doubled inside
  bool backslash_escapes = false;  ///< in text literals
  std::string integer = "BIGINT";
  std::string text = "TEXT";
  std::string key_text =
      "VARCHAR(100)";  ///< may be part of a key; distinguishes case, accents and trailing spaces
  std::string cursor = "TIMESTAMP";  ///< a last-modified field, microseconds or finer
  std::string ascending_key =
      "BIGINT";  ///< all of the column definition after the name, PRIMARY KEY included
  /// An instant as a literal for a `cursor` column. Default: 'YYYY-MM-DD HH:MM:SS.ffffff' in UTC.
  std::function<std::string(Time)> instant;
  std::size_t longest_identifier = 63;  ///< in bytes
  std::string begin = "BEGIN";          ///< a transaction that holds what it writes
  std::string table_suffix;             ///< after the closing parenthesis of CREATE TABLE

  std::string quoted(std::string_view identifier) const;
  std::string literal(std::string_view text) const;
  std::string stamp(Time time) const;
};

/// What every suite is told of a system.
struct DatabaseCase {
  std::string name;
  /// Empty: the system is not there, the test is skipped.
  std::function<std::unique_ptr<TestDatabase>()> make;
  Dialect dialect;
};

inline std::ostream& operator<<(std::ostream& out, const DatabaseCase& a_case) { return out << a_case.name; }

/// A case as the parameter of a suite: GoogleTest copies that for every test, which is long to do for all its samples.
template <typename Case>
class Shared {
 public:
  Shared(Case a_case) : case_(std::make_shared<const Case>(std::move(a_case))) {}
  const Case* operator->() const { return case_.get(); }
  friend std::ostream& operator<<(std::ostream& out, const Shared& shared) { return out << *shared.case_; }

 private:
  std::shared_ptr<const Case> case_;
};

/// The table that most tests use: id (key), name, updated_at (indexed).
///
/// `rows` are written behind the provider's back.
class ItemsTable {
 public:
  enum class Key { given, ascending };

  ItemsTable(TestDatabase& database, const Dialect& dialect, std::string name = "items")
      : database_(database), dialect_(dialect), name_(std::move(name)) {}

  struct Shape {
    Key key = Key::given;
    bool index = true;
  };
  void create() { create(Shape()); }
  void create(const Shape& shape);

  std::string insert_sql(int id, const std::optional<std::string>& name,
                         std::optional<Time> updated_at) const;
  void insert(int id, const std::optional<std::string>& name, std::optional<Time> updated_at);
  /// Rows `first` to `last`, "row N", all in one statement; stamped one second apart from `from` on, or all at `from`.
  void insert_many(int first, int last, Time from, Duration step = std::chrono::seconds(1));
  void update(int id, const std::optional<std::string>& name, std::optional<Time> updated_at);
  void remove(int id);

  /// id and name of every row, by id, as a driver reads them.
  std::vector<TextRow> rows();
  const std::string& name() const { return name_; }

 private:
  std::string value_list(int id, const std::optional<std::string>& name,
                         std::optional<Time> updated_at) const;
  TestDatabase& database_;
  const Dialect& dialect_;
  std::string name_;
};

/// The clock of this machine, which is also the test servers'.
Time now();

/// "at 2024-01-01T00:00:00Z"
Time instant(std::string_view rfc3339);

}  // namespace syncflow::testkit
