#include "providers/sqlite/cursor_column.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <random>
#include <set>

#include "core/calendar.h"
#include "core/error.h"

namespace syncflow::sqlite {
namespace {

using namespace std::chrono_literals;

/// A table of stamps in memory.
class Stamps {
 public:
  explicit Stamps(const std::string& declared, std::chrono::minutes zone = 0min, bool index = true)
      : zone_(zone) {
    database_.execute("CREATE TABLE stamps (id INTEGER PRIMARY KEY, at " + declared + ")");
    if (index) database_.execute("CREATE INDEX stamps_at ON stamps (at)");
    install_functions(database_, zone);
  }

  void insert(int id, const std::string& literal) {
    database_.execute(fmt::format("INSERT INTO stamps VALUES ({}, {})", id, literal));
  }

  CursorColumn column() { return {database_, *find_table(database_, "stamps"), 1, zone_}; }

  std::set<int> select(const CursorColumn& column, const sql::RowQuery& query) {
    Sql where;
    column.restrict(query, where);
    Sql sql("SELECT id FROM stamps");
    Statement rows = sql.add(where).prepare(database_);
    std::set<int> ids;
    while (rows.step()) ids.insert(static_cast<int>(rows.integer(0)));
    return ids;
  }

  std::string plan(const CursorColumn& column, const sql::RowQuery& query) {
    Sql where;
    column.restrict(query, where);
    Sql sql("EXPLAIN QUERY PLAN SELECT 1 FROM stamps");
    Statement rows = sql.add(where).add(" LIMIT 1").prepare(database_);
    std::string plan;
    while (rows.step()) plan += rows.string(3) + "\n";
    return plan;
  }

  std::string newest() {
    Statement newest = database_.prepare("SELECT max(at) FROM stamps");
    return newest.step() ? newest.string(0) : "";
  }

  Database& database() { return database_; }

