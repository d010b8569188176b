#include "providers/mysql/test_live.h"

namespace syncflow::mysql {
namespace {

/// Looks that share the sessions of a pool.
class MysqlSessionPool : public MysqlLive {
 protected:
  void SetUp() override {
    MysqlLive::SetUp();
    if (IsSkipped()) return;
    sessions_ = &pool_;
    for (const char* table : {"items", "people"}) {
      database().run(std::string("CREATE TABLE ") + table +
                     " (id INT PRIMARY KEY, name VARCHAR(500), updated_at TIMESTAMP(6) NOT NULL DEFAULT "
                     "CURRENT_TIMESTAMP(6), KEY (updated_at))");
      database().run(std::string("INSERT INTO ") + table +
                     " VALUES (1, 'one', '2024-01-01'), (2, 'two', '2024-01-02')");
    }
  }

  Position load(const std::string& table) {
    const auto source = connect()->open_source(reading(table, "updated_at"));
    Replica replica;
    return read_on(*source, {}, replica);
  }
  std::size_t sessions_of_ours() {
    return rows(
               "SELECT CAST(ID AS CHAR) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> "
               "CONNECTION_ID()")
        .size();
  }

  SessionPool pool_{"the test's database", {}, clock_};
};
SYNCFLOW_ON_MYSQL_SERVERS(MysqlSessionPool);

TEST_P(MysqlSessionPool, OneSessionOfAKindServesOneLookAfterTheOther) {
  const Position items = load("items"), people = load("people");
  for (int i = 0; i < 5; ++i) {
    connect()->open_source(reading("items", "updated_at"))->has_changes(items);
    connect()->open_source(reading("people", "updated_at"))->has_changes(people);
    connect()->discover("people");
  }
  EXPECT_EQ(pool_.open(), 2U) << "one to read, one for the catalogue";
  EXPECT_EQ(sessions_of_ours(), 2U);
}

TEST_P(MysqlSessionPool, ASessionThatTheServerEndedIsReplaced) {
  const Position items = load("items");
  for (const auto& row :
       rows("SELECT CAST(ID AS CHAR) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND "
            "ID <> CONNECTION_ID()"))
    database().run("KILL " + *row[0]);
  EXPECT_NO_THROW(connect()->open_source(reading("items", "updated_at"))->has_changes(items));
  EXPECT_EQ(pool_.open(), 1U);
}

TEST_P(MysqlSessionPool, ARowStreamThatWasLeftTakesItsSessionAlong) {
  {
    const auto source = connect()->open_source(reading("items"));
    source->open({});
    source->next(1, 1);
  }
  EXPECT_EQ(connect()->open_source(reading("people"))->count(10), 2U);
  EXPECT_EQ(pool_.open(), 1U);
}

TEST_P(MysqlSessionPool, AStopOfOneLookIsNotOneOfTheNext) {
  {
    std::stop_source stop;
    const Options options = testkit::mysql_options_of(database().target());
    provider()
        .connect(options, Resources{clock_, stop.get_token(), &pool_})
        ->open_source(reading("items"))
        ->count(1);
    stop.request_stop();
  }
  EXPECT_EQ(connect()->open_source(reading("items"))->count(10), 2U);
  EXPECT_EQ(pool_.open(), 1U);
}

TEST_P(MysqlSessionPool, SeesWhatWasCommittedSinceTheLastLook) {
  const Position items = load("items");
  database().run("INSERT INTO items (id, name) VALUES (3, 'three')");
  EXPECT_NE(connect()->open_source(reading("items", "updated_at"))->has_changes(items).changed, Changed::no);
}

}  // namespace
}  // namespace syncflow::mysql
