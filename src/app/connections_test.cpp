#include <gmock/gmock.h>

#include "app/test_config_folder.h"

namespace syncflow::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// What the providers say of options while the file is read.
class ConnectionOptions : public ConfigFolder {
 protected:
  /// The refusal of a connection whose options begin on line 4; empty when it is taken.
  std::string refusal(const std::string& provider, const std::vector<std::string>& options) const {
    std::string yaml = "connections:\n  a:\n    provider: " + provider + "\n";
    for (const std::string& option : options) yaml += "    " + option + "\n";
    return ConfigFolder::refusal(yaml);
  }
};

TEST_F(ConnectionOptions, ThatCanWorkAreTakenWithoutLoggingIn) {
  EXPECT_EQ(refusal("postgresql", {"host: db.example.org", "user: u", "timezone: Europe/Berlin"}), "");
  EXPECT_EQ(refusal("mysql", {"url: \"mysql://u:p@db.example.org/d\"", "max_connections: 2"}), "");
  EXPECT_EQ(refusal("sqlite", {"path: not-there-yet.db"}), "");
}

TEST_F(ConnectionOptions, NameLineAndKeyOfAPortThatThereCannotBe) {
  EXPECT_EQ(refusal("postgresql", {"user: u", "port: 99999"}),
            "syncflow.yaml:5: connections.a.port: port is 99999; it must be 1 to 65535");
  EXPECT_EQ(refusal("mysql", {"user: u", "database: d", "port: 0"}),
            "syncflow.yaml:6: connections.a.port: port is 0; it must be 1 to 65535");
  for (const std::string provider : {"postgresql", "mysql"})
    EXPECT_EQ(refusal(provider, {"url: \"" + provider + "://u:p@127.0.0.1:99999/d\""}),
              "syncflow.yaml:4: connections.a.url: port is 99999; it must be 1 to 65535");
}

TEST_F(ConnectionOptions, NameTheUrlThatIsNotTheProvidersOwn) {
  EXPECT_EQ(refusal("postgresql", {"url: \"mysql://u:secret@db/d\""}),
            "syncflow.yaml:4: connections.a.url: it begins with mysql://, not with postgresql://");
  EXPECT_THAT(refusal("postgresql", {"url: hello"}),
              AllOf(StartsWith("syncflow.yaml:4: connections.a.url: "), HasSubstr("is not a URL like")));
  EXPECT_THAT(refusal("postgresql", {"url: \"postgresql://u:secret@db/d?sslmod=disable\""}),
              AllOf(StartsWith("syncflow.yaml:4: connections.a.url: unknown parameter \"sslmod\""),
                    Not(HasSubstr("secret"))));
  EXPECT_THAT(refusal("mysql", {"url: \"mysql://u:secret@db/d?ssl=1\""}),
              StartsWith("syncflow.yaml:4: connections.a.url: unknown parameter \"ssl\""));
}

TEST_F(ConnectionOptions, NameWhatIsMissingOrContradictsItself) {
  EXPECT_EQ(refusal("postgresql", {}),
            "syncflow.yaml:2: connections.a: \"user\" is missing: the role to log in as");
  for (const std::string provider : {"postgresql", "mysql"})
    EXPECT_THAT(refusal(provider, {"url: \"" + provider + "://u@db/d\"", "host: other"}),
                StartsWith("syncflow.yaml:5: connections.a.host: host is given twice"));
}

TEST_F(ConnectionOptions, NameWhatEachAloneCannotBe) {
  for (const std::string provider : {"postgresql", "mysql"}) {
    const std::string url = "url: \"" + provider + "://u@db/d\"";
    EXPECT_THAT(refusal(provider, {url, "timezone: Mars/Base"}),
                StartsWith("syncflow.yaml:5: connections.a.timezone: "));
    EXPECT_THAT(
        refusal(provider, {url, "max_connections: 0"}),
        StartsWith("syncflow.yaml:5: connections.a.max_connections: max_connections must be at least 2"));
    EXPECT_THAT(refusal(provider, {url, "ca_file: nowhere.pem"}),
                AllOf(StartsWith("syncflow.yaml:5: connections.a.ca_file: "), HasSubstr("nowhere.pem")));
  }
  for (const std::string path : {":memory:", "file:data.db?mode=memory"})
    EXPECT_THAT(refusal("sqlite", {"path: \"" + path + "\""}),
                StartsWith("syncflow.yaml:4: connections.a.path: path is \"" + path + "\""));
  EXPECT_THAT(refusal("sqlite", {"path: data.db", "timezone: Europe/Berlin"}),
              StartsWith("syncflow.yaml:5: connections.a.timezone: "));
  EXPECT_THAT(refusal("sqlite", {"path: data.db", "busy_timeout: -1"}),
              StartsWith("syncflow.yaml:5: connections.a.busy_timeout: "));
}

}  // namespace
}  // namespace syncflow::app
