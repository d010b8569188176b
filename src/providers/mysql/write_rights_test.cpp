#include "providers/mysql/test_live.h"

namespace syncflow::mysql {
namespace {

class MysqlWriteRights : public MysqlLive {};
SYNCFLOW_ON_MYSQL_SERVERS(MysqlWriteRights);

TEST_P(MysqlWriteRights, EveryRightThatIsMissingIsNamedBeforeAnythingIsWritten) {
  database().run("CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(20), doubled INT AS (id * 2))");
  const auto schema = make_schema("items", {field("id", Type::int64), field("name", Type::text)});
  const auto look = [&](const std::vector<std::string>& grants, DestinationSpec spec) {
    return connect_as(database().with_user(grants))->open_destination(spec)->prepare(true);
  };
  const auto refused = [&](const std::vector<std::string>& grants, const DestinationSpec& spec,
                           const std::string& words) {
    EXPECT_EQ(kind_of_throwing([&] { look(grants, spec); }, words), ErrorKind::forbidden);
  };
  const DestinationSpec there = writing("items", *schema);
  refused({"SELECT ON {db}.*"}, there,
          "GRANT INSERT, UPDATE, DELETE ON `" + database().name() + "`.`items` TO ");
  refused({"SELECT ON {db}.*", "INSERT, UPDATE ON {db}.items"}, there, "GRANT DELETE ON");
  DestinationSpec keeping = there;
  keeping.deletes = Deletes::ignore;
  look({"SELECT, INSERT, UPDATE ON {db}.*"}, keeping);
  look({"SELECT (id, name), INSERT (id, name), UPDATE (id, name) ON {db}.items"}, keeping);
  keeping.existing = Existing::replace;
  refused({"SELECT, INSERT, UPDATE ON {db}.*"}, keeping, "GRANT DELETE ON");

  const DestinationSpec made = writing("made", *make_schema("made", {field("id", Type::int64)}));
  refused({"SELECT, INSERT, UPDATE, DELETE ON {db}.*"}, made,
          "GRANT CREATE ON `" + database().name() + "`.* TO ");
  refused({"CREATE, SELECT ON {db}.*"}, made, "GRANT INSERT, UPDATE, DELETE ON");
  look({"CREATE, SELECT, INSERT, UPDATE, DELETE ON {db}.made"}, made);
  look({"ALL ON `" + database().name().substr(0, database().name().size() - 1) + "%`.*"}, made);
  EXPECT_EQ(rows("SHOW TABLES").size(), 1U) << "looking makes nothing";
}

TEST_P(MysqlWriteRights, ARightThatCameByARoleCounts) {
  const auto schema = make_schema("made", {field("id", Type::int64)});
  const std::string role = database().name() + "_role";
  database().run("CREATE ROLE " + role);
  database().run("GRANT ALL ON " + database().name() + ".* TO " + role);
  const Target user = database().with_user({"SELECT ON {db}.*"});
  database().run("GRANT " + role + " TO " + user.user);
  database().run(database().is_mariadb() ? "SET DEFAULT ROLE " + role + " FOR " + user.user
                                         : "SET DEFAULT ROLE " + role + " TO " + user.user);
  EXPECT_NE(connect_as(user)->open_destination(writing("made", *schema))->prepare(true).ddl, "");
  database().run("DROP ROLE " + role);
}

}  // namespace
}  // namespace syncflow::mysql
