#include "core/uuid.h"

#include <gtest/gtest.h>

#include <set>

namespace syncflow {
namespace {

/// As other implementations of RFC 4122 give them for the URL namespace.
TEST(UrlUuid, IsVersionFiveOfRfc4122) {
  EXPECT_EQ(url_uuid("http://www.example.com/"), "fcde3c85-2270-590f-9e7c-ee003d65e0e2");
  EXPECT_EQ(url_uuid("https://example.com/a?b=c"), "c33ae727-a88e-54fd-83c1-eb80bc195938");
  EXPECT_EQ(url_uuid(""), "1b4db7eb-4057-5ddf-91e0-36dec72071f5");
  EXPECT_EQ(url_uuid("syncflow:00000000-0000-4000-8000-000000000001/orders"),
            "d91f2afd-8dfd-5f2e-bb5c-173be1fe7983");
  EXPECT_EQ(url_uuid("\xc3\xa4"), "6da0b71f-c3b3-5afc-8afe-627e4bbf6e18");
}

TEST(RandomUuid, IsVersionFourAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string uuid = random_uuid();
    EXPECT_TRUE(is_uuid(uuid)) << uuid;
    EXPECT_EQ(uuid[14], '4') << uuid;
    EXPECT_NE(std::string("89ab").find(uuid[19]), std::string::npos) << uuid;
    EXPECT_TRUE(seen.insert(uuid).second) << uuid;
  }
}

TEST(IsUuid, TakesTheUsualFormInAnyCase) {
  EXPECT_TRUE(is_uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
  EXPECT_TRUE(is_uuid("6BA7B810-9DAD-11D1-80B4-00C04FD430C8"));
  for (const char* text : {"", "6ba7b810-9dad-11d1-80b4-00c04fd430c", "6ba7b810-9dad-11d1-80b4-00c04fd430c88",
                           "6ba7b810x9dad-11d1-80b4-00c04fd430c8", "6ba7b81-09dad-11d1-80b4-00c04fd430c8",
                           "gba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c-"})
    EXPECT_FALSE(is_uuid(text)) << text;
}

}  // namespace
}  // namespace syncflow
