#include "providers/mysql/write_rights.h"

#include <fmt/core.h>
#include <mysqld_error.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "core/text.h"
#include "core/uuid.h"
#include "drivers/libmariadb/errors.h"

namespace syncflow::mysql {
namespace {

/// As GRANT names it. Not what the server's own messages say: there stands the host that the login came from.
std::string account(Session& session) {
  const std::string user = session.rows("SELECT CURRENT_USER()").at(0).at(0).value_or("");
  const auto at = user.rfind('@');
  return fmt::format("'{}'@'{}'", user.substr(0, at), user.substr(at + 1));
}

std::string grant(Session& session, const std::vector<std::string>& rights, const std::string& table) {
  return fmt::format("GRANT {} ON {} TO {}", join(rights, ", "), table, account(session));
}

void add_missing(std::string_view command, std::vector<std::string>& missing) {
  for (const std::string& right : split(command, ',')) {
    const std::string name = right.substr(right.find_first_not_of(' '));
    if (std::find(missing.begin(), missing.end(), name) == missing.end()) missing.push_back(name);
  }
}

/// The server judges the rights of a statement when it prepares it.
void try_to_prepare(Session& session, const std::string& sql, std::vector<std::string>& missing) {
  try {
    session.prepare(sql);
  } catch (const Error& error) {
    const std::string_view denied = denied_command(session.last_error().words);
    if (error.kind() != ErrorKind::forbidden || denied.empty()) throw;
    add_missing(denied, missing);
  }
}

/// A table that is to be replaced is emptied row by row; under soft deletes its rows are marked.
bool empties_by_deleting(const DestinationSpec& spec) {
  return spec.existing == Existing::replace && spec.deletes != Deletes::soft;
}

/// Whether the login lacks the right. The server judges that before it looks whether the table exists, and adds up what
/// came by roles, patterns of databases and single columns as nobody else could.
bool is_denied(Session& session, const std::string& sql, const std::string& right) {
  try {
    if (sql.starts_with("EXPLAIN")) session.named_rows(sql);
    else session.execute(sql);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::not_found) return false;
    if (error.kind() != ErrorKind::forbidden) throw;
    return denied_command(session.last_error().words).find(right) != std::string_view::npos;
  }
  return false;
}

/// A statement that needs the right and does nothing, since the table is missing.
std::string statement_for(const std::string& right, const std::string& table, const DestinationSpec& spec) {
  const std::string column = quoted_name(spec.incoming.fields.front().name);
  if (right == "SELECT") return fmt::format("EXPLAIN SELECT {} FROM {} WHERE FALSE", column, table);
  if (right == "INSERT")
    return fmt::format("EXPLAIN INSERT INTO {} ({}) SELECT NULL FROM DUAL WHERE FALSE", table, column);
  if (right == "UPDATE")
    return fmt::format("EXPLAIN UPDATE {} SET {} = {} WHERE FALSE", table, column, column);
  return fmt::format("EXPLAIN DELETE FROM {} WHERE FALSE", table);
}

bool is_on(const std::optional<std::string>& value) { return value && *value != "0" && *value != "OFF"; }

}  // namespace

std::string why_no_writes(Session& session) {
  bool server = false, storage = false;
  // Not every server has both of these variables.
  for (const NamedRow& row :
       session.named_rows("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'innodb_read_only')"))
    (row.at("Variable_name") == "read_only" ? server : storage) = is_on(row.at("Value"));
  if (storage) return "is read-only (innodb_read_only), as replicas are: connect to the primary";
  if (!server) return "";
  // Some users may write all the same. Only this statement is refused for that before anything is written.
  try {
    session.execute("START TRANSACTION READ WRITE");
    session.execute("ROLLBACK");
    return "";
  } catch (const Error&) {
    if (session.is_broken() || session.last_error().code != ER_OPTION_PREVENTS_STATEMENT) throw;
  }
  return "is read-only, as replicas are: connect to the primary, or SET GLOBAL read_only = OFF";
}

std::vector<std::string> needed_rights(const DestinationSpec& spec) {
  std::vector<std::string> rights = {"SELECT", "INSERT", "UPDATE"};
  if (spec.deletes == Deletes::hard || empties_by_deleting(spec)) rights.emplace_back("DELETE");
  return rights;
}

Error missing_rights(Session& session, const TableDef& table, const std::vector<std::string>& rights) {
  return {ErrorKind::forbidden,
          fmt::format("table {} on {}: no right to {} there: {}", table.name, session.target().shown(),
                      join(rights, ", "), grant(session, rights, table.quoted_name()))};
}

void check_write_rights(Session& session, const TableDef& table, const Statements& statements,
                        const DestinationSpec& spec) {
  std::vector<std::size_t> fields(spec.incoming.fields.size());
  std::iota(fields.begin(), fields.end(), 0);
  std::vector<std::string> missing;
  try_to_prepare(session, "SELECT 1 FROM " + table.quoted_name(), missing);
  try_to_prepare(session, statements.insert(fields, 1), missing);
  try_to_prepare(session, statements.upsert(fields, 1), missing);
  if (spec.deletes != Deletes::ignore) try_to_prepare(session, statements.remove(1), missing);
  if (empties_by_deleting(spec)) try_to_prepare(session, statements.remove_any(1), missing);
  if (!missing.empty()) throw missing_rights(session, table, missing);
}

void check_creation_rights(Session& session, const TableName& name, const DestinationSpec& spec) {
  const std::string table = quoted_name(name.database) + "." + quoted_name(name.table);
  std::vector<std::string> missing;
  // Nothing explains CREATE TABLE. One like a table that is not there is refused for want of the right first.
  const std::string nowhere = quoted_name(name.database) + "." + quoted_name("syncflow_" + random_uuid());
  try {
    if (is_denied(session, "CREATE TABLE " + table + " LIKE " + nowhere, "CREATE"))
      missing.emplace_back("CREATE");
  } catch (const Error& error) {
    throw creation_error(session, name, spec, error);
  }
  for (const std::string& right : needed_rights(spec))
    if (is_denied(session, statement_for(right, table, spec), right)) missing.push_back(right);
  if (missing.empty()) return;
  const std::string advice = grant(session, missing, quoted_name(name.database) + ".*");
  throw Error(ErrorKind::forbidden,
              missing.front() == "CREATE"
                  ? fmt::format("no right to create table {} on {}: {}, or make it by hand", name.table,
                                session.target().shown(), advice)
                  : fmt::format("table {} on {}: once it is created, no right to {} there: {}", name.table,
                                session.target().shown(), join(missing, ", "), advice));
}

Error creation_error(Session& session, const TableName& name, const DestinationSpec& spec,
                     const Error& error) {
  const std::string table = quoted_name(name.database) + "." + quoted_name(name.table);
  std::vector<std::string> rights = needed_rights(spec);
  if (session.last_error().code == ER_TABLE_EXISTS_ERROR)
    return {ErrorKind::forbidden,
            fmt::format("table {} on {} is there, but this login has no right to {} there: {}", name.table,
                        session.target().shown(), join(rights, ", "), grant(session, rights, table))};
  if (error.kind() != ErrorKind::forbidden) return error;
  rights.insert(rights.begin(), "CREATE");
  return {
      ErrorKind::forbidden,
      fmt::format("no right to create table {} on {}, nor to see it if it is there: {}, or make it by hand",
                  name.table, session.target().shown(), grant(session, rights, table))};
}

}  // namespace syncflow::mysql
