#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "drivers/libpq/session.h"
#include "providers/postgresql/settings.h"

namespace syncflow::postgresql {

/// A type as the catalog knows it; domains are followed down to what they are made of.
struct TypeInfo {
  std::uint32_t oid = 0;
  char kind = 'b';     ///< pg_type.typtype: b base, c composite, e enum, m multirange, r range
  std::string name;    ///< pg_type.typname: "int4", "citext"
  std::string sql;     ///< without a length, for casts: "integer", "public.mood"
  std::string output;  ///< the function that writes it as text, qualified and quoted
};

struct Column {
  std::string name;
  int number = 0;  ///< pg_attribute.attnum: stays when the column is renamed
  TypeInfo type;
  std::optional<TypeInfo> element;  ///< of arrays
  int modifier = -1;                ///< length, precision and scale, as the type packs them
  std::string native;               ///< as DDL has it: "numeric(10,2)"
  bool nullable = true;
  bool has_default = false;
  bool generated = false;        ///< GENERATED ALWAYS AS (…): cannot be written
  bool identity_always = false;  ///< GENERATED ALWAYS AS IDENTITY
  bool ascends = false;          ///< filled from a sequence that only counts up, one by one
  bool folds = false;  ///< its equality is not that of its bytes: citext, nondeterministic collations
  std::string equality =
      "=";  ///< of a type whose operators lie in a schema of their own: "OPERATOR(public.=)"
};

struct Index {
  std::string name;
  std::vector<int> columns;  ///< attribute numbers, in order; 0 for an expression
  bool primary = false;
  bool unique = false;
  bool valid = false;
  bool deferrable = false;
  bool partial = false;
  bool ordered = false;  ///< a btree

  /// Whether it keeps two rows from having equal values in exactly these columns, at every moment.
  bool guards() const;
};

/// A table or whatever can be read like one.
struct Relation {
  std::uint32_t oid = 0;
  TableName name;
  char kind =
      'r';  ///< pg_class.relkind: r table, p partitioned, v view, m materialised view, f foreign table
  bool has_children = false;  ///< other tables inherit from it (partitions do not count)
  bool is_partition = false;
  long row_estimate = -1;
  std::vector<Column> columns;
  std::vector<Index> indexes;

  const Column* find(std::string_view column) const;
  const Column* find_number(int number) const;
  /// "table", "view": for sentences.
  std::string_view kind_name() const;
};

/// Reads what the login may see. Leaves no transaction open.
std::optional<Relation> find_relation(libpq::Session& session, const TableName& name);
/// Every relation that the login may read, partitions left out, in order of their names.
std::vector<Relation> list_relations(libpq::Session& session);
/// Throws Error(not_found) that names the nearest table, or the right that is missing.
Relation need_relation(libpq::Session& session, const TableName& name);
/// The sentence of that error: "there is no table public.order; did you mean public.orders?"
std::string missing_table(libpq::Session& session, const TableName& name);

/// The attribute numbers of the key: the primary key, else the shortest guarding index on columns that
/// are never null, else none.
std::vector<int> best_key(const Relation& relation);

}  // namespace syncflow::postgresql
