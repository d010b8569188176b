// The network between the service and its PostgreSQL store drops, delays, truncates and half-closes, at every step, at
// random bytes, and where an answer tells that something was committed. The service lives on and recovers by itself;
// afterwards both ends are equal, a further run writes nothing, and every interruption was told with its cause.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <boost/url.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/text.h"
#include "support/runs.h"
#include "support/two_tables.h"
#include "testkit/cut_proxy.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::HasSubstr;
using testkit::Cut;
using testkit::CutProxy;
using testkit::Fault;
using testkit::Way;

/// Two SQLite files as ends, so that nothing but the store is behind the proxy.
class CutStore : public TwoTables {
 protected:
  void SetUp() override {
    if (!is_set(kPostgresqlUrl)) GTEST_SKIP() << not_set(kPostgresqlUrl);
    store_database_ = make_postgresql_database();
    boost::urls::url url(store_database_->address());
    proxy_.emplace(std::string(url.host()), url.port_number());
    url.set_port_number(proxy_->port());
    store = std::string(url.buffer()) + "?connect_timeout=2&silence_timeout=2";
    place_ = fmt::format("127.0.0.1:{}", proxy_->port());
    engine = "{workers: 2, lease: 5s, heartbeat: 500ms}";
    max_retries = 20;
    begin(System::sqlite, System::sqlite);
    add_items(1, 100, "first");
    add_tags(1, 20);
    run_syncs();
    store_session_ = store_database_->log_in();
  }

  /// What the log says of trouble with the store. (Standard output names the store, too.)
  std::vector<std::string> told_by(const Process& process) const {
    std::vector<std::string> lines;
    for (const std::string& line : split(process.err(), '\n'))
      if (line.find(place_) != std::string::npos) lines.push_back(line);
    return lines;
  }
  /// Waits for more than `before` lines of that.
  void wait_until_told(Service& service, std::size_t before = 0) const {
    service.process.wait_until("the cut is told", [&] { return told_by(service.process).size() > before; });
  }
  void expect_causes(const Process& process) const {
    EXPECT_THAT(told_by(process),
                Each(AnyOf(HasSubstr("was silent for"), HasSubstr("closed the connection"),
                           HasSubstr("reset by peer"), HasSubstr("did not answer within"),
                           HasSubstr("Connection refused"), HasSubstr("synchronization"),
                           HasSubstr("Broken pipe"), HasSubstr("got free"), HasSubstr("connection was lost"),
                           HasSubstr("the worker was lost"))));
  }

  void wait_until_equal(Service& service) {
    service.process.wait_until("both ends are equal", [&] { return differences().empty(); });
  }
  /// By itself; and nothing was lost, nor done twice.
  void expect_to_go_on(Service& service) {
    wait_until_equal(service);
    EXPECT_EQ(service.stop(), Exit{0}) << service.process.story();
    expect_causes(service.process);
    run_syncs();
    expect_equal();
    expect_quiet();
    EXPECT_EQ(overlapping_runs(*store_session_), "");
    EXPECT_EQ(count("data_sync_jobs WHERE status = 'failed'"), 0);
  }

  int count(const std::string& what) const {
    return std::stoi(store_session_->value("SELECT count(*) FROM " + what));
  }

  /// A service that calls the proxy when it comes to the failpoint.
  Service serve_with_call(const std::string& failpoint) {
    environment["SYNCFLOW_FAILPOINT"] = fmt::format("{}=call:{}", failpoint, proxy_->signal_port());
    Service service = serve();
    environment.erase("SYNCFLOW_FAILPOINT");
    return service;
  }

