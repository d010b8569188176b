#include "store/process_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "core/error.h"
#include "core/uuid.h"

namespace syncflow {
namespace {

class ProcessLockTest : public ::testing::Test {
 protected:
  ProcessLockTest() : folder_(std::filesystem::temp_directory_path() / ("syncflow-lock-" + random_uuid())) {
    std::filesystem::create_directory(folder_);
  }
  ~ProcessLockTest() override { std::filesystem::remove_all(folder_); }

  std::string store_file() const { return folder_ / "store.db"; }
  std::string refusal() {
    try {
      ProcessLock lock(store_file());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_config);
      return error.what();
    }
    return "";
  }

  std::filesystem::path folder_;
};

TEST_F(ProcessLockTest, RefusesASecondHolderAndNamesTheFirst) {
  const ProcessLock lock(store_file());
  const std::string reason = refusal();
  EXPECT_NE(reason.find(std::to_string(getpid())), std::string::npos) << reason;
  EXPECT_NE(reason.find("store.db.lock"), std::string::npos) << reason;
  EXPECT_FALSE(ProcessLock::try_take(store_file()));
}

TEST_F(ProcessLockTest, IsFreeAgainWhenItsHolderGoes) {
  {
    ProcessLock lock(store_file());
    const ProcessLock moved = std::move(lock);
    EXPECT_NE(refusal(), "");
  }
  EXPECT_EQ(refusal(), "");
}

TEST_F(ProcessLockTest, IsFreeAgainWhenItsHolderIsKilled) {
  const pid_t child = fork();
  if (child == 0) {
    const ProcessLock lock(store_file());
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(refusal(), "");
}

TEST_F(ProcessLockTest, IsOneLockWhateverWayThePathIsWritten) {
  const ProcessLock lock(store_file());
  EXPECT_FALSE(ProcessLock::try_take(folder_ / "." / "store.db"));
  EXPECT_TRUE(ProcessLock::try_take(folder_ / "other.db"));
}

TEST_F(ProcessLockTest, SaysWhereItsFileCannotBeMade) {
  try {
    ProcessLock lock(folder_ / "missing" / "store.db");
    FAIL() << "there is no such folder";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
    EXPECT_NE(std::string(error.what()).find("missing/store.db.lock"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace syncflow
