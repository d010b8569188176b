#include "cli/store_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "cli/interrupts.h"
#include "core/error.h"

namespace syncflow::cli {
namespace {

class StoreLocking : public ::testing::Test {
 protected:
  StoreLocking() {
    std::string name = ::testing::TempDir() + "syncflow-lock-XXXXXX";
    folder_ = mkdtemp(name.data());
    file_ = folder_ / "store.db.lock";
  }
  ~StoreLocking() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
  std::string file_;
};

TEST_F(StoreLocking, LetsOneInAndNamesItToTheOthers) {
  const auto first = StoreLock::try_take(file_);
  ASSERT_TRUE(first);
  EXPECT_FALSE(StoreLock::try_take(file_));
  EXPECT_EQ(StoreLock::holder(file_), getpid());
}

TEST_F(StoreLocking, IsFreeAgainOnceItsHolderHasDied) {
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = StoreLock::try_take(file_);
    _exit(lock ? 7 : 8);  // without any destructor, as in a crash
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(WEXITSTATUS(status), 7);
  EXPECT_TRUE(StoreLock::try_take(file_));
}

TEST_F(StoreLocking, SaysWhichFileItCannotMake) {
  try {
    (void)StoreLock::try_take(folder_ / "missing" / "store.db.lock");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("missing/store.db.lock: No such file or directory"));
  }
}

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
