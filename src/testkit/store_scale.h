#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <string>

#include "store/store.h"
#include "testkit/fake_clock.h"

namespace syncflow::testkit {

/// How long the members of a store that work on the queue take in a small queue and in a large one.
///
/// For any store: it is filled by way of SQL that another program might run. `store` is empty at first.
class StoreScale {
 public:
  enum class Measure {
    processor,  ///< the median of what this process's threads used: of a store that works in this process
    wall,       ///< the shortest time from call to answer: of a store that works in a server
  };
  /// `execute`: runs SQL on the store's tables, past the store.
  StoreScale(Store& store, FakeClock& clock, std::function<void(const std::string&)> execute,
             Measure measure);

  /// The store was closed and opened again.
  void go_on_with(Store& store) { store_ = &store; }
  /// Lets the queue hold `jobs`, ten of each sync: half of them pending, half finished with their runs.
  void grow_to(std::size_t jobs);
  /// By member: seconds.
  using Times = std::map<std::string, double>;
  /// How often a member is called, at the most.
  static constexpr int kRepetitions = 30;
  Times measure();

  /// Failures of the test where a member takes more than `factor` times as long in `large`, and `free` besides.
  static void expect_kept(const Times& small, const Times& large, double factor,
                          std::chrono::duration<double> free);

 private:
  template <typename Work>
  void time(Times& times, const std::string& name, int repetitions, Work work);

  /// Of the clock that the measure goes by.
  double seconds() const;

  Store* store_;
  FakeClock& clock_;
  const std::function<void(const std::string&)> execute_;
  const Measure measure_;
  std::size_t syncs_ = 0;
};

}  // namespace syncflow::testkit
