#include "api/guard.h"

#include <gtest/gtest.h>

namespace syncflow::api {
namespace {

Request asking(std::string target, std::vector<std::pair<std::string, std::string>> headers) {
  return {"GET", std::move(target), std::move(headers), ""};
}

int status(const std::optional<Response>& refused) { return refused ? refused->status : 200; }

TEST(Guard, WithoutAKeyLetsInWhatNamesThisMachine) {
  const Guard guard{Secret()};
  for (const char* host :
       {"localhost", "localhost:3001", "LOCALHOST:3001", "127.0.0.1:3001", "127.8.9.1", "[::1]:3001"})
    EXPECT_EQ(status(guard.refuse(asking("/jobs", {{"host", host}}))), 200) << host;
}

TEST(Guard, WithoutAKeyRefusesAForeignHost) {
  const Guard guard{Secret()};
  for (const char* host : {"example.org", "localhost.example.org:3001", "127.0.0.1.example.org",
                           "192.168.1.4:3001", "", "[::2]", "::1"})
    EXPECT_EQ(status(guard.refuse(asking("/hello", {{"host", host}}))), 403) << host;
}

TEST(Guard, WithoutAKeyRefusesPagesOfOtherSites) {
  const Guard guard{Secret()};
  const auto from = [&](const char* origin) {
    return status(guard.refuse(asking("/jobs", {{"host", "localhost:3001"}, {"origin", origin}})));
  };
  EXPECT_EQ(from("http://localhost:3001"), 200);
  EXPECT_EQ(from("http://127.0.0.1:3001"), 200);
  EXPECT_EQ(from("http://localhost:8080"), 403) << "another program's page on this machine";
  EXPECT_EQ(from("http://localhost"), 403);
  EXPECT_EQ(from("https://example.org"), 403);
  EXPECT_EQ(from("null"), 403);
}

TEST(Guard, WithAKeyWantsItOnAllButTheOpenPaths) {
  const Guard guard{Secret("right")};
  const auto with = [&](const char* target, const char* authorization) {
    return status(guard.refuse(asking(target, {{"host", "example.org"}, {"authorization", authorization}})));
  };
  EXPECT_EQ(with("/jobs", "Bearer right"), 200);
  EXPECT_EQ(with("/jobs", "bearer right"), 200);
  for (const char* wrong :
       {"", "Bearer", "Bearer ", "Bearer wrong", "Bearer right2", "Bearer righ", "Basic right", "right"})
    EXPECT_EQ(with("/jobs", wrong), 401) << wrong;
  for (const char* open : {"/hello", "/hello?a=b", "/healthz", "/readyz", "/webhooks/notion"})
    EXPECT_EQ(with(open, ""), 200) << open;
  for (const char* closed : {"/hello/", "/helloo", "/webhooks", "/syncs", "/nothing"})
    EXPECT_EQ(with(closed, ""), 401) << closed;
}

TEST(Guard, SaysWithWhichSchemeToComeBack) {
  const std::optional<Response> refused = Guard{Secret("right")}.refuse(asking("/jobs", {}));
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->headers.at(0), (std::pair<std::string, std::string>("WWW-Authenticate", "Bearer")));
}

}  // namespace
}  // namespace syncflow::api
