#include <gtest/gtest.h>

#include "core/error.h"
#include "core/text.h"
#include "providers/postgresql/provider.h"
#include "testkit/postgresql_database.h"

namespace syncflow::postgresql {
namespace {

using testkit::PostgresDatabase;

class PostgresDiscovery : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testkit::has_postgresql()) GTEST_SKIP() << "SYNCFLOW_TEST_POSTGRESQL_URL is not set";
    database_ = std::make_unique<PostgresDatabase>();
    connection_ = provider().connect(database_->options(), {clock_, {}});
  }

  std::vector<std::string> key_of(const std::string& table) {
    const Schema schema = connection_->discover(table).at(0).schema;
    std::vector<std::string> names;
    for (const std::size_t index : schema.key) names.push_back(schema.fields[index].name);
    return names;
  }

  SystemClock clock_;
  std::unique_ptr<PostgresDatabase> database_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(PostgresDiscovery, ListsWhateverCanBeReadOnce) {
  database_->run(
      "CREATE SCHEMA crm; CREATE TABLE crm.a (id int PRIMARY KEY); CREATE VIEW v AS SELECT 1 AS id;"
      "CREATE MATERIALIZED VIEW m AS SELECT 1 AS id;"
      "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR "
      "VALUES FROM (0) TO (10);"
      "CREATE TEMPORARY TABLE gone (id int)");
  std::vector<std::string> names;
  for (const TableInfo& table : connection_->discover()) names.push_back(table.schema.table);
  EXPECT_EQ(names, (std::vector<std::string>{"crm.a", "public.m", "public.p", "public.v"}));
}

TEST_F(PostgresDiscovery, LeavesOutWhatTheLoginMayNotRead) {
  const std::string role = database_->create_role("reader");
  database_->run(
      "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); GRANT SELECT ON b TO " +
      role);
  const auto tables = provider().connect(database_->options(role), {clock_, {}})->discover();
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0].schema.table, "public.b");
}

TEST_F(PostgresDiscovery, TakesThePrimaryKeyElseTheShortestIndexThatServes) {
  database_->run(
      "CREATE TABLE a (x int, id int PRIMARY KEY, UNIQUE (x));"
      "CREATE TABLE b (x int NOT NULL, y int NOT NULL, z int NOT NULL, n int, UNIQUE (y, x), UNIQUE (z, y, "
      "x), UNIQUE (n));"
      "CREATE TABLE c (x int NOT NULL, UNIQUE (x) DEFERRABLE); CREATE TABLE d (y int, x int, PRIMARY KEY (x, "
      "y))");
  EXPECT_EQ(key_of("a"), std::vector<std::string>{"id"});
  EXPECT_EQ(key_of("b"), (std::vector<std::string>{"y", "x"}));
  EXPECT_TRUE(key_of("c").empty());
  EXPECT_EQ(key_of("d"), (std::vector<std::string>{"x", "y"}));
  EXPECT_FALSE(connection_->discover("c").at(0).warnings.empty());
}

TEST_F(PostgresDiscovery, OffersOnlyFieldsThatSayWhenARowWasChanged) {
  database_->run(
      "CREATE TABLE t (id int PRIMARY KEY, created_at timestamptz, updated_on date, updated_text text, "
      "modified timestamp,"
      " \"lastUpdated\" timestamptz NOT NULL); CREATE INDEX ON t (modified)");
  const auto candidates = connection_->discover("t").at(0).cursor_candidates;
  std::vector<std::string> names;
  for (const CursorCandidate& candidate : candidates) names.push_back(candidate.field);
  EXPECT_EQ(names, (std::vector<std::string>{"modified", "lastUpdated", "updated_on"}));
  EXPECT_TRUE(candidates[0].indexed);
  EXPECT_NE(candidates[0].note.find("without a zone"), std::string::npos);
  EXPECT_NE(candidates[1].note.find("no index"), std::string::npos);
  EXPECT_NE(candidates[2].note.find("days only"), std::string::npos);
}

TEST_F(PostgresDiscovery, TellsTypesAsDdlHasThem) {
  database_->run(
      "CREATE DOMAIN code AS varchar(7); CREATE TABLE t (id int PRIMARY KEY, c code, n numeric(10,-2), v "
      "varchar(20), s timestamp(3),"
      " g int GENERATED ALWAYS AS (id * 2) STORED, a text[])");
  const Schema schema = connection_->discover("t").at(0).schema;
  std::vector<std::string> natives;
  for (const Field& field : schema.fields) natives.push_back(field.native);
  EXPECT_EQ(join(natives, ", "),
            "integer, character varying(7), numeric(10,-2), character varying(20), timestamp(3) without time "
            "zone, integer, text[]");
  EXPECT_EQ(schema.fields[1].length, 7u);
  EXPECT_EQ(schema.fields[2].precision, 10);
  EXPECT_EQ(schema.fields[2].scale, -2);
  EXPECT_EQ(schema.fields[4].precision, 3);
  EXPECT_TRUE(schema.fields[5].generated);
  EXPECT_EQ(schema.fields[6].id, "7");
  EXPECT_FALSE(schema.fields[0].nullable);
}

