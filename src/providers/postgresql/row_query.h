#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/schema.h"
#include "drivers/libpq/session.h"
#include "providers/postgresql/types.h"
#include "sql/table_reader.h"

namespace syncflow::postgresql {

/// A column that rows are read by, found by or handed out with.
struct ReadColumn {
  Column column;
  Field field;
  Reading reading;
};

/// What a reader reads of a table, as its statements need it.
struct ReadPlan {
  TableName table;
  std::vector<ReadColumn> columns;  ///< one for each field of the schema
  std::vector<std::size_t> key;     ///< indexes into `columns`
  std::optional<std::size_t> cursor;
  /// Whether the cursor's type has a value below all times or numbers: '-infinity'.
  bool cursor_has_lowest = false;
};

/// Where values go in a statement: bound, or as literals where the protocol knows no parameters (COPY).
class Values {
 public:
  enum class As { parameters, literals };
  explicit Values(As as) : as_(as) {}

  /// The exact text as a value of that type ("pg_catalog.int8").
  std::string add(const std::string& exact, const std::string& type);
  const libpq::Parameters& parameters() const { return parameters_; }

 private:
  As as_;
  libpq::Parameters parameters_;
};

/// "SELECT … FROM … WHERE … ORDER BY … LIMIT …" of the query: all columns of the plan, or with `keys_only`
/// the key's. `what`: instead of them, as "1".
std::string select_statement(const ReadPlan& plan, const sql::RowQuery& query, Values& values,
                             const std::string& what = "");

}  // namespace syncflow::postgresql
