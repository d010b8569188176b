#include "providers/sqlite/write_statements.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::sqlite {
namespace {

/// Codes that speak of one row, not of the file or the connection.
bool concerns_the_row(int code) {
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH: return true;
    default: return false;
  }
}

std::string cached_as(char kind, const WriteStatements::Cells* cells) {
  std::string name(1, kind);
  if (cells)
    for (const auto& cell : *cells) name += cell ? '1' : '0';
  return name;
}

}  // namespace

bool Ran::duplicate() const {
  return code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
         code == SQLITE_CONSTRAINT_ROWID;
}

// Parameters: ?1 is the time, then come the parts of the key, then one for each column.

std::string WriteStatements::cell_parameter(std::size_t column) const {
  return fmt::format("?{}", 2 + target_.key.size() + column);
}

std::string WriteStatements::key_condition() const {
  std::vector<std::string> conditions;
  for (std::size_t i = 0; i < target_.key.size(); ++i) {
    const std::string equation =
        fmt::format("{} = ?{} COLLATE ", target_.columns[target_.key[i]].name, i + 2);
    conditions.push_back(equation + quoted_name(target_.key_folds[i]));
    if (target_.key_folds[i] != "BINARY") conditions.push_back(equation + "BINARY");
  }
  return join(conditions, " AND ");
}

std::string WriteStatements::fold_condition() const {
  std::vector<std::string> folded, exact;
  for (std::size_t i = 0; i < target_.key.size(); ++i) {
    const std::string equation =
        fmt::format("{} = ?{} COLLATE ", target_.columns[target_.key[i]].name, i + 2);
    folded.push_back(equation + quoted_name(target_.key_folds[i]));
    exact.push_back(equation + "BINARY");
  }
  return fmt::format("{} AND NOT ({})", join(folded, " AND "), join(exact, " AND "));
}

/// The collation of a column must not hide a change of case, nor a column without affinity 1 become 1.0 unseen.
std::string WriteStatements::difference(std::size_t column, const std::string& value) const {
  const WriteTarget::Column& to = target_.columns[column];
  std::string out = fmt::format("{} IS NOT {} COLLATE BINARY", to.name, value);
  if (to.type.dynamic && to.type.affinity == Affinity::blob)
    out += fmt::format(" OR typeof({}) <> typeof({})", to.name, value);
  return out;
}

std::string WriteStatements::now_assignments(bool clear_mark) const {
  std::string out;
  if (target_.stamp) out += ", " + *target_.stamp + " = ?1";
  if (target_.mark && clear_mark) out += ", " + *target_.mark + " = NULL";
  return out;
}

std::string WriteStatements::insert_sql(const Cells& cells) const {
  std::vector<std::string> columns, values;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (!cells[i]) continue;
    columns.push_back(target_.columns[i].name);
    values.push_back(cell_parameter(i));
  }
  if (target_.stamp) {
    columns.push_back(*target_.stamp);
    values.push_back("?1");
  }
  return fmt::format("INSERT OR ABORT INTO {} ({}) VALUES ({})", target_.table, join(columns, ", "),
                     join(values, ", "));
}

std::string WriteStatements::upsert_sql(const Cells& cells) const {
  std::vector<std::string> conflict, differences;
  std::string assignments;
  for (std::size_t i = 0; i < target_.key.size(); ++i) {
    // Said only where it must be: of a rowid SQLite does not take it.
    const WriteTarget::Column& part = target_.columns[target_.key[i]];
    conflict.push_back(part.name + (target_.key_folds[i] == part.collation
                                        ? ""
                                        : " COLLATE " + quoted_name(target_.key_folds[i])));
  }
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (!cells[i] || target_.is_key(i)) continue;
    const std::string incoming = "excluded." + target_.columns[i].name;
    assignments += fmt::format(", {} = {}", target_.columns[i].name, incoming);
    differences.push_back(difference(i, incoming));
  }
  if (target_.mark) differences.push_back(*target_.mark + " IS NOT NULL");
  const std::string head = insert_sql(cells) + " ON CONFLICT (" + join(conflict, ", ") + ") DO ";
  if (differences.empty()) return head + "NOTHING";
  assignments += now_assignments(true);
  return head + "UPDATE SET " + assignments.substr(2) + " WHERE " + join(differences, " OR ");
}

std::string WriteStatements::update_sql(const Cells& cells, bool with_key) const {
  std::vector<std::string> differences;
  std::string assignments;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (!cells[i] || (target_.is_key(i) && !with_key)) continue;
    assignments += fmt::format(", {} = {}", target_.columns[i].name, cell_parameter(i));
    differences.push_back(difference(i, cell_parameter(i)));
  }
  assignments += now_assignments(true);
  if (target_.mark) differences.push_back(*target_.mark + " IS NOT NULL");
  // Nothing but the key came in: there is nothing to update, yet the statement must say something.
  if (differences.empty())
    return fmt::format("UPDATE {0} SET {1} = {1} WHERE 0", target_.table,
                       target_.columns[target_.key[0]].name);
  std::string sql = fmt::format("UPDATE OR ABORT {} SET {} WHERE {}", target_.table, assignments.substr(2),
                                key_condition());
  if (!with_key) sql += " AND (" + join(differences, " OR ") + ")";
  return sql;
}

