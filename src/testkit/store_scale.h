#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>

#include "store/store.h"
#include "testkit/fake_clock.h"

namespace syncflow::testkit {

/// How long the members of a store that work on the queue take, at the median, in a small queue and in a large one.
///
/// For any store: it is filled by way of SQL that another program might run. `store` is empty at first.
class StoreScale {
 public:
  /// `execute`: runs SQL on the store's tables, past the store.
  StoreScale(Store& store, FakeClock& clock, std::function<void(const std::string&)> execute);

  /// Lets the queue hold `jobs`, ten of each sync: half of them pending, half finished with their runs.
  void grow_to(std::size_t jobs);
  /// By member: seconds of the processor.
  using Times = std::map<std::string, double>;
  Times measure();

  /// Failures of the test where a member takes more than `factor` times as long in `large`; half a millisecond is free.
  static void expect_kept(const Times& small, const Times& large, double factor);

 private:
  template <typename Work>
  void time(Times& times, const std::string& name, int repetitions, Work work);

  Store& store_;
  FakeClock& clock_;
  const std::function<void(const std::string&)> execute_;
  std::size_t syncs_ = 0;
};

}  // namespace syncflow::testkit
