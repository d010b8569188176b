#pragma once

#include <memory>
#include <stop_token>

namespace syncflow::cli {

/// Turns SIGINT and SIGTERM into a stop request while it lives; a second one ends the process at once.
///
/// Make it before other threads start: they inherit that the signals are not theirs. One at a time.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  std::stop_token token() const;
  /// Until the first signal.
  void wait();
  /// The first signal; 0: none came.
  int signal() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace syncflow::cli
