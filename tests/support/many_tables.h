#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "support/database.h"
#include "support/program.h"

namespace syncflow::tests {

/// Syncs `t00`, `t01` … of one table each, all from one PostgreSQL database to another by way of a PostgreSQL store; the first half is
/// of one team. The destination refuses a second writer beside a first one, and the store notes every claim in a table
/// `claims` (sync_id, owner, at).
class ManyTables : public Scenario {
 protected:
  static constexpr int kRows = 60;

  /// Makes the tables in the databases below, writes the config, and loads the tables for the first time.
  void begin(int syncs, const std::string& batch = "{}");

  /// Changes the rows of a table for which the condition holds.
  void rename(const std::string& table, const std::string& condition, const std::string& name);
  /// Writes to the tables of the large team all the time, to one of the others now and then.
  void write_until(std::stop_token stop);

  /// A query of the store, as a text.
  std::string claims_of(const std::string& table) const;
  /// Whether the last claim of this table's sync came at most `time` after `since`, both in SQL.
  bool claimed_within(const std::string& table, const std::string& since, const std::string& time) const;
  /// Empty when both ends of every table are equal.
  std::string differences();
  /// Nothing is left to do, nothing was lost on the way, and nobody ever worked beside another.
  void expect_settled();

  int syncs_ = 0;
  /// Made by `begin` on the server of the environment, where they are not there yet.
  std::unique_ptr<Database> source_database_, destination_database_, store_database_;
  std::unique_ptr<Session> source_, destination_, store_;
  std::string here, there, at_store;  ///< how the program reaches them; empty: as the tests do
  std::string engine = "{workers: 2, lease: 2s, heartbeat: 500ms}";

 private:
  void make_table(const std::string& table);
};

/// The table, and the sync, of this number.
std::string table_of(int sync);

}  // namespace syncflow::tests
