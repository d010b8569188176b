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

/// Chooses strategy, cursor field and key (DESIGN 5) of a mapping of `sync`, whose source `connection` is.
///
/// `auto` does not take a field as its cursor that a sync of the config fills with copied values; which mappings write
/// into the table is asked of the system where they spell its name in another way. Throws Error(bad_config) for what a
/// person must change, naming it.
TablePlan plan_table(const Config& config, const SyncDefinition& sync, const TableMapping& mapping,
                     const Capabilities& can, Connection& connection);

/// Fields of `table`, which `connection` found to be `found`, that a sync of the config fills with copied values.
std::vector<std::string> copied_fields(const Config& config, const std::string& connection_name,
                                       const std::string& table, const TableInfo& found,
                                       Connection& connection);

/// The table-size rule for strategy diff. Returns a warning or an empty text; sets or clears
/// `state.outgrown_since`; throws HoldError(table_size) when the table needs a cursor field.
std::string apply_size_rule(const TablePlan& plan, Source& source, MappingState& state, Time now);

/// Whether both sides' keys are to be compared now, to find deleted rows that the strategy does not see: again and again
/// where it sees none, once where it sees those that it has listed itself.
bool is_reconciliation_due(const TableMapping& mapping, Strategy strategy, const MappingState& state,
                           Time now);

/// What a mapping asks of its destination. `incoming`: what the mapper gives out.
DestinationSpec destination_spec(const TableMapping& mapping, const Schema& incoming);

}  // namespace syncflow
