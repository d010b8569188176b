#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/error.h"
#include "providers/mysql/horizon.h"

namespace syncflow::mysql {
namespace {

Listing numbered(int number) {
  Listing listing;
  listing.fresh = true;
  listing.open.names = {std::to_string(number)};
  return listing;
}

int number_of(const Listing& listing) { return std::stoi(*listing.open.names.begin()); }

TEST(SharedListings, GiveEachOneThatWasBegunAfterItAsked) {
  SharedListings shared;
  std::atomic<int> begun = 0, asked = 0, stale = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int turn = 0; turn < 200; ++turn) {
        const int before = begun;
        const auto listing = shared.ask(
            [&] {
              const int number = ++begun;
              std::this_thread::yield();
              return numbered(number);
            },
            {});
        ++asked;
        if (number_of(*listing) <= before) ++stale;
      }
    });
  threads.clear();
  EXPECT_EQ(stale, 0);
  EXPECT_EQ(asked, 1600);
  EXPECT_LE(begun, 1600);
}

TEST(SharedListings, OneOnItsWayIsNotGivenToWhoComesLater) {
  SharedListings shared;
  std::atomic<bool> on_its_way = false, go_on = false;
  std::jthread first([&] {
    shared.ask(
        [&] {
          on_its_way = true;
          on_its_way.notify_all();
          go_on.wait(false);
          return numbered(1);
        },
        {});
  });
  on_its_way.wait(false);
  std::atomic<int> got = 0;
  std::jthread second([&] { got = number_of(*shared.ask([] { return numbered(2); }, {})); });
  go_on = true;
  go_on.notify_all();
  second.join();
  EXPECT_EQ(got, 2);
}

TEST(SharedListings, AFailureIsOnlyOfWhoMadeIt) {
  SharedListings shared;
  EXPECT_THROW(shared.ask([]() -> Listing { throw Error(ErrorKind::unavailable, "gone"); }, {}), Error);
  EXPECT_EQ(number_of(*shared.ask([] { return numbered(7); }, {})), 7);
}

TEST(SharedListings, WhoWaitsAnswersAStop) {
  SharedListings shared;
  std::atomic<bool> on_its_way = false, go_on = false;
  std::jthread first([&] {
    shared.ask(
        [&] {
          on_its_way = true;
          on_its_way.notify_all();
          go_on.wait(false);
          return numbered(1);
        },
        {});
  });
  on_its_way.wait(false);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(shared.ask([] { return numbered(2); }, stop.get_token()), Error);
  go_on = true;
  go_on.notify_all();
}

}  // namespace
}  // namespace syncflow::mysql
