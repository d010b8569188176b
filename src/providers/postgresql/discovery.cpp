#include "providers/postgresql/discovery.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/text.h"
#include "providers/postgresql/advice.h"
#include "providers/postgresql/local_times.h"
#include "providers/postgresql/login.h"
#include "providers/postgresql/open_transactions.h"
#include "providers/postgresql/types.h"

namespace syncflow::postgresql {
namespace {

using sql::pg::Form;

constexpr int kOldestVersion = 130000;

/// How well a name says "last modified"; 0: not at all. A field that is set once, when the row is made,
/// must never be taken: changes would go unseen.
int name_rank(const std::string& name) {
  const std::string text = ascii_lower(name);
  for (const char* best : {"updated_at", "modified_at", "last_modified", "lastmodified", "last_updated",
                           "updatedat", "modifiedat"})
    if (text == best) return 3;
  for (const char* part : {"updated", "modified", "changed", "last_update", "last_change"})
    if (text.find(part) != std::string::npos) return 2;
  for (const char* part : {"update", "modif", "chang", "mtime"})
    if (text.find(part) != std::string::npos) return 1;
  return 0;
}

int type_rank(Form form) {
  switch (form) {
    case Form::timestamp_tz: return 3;
    case Form::timestamp: return 2;
    case Form::date: return 1;
    default: return 0;
  }
}

bool leads_an_index(const Relation& relation, int number) {
  return std::any_of(relation.indexes.begin(), relation.indexes.end(), [&](const Index& index) {
    return index.ordered && index.valid && !index.partial && !index.columns.empty() &&
           index.columns.front() == number;
  });
}

std::string note_of(const Column& column, Form form, bool indexed) {
  std::string note;
  const auto add = [&](const std::string& text) { note += (note.empty() ? "" : "; ") + text; };
  if (!indexed) add("no index: each poll reads the whole table");
  if (column.nullable) add("may be null: such rows are compared one by one, or found by an ascending key");
  if (form == Form::timestamp) add("without a zone: read in the connection's timezone");
  if (form == Form::date) add("tells days only: each poll reads the rows of a day or two again");
  return note;
}

std::vector<std::string> warnings_of(const Relation& relation, bool has_key) {
  std::vector<std::string> warnings;
  if (!has_key)
    warnings.push_back(relation.kind == 'r' || relation.kind == 'p'
                           ? "no primary key: name the fields that identify a row under \"key\", or add one"
                           : fmt::format("a {} has no key: name the fields that identify a row under \"key\"",
                                         relation.kind_name()));
  if (relation.has_children)
    warnings.push_back(
        "other tables inherit from it and their rows are read with it: a key that both have is one row for "
        "us");
  return warnings;
}

TableInfo info_of(const Relation& relation) {
  TableInfo info;
  info.schema.provider = "postgresql";
  info.schema.table = relation.name.text();
  for (const Column& column : relation.columns) info.schema.fields.push_back(field_of(column));
  for (const int number : best_key(relation))
    info.schema.key.push_back(info.schema.at(relation.find_number(number)->name));
  info.row_estimate = relation.row_estimate;
  info.cursor_candidates = cursor_candidates(relation);
  info.warnings = warnings_of(relation, !info.schema.key.empty());
  return info;
}

libpq::Session log_in(const Settings& settings, std::stop_token stop) {
  libpq::Target target = settings.target;
  target.application_name = kReaderName;
  libpq::Session session(target, std::move(stop));
  session.execute("SET default_transaction_read_only = on");
  return session;
}

void say_what_is_seen(libpq::Session& session, const std::string& role, Access& access) {
  const OpenTransactions transactions(session);
  if (transactions.on_replica()) {
    access.can.push_back("read a replica: changes are found as far as they were replayed here");
    access.warnings.push_back(
        "a replica shows no transactions of its primary: one that commits more than 15 minutes after it "
        "stamped its rows is missed; read from the primary, or set a longer \"overlap\"");
    return;
  }
  if (transactions.visibility() == sql::Visibility::exact) {
    access.can.push_back(
        "see when every open transaction began: late commits are found however late they are");
    return;
  }
  access.can.push_back("see which transactions are open, but not since when: late commits are waited for");
  const std::string cost =
      "a transaction that is open for long makes what came since be read again at each look, and beside a "
      "first load everything";
  if (!session.execute("SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')").boolean(0, 0))
    access.warnings.push_back(
        fmt::format("{}: GRANT pg_read_all_stats TO {}", cost, libpq::quoted_name(role)));
  else
    access.warnings.push_back(fmt::format(
        "{}: some transaction is prepared for a two-phase commit, or track_activities is off", cost));
}

void say_what_can_be_written(libpq::Session& session, const std::string& role, const Settings& settings,
                             Access& access) {
  const libpq::Rows rights = session.query(
      "SELECT has_database_privilege(current_database(), 'TEMPORARY'), to_regnamespace(quote_ident($1)) IS "
      "NOT NULL,"
      " coalesce(has_schema_privilege(to_regnamespace(quote_ident($1))::oid, 'CREATE'), false),"
      " pg_is_in_recovery(), current_setting('server_encoding'),"
      // What sessions of this login begin with: this one has it set.
      " (SELECT reset_val = 'on' FROM pg_settings WHERE name = 'default_transaction_read_only')",
      {settings.schema});
  if (rights.boolean(0, 3) || rights.boolean(0, 5)) {
    access.takes_no_writes = why_no_writes(rights.boolean(0, 3));
    return access.warnings.push_back("it can be a source, not a destination: the server " +
                                     access.takes_no_writes);
  }
  if (!rights.boolean(0, 0))
    access.warnings.push_back(fmt::format(
        "no right to make temporary tables, which writing needs: GRANT TEMPORARY ON DATABASE {} TO {}",
        libpq::quoted_name(settings.target.database), libpq::quoted_name(role)));
  if (!rights.boolean(0, 1)) access.warnings.push_back(fmt::format("there is no schema {}", settings.schema));
  else if (rights.boolean(0, 2))
    access.can.push_back(fmt::format("create tables in schema {}", settings.schema));
  else
    access.warnings.push_back(
        fmt::format("no right to create tables in schema {}: GRANT CREATE ON SCHEMA {} TO {}, or make "
                    "destination tables by hand",
                    settings.schema, libpq::quoted_name(settings.schema), libpq::quoted_name(role)));
  if (rights.string(0, 4) == "SQL_ASCII")
    access.warnings.push_back(
        "the database's encoding is SQL_ASCII: texts that are not UTF-8 are refused row by row");
}

}  // namespace

std::vector<CursorCandidate> cursor_candidates(const Relation& relation) {
  struct Ranked {
    CursorCandidate candidate;
    std::array<int, 4> rank;
  };
  std::vector<Ranked> ranked;
  for (const Column& column : relation.columns) {
    const Form form = reading_of(column).form;
    const int by_name = name_rank(column.name);
    if (by_name == 0 || type_rank(form) == 0) continue;
    const bool indexed = leads_an_index(relation, column.number);
    const bool precise = form != Form::date;
    ranked.push_back({{column.name, indexed, note_of(column, form, indexed)},
                      {precise, by_name, indexed, type_rank(form)}});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.rank > b.rank; });
  std::vector<CursorCandidate> candidates;
  for (Ranked& each : ranked) candidates.push_back(std::move(each.candidate));
  return candidates;
}

