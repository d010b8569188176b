#include "providers/mysql/settings.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "providers/mysql/provider.h"

namespace syncflow::mysql {
namespace {

Settings parsed(const std::map<std::string, std::string>& given) {
  Options options;
  for (const auto& [name, value] : given) options.set(name, value);
  return parse_settings(options);
}

std::string refusal(const std::map<std::string, std::string>& given) {
  try {
    parsed(given);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    return error.what();
  }
  return "";
}

TEST(MysqlSettings, AreReadFromAUrl) {
  const Settings settings = parsed({{"url", "mysql://me:p%40ss@db.example.com:3307/shop"}});
  EXPECT_EQ(settings.target.host, "db.example.com");
  EXPECT_EQ(settings.target.port, 3307);
  EXPECT_EQ(settings.target.user, "me");
  EXPECT_EQ(settings.target.password.reveal(), "p@ss");
  EXPECT_EQ(settings.target.database, "shop");
  EXPECT_EQ(parsed({{"url", "mariadb://me@h/d"}}).target.port, 3306);
}

TEST(MysqlSettings, AreReadFromTheirParts) {
  const Settings settings = parsed({{"host", "h"},
                                    {"port", "3308"},
                                    {"user", "me"},
                                    {"password", "pw"},
                                    {"database", "d"},
                                    {"timezone", "+02:00"},
                                    {"max_connections", "5"}});
  EXPECT_EQ(settings.target.host, "h");
  EXPECT_EQ(settings.target.port, 3308);
  EXPECT_EQ(settings.zone.name(), "+02:00");
  EXPECT_EQ(settings.max_connections, 5U);
}

TEST(MysqlSettings, VerifyTlsByDefaultSaveOnThisMachine) {
  EXPECT_EQ(parsed({{"url", "mysql://me@db.example.com/d"}}).target.tls, Tls::verify);
  EXPECT_EQ(parsed({{"url", "mysql://me@10.0.0.1/d"}}).target.tls, Tls::verify);
  EXPECT_EQ(parsed({{"url", "mysql://me@localhost/d"}}).target.tls, Tls::disable);
  EXPECT_EQ(parsed({{"url", "mysql://me@[::1]/d"}}).target.tls, Tls::disable);
  EXPECT_EQ(parsed({{"url", "mysql://me@localhost/d"}, {"tls", "verify"}}).target.tls, Tls::verify);
  EXPECT_EQ(parsed({{"url", "mysql://me@db.example.com/d"}, {"tls", "require"}}).target.tls, Tls::require);
}

TEST(MysqlSettings, ThatContradictEachOtherAreRefusedWithWhatToDo) {
  EXPECT_NE(refusal({{"user", "me"}}).find("database"), std::string::npos);
  EXPECT_NE(refusal({{"database", "d"}}).find("user"), std::string::npos);
  EXPECT_NE(refusal({{"url", "postgresql://me@h/d"}}).find("mysql://"), std::string::npos);
  EXPECT_NE(refusal({{"url", "mysql://me@h/d?ssl=1"}}).find("tls"), std::string::npos);
  EXPECT_NE(refusal({{"url", "mysql://me@h/d"}, {"user", "you"}}).find("twice"), std::string::npos);
  EXPECT_NE(refusal({{"url", "mysql://me@h/d"}, {"port", "1"}}).find("url"), std::string::npos);
  EXPECT_NE(refusal({{"host", "h"}, {"user", "me"}, {"database", "d"}, {"port", "70000"}}).find("65535"),
            std::string::npos);
  EXPECT_NE(refusal({{"url", "mysql://me@localhost/d"}, {"ca_file", "ca.pem"}}).find("verify"),
            std::string::npos);
  EXPECT_NE(refusal({{"url", "mysql://me@h/d"}, {"ca_file", "/nowhere/ca.pem"}})
                .find("/nowhere/ca.pem cannot be read"),
            std::string::npos);
  EXPECT_EQ(refusal({{"url", "mysql://me:pw@h:99999/d"}}), "url: port is 99999; it must be 1 to 65535");
  EXPECT_NE(refusal({{"url", "mysql://me@h/d"}, {"tls", "maybe"}}).find("disable, require or verify"),
            std::string::npos);
  EXPECT_NE(refusal({{"url", "mysql://me@h/d"}, {"max_connections", "1"}}).find("at least 2"),
            std::string::npos);
  EXPECT_NE(refusal({{"url", "mysql://me@h/d"}, {"timezone", "Mars/Olympus"}}).find("Mars/Olympus"),
            std::string::npos);
  EXPECT_NE(refusal({{"url", "mysql://me@h/d"}, {"time_zone", "UTC"}}).find("timezone"), std::string::npos);
}

TEST(MysqlSettings, ARefusalNeverRepeatsThePassword) {
  for (const auto& given : std::vector<std::map<std::string, std::string>>{
           {{"url", "postgresql://me:s3cret@h/d"}},
           {{"url", "mysql://me:s3cret@h/d"}, {"password", "s3cret"}},
           {{"url", "mysql://me:s3c ret@h/d"}},
       })
    EXPECT_EQ(refusal(given).find("s3c"), std::string::npos) << refusal(given);
}

TEST(MysqlProvider, SaysWhatItCanDo) {
  const Provider mysql = provider();
  EXPECT_EQ(mysql.id, "mysql");
  EXPECT_TRUE(mysql.can.source && mysql.can.destination && mysql.can.cursor && mysql.can.diff &&
              mysql.can.create_table);
  EXPECT_FALSE(mysql.can.feed || mysql.can.webhooks);
}

}  // namespace
}  // namespace syncflow::mysql
