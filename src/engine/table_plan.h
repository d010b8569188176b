#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/definition.h"
#include "provider/provider.h"
#include "store/model.h"

namespace syncflow {

/// How one mapping will be read, decided from what its source table is like.
struct TablePlan {
  SourceSpec source;
  TableInfo table;
  std::vector<std::string> warnings;
};

/// Chooses strategy, cursor field and key (DESIGN 5).
///
/// `copied_fields`: fields of the source table that a sync of this store writes; `auto` does not take one
/// as its cursor. Throws Error(bad_config) for what a person must change, naming it.
TablePlan plan_table(const TableMapping& mapping, const Capabilities& can, Connection& connection,
                     const std::vector<std::string>& copied_fields);

/// The table-size rule for strategy diff. Returns a warning or an empty text; sets or clears
/// `state.outgrown_since`; throws HoldError(table_size) when the table needs a cursor field.
std::string apply_size_rule(const TablePlan& plan, Source& source, MappingState& state, Time now);

/// What a mapping asks of its destination. `incoming`: what the mapper gives out.
DestinationSpec destination_spec(const TableMapping& mapping, const Schema& incoming);

/// Fields of `connection`.`table` that one of these syncs fills with copied values.
std::vector<std::string> copied_fields(const std::vector<SyncDefinition>& syncs,
                                       const std::string& connection, const std::string& table,
                                       const Schema& schema);

}  // namespace syncflow
