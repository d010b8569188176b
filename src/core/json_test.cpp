#include "core/json.h"

#include <gtest/gtest.h>

#include <limits>

namespace syncflow {
namespace {

TEST(JsonText, WritesNumbersAsPeopleDo) {
  EXPECT_EQ(to_json_text(0.12), "0.12");
  EXPECT_EQ(to_json_text(1e300), "1e+300");
  EXPECT_EQ(to_json_text(std::int64_t{-7}), "-7");
  EXPECT_EQ(to_json_text(std::uint64_t{18446744073709551615u}), "18446744073709551615");
  EXPECT_EQ(to_json_text(std::numeric_limits<double>::infinity()), "null");
}

TEST(JsonText, IsReadBackAsTheSameValue) {
  const boost::json::value value =
      boost::json::parse(R"({"a":[],"b":{},"c":[1,[2.5,{"d":null}],"x\"\n\u0001ä"],"":true,"\"k\"":false})");
  EXPECT_EQ(boost::json::parse(to_json_text(value)), value);
}

}  // namespace
}  // namespace syncflow
