#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/schema.h"
#include "providers/postgresql/catalog.h"
#include "sql/postgresql_encode.h"
#include "sql/postgresql_forms.h"

namespace syncflow::postgresql {

/// A piece of SQL with `{}` where the operand goes.
using SqlPattern = std::string;
std::string filled(const SqlPattern& pattern, std::string_view operand);

/// How the values of a column are read.
struct Reading {
  sql::pg::Form form = sql::pg::Form::text;
  sql::pg::Form element = sql::pg::Form::text;  ///< of Form::array
  SqlPattern expression = "{}";                 ///< what to select, so that the answer has that form
};
Reading reading_of(const Column& column);

/// The column as others see it.
Field field_of(const Column& column);

/// How the server makes bytes to hash of a column's values: equal only where values are read as equal ones.
struct Hashed {
  SqlPattern
      expression;    ///< of a type that has the same number in every database, for that is among the bytes
  std::string form;  ///< the same for columns whose bytes can be held against each other
};
/// Empty: it cannot.
std::optional<Hashed> hashed_of(const Column& column);

/// How values are written into a column.
struct Writing {
  sql::pg::Encoding encoding;    ///< into the temporary table that they go through
  std::string stage_type;        ///< of the column there
  SqlPattern expression = "{}";  ///< from there into the column
  /// Into the column itself, where its own binary form is known; empty: only by way of the temporary table.
  std::optional<sql::pg::Encoding> direct;
  /// Of the column's content, so that two contents are equal exactly when these are.
  SqlPattern comparison = "{}";
};
/// `incoming`: what its cells will be; `zone`: of naive times, with a fixed distance or a name.
Writing writing_of(const Column& column, Type incoming, const Zone& zone);

/// The narrowest type that holds every value of the field, for CREATE TABLE: without the source's native
/// types, which only a PostgreSQL source has.
std::string type_for(const Field& field);

}  // namespace syncflow::postgresql
