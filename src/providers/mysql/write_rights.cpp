#include "providers/mysql/write_rights.h"

#include <fmt/core.h>
#include <mysqld_error.h>

#include <algorithm>
#include <numeric>

#include "core/text.h"
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

}  // namespace

std::vector<std::string> needed_rights(const DestinationSpec& spec) {
  std::vector<std::string> rights = {"SELECT", "INSERT", "UPDATE"};
  if (spec.deletes == Deletes::hard) rights.emplace_back("DELETE");
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
  if (!missing.empty()) throw missing_rights(session, table, missing);
}

Error creation_error(Session& session, const TableName& name, const DestinationSpec& spec,
                     const Error& error) {
  const std::string table = quoted(name.database) + "." + quoted(name.table);
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
