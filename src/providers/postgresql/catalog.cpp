#include "providers/postgresql/catalog.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/text.h"

namespace syncflow::postgresql {
namespace {

/// Names come out qualified only where they are not visible: nothing but pg_catalog may be.
/// To plan these statements takes far longer than to run them: once for each session is enough.
class CatalogTransaction {
 public:
  explicit CatalogTransaction(libpq::Session& session) : session_(session) {
    session_.execute(
        "BEGIN TRANSACTION READ ONLY; SET LOCAL search_path = pg_catalog;"
        "SET LOCAL plan_cache_mode = force_generic_plan");
  }
  ~CatalogTransaction() {
    if (!session_.in_transaction()) return;
    try {
      session_.attempt("ROLLBACK");
    } catch (const Error&) {
      // The connection is lost: the server has rolled back, and what failed before is on its way up.
    }
  }
  CatalogTransaction(const CatalogTransaction&) = delete;
  CatalogTransaction& operator=(const CatalogTransaction&) = delete;

 private:
  libpq::Session& session_;
};

constexpr const char* kRelations = R"sql(
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition,
       c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid),
       CASE WHEN c.relkind = 'p'
            THEN (SELECT CASE WHEN bool_or(l.reltuples < 0) THEN -1 ELSE sum(l.reltuples) END
                    FROM pg_partition_tree(c.oid) p JOIN pg_class l ON l.oid = p.relid WHERE p.isleaf)
            WHEN c.relkind = 'v' THEN -1
            ELSE c.reltuples END::bigint
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f'))sql";

constexpr const char* kOfUsers = R"sql(
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%'
   AND n.nspname NOT LIKE 'pg\_temp%' AND NOT c.relispartition
   AND has_schema_privilege(n.oid, 'USAGE')
   AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT'))
 ORDER BY n.nspname, c.relname)sql";

/// A domain's base is found by going down typbasetype; the innermost length that is set counts.
constexpr const char* kColumns = R"sql(
SELECT a.attrelid, a.attname, a.attnum, NOT a.attnotnull, a.attgenerated <> '', a.attidentity = 'a',
       b.modifier, format_type(b.oid, b.modifier),
       t.oid, t.typtype, t.typname, format_type(t.oid, -1), quote_ident(tn.nspname) || '.' || quote_ident(tp.proname),
       e.oid, e.typtype, e.typname, format_type(e.oid, -1), quote_ident(en.nspname) || '.' || quote_ident(ep.proname),
       EXISTS (SELECT FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.objid
                WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                  AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i')
                  AND s.seqincrement > 0 AND s.seqcache = 1 AND NOT s.seqcycle),
       t.typname = 'citext' OR coalesce(NOT l.collisdeterministic, false),
       coalesce((SELECT format('OPERATOR(%I.=)', s.nspname) FROM pg_operator o JOIN pg_namespace s ON s.oid = o.oprnamespace
                  WHERE o.oprname = '=' AND o.oprleft = t.oid AND o.oprright = t.oid AND s.nspname <> 'pg_catalog' LIMIT 1), '='),
       a.atthasdef OR a.attidentity <> ''
  FROM pg_attribute a
  CROSS JOIN LATERAL (
    WITH RECURSIVE chain(oid, modifier, depth) AS (
      SELECT a.atttypid, a.atttypmod, 0
      UNION ALL
      SELECT d.typbasetype, CASE WHEN d.typtypmod >= 0 THEN d.typtypmod ELSE chain.modifier END, chain.depth + 1
        FROM chain JOIN pg_type d ON d.oid = chain.oid AND d.typtype = 'd')
    SELECT oid, modifier FROM chain ORDER BY depth DESC LIMIT 1) b
  JOIN pg_type t ON t.oid = b.oid
  JOIN pg_proc tp ON tp.oid = t.typoutput JOIN pg_namespace tn ON tn.oid = tp.pronamespace
  LEFT JOIN LATERAL (
    WITH RECURSIVE chain(oid, depth) AS (
      SELECT t.typelem, 0 WHERE t.typcategory = 'A' AND t.typelem <> 0
      UNION ALL
      SELECT d.typbasetype, chain.depth + 1 FROM chain JOIN pg_type d ON d.oid = chain.oid AND d.typtype = 'd')
    SELECT oid FROM chain ORDER BY depth DESC LIMIT 1) eb ON true
  LEFT JOIN pg_type e ON e.oid = eb.oid
  LEFT JOIN pg_proc ep ON ep.oid = e.typoutput LEFT JOIN pg_namespace en ON en.oid = ep.pronamespace
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
 WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum)sql";

