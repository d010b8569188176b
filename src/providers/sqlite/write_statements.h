#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "drivers/sqlite/database.h"
#include "providers/sqlite/codec.h"
#include "providers/sqlite/write_target.h"

namespace syncflow::sqlite {

/// What came of running a statement: done, or the row was refused.
struct Ran {
  int code = 0;         ///< extended result code; 0: done
  std::string message;  ///< SQLite's words when not done
  bool done() const { return code == 0; }
  /// Another row has the same value in some unique index, the key's or another.
  bool duplicate() const;
};

/// The prepared statements of one table, each made when it is first needed.
///
/// `cells`: one for each column of the target, empty for a cell that keeps what the row has. Values are bound without
/// being copied, and nothing stays bound. Every statement says OR ABORT: without it a constraint that is declared
/// ON CONFLICT REPLACE would delete the other row, and ROLLBACK would take the whole batch with it.
class WriteStatements {
 public:
  using Cells = std::vector<std::optional<Stored>>;

  WriteStatements(Database& database, const WriteTarget& target) : database_(database), target_(target) {}

  Ran insert(const Cells& cells, const Stored& now);
  /// Inserts, or updates the row of this key where it differs.
  Ran upsert(const Cells& cells, const Stored& now);
  /// Updates the row of this key where it differs.
  Ran update(const Cells& cells, const Stored& now);
  /// Gives the row of `old_key` these cells, the key among them.
  Ran move(const Cells& cells, const std::vector<Stored>& old_key, const Stored& now);
  /// Deletes the row, or sets its mark where there is none yet.
  Ran remove(const std::vector<Stored>& key, const Stored& now);
  /// Deletes the row, mark or not.
  Ran erase(const std::vector<Stored>& key);
  Ran remove_all(const Stored& now);

  bool exists(const std::vector<Stored>& key);
  /// Whether there is a row whose key is this one to the unique index, but not exactly.
  bool folded_exists(const std::vector<Stored>& key);
  /// Whether the row of this key has these cells and no mark.
  bool equals(const Cells& cells);

  std::vector<Stored> key_of(const Cells& cells) const;

 private:
  enum class Kind : char { insert, upsert, update, move, remove, erase, remove_all, exists, folded, equals };
  struct Values {
    const Stored* now = nullptr;
    const std::vector<Stored>* key = nullptr;
    const Cells* cells = nullptr;
  };
  Ran run(Kind kind, const Values& values);
  bool finds(Kind kind, const Values& values);
  Statement& bound(Kind kind, const Values& values);

  std::string sql(Kind kind, const Cells& cells) const;
  std::string insert_sql(const Cells& cells) const;
  std::string upsert_sql(const Cells& cells) const;
  std::string update_sql(const Cells& cells, bool with_key) const;
  std::string remove_sql() const;
  std::string key_condition() const;
  std::string fold_condition() const;
  std::string cell_parameter(std::size_t column) const;
  std::string now_assignments(bool clear_mark) const;
  std::string difference(std::size_t column, const std::string& value) const;

  Database& database_;
  const WriteTarget& target_;
  std::map<std::string, Statement> prepared_;
};

}  // namespace syncflow::sqlite
