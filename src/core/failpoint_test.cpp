#include "core/failpoint.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "core/error.h"

#ifdef SYNCFLOW_FAILPOINTS

namespace syncflow {
namespace {

class Failpoint : public ::testing::Test {
 protected:
  ~Failpoint() override { arm_failpoints(""); }
};

bool fails(std::string_view name) {
  try {
    failpoint(name);
    return false;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unavailable);
    EXPECT_NE(std::string(error.what()).find(name), std::string::npos);
    return true;
  }
}

TEST_F(Failpoint, DoesNothingUntilItIsArmed) { EXPECT_FALSE(fails("write.before")); }

TEST_F(Failpoint, FailsOnce) {
  arm_failpoints("write.before=fail");
  EXPECT_FALSE(fails("write.after"));
  EXPECT_TRUE(fails("write.before"));
  EXPECT_FALSE(fails("write.before"));
}

TEST_F(Failpoint, FreezesTheProcessUntilItIsWoken) {
  const pid_t child = ::fork();
  if (child == 0) {
    arm_failpoints("here=freeze");
    failpoint("here");
    failpoint("here");
    ::_exit(7);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFSTOPPED(status));
  ::kill(child, SIGCONT);
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST_F(Failpoint, FailsTheThirdTimeItIsReached) {
  arm_failpoints("a=fail@3,b=fail@1");
  EXPECT_FALSE(fails("a"));
  EXPECT_FALSE(fails("a"));
  EXPECT_TRUE(fails("b"));
  EXPECT_TRUE(fails("a"));
  EXPECT_FALSE(fails("a"));
}

TEST_F(Failpoint, IsDisarmedByAnEmptySpec) {
  arm_failpoints("a=fail");
  arm_failpoints("");
  EXPECT_FALSE(fails("a"));
}

TEST_F(Failpoint, RefusesASpecThatWouldNeverFire) {
  for (const char* spec :
       {"a", "a=", "a=dei", "a=fail@", "a=fail@0", "a=fail@-1", "a=fail@x", "a=fail,", "a=fail b=fail",
        "a=call", "a=call:", "a=call:x", "a=call:0", "a=call:80x", "a=call:70000"}) {
    try {
      arm_failpoints(spec);
      ADD_FAILURE() << "accepted " << spec;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    }
  }
}

// ThreadSanitizer does not live through the fork of a death test.
#ifndef __SANITIZE_THREAD__
TEST_F(Failpoint, DiesAsByKill) {
  EXPECT_EXIT(
      {
        arm_failpoints("a=die");
        failpoint("a");
      },
      ::testing::KilledBySignal(SIGKILL), "");
}

TEST_F(Failpoint, IsArmedByTheEnvironment) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  ::setenv("SYNCFLOW_FAILPOINT", "a=die@2", 1);
  EXPECT_EXIT(
      {
        failpoint("a");
        failpoint("a");
      },
      ::testing::KilledBySignal(SIGKILL), "");
  ::unsetenv("SYNCFLOW_FAILPOINT");
}
#endif

}  // namespace
}  // namespace syncflow

#endif