constexpr const char* kIndexes = R"sql(
SELECT i.indrelid, c.relname, i.indisprimary, i.indisunique, i.indisvalid AND i.indisready, NOT i.indimmediate,
       i.indpred IS NOT NULL, m.amname = 'btree',
       (SELECT string_agg(k.attnum::text, ' ' ORDER BY k.place)
          FROM unnest(i.indkey) WITH ORDINALITY AS k(attnum, place) WHERE k.place <= i.indnkeyatts)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
 WHERE i.indrelid = ANY ($1::oid[])
 ORDER BY i.indrelid, i.indisprimary DESC, c.relname)sql";

std::uint32_t oid_at(const libpq::Rows& rows, int row, int column) {
  return static_cast<std::uint32_t>(rows.integer(row, column));
}

TypeInfo type_at(const libpq::Rows& rows, int row, int column) {
  return {oid_at(rows, row, column), rows.text(row, column + 1).front(), rows.string(row, column + 2),
          rows.string(row, column + 3), rows.string(row, column + 4)};
}

Column column_at(const libpq::Rows& rows, int row) {
  Column column;
  column.name = rows.string(row, 1);
  column.number = static_cast<int>(rows.integer(row, 2));
  column.nullable = rows.boolean(row, 3);
  column.generated = rows.boolean(row, 4);
  column.identity_always = rows.boolean(row, 5);
  column.modifier = static_cast<int>(rows.integer(row, 6));
  column.native = rows.string(row, 7);
  column.type = type_at(rows, row, 8);
  if (!rows.is_null(row, 13)) column.element = type_at(rows, row, 13);
  column.ascends = rows.boolean(row, 18);
  column.folds = rows.boolean(row, 19);
  column.equality = rows.string(row, 20);
  column.has_default = rows.boolean(row, 21);
  return column;
}

Index index_at(const libpq::Rows& rows, int row) {
  Index index;
  index.name = rows.string(row, 1);
  index.primary = rows.boolean(row, 2);
  index.unique = rows.boolean(row, 3);
  index.valid = rows.boolean(row, 4);
  index.deferrable = rows.boolean(row, 5);
  index.partial = rows.boolean(row, 6);
  index.ordered = rows.boolean(row, 7);
  for (const std::string& number : split(rows.string(row, 8), ' '))
    index.columns.push_back(std::stoi(number));
  return index;
}

Relation relation_at(const libpq::Rows& rows, int row) {
  Relation relation;
  relation.oid = oid_at(rows, row, 0);
  relation.name = {rows.string(row, 1), rows.string(row, 2)};
  relation.kind = rows.text(row, 3).front();
  relation.is_partition = rows.boolean(row, 4);
  relation.has_children = rows.boolean(row, 5);
  relation.row_estimate = static_cast<long>(rows.integer(row, 6));
  return relation;
}

