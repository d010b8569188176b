#include "providers/postgresql/settings.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace syncflow::postgresql {
namespace {

using namespace std::chrono_literals;

Options options(std::initializer_list<std::pair<const char*, const char*>> values) {
  Options out;
  for (const auto& [name, value] : values) out.set(name, value);
  return out;
}

/// The message of the refusal; empty when the options are taken.
std::string refusal(const Options& given) {
  try {
    parse_settings(given);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    return error.what();
  }
  return {};
}

TEST(PostgresSettings, TakeAUrlApart) {
  const Settings settings = parse_settings(options(
      {{"url", "postgresql://ann:s%40cret@db.example.com:6543/shop?sslmode=require&connect_timeout=3"}}));
  EXPECT_EQ(settings.target.host, "db.example.com");
  EXPECT_EQ(settings.target.port, 6543);
  EXPECT_EQ(settings.target.user, "ann");
  EXPECT_EQ(settings.target.password.reveal(), "s@cret");
  EXPECT_EQ(settings.target.database, "shop");
  EXPECT_EQ(settings.target.tls, libpq::Tls::require);
  EXPECT_EQ(settings.target.connect_timeout, 3s);
  EXPECT_EQ(settings.schema, "public");
}

TEST(PostgresSettings, TakeTheirPartsOneByOne) {
  const Settings settings = parse_settings(options({{"host", "/run/postgresql"},
                                                    {"user", "ann"},
                                                    {"password", "x"},
                                                    {"schema", "crm"},
                                                    {"timezone", "-03:30"}}));
  EXPECT_EQ(settings.target.host, "/run/postgresql");
  EXPECT_EQ(settings.target.port, 5432);
  EXPECT_EQ(settings.target.database, "ann");
  EXPECT_EQ(settings.schema, "crm");
  EXPECT_EQ(settings.zone.ahead, -3h - 30min);
  EXPECT_EQ(settings.target.effective_tls(), libpq::Tls::disable);
}

TEST(PostgresSettings, LetThePasswordStandBesideTheUrl) {
  const Settings settings =
      parse_settings(options({{"url", "postgres://ann@127.0.0.1/shop"}, {"password", "secret"}}));
  EXPECT_EQ(settings.target.password.reveal(), "secret");
}

TEST(PostgresSettings, RefuseWhatContradictsItselfWithoutTellingTheSecret) {
  for (const Options& given : {
           options({{"url", "postgresql://ann:hunter2@h/d"}, {"password", "hunter3"}}),
           options({{"url", "postgresql://ann:hunter2@h/d"}, {"host", "other"}}),
           options({{"url", "postgresql://ann:hunter2@h/d"}, {"port", "5433"}}),
           options({{"url", "mysql://ann:hunter2@h/d"}}),
           options({{"url", "postgresql://ann:hunter2@h/d?sslmode=prefer"}}),
           options({{"url", "postgresql://ann:hunter2@h/d?pgbouncer=true"}}),
           options({{"url", "postgresql://ann:hunter2@h/d?connect_timeout=soon"}}),
           options({{"host", "h"}, {"password", "hunter2"}}),
           options({{"user", "ann"}, {"port", "70000"}}),
           options({{"user", "ann"}, {"tls", "maybe"}}),
           options({{"user", "ann"}, {"tls", "require"}, {"ca_file", "/x"}}),
           options({{"user", "ann"}, {"timezone", "+2"}}),
           options({{"user", "ann"}, {"timezone", "Mars/Base"}}),
           options({{"user", "ann"}, {"tls", "verify"}, {"ca_file", "/nowhere/ca.pem"}}),
           options({{"url", "postgresql://ann:hunter2@h:99999/d"}}),
           options({{"url", "hello"}}),
           options({{"user", "ann"}, {"max_connections", "1"}}),
           options({{"user", "ann"}, {"max_connections", "many"}}),
           options({{"user", "ann"}, {"pasword", "hunter2"}}),
       }) {
    const std::string message = refusal(given);
    EXPECT_NE(message, "");
    EXPECT_EQ(message.find("hunter"), std::string::npos) << message;
  }
}

TEST(PostgresSettings, TakeAnyNameThatAServerMayKnowAsATimezone) {
  for (const char* zone : {"Europe/Berlin", "europe/berlin", "EST5EDT", "Etc/GMT+5", "UTC"})
    EXPECT_EQ(refusal(options({{"user", "ann"}, {"timezone", zone}})), "") << zone;
  EXPECT_NE(
      refusal(options({{"user", "ann"}, {"timezone", "Europe/Berln"}})).find("did you mean Europe/Berlin?"),
      std::string::npos);
}

TEST(PostgresTableName, KeepsNamesAsTheyAre) {
  const auto name = [](const std::string& text) { return parse_table_name(text, "public"); };
  EXPECT_EQ(name("Orders"), (TableName{"public", "Orders"}));
  EXPECT_EQ(name("crm.Orders"), (TableName{"crm", "Orders"}));
  EXPECT_EQ(name("crm.a.b"), (TableName{"crm", "a.b"}));
  EXPECT_EQ(name("\"odd.schema\".\"odd \"\" table\""), (TableName{"odd.schema", "odd \" table"}));
  EXPECT_EQ(name("it's \"quoted\""), (TableName{"public", "it's \"quoted\""}));
  EXPECT_EQ((TableName{"a\"b", "c"}).quoted(), "\"a\"\"b\".\"c\"");
  for (const char* text : {"", ".", "a.", ".a", "\"a", "\"a\"b", "\"a\".\"b\".\"c\""})
    EXPECT_THROW(name(text), Error) << text;
}

}  // namespace
}  // namespace syncflow::postgresql