 private:
  std::chrono::minutes zone_;
  Database database_{":memory:", OpenMode::create, 1s};
};

sql::RowQuery from(const std::string& exact) {
  sql::RowQuery query;
  query.cursor_from = exact;
  return query;
}

/// One of the ways in which people write an instant, none of them coarser than a second.
std::string spelled(Time time, int way, std::chrono::minutes zone) {
  const auto text_at = [&](std::chrono::minutes offset, char separator, int digits) {
    std::string text;
    append_timestamp((time + offset).time_since_epoch().count(), 0, text, separator);
    const auto point = text.find('.');
    std::string fraction =
        point == std::string::npos ? "000000" : (text.substr(point + 1) + "000000").substr(0, 6);
    text = text.substr(0, 19);
    return digits > 0 ? text + "." + fraction.substr(0, static_cast<std::size_t>(digits)) : text;
  };
  switch (way) {
    case 0: return text_at(zone, ' ', 0);
    case 1: return text_at(zone, 'T', 6);
    case 2: return text_at(zone, ' ', 3);
    case 3: return text_at(0min, 'T', 3) + "Z";
    case 4: return text_at(0min, 'T', 0) + "Z";
    case 5: return text_at(330min, 'T', 6) + "+05:30";
    case 6: return text_at(-300min, ' ', 0) + "-05:00";
    default: return text_at(-720min, 'T', 6) + "-12:00";
  }
}

TEST(SqliteCursor, EverySpellingOfAnInstantIsTheSameText) {
  Stamps stamps("TIMESTAMP");
  const CursorColumn column = stamps.column();
  for (const char* text :
       {"2024-02-29 12:30:00", "2024-02-29T12:30:00", "2024-02-29T12:30:00Z", "2024-02-29 12:30:00.000",
        "2024-02-29 12:30", "2024-02-29T14:30:00+02:00", "2024-02-29T07:30:00-05:00"})
    EXPECT_EQ(column.exact(Stored::text(text)), "2024-02-29T12:30:00.000000000") << text;
  EXPECT_EQ(column.exact(Stored::text("2024-02-29")), "2024-02-29T00:00:00.000000000");
  EXPECT_EQ(column.exact(Stored::text("2024-02-29 12:30:00.123456789")), "2024-02-29T12:30:00.123456789");
  EXPECT_EQ(column.exact(Stored::text("9999-12-31T23:59:59-05:00")), "9999-12-31T23:59:59.999999000");
  for (const Stored& none : {Stored(), Stored::of(std::int64_t{1700000000}), Stored::text(""),
                             Stored::text("infinity"), Stored::text("+12345-01-01")})
    EXPECT_EQ(column.exact(none), "");
}

TEST(SqliteCursor, NoRowIsSkippedHoweverItsStampIsSpelled) {
  std::mt19937 random(7);
  const Time base = from_rfc3339("2024-03-10T22:00:00Z");
  for (const bool index : {true, false}) {
    for (const auto zone : {std::chrono::minutes(0), std::chrono::minutes(120), std::chrono::minutes(-480)}) {
      Stamps stamps("TIMESTAMP", zone, index);
      std::vector<Time> times;
      stamps.database().execute("BEGIN");
      for (int id = 0; id < 400; ++id) {
        times.push_back(base + std::chrono::microseconds(random() % (6 * 3'600'000'000ULL)));
        stamps.insert(id, "'" + spelled(times.back(), static_cast<int>(random() % 8), zone) + "'");
      }
      stamps.database().execute("COMMIT");
      const CursorColumn column = stamps.column();
      for (int round = 0; round < 60; ++round) {
        const Time bound = base + std::chrono::microseconds(random() % (6 * 3'600'000'000ULL));
        const std::set<int> found = stamps.select(column, from(column.text(bound)));
        sql::RowQuery upper;
        upper.cursor_to = column.text(bound);
        const std::set<int> below = stamps.select(column, upper);
        for (int id = 0; id < 400; ++id) {
          const Time time = times[static_cast<std::size_t>(id)];
          EXPECT_TRUE(time < bound || found.count(id))
              << to_rfc3339(time) << " is not found from " << to_rfc3339(bound);
          EXPECT_FALSE(time < bound - 1s && found.count(id))
              << to_rfc3339(time) << " is found from " << to_rfc3339(bound);
          EXPECT_TRUE(found.count(id) || below.count(id))
              << to_rfc3339(time) << " is on neither side of " << to_rfc3339(bound);
        }
      }
    }
  }
}

TEST(SqliteCursor, CoarseStampsAreReadFromTheBeginningOfTheirUnit) {
  const Time noon = from_rfc3339("2024-03-10T12:34:56.789Z");
  Stamps minutes("TEXT");
  minutes.insert(1, "'2024-03-10 12:34'");
  EXPECT_EQ(minutes.select(minutes.column(), from(minutes.column().text(noon))), std::set<int>{1});
  Stamps seconds("TEXT");
  seconds.insert(1, "'2024-03-10 12:34:56'");
  EXPECT_EQ(seconds.select(seconds.column(), from(seconds.column().text(noon))), std::set<int>{1});
  Stamps days("DATE", 120min);
  days.insert(1, "'2024-03-10'");
  EXPECT_EQ(days.select(days.column(), from(days.column().text(noon))), std::set<int>{1});
  EXPECT_EQ(to_text(days.column().at(noon)), "2024-03-10");
}

TEST(SqliteCursor, ValuesThatAreNoTimesAreFoundAsSuch) {
  Stamps stamps("TIMESTAMP");
  stamps.insert(1, "'2024-03-10 12:34:56'");
  stamps.insert(2, "NULL");
  stamps.insert(3, "1700000000");
  stamps.insert(4, "''");
  stamps.insert(5, "'yesterday'");
  stamps.insert(6, "x'00'");
  const CursorColumn column = stamps.column();
  sql::RowQuery query;
  query.cursors = sql::RowQuery::Cursors::none;
  EXPECT_EQ(stamps.select(column, query), (std::set<int>{2, 3, 4, 5, 6}));
  query.cursors = sql::RowQuery::Cursors::proper;
  EXPECT_EQ(stamps.select(column, query), std::set<int>{1});
  EXPECT_TRUE(column.nullable());
}

TEST(SqliteCursor, AFieldThatHasATimeInEveryRowAndMustHaveOneIsNotNullable) {
  Stamps stamps("TIMESTAMP NOT NULL");
  EXPECT_FALSE(stamps.column().nullable());
  stamps.insert(1, "''");
  EXPECT_TRUE(stamps.column().nullable());
}

TEST(SqliteCursor, NumbersAscendAsTheyAre) {
  Stamps stamps("INTEGER");
  for (int id = 1; id <= 4; ++id) stamps.insert(id, std::to_string(id * 100));
  stamps.insert(5, "'no number'");
  stamps.insert(6, "NULL");
  const CursorColumn column = stamps.column();
  EXPECT_EQ(column.kind(), sql::CursorKind::ascending);
  EXPECT_EQ(column.highest(stamps.database()), "400");
  EXPECT_EQ(stamps.select(column, from("200")), (std::set<int>{2, 3, 4}));
  sql::RowQuery query;
  query.cursors = sql::RowQuery::Cursors::none;
  EXPECT_EQ(stamps.select(column, query), (std::set<int>{5, 6}));
}

TEST(SqliteCursor, LooksAndRangesUseTheIndex) {
  for (const char* declared : {"TIMESTAMP", "TEXT", "INTEGER"}) {
    Stamps stamps(declared);
    const CursorColumn column = stamps.column();
    const std::string exact =
        column.kind() == sql::CursorKind::time ? "2024-03-10T12:34:56.000000000" : "500";
    sql::RowQuery above;
    above.cursor_above = exact;
    sql::RowQuery none;
    none.cursors = sql::RowQuery::Cursors::none;
    for (const sql::RowQuery& query : {above, from(exact), none})
      EXPECT_EQ(stamps.plan(column, query).find("SCAN"), std::string::npos) << stamps.plan(column, query);
  }
}

TEST(SqliteCursor, AFieldThatIsNeitherATimeNorANumberIsRefusedByName) {
  for (const char* declared : {"BLOB", "BOOLEAN", "", "UUID"}) {
    Stamps stamps(declared);
    try {
      stamps.column();
      ADD_FAILURE() << declared << " was taken as a cursor field";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config);
      EXPECT_NE(std::string(error.what()).find("at"), std::string::npos);
    }
  }
}

/// What SQLite has to do to open the field and to look above the newest stamp, in steps of its virtual machine.
std::size_t steps_of_a_look(int rows) {
  Stamps stamps("TIMESTAMP NOT NULL");
  stamps.database().execute(
      fmt::format("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO "
                  "stamps SELECT i, datetime('2024-01-01 03:07:00', '+' || i || ' minutes') FROM n",
                  rows));
  std::size_t steps = 0;
  const auto count = [](void* counter) {
    ++*static_cast<std::size_t*>(counter);
    return 0;
  };
  sqlite3_progress_handler(stamps.database().handle(), 1, count, &steps);
  const CursorColumn column = stamps.column();
  sql::RowQuery query;
  query.cursors = sql::RowQuery::Cursors::proper;
  query.cursor_above = column.exact(Stored::text(stamps.newest()));
  EXPECT_TRUE(stamps.select(column, query).empty());
  sqlite3_progress_handler(stamps.database().handle(), 0, nullptr, nullptr);
  return steps;
}

TEST(SqliteCursor, ALookCostsTheSameHoweverManyRowsThereAre) {
  EXPECT_LT(steps_of_a_look(20'000), 2 * steps_of_a_look(1'000));
}

}  // namespace
}  // namespace syncflow::sqlite
