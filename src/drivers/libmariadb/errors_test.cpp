#include "drivers/libmariadb/errors.h"

#include <gtest/gtest.h>

namespace syncflow::mysql {
namespace {

TEST(MysqlErrors, AreOfTheKindThatSaysWhatHappensNext) {
  const std::pair<unsigned, ErrorKind> table[] = {
      {1045, ErrorKind::unauthorized},  // access denied
      {1862, ErrorKind::unauthorized},  // password expired
      {3118, ErrorKind::unauthorized},  // account locked
      {1044, ErrorKind::forbidden},     // access denied to the database
      {1142, ErrorKind::forbidden},     // command denied on the table
      {1227, ErrorKind::forbidden},     // PROCESS and the like
      {1049, ErrorKind::not_found},     // unknown database
      {1146, ErrorKind::not_found},     // no such table
      {1054, ErrorKind::bad_config},    // unknown column
      {1205, ErrorKind::conflict},      // lock wait timeout
      {1213, ErrorKind::conflict},      // deadlock
      {1064, ErrorKind::bug},           // syntax
      {2014, ErrorKind::bug},           // commands out of sync
      {1040, ErrorKind::unavailable},   // too many connections
      {1114, ErrorKind::unavailable},   // table full
      {1021, ErrorKind::unavailable},   // disk full
      {1290, ErrorKind::unavailable},   // read-only: a replica, or a server that is taken over
      {1836, ErrorKind::unavailable},   // the same of InnoDB
      {1792, ErrorKind::unavailable},   // read-only transactions
      {1317, ErrorKind::unavailable},   // interrupted
      {3024, ErrorKind::unavailable},   // took too long (MySQL)
      {1969, ErrorKind::unavailable},   // took too long (MariaDB)
      {2002, ErrorKind::unavailable},   // cannot connect
      {2006, ErrorKind::unavailable},   // server gone
      {2013, ErrorKind::unavailable},   // connection lost
  };
  for (const auto& [code, kind] : table) EXPECT_EQ(name_of(kind_of(code)), name_of(kind)) << code;
}

TEST(MysqlErrors, NameTheMissingRight) {
  EXPECT_EQ(advice_for(1142, "INSERT command denied to user 'lowly'@'10.0.0.1' for table 'orders'"),
            " (ask for the right: GRANT INSERT ON `orders` TO 'lowly'@'10.0.0.1')");
  EXPECT_EQ(advice_for(1142, "SELECT command denied to user 'lowly'@'%' for table `shop`.`orders`"),
            " (ask for the right: GRANT SELECT ON `shop`.`orders` TO 'lowly'@'%')");
}

TEST(MysqlErrors, TellWhenTheServersDiskIsFull) {
  EXPECT_NE(advice_for(1114, "The table 'orders' is full").find("make room"), std::string::npos);
  EXPECT_NE(advice_for(1030, "Got error 28 \"No space left on device\" from storage engine InnoDB")
                .find("make room"),
            std::string::npos);
}

TEST(MysqlErrors, TellThatAReadOnlyServerIsAReplica) {
  EXPECT_NE(advice_for(1290, "The MySQL server is running with the --read-only option").find("primary"),
            std::string::npos);
}

}  // namespace
}  // namespace syncflow::mysql
