#include "api/admission.h"

#include <gtest/gtest.h>

#include "api/open_files.h"

namespace syncflow::api {
namespace {

TEST(Admission, LetsInWhoLeftRoomAndRefusesAClientThatHasMuchUnderWay) {
  Admission admission(3, 2);
  EXPECT_EQ(admission.enter("a"), 0);
  EXPECT_EQ(admission.enter("a"), 0);
  EXPECT_EQ(admission.enter("a"), 429);
  EXPECT_EQ(admission.enter("b"), 0) << "one client does not starve another";
  EXPECT_EQ(admission.enter("c"), 503);
  EXPECT_EQ(admission.enter("a"), 429);
  admission.leave("a");
  EXPECT_EQ(admission.inside(), 2u);
  EXPECT_EQ(admission.enter("c"), 0);
  EXPECT_EQ(admission.enter("a"), 503);
}

TEST(OpenFiles, LeaveRoomForTheEngine) {
  EXPECT_EQ(connections_within(open_files_for(8192), 8192), 8192u);
  EXPECT_EQ(connections_within(1'000'000, 8192), 8192u);
  EXPECT_EQ(connections_within(1024, 8192), 512u);
  EXPECT_EQ(connections_within(256, 8192), 128u);
}

TEST(OpenFiles, AreRaisedAsFarAsTheSystemLets) {
  const std::size_t before = raise_open_files(0);
  EXPECT_GE(raise_open_files(before), before);
  EXPECT_GE(raise_open_files(before + 1), before) << "the hard limit may stand in the way, which is no error";
}

}  // namespace
}  // namespace syncflow::api
