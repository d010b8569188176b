#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/database.h"
#include "support/program.h"

namespace syncflow::tests {

enum class System { sqlite, postgresql, mariadb, mysql };
const char* name_of(System system);
/// For the names of tests.
std::ostream& operator<<(std::ostream& out, System system);
/// The environment variable that must be set for it, or null.
const char* variable_of(System system);

/// A database of the system, SQLite's as `file` in `place`.
std::unique_ptr<Database> make_database(System system, const std::filesystem::path& place,
                                        const std::string& file);

/// Two tables from one system to another: `items` by cursor, `tags` by diff with hard deletes. `items` has no room at
/// the destination for rows that are named 'refused'; `tags` is made there by the program.
class TwoTables : public Scenario {
 protected:
  void begin(System from, System to);
  /// Makes the tables at both ends, whose databases are there, and writes the config.
  void make_tables(System from);
  /// Writes the config from the members below.
  void configure() const;

  void add_items(int first, int count, const std::string& name);
  void rename_items(const std::string& condition, const std::string& name);
  void add_tags(int first, int count);
  void add_tag(int tag) { add_tags(tag, 1); }
  void remove_tag(int tag);
  /// Changes of both tables, for a run that needs several batches.
  void change(int round);

  /// The program with these arguments, which stands still when it comes to the failpoint; returns once it does.
  Process start_and_freeze(const std::string& failpoint,
                           std::vector<std::string> arguments = {"run", "--json"});

  /// Empty when both ends are equal, else what differs, in words.
  std::string differences();
  void expect_equal();
  /// A further run writes nothing.
  void expect_quiet();

  /// Why the program failed when it brought the syncs up to date; empty, and a failure of the test, if it did not.
  std::string complaint();

  std::string store = "sqlite:store.db";
  std::string engine = "{}";
  std::string here, there;  ///< the connections; empty: those of the databases
  int max_retries = 3;
  int batch_rows = 40;

  System from_ = System::sqlite;
  std::unique_ptr<Database> source_database_, destination_database_;
  std::unique_ptr<Session> source_, destination_;
};

}  // namespace syncflow::tests