void fill(libpq::Session& session, std::vector<Relation>& relations) {
  std::map<std::uint32_t, Relation*> by_oid;
  std::vector<std::string> oids;
  for (Relation& relation : relations) {
    by_oid[relation.oid] = &relation;
    oids.push_back(std::to_string(relation.oid));
  }
  const libpq::Parameters wanted{"{" + join(oids, ",") + "}"};
  const libpq::Rows columns = session.query_prepared(kColumns, wanted);
  for (int row = 0; row < columns.size(); ++row)
    by_oid.at(oid_at(columns, row, 0))->columns.push_back(column_at(columns, row));
  const libpq::Rows indexes = session.query_prepared(kIndexes, wanted);
  for (int row = 0; row < indexes.size(); ++row)
    by_oid.at(oid_at(indexes, row, 0))->indexes.push_back(index_at(indexes, row));
}

}  // namespace

bool Index::guards() const {
  return unique && valid && !deferrable && !partial &&
         std::find(columns.begin(), columns.end(), 0) == columns.end();
}

const Column* Relation::find(std::string_view column) const {
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const Column& c) { return c.name == column; });
  return found == columns.end() ? nullptr : &*found;
}

const Column* Relation::find_number(int number) const {
  const auto found =
      std::find_if(columns.begin(), columns.end(), [&](const Column& c) { return c.number == number; });
  return found == columns.end() ? nullptr : &*found;
}

std::string_view Relation::kind_name() const {
  switch (kind) {
    case 'v': return "view";
    case 'm': return "materialized view";
    case 'f': return "foreign table";
    default: return "table";
  }
}

std::optional<Relation> find_relation(libpq::Session& session, const TableName& name) {
  const CatalogTransaction transaction(session);
  const libpq::Rows rows = session.query_prepared(
      std::string(kRelations) + " AND n.nspname = $1 AND c.relname = $2", {name.schema, name.table});
  if (rows.size() == 0) return std::nullopt;
  std::vector<Relation> one{relation_at(rows, 0)};
  fill(session, one);
  return std::move(one.front());
}

std::vector<Relation> list_relations(libpq::Session& session) {
  const CatalogTransaction transaction(session);
  const libpq::Rows rows = session.execute(std::string(kRelations) + kOfUsers);
  std::vector<Relation> relations;
  for (int row = 0; row < rows.size(); ++row) relations.push_back(relation_at(rows, row));
  fill(session, relations);
  return relations;
}

std::string missing_table(libpq::Session& session, const TableName& name) {
  const CatalogTransaction transaction(session);
  const libpq::Rows schemas =
      session.execute("SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%'");
  std::vector<std::string> known;
  for (int row = 0; row < schemas.size(); ++row) known.push_back(schemas.string(row, 0));
  const bool has_schema = std::find(known.begin(), known.end(), name.schema) != known.end();
  const libpq::Rows rows = session.execute(std::string(kRelations) + kOfUsers);
  std::vector<std::string> tables;
  for (int row = 0; row < rows.size(); ++row)
    tables.push_back(rows.string(row, 1) + "." + rows.string(row, 2));
  std::string near = nearest(name.text(), tables);
  // The right name in another schema is nearer than any misspelling.
  for (const std::string& table : tables)
    if (table.ends_with("." + name.table)) near = table;
  std::string sentence = fmt::format("database {} has no {} {}", session.target().database,
                                     has_schema ? "table" : "schema for table", name.text());
  if (!near.empty()) sentence += "; did you mean " + near + "?";
  else if (!has_schema) sentence += "; its schemas are " + join(known, ", ");
  return sentence;
}

Relation need_relation(libpq::Session& session, const TableName& name) {
  auto relation = find_relation(session, name);
  if (!relation) throw Error(ErrorKind::not_found, missing_table(session, name));
  return *std::move(relation);
}

std::vector<int> best_key(const Relation& relation) {
  const Index* best = nullptr;
  for (const Index& index : relation.indexes) {
    if (index.primary) return index.columns;
    const bool never_null = std::all_of(index.columns.begin(), index.columns.end(), [&](int number) {
      const Column* column = relation.find_number(number);
      return column && !column->nullable;
    });
    if (index.guards() && never_null && (!best || index.columns.size() < best->columns.size())) best = &index;
  }
  return best ? best->columns : std::vector<int>{};
}

}  // namespace syncflow::postgresql