Access check_access(const Settings& settings, std::stop_token stop) {
  libpq::Session session = log_in(settings, std::move(stop));
  if (session.server_version() < kOldestVersion)
    throw Error(ErrorKind::bad_config,
                fmt::format("PostgreSQL {} is version {}; syncflow needs 13 or newer",
                            settings.target.place(), session.parameter("server_version")));
  Access access;
  access.system = "PostgreSQL " + session.parameter("server_version");
  access.user = session.execute("SELECT current_user").string(0, 0);
  const std::int64_t readable =
      session
          .execute(
              "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
              " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition"
              " AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
              " AND n.nspname NOT LIKE 'pg\\_t%' AND has_schema_privilege(n.oid, 'USAGE')"
              " AND has_table_privilege(c.oid, 'SELECT')")
          .integer(0, 0);
  access.can.push_back(fmt::format("read {} table{}", readable, readable == 1 ? "" : "s"));
  say_what_is_seen(session, access.user, access);
  say_what_can_be_written(session, access.user, settings, access);
  access.can.push_back("times without a zone are taken to be in " +
                       LocalTimes(settings.zone, session).zone().name);
  if (session.execute("SELECT pg_backend_pid()").integer(0, 0) != session.backend_pid())
    access.warnings.push_back(
        "a connection pooler stands in between: it must give each client a session of its own "
        "(pool_mode = session), or name the server itself");
  return access;
}

std::vector<TableInfo> discover_tables(const Settings& settings, const std::string& table,
                                       const Resources& resources) {
  Login login(settings, resources);
  libpq::Session& session = login.session();
  std::vector<TableInfo> tables;
  if (!table.empty()) {
    tables.push_back(info_of(need_relation(session, parse_table_name(table, settings.schema))));
    return tables;
  }
  for (const Relation& relation : list_relations(session)) tables.push_back(info_of(relation));
  return tables;
}

std::string identify_table(const Settings& settings, const std::string& table, const Resources& resources) {
  Login login(settings, resources);
  libpq::Session& session = login.session();
  const TableName name = parse_table_name(table, settings.schema);
  const libpq::Rows rows = session.query(
      "SELECT extract(epoch FROM pg_postmaster_start_time())::text, d.oid, c.oid FROM pg_database d, "
      "pg_class c"
      " JOIN pg_namespace n ON n.oid = c.relnamespace"
      " WHERE d.datname = current_database() AND n.nspname = $1 AND c.relname = $2",
      {name.schema, name.table});
  if (rows.size() == 0) return "";
  return fmt::format("postgresql {}/{}/{}", rows.text(0, 0), rows.text(0, 1), rows.text(0, 2));
}

std::vector<Reference> list_references(const Settings& settings, const std::vector<std::string>& tables,
                                       const Resources& resources) {
  Login login(settings, resources);
  libpq::Session& session = login.session();
  const libpq::Rows rows = session.execute(
      "SELECT a.nspname, f.relname, b.nspname, t.relname FROM pg_constraint c"
      " JOIN pg_class f ON f.oid = c.conrelid JOIN pg_namespace a ON a.oid = f.relnamespace"
      " JOIN pg_class t ON t.oid = c.confrelid JOIN pg_namespace b ON b.oid = t.relnamespace"
      " WHERE c.contype = 'f'");
  const auto find = [&](const TableName& name) {
    return std::find_if(tables.begin(), tables.end(), [&](const std::string& table) {
      return parse_table_name(table, settings.schema) == name;
    });
  };
  std::vector<Reference> references;
  for (int row = 0; row < rows.size(); ++row) {
    const auto from = find({rows.string(row, 0), rows.string(row, 1)});
    const auto to = find({rows.string(row, 2), rows.string(row, 3)});
    if (from != tables.end() && to != tables.end()) references.push_back({*from, *to});
  }
  return references;
}

}  // namespace syncflow::postgresql
