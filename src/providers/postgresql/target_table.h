#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/libpq/session.h"
#include "provider/destination.h"
#include "providers/postgresql/catalog.h"
#include "providers/postgresql/settings.h"
#include "providers/postgresql/types.h"

namespace syncflow::postgresql {

/// A column that is written, in the order of the incoming fields.
struct TargetColumn {
  std::string quoted;
  Column column;
  Writing writing;
  bool is_key = false;
};

/// A column that the destination's clock is written into.
struct ClockColumn {
  std::string name, quoted;
  std::string expression;  ///< what the clock says, in the column's type
};

/// The table that is written, as found.
struct TargetTable {
  TableName name;
  std::uint32_t oid = 0;
  std::vector<TargetColumn> columns;
  std::vector<std::size_t> key;  ///< indexes into `columns`
  std::optional<ClockColumn> soft_delete, stamp;
  /// New rows need a column that is not written: an existing row must be updated without trying to insert it.
  bool needs_more_columns = false;
  /// The key is GENERATED ALWAYS AS IDENTITY: it can be inserted, not updated.
  bool fixed_key = false;
  /// Every column's own binary form is known: rows may be copied straight into the table.
  bool takes_copies = false;
  /// Key values that differ may be equal for the table: case, accents.
  bool folds_keys = false;
  /// All columns that can be written, for taking a row to another key.
  std::vector<std::string> all_columns;
};

/// The DDL of the table for that spec. `native_exists`: for each incoming field, whether its native type is
/// known to the server.
std::string create_statement(const DestinationSpec& spec, const TableName& name,
                             const std::vector<bool>& native_exists);

/// Throws Error(not_found) when there is no such schema, and Error(forbidden) that names the GRANT when the
/// login may not make a table there, or no temporary ones.
void check_may_create(libpq::Session& session, const TableName& name);

/// Which incoming fields' native types the server knows.
std::vector<bool> known_natives(libpq::Session& session, const Schema& incoming);

/// Matches what comes in with the table. Throws Error(bad_config) that says what to do: a field that is
/// missing, cannot be written or cannot hold its type; a key that no unique index guards; and
/// Error(forbidden) that names the GRANT. `warnings`: what will be refused row by row.
TargetTable match_table(libpq::Session& session, const Relation& relation, const DestinationSpec& spec,
                        const Zone& zone, std::vector<std::string>& warnings);

}  // namespace syncflow::postgresql