  void cut_at_random_bytes(int rounds, unsigned seed) {
    fmt::print("seed {}\n", seed);
    std::mt19937 random(seed);
    Service service = serve();
    for (int round = 1; round <= rounds; ++round) {
      const Way way = random() % 2 == 0 ? Way::to_server : Way::to_client;
      const Cut cut = testkit::kCuts[random() % testkit::kCuts.size()];
      const bool lasting = random() % 2 == 0;
      SCOPED_TRACE(fmt::format("round {}: {}", round, testkit::name_of(cut)));
      const std::size_t before = told_by(service.process).size();
      proxy_->arm({.cut = cut, .way = way, .after_bytes = random() % 10'000, .lasting = lasting});
      change(round);
      ASSERT_TRUE(proxy_->wait_until_fired(60s));
      // One connection that is lost may be the one that only listens, which nobody misses.
      if (lasting) {
        wait_until_told(service, before);
        proxy_->heal();
      }
      wait_until_equal(service);
      proxy_->heal();
      if (HasFailure()) return;
    }
    EXPECT_FALSE(told_by(service.process).empty());
    expect_to_go_on(service);
  }

  std::unique_ptr<Database> store_database_;
  std::unique_ptr<Session> store_session_;
  std::optional<CutProxy> proxy_;
  std::string place_;
};

struct Moment {
  const char* point;
  Cut cut;
};
std::ostream& operator<<(std::ostream& out, const Moment& moment) {
  return out << testkit::name_of(moment.cut) << " at " << moment.point;
}

class CutStoreAt : public CutStore, public ::testing::WithParamInterface<Moment> {};

TEST_P(CutStoreAt, IsOutlivedByTheService) {
  proxy_->arm({.cut = GetParam().cut, .on_signal = true, .lasting = true});
  change(1);
  Service service = serve_with_call(GetParam().point);
  ASSERT_TRUE(proxy_->wait_until_fired(60s)) << "it never came to " << GetParam().point;
  wait_until_told(service);
  proxy_->heal();
  expect_to_go_on(service);
}

std::vector<Moment> moments_of_long_form() {
  std::vector<Moment> all;
  for (const char* point :
       {"pipeline.after_read", "pipeline.before_write", "pipeline.after_write", "pipeline.before_commit",
        "store.position", "pipeline.after_commit", "worker.before_finish", "store.job_state"})
    for (const Cut cut : testkit::kCuts) all.push_back({point, cut});
  return all;
}

std::string name_of_moment(const ::testing::TestParamInfo<Moment>& instance) {
  std::string name = fmt::format("{}_{}", testkit::name_of(instance.param.cut), instance.param.point);
  for (char& c : name)
    if (c == '.') c = '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(ShortForm, CutStoreAt,
                         ::testing::Values(Moment{"pipeline.before_write", Cut::close},
                                           Moment{"store.position", Cut::black_hole},
                                           Moment{"pipeline.after_commit", Cut::half_server},
                                           Moment{"worker.before_finish", Cut::reset},
                                           Moment{"store.job_state", Cut::half_client}),
                         name_of_moment);
INSTANTIATE_TEST_SUITE_P(LongForm, CutStoreAt, ::testing::ValuesIn(moments_of_long_form()), name_of_moment);

TEST_F(CutStore, IsTheCauseThatTheRunShows) {
  proxy_->arm({.cut = Cut::reset, .on_signal = true, .lasting = true});
  change(1);
  Service service = serve_with_call("store.position");
  // So long that the run gives up; its end can be noted again.
  service.process.wait_for_line("A table could not be brought up to date.");
  proxy_->heal();
  expect_to_go_on(service);
  EXPECT_GE(count(fmt::format("sync_runs WHERE error LIKE '%{}%'", place_)), 1);
}

TEST_F(CutStore, AtRandomBytes) { cut_at_random_bytes(4, 20'240'229); }
TEST_F(CutStore, AtRandomBytesHundredTimes) { cut_at_random_bytes(100, std::random_device{}()); }

TEST_F(CutStore, ThatRefusesConnectionsIsNamed) {
  proxy_->refuse();
  const Finished refused = run({"run", "--json"});
  EXPECT_EQ(refused.exit.signal, 0) << refused;
  EXPECT_NE(refused.exit.code, 0) << refused;
  EXPECT_THAT(refused.err, HasSubstr(place_)) << refused;
  proxy_->heal();
  Service service = serve();
  proxy_->refuse();
  change(1);
  service.process.wait_for_line("The queue cannot be read; trying again.");
  proxy_->heal();
  expect_to_go_on(service);
}

TEST_F(CutStore, ThatIsSlowIsNoTrouble) {
  proxy_->delay(20ms);
  change(1);
  run_syncs();
  expect_equal();
  proxy_->heal();
  expect_quiet();
}

/// A call of the store that commits by itself, whose answer is lost, or which is lost on its way.
struct LostCall {
  const char* name;
  /// What is seen of the call on the wire; the statements' texts are sent only once.
  Way way;
  std::string pattern;
  Fault::At at;
};
std::ostream& operator<<(std::ostream& out, const LostCall& call) { return out << call.name; }

/// How a parameter goes over the wire.
std::string parameter(const std::string& text) {
  return std::string(3, '\0') + static_cast<char>(text.size()) + text;
}

class CutCall : public CutStore, public ::testing::WithParamInterface<LostCall> {
 protected:
  std::string pattern() const {
    if (!GetParam().pattern.empty()) return GetParam().pattern;
    // Sent by nothing else than the commit of a batch of `items`.
    return store_session_->value("SELECT fingerprint_data FROM sync_mappings WHERE mapping LIKE 'items%'");
  }
};

TEST_P(CutCall, IsDoneOnce) {
  Service service = serve();
  int round = 0;
  for (const Cut cut : {Cut::close, Cut::black_hole}) {
    SCOPED_TRACE(testkit::name_of(cut));
    const std::string last = store_session_->value("SELECT max(seq) FROM sync_runs");
    const std::size_t before = told_by(service.process).size();
    proxy_->arm({.cut = cut, .way = GetParam().way, .pattern = pattern(), .at = GetParam().at});
    rename_items("id <= 40", fmt::format("round {}", ++round));
    ASSERT_TRUE(proxy_->wait_until_fired(60s)) << "it was never called";
    wait_until_told(service, before);
    wait_until_equal(service);
    const std::string since = fmt::format("sync_runs WHERE seq > {}", last);
    service.process.wait_until("its end is noted", [&] {
      return count(since) > 0 && count(since + " AND finished_at IS NULL") == 0;
    });
    // The service knows it too: its second try was not only done, but answered.
    service.process.wait_until("the call is over", [&] {
      std::size_t answered = 0;
      for (const std::string& line : split(service.process.err(), '\n'))
        answered += line.find("The store answered after all.") != std::string::npos ? 1 : 0;
      return answered >= static_cast<std::size_t>(round);
    });
    // Not lost, not twice, and no lease had to run out for it.
    EXPECT_EQ(store_session_->value("SELECT sum(written) FROM " + since), "40");
    EXPECT_EQ(count(since + " AND status <> 'completed'"), 0);
    proxy_->heal();
    if (HasFailure()) return;
  }
  expect_to_go_on(service);
}

INSTANTIATE_TEST_SUITE_P(
    Of, CutCall,
    ::testing::Values(LostCall{"commit_lost", Way::to_server, "", Fault::At::before},
                      LostCall{"commit_unanswered", Way::to_server, "", Fault::At::answer},
                      // Only the answer to a claim that took something tells of a job in that state.
                      LostCall{"claim_unanswered", Way::to_client, "processing", Fault::At::before},
                      LostCall{"finish_lost", Way::to_server, parameter("completed"), Fault::At::before},
                      LostCall{"finish_unanswered", Way::to_server, parameter("completed"),
                               Fault::At::answer}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace syncflow::tests