std::string WriteStatements::remove_sql() const {
  if (!target_.mark) return "DELETE FROM " + target_.table;
  std::string sql =
      fmt::format("UPDATE OR ABORT {} SET {} = ?1{}", target_.table, *target_.mark, now_assignments(false));
  return sql + " WHERE " + *target_.mark + " IS NULL";
}

std::string WriteStatements::sql(Kind kind, const Cells& cells) const {
  switch (kind) {
    case Kind::insert: return insert_sql(cells);
    case Kind::upsert: return upsert_sql(cells);
    case Kind::update: return update_sql(cells, false);
    case Kind::move: return update_sql(cells, true);
    case Kind::remove: return remove_sql() + (target_.mark ? " AND " : " WHERE ") + key_condition();
    case Kind::erase: return "DELETE FROM " + target_.table + " WHERE " + key_condition();
    case Kind::remove_all: return remove_sql();
    case Kind::exists: return "SELECT 1 FROM " + target_.table + " WHERE " + key_condition();
    case Kind::folded: return "SELECT 1 FROM " + target_.table + " WHERE " + fold_condition();
    case Kind::equals: {
      std::string sql = "SELECT 1 FROM " + target_.table + " WHERE " + key_condition();
      for (std::size_t i = 0; i < cells.size(); ++i)
        if (cells[i]) sql += " AND NOT (" + difference(i, cell_parameter(i)) + ")";
      if (target_.mark) sql += " AND " + *target_.mark + " IS NULL";
      return sql;
    }
  }
  return "";
}

Statement& WriteStatements::bound(Kind kind, const Values& values) {
  static const Cells none;
  const std::string name = cached_as(static_cast<char>(kind), values.cells);
  auto found = prepared_.find(name);
  if (found == prepared_.end())
    found = prepared_.emplace(name, database_.prepare(sql(kind, values.cells ? *values.cells : none))).first;
  Statement& statement = found->second;
  const int parameters = sqlite3_bind_parameter_count(statement.handle());
  const auto put = [&](std::size_t index, const Stored& value) {
    if (static_cast<int>(index) <= parameters) bind(statement, static_cast<int>(index), value);
  };
  if (values.now) put(1, *values.now);
  if (values.key)
    for (std::size_t i = 0; i < values.key->size(); ++i) put(2 + i, (*values.key)[i]);
  if (values.cells)
    for (std::size_t i = 0; i < values.cells->size(); ++i)
      if ((*values.cells)[i]) put(2 + target_.key.size() + i, *(*values.cells)[i]);
  return statement;
}

Ran WriteStatements::run(Kind kind, const Values& values) {
  Statement& statement = bound(kind, values);
  const int code = sqlite3_step(statement.handle());
  if (code == SQLITE_DONE) {
    statement.reset();
    return {};
  }
  Ran ran{sqlite3_extended_errcode(database_.handle()), sqlite3_errmsg(database_.handle())};
  if (!concerns_the_row(ran.code)) database_.fail("writing to " + target_.table);
  statement.reset();
  return ran;
}

bool WriteStatements::finds(Kind kind, const Values& values) {
  Statement& statement = bound(kind, values);
  const bool found = statement.step();
  statement.reset();
  return found;
}

std::vector<Stored> WriteStatements::key_of(const Cells& cells) const {
  std::vector<Stored> key;
  for (const std::size_t column : target_.key) key.push_back(cells[column].value_or(Stored()));
  return key;
}

Ran WriteStatements::insert(const Cells& cells, const Stored& now) {
  return run(Kind::insert, {.now = &now, .key = nullptr, .cells = &cells});
}

Ran WriteStatements::upsert(const Cells& cells, const Stored& now) {
  return run(Kind::upsert, {.now = &now, .key = nullptr, .cells = &cells});
}

Ran WriteStatements::update(const Cells& cells, const Stored& now) {
  const std::vector<Stored> key = key_of(cells);
  return run(Kind::update, {.now = &now, .key = &key, .cells = &cells});
}

Ran WriteStatements::move(const Cells& cells, const std::vector<Stored>& old_key, const Stored& now) {
  return run(Kind::move, {.now = &now, .key = &old_key, .cells = &cells});
}

Ran WriteStatements::remove(const std::vector<Stored>& key, const Stored& now) {
  return run(Kind::remove, {.now = &now, .key = &key, .cells = nullptr});
}

Ran WriteStatements::erase(const std::vector<Stored>& key) {
  return run(Kind::erase, {.now = nullptr, .key = &key, .cells = nullptr});
}

Ran WriteStatements::remove_all(const Stored& now) {
  return run(Kind::remove_all, {.now = &now, .key = nullptr, .cells = nullptr});
}

bool WriteStatements::exists(const std::vector<Stored>& key) {
  return finds(Kind::exists, {.now = nullptr, .key = &key, .cells = nullptr});
}

bool WriteStatements::folded_exists(const std::vector<Stored>& key) {
  return finds(Kind::folded, {.now = nullptr, .key = &key, .cells = nullptr});
}

bool WriteStatements::equals(const Cells& cells) {
  const std::vector<Stored> key = key_of(cells);
  return finds(Kind::equals, {.now = nullptr, .key = &key, .cells = &cells});
}

}  // namespace syncflow::sqlite
