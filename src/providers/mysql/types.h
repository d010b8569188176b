#pragma once

#include <string>
#include <vector>

#include "core/schema.h"
#include "drivers/libmariadb/session.h"
#include "providers/mysql/catalog.h"

namespace syncflow::mysql {

/// Columns to fields: what the reader hands out. The table of docs/providers/mysql.md says it in words.
Field field_of(const ColumnInfo& column);

/// Fields to columns: what `create` makes.
class ColumnTypes {
 public:
  ColumnTypes(const Schema& incoming, const ServerVersion& server);

  /// "varchar(191) CHARACTER SET … NOT NULL": the definition of that field's column after its name.
  std::string definition(std::size_t field) const;
  /// What a person should know of the choice.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  bool is_key(std::size_t field) const;
  std::string type_of(std::size_t field) const;
  std::string native_type(const Field& field) const;
  std::string canonical_type(const Field& field) const;
  std::string key_type(const Field& field, const std::string& plain) const;
  bool knows(const std::string& native) const;
  void share_key_bytes();
  void keep_rows_short();

  const Schema& incoming_;
  ServerVersion server_;
  std::size_t key_text_bytes_ = 0;  ///< that each text or bytes field of the key may take of the index
  std::vector<std::string> types_;
  std::vector<std::string> warnings_;
};

/// The collation of this server that tells every two texts apart, trailing blanks included.
std::string exact_collation(const ServerVersion& server);

}  // namespace syncflow::mysql
