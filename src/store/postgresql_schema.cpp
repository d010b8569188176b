#include "store/postgresql_schema.h"

#include <fmt/format.h>

#include "core/text.h"
#include "store/migrations.h"
#include "store/postgresql.h"
#include "store/postgresql_rows.h"

namespace syncflow {
namespace postgresql_store {
namespace {

using namespace std::chrono_literals;

/// An upgrade may rewrite a large table.
constexpr auto kPatienceForUpgrade = std::chrono::hours(2);
constexpr int kOldestServer = 130'000;

/// Everything below happens in the current schema: functions keep this search path.
constexpr const char* kBegin =
    "SELECT pg_advisory_xact_lock(hashtextextended('syncflow ' || current_database() || ' ' || "
    "current_schema(), 0));\n"
    "SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);\n"
    "CREATE TABLE IF NOT EXISTS syncflow_migrations (number integer PRIMARY KEY, name text NOT NULL,\n"
    "  applied_at timestamptz NOT NULL DEFAULT now());\n";

std::string noted(const Migration& migration) {
  return fmt::format("INSERT INTO syncflow_migrations(number, name) VALUES ({}, {});\n", migration.number,
                     libpq::literal(migration.name));
}

std::string current_schema(libpq::Session& session) {
  const libpq::Rows rows = session.execute("SELECT current_schema()");
  if (rows.is_null(0, 0))
    throw Error(
        ErrorKind::not_found,
        fmt::format(
            "the store has no schema: none of the search path of PostgreSQL {} exists, or may be used; "
            "create it, or name another one with ?schema=NAME",
            session.target().place()));
  return rows.string(0, 0);
}

int version(libpq::Session& session) {
  if (!has_store(session)) return 0;
  return static_cast<int>(
      session.execute("SELECT coalesce(max(number), 0) FROM syncflow_migrations").integer(0, 0));
}

void check_version(libpq::Session& session, int version) {
  const int newest = migrations::postgresql().back().number;
  if (version > newest)
    throw Error(
        ErrorKind::bad_config,
        fmt::format("the store in PostgreSQL {} has schema version {}, which a newer syncflow made; this "
                    "program knows {}: use the newer program, or another store",
                    session.target().place(), version, newest));
}

void check_nothing_in_the_way(libpq::Session& session, const std::string& schema) {
  const libpq::Rows found = session.execute(
      "SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = "
      "c.relnamespace WHERE n.nspname = current_schema() AND (c.relname IN ('sync_definitions', "
      "'sync_state', "
      "'queue_turns', 'sync_runs', 'sync_run_jobs', 'sync_mappings', 'sync_rows', 'sync_row_errors') "
      "OR (c.relname = 'data_sync_jobs' AND c.relkind <> 'r'))");
  if (found.is_null(0, 0)) return;
  throw Error(
      ErrorKind::bad_config,
      fmt::format("the schema {} of PostgreSQL {} has objects of another program under names that the store "
                  "needs: {}; give the store a schema of its own with ?schema=NAME",
                  schema, session.target().place(), found.text(0, 0)));
}

void apply(libpq::Session& session) {
  session.execute(kBegin);
  const int present = version(session);
  check_version(session, present);
  for (const Migration& migration : migrations::postgresql()) {
    if (migration.number <= present) continue;
    session.execute(std::string(migration.sql));
    session.execute(noted(migration));
  }
}

}  // namespace

bool has_store(libpq::Session& session) {
  return session
      .execute("SELECT to_regclass(quote_ident(current_schema()) || '.syncflow_migrations') IS NOT NULL")
      .boolean(0, 0);
}

void migrate(libpq::Session& session) {
  if (session.server_version() < kOldestServer)
    throw Error(ErrorKind::bad_config,
                fmt::format("PostgreSQL {} is too old for a store: it takes version 13 or newer",
                            session.target().place()));
  const std::string schema = current_schema(session);
  const int present = version(session);
  check_version(session, present);
  if (present == migrations::postgresql().back().number) return;
  if (present == 0) check_nothing_in_the_way(session, schema);
  session.set_patience(kPatienceForUpgrade);
  session.execute(
      "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '5min'; "
      "SET LOCAL idle_in_transaction_session_timeout = 0");
  try {
    apply(session);
    session.execute("COMMIT");
  } catch (const Error& error) {
    const auto refused = session.refusal_behind(error);
    if (session.usable()) session.execute("ROLLBACK");
    const std::string doing = fmt::format("preparing the store in the schema {}", schema);
    if (refused) throw to_error(session, *refused).while_doing(doing);
    throw error.while_doing(doing);
  }
}

}  // namespace postgresql_store

std::string postgresql_store_schema() {
  std::string sql = std::string("BEGIN;\n") + postgresql_store::kBegin;
  for (const Migration& migration : migrations::postgresql())
    sql += fmt::format("-- {}\n{}\n{}", migration.name, migration.sql, postgresql_store::noted(migration));
  return sql + "COMMIT;\n";
}

}  // namespace syncflow
