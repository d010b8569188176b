#include "cli/interrupts.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace syncflow::cli {
namespace {

TEST(Interruption, AsksForAStopAtTheFirstSignal) {
  Interrupts interrupts;
  EXPECT_FALSE(interrupts.token().stop_requested());
  kill(getpid(), SIGTERM);
  interrupts.wait();
  EXPECT_TRUE(interrupts.token().stop_requested());
  EXPECT_EQ(interrupts.signal(), SIGTERM);
}

TEST(InterruptionDeathTest, EndsTheProcessAtTheSecondSignal) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Interrupts interrupts;
        kill(getpid(), SIGTERM);
        interrupts.wait();
        kill(getpid(), SIGINT);
        pause();
      },
      ::testing::ExitedWithCode(128 + SIGINT), "");
}

}  // namespace
}  // namespace syncflow::cli
