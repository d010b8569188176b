#include "providers/postgresql/advice.h"

#include <fmt/core.h>

namespace syncflow::postgresql {
namespace {

std::string advice_for(const libpq::ServerError& refused, const libpq::Session& session,
                       const TableName& table, std::string_view rights) {
  const std::string role = libpq::quoted_name(session.target().user);
  if (refused.is("42501"))
    return fmt::format("GRANT USAGE ON SCHEMA {} TO {}; GRANT {} ON {} TO {}",
                       libpq::quoted_name(table.schema), role, rights, table.quoted(), role);
  if (refused.is("42P01")) return "the table is gone: make it again, or correct the sync";
  if (refused.is("42703")) return "a column is gone: make it again, or take it out of the sync's fields";
  if (refused.is("42804") || refused.is("42846"))
    return "the type of a column was changed: run the sync again, or load it anew (syncflow resync)";
  if (refused.is("53100")) return "the server's disk is full: free room there; the sync goes on by itself";
  if (refused.is("53300"))
    return "the server takes no more connections: raise its max_connections or run fewer syncs at once";
  if (refused.is("25006"))
    return "the server takes no writes: it is a replica or set to read-only; give the address of the "
           "primary. "
           "The sync goes on by itself once writes are taken";
  if (refused.is("57014"))
    return "the statement took longer than the lease allows: make \"batch.size\" smaller or \"engine.lease\" "
           "longer";
  return {};
}

}  // namespace

Error with_advice(const Error& error, const libpq::Session& session, const TableName& table,
                  std::string_view rights) {
  const auto refused = session.refusal_behind(error);
  // What the server did not say, we said ourselves, with the table's name.
  if (!refused) return error;
  const std::string advice = advice_for(*refused, session, table, rights);
  return Error(error.kind(), fmt::format("table {}: {}{}{}", table.text(), error.what(),
                                         advice.empty() ? "" : "; ", advice));
}

std::string why_no_writes(bool is_replica) {
  if (is_replica) return "is a replica and takes no writes: give the address of the primary";
  return "takes no writes from this login (default_transaction_read_only is on): give the address of a "
         "server "
         "that does, or turn that off";
}

}  // namespace syncflow::postgresql
