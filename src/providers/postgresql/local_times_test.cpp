#include "providers/postgresql/local_times.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "core/calendar.h"
#include "core/error.h"
#include "providers/postgresql/provider.h"
#include "testkit/postgresql_database.h"
#include "testkit/rows.h"

namespace syncflow::postgresql {
namespace {

using testkit::PostgresDatabase;

std::string lowest(const LocalTimes& times, libpq::Session& session, const char* instant) {
  std::string text;
  append_timestamp(times.lowest_from(from_rfc3339(instant), session), 0, text, ' ');
  return text;
}

TEST(PostgresLocalTimes, FollowTheClocksOfTheZone) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  const auto session = database.connect();
  const LocalTimes berlin({"Europe/Berlin", std::nullopt}, *session);
  EXPECT_EQ(lowest(berlin, *session, "2024-07-01T10:00:00Z"), "2024-07-01 12:00:00");
  EXPECT_EQ(lowest(berlin, *session, "2024-12-01T10:00:00.000001Z"), "2024-12-01 11:00:00.000001");
  // Clocks go back from 03:00 to 02:00 at 01:00 UTC: in the hour before, later stamps will be lower.
  EXPECT_EQ(lowest(berlin, *session, "2024-10-26T23:59:59Z"), "2024-10-27 01:59:59");
  EXPECT_EQ(lowest(berlin, *session, "2024-10-27T00:30:00Z"), "2024-10-27 02:00:00");
  EXPECT_EQ(lowest(berlin, *session, "2024-10-27T01:30:00Z"), "2024-10-27 02:30:00");
  const LocalTimes fixed({"-03:30", -std::chrono::minutes(210)}, *session);
  EXPECT_EQ(lowest(fixed, *session, "2024-07-01T10:00:00Z"), "2024-07-01 06:30:00");
}

TEST(PostgresLocalTimes, TakeTheServersZoneUnlessToldOtherwise) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  database.run("ALTER DATABASE " + database.name() + " SET timezone = 'America/New_York'");
  const auto session = database.connect();
  EXPECT_EQ(LocalTimes({}, *session).zone().name, "America/New_York");
  EXPECT_EQ(lowest(LocalTimes({}, *session), *session, "2024-07-01T10:00:00Z"), "2024-07-01 06:00:00");
}

TEST(PostgresLocalTimes, NameTheNearestZone) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  const auto session = database.connect();
  try {
    LocalTimes({"Europe/Berlim", std::nullopt}, *session);
    ADD_FAILURE() << "a zone that is none was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    EXPECT_NE(std::string(error.what()).find("Europe/Berlin"), std::string::npos) << error.what();
  }
}

/// The host's zone for the time of a test.
class HostZone {
 public:
  explicit HostZone(const char* name) {
    setenv("TZ", name, 1);
    tzset();
  }
  ~HostZone() {
    unsetenv("TZ");
    tzset();
  }
};

TEST(PostgresLocalTimes, FindNaiveStampsThoughServerAndHostAreInDifferentZones) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  for (const char* server : {"America/Los_Angeles", "Asia/Tokyo", "UTC"}) {
    SCOPED_TRACE(server);
    const HostZone host("Pacific/Auckland");
    PostgresDatabase database;
    database.run("ALTER DATABASE " + database.name() + " SET timezone = '" + server + "'");
    SystemClock clock;
    const auto connection = provider().connect(database.options(), {clock, {}});
    const auto writer = database.connect();
    writer->execute("SET timezone = '" + std::string(server) + "'");
    writer->execute(
        "CREATE TABLE t (id int PRIMARY KEY, at timestamp NOT NULL DEFAULT localtimestamp, day date DEFAULT "
        "current_date)");
    for (const char* cursor : {"at", "day"}) {
      SourceSpec spec;
      spec.table = "t";
      spec.cursor = cursor;
      testkit::Replica replica;
      Position position;
      writer->execute("TRUNCATE t");
      for (int id = 1; id <= 5; ++id) {
        writer->execute("INSERT INTO t VALUES (" + std::to_string(id) + ")");
        const auto source = connection->open_source(spec);
        if (!position.empty()) {
          EXPECT_NE(source->has_changes(position).changed, Changed::no);
        }
        source->open(position);
        for (bool caught_up = false; !caught_up;) {
          const Batch batch = source->next(1000, 8u << 20);
          replica.apply(batch);
          position = batch.resume;
          caught_up = batch.caught_up;
        }
        EXPECT_EQ(replica.rows().size(), static_cast<std::size_t>(id));
      }
    }
  }
}

TEST(PostgresCoarseCursor, FindsRowsOfTheUnitThatIsNotOverWhateverTheirKeys) {
  SYNCFLOW_NEEDS_POSTGRESQL();
  PostgresDatabase database;
  SystemClock clock;
  const auto connection = provider().connect(database.options(), {clock, {}});
  for (const char* type : {"date", "timestamptz(0)"}) {
    SCOPED_TRACE(type);
    database.run("DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY, at " + std::string(type) +
                 " DEFAULT now())");
    SourceSpec spec;
    spec.table = "t";
    spec.cursor = "at";
    testkit::Replica replica;
    Position position;
    for (int id = 9; id > 0; --id) {
      database.run("INSERT INTO t VALUES (" + std::to_string(id) + ")");
      const auto source = connection->open_source(spec);
      if (!position.empty()) {
        EXPECT_NE(source->has_changes(position).changed, Changed::no) << id;
      }
      source->open(position);
      for (bool caught_up = false; !caught_up;) {
        const Batch batch = source->next(1000, 8u << 20);
        replica.apply(batch);
        position = batch.resume;
        caught_up = batch.caught_up;
      }
      EXPECT_EQ(replica.rows().size(), static_cast<std::size_t>(10 - id));
    }
  }
}

}  // namespace
}  // namespace syncflow::postgresql
