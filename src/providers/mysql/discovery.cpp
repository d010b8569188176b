#include "providers/mysql/discovery.h"

#include <fmt/core.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "providers/mysql/horizon.h"
#include "providers/mysql/types.h"
#include "providers/mysql/write_rights.h"

namespace syncflow::mysql {
namespace {

bool is_moment(Kind kind) { return kind == Kind::datetime || kind == Kind::timestamp; }

/// Better candidates first: what the server keeps up by itself, then what is called as such fields are, then an index.
int rank(const CursorCandidate& candidate, const ColumnInfo& column) {
  int rank = 0;
  if (!column.updates_itself) rank += 8;
  const std::string name = ascii_lower(candidate.field);
  const bool modified = name.find("updat") != std::string::npos || name.find("modif") != std::string::npos ||
                        name.find("chang") != std::string::npos || name.find("synced") != std::string::npos;
  if (!modified) rank += 4;
  if (!candidate.indexed) rank += 2;
  if (column.nullable) rank += 1;
  return rank;
}

CursorCandidate candidate_of(const TableDef& table, const ColumnInfo& column) {
  CursorCandidate candidate;
  candidate.field = column.name;
  candidate.indexed = table.index_on({column.name}) != nullptr;
  std::vector<std::string> notes;
  if (column.updates_itself) notes.push_back("set by ON UPDATE CURRENT_TIMESTAMP");
  if (!candidate.indexed)
    notes.push_back(fmt::format("no index: each poll reads the whole table (ALTER TABLE {} ADD INDEX ({}))",
                                quoted_name(table.name), quoted_name(column.name)));
  if (column.fraction == 0)
    notes.push_back("to the second: rows that share one are read again until it is over");
  if (column.kind == Kind::datetime) notes.push_back("without a zone: read in the connection's timezone");
  if (column.nullable) notes.push_back("rows without a value are compared one by one");
  candidate.note = join(notes, "; ");
  return candidate;
}

bool has_replication(Session& session) {
  try {
    return !session.named_rows(session.server().mariadb ? "SHOW SLAVE STATUS" : "SHOW REPLICA STATUS")
                .empty();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::forbidden) throw;
    return false;
  }
}

}  // namespace

TableInfo describe(const TableDef& table, const std::string& name) {
  TableInfo info;
  info.schema.provider = "mysql";
  info.schema.table = name;
  std::vector<std::pair<int, CursorCandidate>> candidates;
  for (const ColumnInfo& column : table.columns) {
    info.schema.fields.push_back(field_of(column));
    if (column.kind == Kind::unknown)
      info.warnings.push_back(fmt::format("field {} is of type {}, which is not known: leave it out",
                                          column.name, column.native));
    if (!is_moment(column.kind)) continue;
    CursorCandidate candidate = candidate_of(table, column);
    candidates.emplace_back(rank(candidate, column), std::move(candidate));
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [rank, candidate] : candidates) info.cursor_candidates.push_back(std::move(candidate));
  for (const std::string& part : table.key()) info.schema.key.push_back(info.schema.at(part));
  info.row_estimate = table.row_estimate;
  if (!table.is_view && !table.transactional)
    info.warnings.push_back(fmt::format(
        "its engine {} has no transactions: a read may see half of a change, and it cannot be written",
        table.engine));
  return info;
}

Access describe_access(Session& session) {
  Access access;
  access.system = session.server().text();
  access.user = session.rows("SELECT CURRENT_USER()").at(0).at(0).value_or("");
  access.can.push_back(session.cipher().empty() ? "talk to the server in plain text"
                                                : "talk to the server encrypted with " + session.cipher());
  Horizon horizon(session);
  if (horizon.is_visible()) {
    access.can.push_back("see every open transaction: late commits are found however late they are");
  } else {
    access.warnings.push_back(
        fmt::format("no right PROCESS: open transactions cannot be seen, and what one commits more than 15 "
                    "minutes after it stamped "
                    "its rows is missed; GRANT PROCESS ON *.* TO {}",
                    access.user));
  }
  if (has_replication(session))
    access.warnings.push_back(
        "the server is a replica: changes are seen once they have arrived here, and it cannot be written if "
        "it is "
        "read-only");
  access.takes_no_writes = why_no_writes(session);
  if (!access.takes_no_writes.empty())
    access.warnings.push_back("it can be a source, not a destination: the server " + access.takes_no_writes);
  return access;
}

std::string identify(Session& session, const TableDef& table) {
  std::string server;
  for (const char* name : {"server_uuid", "server_uid"})
    for (const NamedRow& row : session.named_rows(fmt::format("SHOW GLOBAL VARIABLES LIKE '{}'", name)))
      server = row.at("Value").value_or("");
  if (server.empty())
    server =
        session.rows("SELECT CONCAT(@@hostname, ':', @@port, ':', @@server_id)").at(0).at(0).value_or("");
  return fmt::format("{} {}", server, table.quoted_name());
}

}  // namespace syncflow::mysql