TEST_F(PostgresDiscovery, EstimatesRowsAlsoOfPartitionedTables) {
  database_->run(
      "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000); ANALYZE t;"
      "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR "
      "VALUES FROM (0) TO (10);"
      "INSERT INTO p SELECT generate_series(1, 9); ANALYZE p; CREATE TABLE fresh (id int PRIMARY KEY)");
  EXPECT_EQ(connection_->discover("t").at(0).row_estimate, 1000);
  EXPECT_EQ(connection_->discover("p").at(0).row_estimate, 9);
  EXPECT_EQ(connection_->discover("fresh").at(0).row_estimate, -1);
}

TEST_F(PostgresDiscovery, NamesTheRightTableInAnotherSchema) {
  database_->run("CREATE SCHEMA crm; CREATE TABLE crm.orders (id int PRIMARY KEY)");
  for (const char* wrong : {"orders", "crm.order", "crn.orders"}) {
    try {
      connection_->discover(wrong);
      ADD_FAILURE() << wrong << " was found";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::not_found);
      EXPECT_NE(std::string(error.what()).find("did you mean crm.orders?"), std::string::npos)
          << error.what();
    }
  }
}

TEST_F(PostgresDiscovery, ChecksWhatTheLoginMayDo) {
  const Access access = connection_->check();
  EXPECT_TRUE(access.system.starts_with("PostgreSQL 1")) << access.system;
  EXPECT_EQ(access.user, database_->target().user);
  EXPECT_TRUE(access.warnings.empty()) << join(access.warnings, "; ");

  const std::string role = database_->create_role("low");
  database_->run("REVOKE TEMPORARY ON DATABASE " + database_->name() + " FROM PUBLIC");
  const Access low = provider().connect(database_->options(role), {clock_, {}})->check();
  const std::string warnings = join(low.warnings, "\n");
  for (const char* part : {"GRANT pg_read_all_stats", "GRANT TEMPORARY", "GRANT CREATE ON SCHEMA"})
    EXPECT_NE(warnings.find(part), std::string::npos) << warnings;
}

TEST_F(PostgresDiscovery, NamesTheGrantThatReadingNeeds) {
  const std::string role = database_->create_role("low");
  database_->run("CREATE TABLE t (id int PRIMARY KEY, updated_at timestamptz)");
  SourceSpec spec;
  spec.table = "t";
  spec.cursor = "updated_at";
  try {
    const auto source = provider().connect(database_->options(role), {clock_, {}})->open_source(spec);
    source->open({});
    source->next(10, 1000);
    ADD_FAILURE() << "read without a right";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::forbidden);
    EXPECT_NE(std::string(error.what()).find("GRANT SELECT ON \"public\".\"t\" TO \"" + role + "\""),
              std::string::npos)
        << error.what();
  }
}

TEST_F(PostgresDiscovery, NamesTheGrantThatReadingNeedsAsSoonAsTheTableIsOpened) {
  const std::string role = database_->create_role("low");
  database_->run(
      "CREATE SCHEMA crm; CREATE TABLE crm.t (id int PRIMARY KEY, name text, updated_at timestamptz)");
  SourceSpec spec;
  spec.table = "crm.t";
  spec.fields = {"id", "name"};
  spec.cursor = "updated_at";
  const auto refusal = [&]() -> std::string {
    try {
      provider().connect(database_->options(role), {clock_, {}})->open_source(spec);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::forbidden);
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal(), "table crm.t: no right to read it: GRANT USAGE ON SCHEMA \"crm\" TO \"" + role +
                           "\"; GRANT SELECT ON \"crm\".\"t\" TO \"" + role + "\"");
  database_->run("GRANT USAGE ON SCHEMA crm TO " + role + "; GRANT SELECT (id, updated_at) ON crm.t TO " +
                 role);
  EXPECT_EQ(refusal(),
            "table crm.t: no right to read it: GRANT SELECT (name) ON \"crm\".\"t\" TO \"" + role + "\"");
  database_->run("GRANT SELECT (name) ON crm.t TO " + role);
  EXPECT_EQ(refusal(), "");
}

TEST_F(PostgresDiscovery, RefusesFieldsThatCannotBeReadBy) {
  database_->run("CREATE TABLE t (id int PRIMARY KEY, flag boolean, doc jsonb UNIQUE, at timestamptz)");
  const auto refusal = [&](const std::string& key, const std::string& cursor) -> std::string {
    SourceSpec spec;
    spec.table = "t";
    spec.key = {key};
    spec.cursor = cursor;
    try {
      connection_->open_source(spec);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config);
      return error.what();
    }
    return "";
  };
  EXPECT_NE(refusal("id", "flag").find("boolean"), std::string::npos);
  EXPECT_NE(refusal("doc", "at").find("cannot be part of a key"), std::string::npos);
  EXPECT_EQ(refusal("id", "at"), "");
}

}  // namespace
}  // namespace syncflow::postgresql
