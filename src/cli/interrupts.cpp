#include "cli/interrupts.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>
#include <thread>

#include "core/error.h"

namespace syncflow::cli {
namespace {

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

int checked(int descriptor) {
  if (descriptor < 0)
    throw Error(ErrorKind::unavailable, std::string("cannot watch for signals: ") + std::strerror(errno));
  return descriptor;
}

}  // namespace

// A thread that reads signals, since nothing that stops work may be called from a signal handler.
struct Interrupts::Inside {
  Inside() {
    const sigset_t signals = stop_signals();
    pthread_sigmask(SIG_BLOCK, &signals, &former);
    arrivals = checked(signalfd(-1, &signals, SFD_CLOEXEC));
    over = checked(eventfd(0, EFD_CLOEXEC));
    thread = std::thread([this] { watch(); });
  }

  ~Inside() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(over, &one, sizeof one);  // an eventfd at 0 takes it
    thread.join();
    close(arrivals);
    close(over);
    pthread_sigmask(SIG_SETMASK, &former, nullptr);
  }

  void watch() {
    pollfd watched[2] = {{arrivals, POLLIN, 0}, {over, POLLIN, 0}};
    for (;;) {
      if (poll(watched, 2, -1) < 0 && errno != EINTR) return;
      if (watched[1].revents != 0) return;
      signalfd_siginfo arrived{};
      if (watched[0].revents == 0 || read(arrivals, &arrived, sizeof arrived) != sizeof arrived) continue;
      // The second one: the user does not want to wait, and a crash loses nothing.
      if (first != 0) _exit(128 + static_cast<int>(arrived.ssi_signo));
      first = static_cast<int>(arrived.ssi_signo);
      source.request_stop();
    }
  }

  sigset_t former{};
  int arrivals = -1;
  int over = -1;
  std::atomic<int> first = 0;
  std::stop_source source;
  std::thread thread;
};

Interrupts::Interrupts() : inside_(std::make_unique<Inside>()) {}
Interrupts::~Interrupts() = default;

std::stop_token Interrupts::token() const { return inside_->source.get_token(); }

void Interrupts::wait() {
  std::mutex mutex;
  std::condition_variable_any signalled;
  std::unique_lock lock(mutex);
  // Ends with the stop request alone: nothing else is waited for.
  signalled.wait(lock, token(), [] { return false; });
}

int Interrupts::signal() const { return inside_->first; }

}  // namespace syncflow::cli
