#include "provider/session_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/error.h"
#include "testkit/fake_clock.h"

namespace syncflow {
namespace {

using namespace std::chrono_literals;

/// Counts how many live, and who uses them.
class Login : public SessionPool::Session {
 public:
  Login() { ++living; }
  ~Login() override { --living; }
  Login(const Login&) = delete;
  Login& operator=(const Login&) = delete;

  static inline std::atomic<int> living = 0;
  std::atomic<int> users = 0;
};

class SessionPoolTest : public ::testing::Test {
 protected:
  static SessionPool::Limits at_most(std::size_t most_open) {
    SessionPool::Limits limits;
    limits.most_open = most_open;
    return limits;
  }
  static SessionPool::Place logged_in(SessionPool& pool, const char* kind = "reader") {
    SessionPool::Place place = pool.take(kind, {});
    if (!place.session) place.session = std::make_unique<Login>();
    return place;
  }

  testkit::FakeClock clock_{testkit::FakeClock::Sleep::waits};
};

TEST_F(SessionPoolTest, GivesOutAgainWhatWasKept) {
  SessionPool pool("connection shop", {}, clock_);
  SessionPool::Place place = logged_in(pool);
  const SessionPool::Session* first = place.session.get();
  pool.keep("reader", std::move(place));
  EXPECT_EQ(pool.take("writer", {}).session, nullptr) << "a login is for what it was set up for";
  EXPECT_EQ(pool.take("reader", {}).session.get(), first);
  EXPECT_EQ(Login::living, 0);
  EXPECT_EQ(pool.open(), 0U);
}

TEST_F(SessionPoolTest, ClosesWhatWaitedTooLong) {
  SessionPool pool("connection shop", {}, clock_);
  pool.keep("reader", logged_in(pool));
  clock_.advance(59s);
  pool.close_idle();
  EXPECT_EQ(Login::living, 1);
  clock_.advance(1s);
  pool.close_idle();
  EXPECT_EQ(Login::living, 0);
  EXPECT_EQ(pool.open(), 0U);
}

TEST_F(SessionPoolTest, UsesNoLoginForLongerThanItsLife) {
  SessionPool pool("connection shop", {}, clock_);
  for (int minute = 0; minute < 20; ++minute) {
    pool.keep("reader", logged_in(pool));
    clock_.advance(50s);
  }
  pool.keep("reader", logged_in(pool));
  clock_.advance(14min);
  EXPECT_EQ(pool.take("reader", {}).session, nullptr);
  EXPECT_EQ(Login::living, 0);
}

TEST_F(SessionPoolTest, TakesAllOfAKindForBrokenOnceOneIs) {
  SessionPool pool("connection shop", {}, clock_);
  {
    SessionPool::Place one = logged_in(pool), two = logged_in(pool), other = logged_in(pool, "writer");
    pool.keep("reader", std::move(one));
    pool.keep("reader", std::move(two));
    pool.keep("writer", std::move(other));
  }
  EXPECT_EQ(pool.take_fresh("reader", {}).session, nullptr);
  EXPECT_EQ(Login::living, 1);
  EXPECT_NE(pool.take("writer", {}).session, nullptr);
}

TEST_F(SessionPoolTest, LetsAnIdleLoginMakeRoomForAnotherKind) {
  SessionPool pool("connection shop", at_most(1), clock_);
  pool.keep("reader", logged_in(pool));
  const SessionPool::Place place = pool.take("writer", {});
  EXPECT_EQ(place.session, nullptr);
  EXPECT_EQ(Login::living, 0);
  EXPECT_EQ(pool.open(), 1U);
}

TEST_F(SessionPoolTest, AnswersAStopWhileAllAreInUse) {
  SessionPool pool("connection shop", at_most(1), clock_);
  const SessionPool::Place place = logged_in(pool);
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  try {
    pool.take("reader", stop.get_token());
    FAIL() << "a second one was given out";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
}

TEST_F(SessionPoolTest, NeverHasMoreOpenThanAllowedNorGivesOneToTwo) {
  SessionPool pool("connection shop", at_most(3), clock_);
  std::atomic<int> most = 0, shared = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int turn = 0; turn < 200; ++turn) {
        const char* kind = (i + turn) % 3 == 0 ? "writer" : "reader";
        SessionPool::Place place = logged_in(pool, kind);
        auto& login = static_cast<Login&>(*place.session);
        if (++login.users != 1) ++shared;
        int seen = most;
        while (Login::living > seen && !most.compare_exchange_weak(seen, Login::living)) {
        }
        --login.users;
        if (turn % 5 != 0) pool.keep(kind, std::move(place));
      }
    });
  threads.clear();
  EXPECT_LE(most, 3);
  EXPECT_EQ(shared, 0);
  EXPECT_EQ(pool.open(), pool.idle());
}

}  // namespace
}  // namespace syncflow
