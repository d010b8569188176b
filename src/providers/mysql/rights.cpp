#include "providers/mysql/rights.h"

#include <fmt/core.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "core/uuid.h"

namespace syncflow::mysql {
namespace {

/// Grants come by way of roles, patterns of databases, single columns and PUBLIC; only the server adds them up. It does so
/// for a statement that it explains, before it looks whether the table exists.
class Rights {
 public:
  Rights(Session& session, const TableName& table, bool exists)
      : session_(session), table_(table), exists_(exists) {}

  void need(const std::string& right, const std::string& statement) {
    if (is_refused("EXPLAIN " + statement)) missing_.push_back(right);
  }

  /// No statement explains CREATE: one that copies from a table that is not there is refused for want of the right first.
  void need_create() {
    const std::string nowhere = quoted(table_.database) + "." + quoted("syncflow_" + random_uuid());
    if (is_refused("CREATE TABLE " + name() + " LIKE " + nowhere)) missing_.emplace_back("CREATE");
  }

  void require() const {
    if (missing_.empty()) return;
    const std::string account = session_.rows("SELECT CURRENT_USER()").at(0).at(0).value_or("");
    const auto at = account.rfind('@');
    const std::string user = fmt::format("'{}'@'{}'", account.substr(0, at), account.substr(at + 1));
    const std::string rights = join(missing_, ", ");
    throw Error(ErrorKind::forbidden, fmt::format("table {}.{}: no right to {} there: GRANT {} ON {} TO {}",
                                                  table_.database, table_.table, rights, rights,
                                                  exists_ ? name() : quoted(table_.database) + ".*", user));
  }

  std::string name() const { return quoted(table_.database) + "." + quoted(table_.table); }

 private:
  bool is_refused(const std::string& sql) {
    try {
      if (sql.starts_with("EXPLAIN")) session_.named_rows(sql);
      else session_.execute(sql);
      return false;
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::not_found && !exists_) return false;
      if (error.kind() != ErrorKind::forbidden) throw;
      // CREATE … LIKE also wants to read what it copies from, which we do not need.
      return !sql.starts_with("CREATE") || session_.last_error().words.find("SELECT") == std::string::npos;
    }
  }

  Session& session_;
  const TableName& table_;
  const bool exists_;
  std::vector<std::string> missing_;
};

std::vector<std::string> written_columns(const DestinationSpec& spec) {
  std::vector<std::string> columns;
  for (const Field& field : spec.incoming.fields) columns.push_back(quoted(field.name));
  if (spec.deletes == Deletes::soft) columns.push_back(quoted(spec.soft_delete));
  if (!spec.stamp.empty()) columns.push_back(quoted(spec.stamp));
  return columns;
}

}  // namespace

void check_rights(Session& session, const TableName& table, const DestinationSpec& spec, bool exists) {
  Rights rights(session, table, exists);
  const std::string name = rights.name();
  const std::vector<std::string> columns = written_columns(spec);
  std::vector<std::string> assignments;
  for (const std::string& column : columns) assignments.push_back(column + " = " + column);
  const std::string nulls = join(std::vector<std::string>(columns.size(), "NULL"), ", ");
  rights.need("SELECT", fmt::format("SELECT {} FROM {} WHERE FALSE", join(columns, ", "), name));
  rights.need("INSERT", fmt::format("INSERT INTO {} ({}) SELECT {} FROM DUAL WHERE FALSE", name,
                                    join(columns, ", "), nulls));
  rights.need("UPDATE", fmt::format("UPDATE {} SET {} WHERE FALSE", name, join(assignments, ", ")));
  // Also a table that is to be replaced is emptied row by row; under soft deletes its rows are marked.
  if (spec.deletes == Deletes::hard ||
      (spec.deletes == Deletes::ignore && spec.existing == Existing::replace))
    rights.need("DELETE", fmt::format("DELETE FROM {} WHERE FALSE", name));
  if (!exists) rights.need_create();
  rights.require();
}

}  // namespace syncflow::mysql
