#include "support/process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "core/text.h"

namespace syncflow::tests {
namespace {

// A look may cost the machine something: the longer it takes, the rarer they get.
constexpr std::chrono::milliseconds kFirstPause{5};
constexpr std::chrono::milliseconds kLongestPause{250};
constexpr std::size_t kToldBytes = 20'000;

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// Its end: where a program says why it failed.
std::string told(const std::string& output) {
  if (output.size() <= kToldBytes) return output;
  return fmt::format("({} bytes before)\n{}", output.size() - kToldBytes,
                     output.substr(output.size() - kToldBytes));
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (added.count(text.substr(0, text.find('='))) == 0) all.push_back(text);
  }
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  return all;
}

void check(int error, const std::string& doing) {
  if (error != 0) throw std::runtime_error(fmt::format("{}: {}", doing, std::strerror(error)));
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Exit& exit) {
  return exit.signal != 0 ? out << "killed by signal " << exit.signal : out << "exit code " << exit.code;
}

Process::Process(Launch launch) : launch_(std::move(launch)) {
  const std::string out = launch_.folder / (launch_.name + ".out");
  const std::string err = launch_.folder / (launch_.name + ".err");
  std::vector<std::string> environment = environment_with(launch_.environment);
  posix_spawn_file_actions_t actions;
  check(posix_spawn_file_actions_init(&actions), "preparing to spawn");
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND;
  int error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (error == 0)
    error = posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), kFlags, 0600);
  if (error == 0)
    error = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), kFlags, 0600);
  if (error == 0) error = posix_spawn_file_actions_addchdir_np(&actions, launch_.folder.c_str());
  if (error == 0)
    error = posix_spawnp(&pid_, launch_.command.front().c_str(), &actions, nullptr,
                         pointers(launch_.command).data(), pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  check(error, "starting " + launch_.command.front());
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd_ < 0) check(errno, "watching " + launch_.command.front());
}

Process::Process(Process&& other) noexcept
    : launch_(std::move(other.launch_)),
      pid_(other.pid_),
      pidfd_(std::exchange(other.pidfd_, -1)),
      ended_(std::exchange(other.ended_, true)),
      exit_(other.exit_) {}

Process::~Process() {
  if (!ended_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (pidfd_ >= 0) ::close(pidfd_);
}

void Process::signal(int number) const {
  if (ended_)
    throw std::runtime_error(fmt::format("no signal {} can reach what has ended: {}", number, story()));
  ::kill(pid_, number);
}

bool Process::ends_within(std::chrono::milliseconds timeout) {
  if (ended_) return true;
  pollfd waiting{pidfd_, POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(timeout.count())) <= 0) return false;
  int status = 0;
  ::waitpid(pid_, &status, 0);
  exit_ = WIFSIGNALED(status) ? Exit{-1, WTERMSIG(status)} : Exit{WEXITSTATUS(status), 0};
  ended_ = true;
  return true;
}

bool Process::running() { return !ends_within(std::chrono::milliseconds(0)); }

bool Process::is_frozen() const {
  const std::string status = content_of(fmt::format("/proc/{}/stat", pid_));
  // "PID (NAME) STATE …", and a name may hold anything.
  const auto name_ends = status.rfind(") ");
  return name_ends != std::string::npos && status[name_ends + 2] == 'T';
}

Exit Process::wait(std::chrono::seconds timeout) {
  const auto give_up = std::chrono::steady_clock::now() + timeout;
  // poll may end early when this process gets a signal.
  while (!ends_within(std::chrono::milliseconds(1000)))
    if (std::chrono::steady_clock::now() >= give_up)
      throw std::runtime_error(fmt::format("it did not end within {} s: {}", timeout.count(), story()));
  return exit_;
}

void Process::wait_until(const std::string& what, const std::function<bool()>& condition,
                         std::chrono::seconds timeout) {
  const auto give_up = std::chrono::steady_clock::now() + timeout;
  for (auto pause = kFirstPause;; pause = std::min(pause * 3 / 2, kLongestPause)) {
    // Asked before the condition: what it wrote with its last breath counts.
    const bool over = ends_within(pause);
    if (condition()) return;
    if (over) throw std::runtime_error(fmt::format("it ended before {}: {}", what, story()));
    if (std::chrono::steady_clock::now() >= give_up)
      throw std::runtime_error(
          fmt::format("{} s were not enough for {}: {}", timeout.count(), what, story()));
  }
}

std::string Process::wait_for_line(const std::string& text, std::chrono::seconds timeout) {
  std::string found;
  const auto look = [&] {
    for (const std::string& output : {out(), err()})
      for (const std::string& line : split(output, '\n'))
        if (line.find(text) != std::string::npos) {
          found = line;
          return true;
        }
    return false;
  };
  wait_until("a line with \"" + text + "\"", look, timeout);
  return found;
}

std::string Process::out() const { return content_of(launch_.folder / (launch_.name + ".out")); }
std::string Process::err() const { return content_of(launch_.folder / (launch_.name + ".err")); }

std::string Process::story() const {
  std::ostringstream state;
  if (ended_) state << exit_;
  else state << "still running";
  return fmt::format("{}: {}\n--- standard output\n{}\n--- standard error\n{}\n---",
                     join(launch_.command, " "), state.str(), told(out()), told(err()));
}

}  // namespace syncflow::tests
