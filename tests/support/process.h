#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace syncflow::tests {

/// What to run. Its output goes to `NAME.out` and `NAME.err` in `folder`, where it also runs.
struct Launch {
  std::vector<std::string> command;
  std::filesystem::path folder;
  std::string name;
  std::map<std::string, std::string> environment;  ///< beside this process's own, or instead
};

/// How a process ended.
struct Exit {
  int code = -1;   ///< -1: by a signal
  int signal = 0;  ///< 0: by itself
  bool operator==(const Exit&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Exit& exit);

/// A child process. One that still runs at the end is killed.
///
/// What waits throws std::runtime_error with the output of the process when the time is over or when it
/// can no longer come true.
class Process {
 public:
  explicit Process(Launch launch);
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  void signal(int number) const;

  /// The first line of either output that holds `text`.
  std::string wait_for_line(const std::string& text, std::chrono::seconds timeout = std::chrono::seconds(60));
  /// Waits while it runs. `what` completes the sentence "… did not come true: ".
  void wait_until(const std::string& what, const std::function<bool()>& condition,
                  std::chrono::seconds timeout = std::chrono::seconds(60));
  Exit wait(std::chrono::seconds timeout = std::chrono::seconds(60));
  bool running();
  /// Whether it stands still after a SIGSTOP.
  bool is_frozen() const;

  std::string out() const;
  std::string err() const;
  /// The command, how it ended and what it wrote, for messages.
  std::string story() const;

 private:
  bool ends_within(std::chrono::milliseconds timeout);

  Launch launch_;
  pid_t pid_ = -1;
  int pidfd_ = -1;
  bool ended_ = false;
  Exit exit_;
};

}  // namespace syncflow::tests
