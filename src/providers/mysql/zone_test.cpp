#include "providers/mysql/zone.h"

#include <gtest/gtest.h>

#include "core/calendar.h"
#include "core/error.h"

namespace syncflow::mysql {
namespace {

std::int64_t at(const std::string& text) {
  const auto parsed = parse_iso(text);
  return parsed->days * kMicrosecondsPerDay + parsed->microseconds;
}

std::string shown(std::int64_t time) {
  std::string out;
  append_timestamp(time, 0, out);
  return out;
}

std::string shown(std::optional<std::int64_t> time) { return time ? shown(*time) : "none"; }

TEST(MysqlZone, UtcChangesNothing) {
  const Zone zone;
  EXPECT_EQ(shown(zone.to_local(at("2024-07-01T12:00:00"))), "2024-07-01T12:00:00");
  EXPECT_EQ(shown(zone.to_instant(at("2024-07-01T12:00:00"))), "2024-07-01T12:00:00");
}

TEST(MysqlZone, AnOffsetIsAddedAndTakenAway) {
  const Zone zone = Zone::parse("-05:30");
  EXPECT_EQ(shown(zone.to_local(at("2024-07-01T12:00:00.000001"))), "2024-07-01T06:30:00.000001");
  EXPECT_EQ(shown(zone.to_instant(at("2024-07-01T06:30:00"))), "2024-07-01T12:00:00");
}

TEST(MysqlZone, ANameFollowsItsSummers) {
  const Zone zone = Zone::parse("Europe/Berlin");
  EXPECT_EQ(shown(zone.to_local(at("2024-01-01T12:00:00"))), "2024-01-01T13:00:00");
  EXPECT_EQ(shown(zone.to_local(at("2024-07-01T12:00:00"))), "2024-07-01T14:00:00");
  EXPECT_EQ(shown(zone.to_local(at("2024-03-31T00:59:59.999999"))), "2024-03-31T01:59:59.999999");
  EXPECT_EQ(shown(zone.to_local(at("2024-03-31T01:00:00"))), "2024-03-31T03:00:00");
  EXPECT_EQ(shown(zone.to_local(at("2090-07-01T12:00:00"))), "2090-07-01T14:00:00");
  EXPECT_EQ(shown(zone.to_local(at("2090-01-01T12:00:00"))), "2090-01-01T13:00:00");
  EXPECT_EQ(shown(zone.to_instant(at("2090-07-01T14:00:00"))), "2090-07-01T12:00:00");
}

TEST(MysqlZone, SouthOfTheEquatorSummerLastsOverTheNewYear) {
  const Zone zone = Zone::parse("Australia/Sydney");
  EXPECT_EQ(shown(zone.to_local(at("2100-01-01T00:00:00"))), "2100-01-01T11:00:00");
  EXPECT_EQ(shown(zone.to_local(at("2100-07-01T00:00:00"))), "2100-07-01T10:00:00");
}

TEST(MysqlZone, ATimeThatNoClockShowedOrThatTwoInstantsShareIsNoInstant) {
  const Zone zone = Zone::parse("Europe/Berlin");
  EXPECT_EQ(shown(zone.to_instant(at("2024-03-31T02:30:00"))), "none");
  EXPECT_EQ(shown(zone.to_instant(at("2024-10-27T02:30:00"))), "none");
  EXPECT_EQ(shown(zone.to_instant(at("2024-10-27T01:59:59"))), "2024-10-26T23:59:59");
  EXPECT_EQ(shown(zone.to_instant(at("2024-10-27T03:00:00"))), "2024-10-27T02:00:00");
}

TEST(MysqlZone, BeforeClocksArePutBackTheLowestTimeToComeIsTheOneTheyArePutBackTo) {
  const Zone zone = Zone::parse("Europe/Berlin");
  EXPECT_EQ(shown(zone.lowest_local_from(at("2024-10-27T00:50:00"))), "2024-10-27T02:00:00");
  EXPECT_EQ(shown(zone.lowest_local_from(at("2024-10-27T01:10:00"))), "2024-10-27T02:10:00");
  EXPECT_EQ(shown(zone.lowest_local_from(at("2024-10-26T23:30:00"))), "2024-10-27T01:30:00");
  EXPECT_EQ(shown(zone.lowest_local_from(at("2024-07-01T12:34:56.789"))), "2024-07-01T14:34:56.789");
}

TEST(MysqlZone, AnUnknownNameIsRefusedWithWhatToWrite) {
  for (const char* text : {"Mars/Olympus", "", "../../etc/passwd", "+2", "CEST-9999"}) {
    try {
      Zone::parse(text);
      ADD_FAILURE() << text << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config);
      EXPECT_NE(std::string(error.what()).find("+02:00"), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace syncflow::mysql
