#include "providers/postgresql/row_query.h"

#include <gtest/gtest.h>

namespace syncflow::postgresql {
namespace {

using sql::RowQuery;

ReadColumn column(const std::string& name, std::uint32_t oid, const std::string& type) {
  Column out;
  out.name = name;
  out.type = {oid, 'b', type, type, "pg_catalog." + type + "out"};
  out.native = type;
  return {out, field_of(out), reading_of(out)};
}

/// orders (id, code, note, updated_at) with the key (code, id).
ReadPlan plan() {
  ReadPlan plan;
  plan.table = {"public", "orders"};
  plan.columns = {column("id", 20, "int8"), column("code", 25, "text"),
                  column("updated_at", 1184, "timestamptz")};
  plan.key = {1, 0};
  plan.cursor = 2;
  plan.cursor_has_lowest = true;
  return plan;
}

std::string literal_sql(const RowQuery& query, const std::string& what = "1") {
  Values values(Values::As::literals);
  return select_statement(plan(), query, values, what);
}

TEST(PostgresRowQuery, ComparesCursorAndKeyAsOneRowSoThatAnIndexServes) {
  RowQuery query;
  query.order = RowQuery::Order::cursor;
  query.above = {"2024-01-01 00:00:00+00", Key{{"it's", "7"}}};
  query.limit = 10;
  EXPECT_EQ(literal_sql(query),
            "SELECT 1 FROM \"public\".\"orders\" WHERE (\"updated_at\", \"code\", \"id\") > "
            "(CAST('2024-01-01 00:00:00+00' AS "
            "timestamptz), CAST('it''s' AS text), CAST('7' AS int8)) ORDER BY \"updated_at\", \"code\", "
            "\"id\" LIMIT 10");
}

TEST(PostgresRowQuery, BindsValuesWhereTheProtocolCan) {
  RowQuery query;
  query.cursor_from = "2024-01-01 00:00:00+00";
  query.keys = {Key{{"a", "1"}}, Key{{"b", "2"}}};
  Values values(Values::As::parameters);
  EXPECT_EQ(select_statement(plan(), query, values),
            "SELECT \"id\", \"code\", \"updated_at\" FROM \"public\".\"orders\" WHERE \"updated_at\" >= "
            "CAST($1 AS timestamptz) AND "
            "(\"code\", \"id\") IN (VALUES (CAST($2 AS text), CAST($3 AS int8)), (CAST($4 AS text), CAST($5 "
            "AS int8)))");
  EXPECT_EQ(values.parameters(), (libpq::Parameters{"2024-01-01 00:00:00+00", "a", "1", "b", "2"}));
}

TEST(PostgresRowQuery, OrdersTextsByTheirBytesWhereBothSidesMustAgree) {
  RowQuery query;
  query.order = RowQuery::Order::canonical;
  query.key_above = Key{{"a", "1"}};
  query.keys_only = true;
  EXPECT_EQ(literal_sql(query, ""),
            "SELECT \"code\", \"id\" FROM \"public\".\"orders\" WHERE ((\"code\")::pg_catalog.text COLLATE "
            "pg_catalog.\"C\", \"id\") > "
            "(CAST('a' AS pg_catalog.text) COLLATE pg_catalog.\"C\", CAST('1' AS int8)) ORDER BY "
            "(\"code\")::pg_catalog.text COLLATE "
            "pg_catalog.\"C\", \"id\"");
}

TEST(PostgresRowQuery, CountsMinusInfinityAmongTheRowsWithoutACursor) {
  RowQuery query;
  query.cursors = RowQuery::Cursors::proper;
  EXPECT_EQ(literal_sql(query),
            "SELECT 1 FROM \"public\".\"orders\" WHERE \"updated_at\" > CAST('-infinity' AS timestamptz)");
  query.cursors = RowQuery::Cursors::none;
  EXPECT_EQ(literal_sql(query),
            "SELECT 1 FROM \"public\".\"orders\" WHERE (\"updated_at\" IS NULL OR \"updated_at\" = "
            "CAST('-infinity' AS timestamptz))");
}

}  // namespace
}  // namespace syncflow::postgresql
