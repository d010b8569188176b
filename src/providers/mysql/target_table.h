#pragma once

#include <string>
#include <vector>

#include "core/clock.h"
#include "provider/destination.h"
#include "providers/mysql/catalog.h"
#include "providers/mysql/encode.h"
#include "providers/mysql/settings.h"

namespace syncflow::mysql {

/// A table that is written: which of its columns, by which key, and how values go into them.
struct TargetTable {
  TableDef def;
  std::vector<Encoder> encoders;  ///< of the incoming fields, in their order
  std::vector<std::size_t> key;   ///< indexes into `encoders`
  std::string soft_delete;        ///< empty: rows are not marked
  std::string stamp;              ///< empty: rows are not stamped
  bool mariadb = false;
  bool names_new_row = false;  ///< INSERT … AS, MySQL 8.0.19; VALUES() otherwise
  /// A row may meet another than its own: the table has other unique indexes, or a collation folds keys.
  bool needs_guard = false;
  bool has_other_unique_index = false;
  bool folds_keys = false;

  bool is_key(std::size_t field) const;
  const ColumnInfo& column(std::size_t field) const { return encoders[field].column(); }
  /// The server's clock as that column holds it.
  std::string now_for(const ColumnInfo& column, const Zone& zone, Time now) const;
};

/// Checks that the spec's fields, key, mark and stamp are there and fit, and says what does not hold all.
/// Throws Error(bad_config) that says what to do.
TargetTable check_table(TableDef def, const DestinationSpec& spec, const Settings& settings,
                        const ServerVersion& server, std::vector<std::string>& warnings);

/// The CREATE TABLE that makes a table for the spec.
std::string create_statement(const TableName& name, const DestinationSpec& spec, const ServerVersion& server,
                             std::vector<std::string>& warnings);

}  // namespace syncflow::mysql
