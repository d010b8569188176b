// The network between the program and each end drops, delays, truncates and half-closes, at every step and at random
// bytes. Afterwards both ends are equal, a further run writes nothing, and every interruption was told with its cause.

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/url.hpp>
#include <csignal>
#include <random>

#include "support/two_tables.h"
#include "testkit/cut_proxy.h"

namespace syncflow::tests {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using testkit::Cut;
using testkit::CutProxy;
using testkit::Fault;
using testkit::Way;

constexpr std::array kSystems = {System::postgresql, System::mariadb, System::mysql};
constexpr std::array kPoints = {"pipeline.after_read",    "pipeline.before_write", "pipeline.after_write",
                                "pipeline.before_commit", "pipeline.after_commit", "worker.before_finish"};

enum class End { source, destination };

/// One end is a server behind the proxy, the other a SQLite file.
class CutNetwork : public TwoTables {
 protected:
  void begin_behind_proxy(System system, End end) {
    max_retries = 0;
    if (end == End::source) begin(system, System::sqlite);
    else begin(System::sqlite, system);
    Database& server = end == End::source ? *source_database_ : *destination_database_;
    boost::urls::url url(server.address());
    proxy_.emplace(std::string(url.host()), url.port_number());
    url.set_port_number(proxy_->port());
    place_ = fmt::format("127.0.0.1:{}", proxy_->port());
    (end == End::source ? here : there) =
        fmt::format("{{provider: {}, url: \"{}\", silence_timeout: 2}}",
                    system == System::postgresql ? "postgresql" : "mysql", std::string(url.buffer()));
    configure();
    add_items(1, 100, "first");
    add_tags(1, 20);
  }

  /// A run that may be hit. One that was says where, and what happened; whether it was.
  bool run_hit() {
    const Finished finished = run({"run", "--json"});
    EXPECT_EQ(finished.exit.signal, 0) << finished;
    if (finished.exit.code == 0) return false;
    std::string told;
    for (const Report& report : finished.reports()) told += report.error + "\n";
    EXPECT_THAT(told, HasSubstr(place_)) << finished;
    EXPECT_THAT(told, AnyOf(HasSubstr("silen"), HasSubstr("lost"), HasSubstr("Lost"), HasSubstr("closed"),
                            HasSubstr("reset"), HasSubstr("gone"), HasSubstr("did not answer"),
                            HasSubstr("Broken pipe"), HasSubstr("receive"), HasSubstr("synchronization"),
                            HasSubstr("communication packets"), HasSubstr("Can't connect"),
                            HasSubstr("malformed packet"), HasSubstr("EOF")))
        << finished;
    // Before the first table, or at one.
    EXPECT_THAT(finished.err,
                AnyOf(HasSubstr("A table could not be brought up to date."), HasSubstr("A sync failed.")))
        << finished;
    const Finished runs = run({"jobs", "list", "--json"});
    EXPECT_THAT(runs.out, HasSubstr(place_)) << runs;
    return true;
  }

  void expect_to_go_on() {
    proxy_->heal();
    run_syncs();
    expect_equal();
    expect_quiet();
  }

  void cut_at_each_point(bool each_cut) {
    int round = 0, hits = 0;
    for (const char* point : kPoints)
      for (std::size_t kind = 0; kind < (each_cut ? testkit::kCuts.size() : 1); ++kind) {
        const Cut cut =
            testkit::kCuts[each_cut ? kind : static_cast<std::size_t>(round) % testkit::kCuts.size()];
        SCOPED_TRACE(fmt::format("{} at {}", testkit::name_of(cut), point));
        change(++round);
        proxy_->arm({.cut = cut, .on_signal = true, .lasting = true});
        environment["SYNCFLOW_FAILPOINT"] = fmt::format("{}=call:{}", point, proxy_->signal_port());
        hits += run_hit() ? 1 : 0;
        EXPECT_TRUE(proxy_->fired()) << "it never came to " << point;
        environment.erase("SYNCFLOW_FAILPOINT");
        expect_to_go_on();
        if (HasFailure()) return;
      }
    EXPECT_GT(hits, 0);
  }

  void cut_at_random_bytes(int rounds, unsigned seed) {
    fmt::print("seed {}\n", seed);
    std::mt19937 random(seed);
    for (int round = 1; round <= rounds; ++round) {
      const Way way = random() % 2 == 0 ? Way::to_server : Way::to_client;
      const Cut cut = testkit::kCuts[random() % testkit::kCuts.size()];
      const std::uint64_t bytes = random() % 20'000;
      SCOPED_TRACE(fmt::format("round {}: {} after {} bytes to the {}", round, testkit::name_of(cut), bytes,
                               way == Way::to_server ? "server" : "client"));
      change(round);
      proxy_->arm({.cut = cut, .way = way, .after_bytes = bytes, .lasting = random() % 2 == 0});
      run_hit();
      expect_to_go_on();
      if (HasFailure()) return;
    }
  }

  std::optional<CutProxy> proxy_;
  std::string place_;
};

class CutAt : public CutNetwork, public ::testing::WithParamInterface<std::pair<System, End>> {
 protected:
  void SetUp() override {
    const auto [system, end] = GetParam();
    if (!is_set(variable_of(system))) GTEST_SKIP() << not_set(variable_of(system));
    begin_behind_proxy(system, end);
  }
};

TEST_P(CutAt, OneStepAfterTheOther) { cut_at_each_point(false); }
TEST_P(CutAt, EachStepInEachWay) { cut_at_each_point(true); }
TEST_P(CutAt, RandomBytes) { cut_at_random_bytes(5, 20'240'229); }
TEST_P(CutAt, RandomBytesThirtyTimes) { cut_at_random_bytes(30, std::random_device{}()); }

/// In the middle of a stream, a stop is answered within a second although nothing comes any more. The clock here also
/// counts the end of the process, with its sanitizers, on a machine that may be loaded: that is what the slack is for. It
/// stays far below the silence that the program would bear by itself.
TEST_P(CutAt, SilenceStillStops) {
  change(1);
  here = here.empty() ? here : here.substr(0, here.find(", silence_timeout")) + "}";
  there = there.empty() ? there : there.substr(0, there.find(", silence_timeout")) + "}";
  configure();
  proxy_->arm({.cut = Cut::black_hole, .way = Way::to_client, .after_bytes = 3000, .lasting = true});
  Process process = start({"run", "--json"});
  ASSERT_TRUE(proxy_->wait_until_fired(30s));
  const auto asked = std::chrono::steady_clock::now();
  process.signal(SIGTERM);
  const Exit exit = process.wait();
  constexpr auto kAnswer = 1s, kSlack = 2s;
  EXPECT_LT(std::chrono::steady_clock::now() - asked, kAnswer + kSlack) << process.story();
  EXPECT_EQ(exit, Exit{130}) << process.story();
  expect_to_go_on();
}

TEST_P(CutAt, RefusedConnectionsAndSlowOnes) {
  proxy_->refuse();
  const Finished refused = run({"run", "--json"});
  EXPECT_NE(refused.exit.code, 0);
  EXPECT_THAT(refused.out, HasSubstr(place_)) << refused;
  proxy_->heal();
  proxy_->delay(5ms);
  run_syncs();
  expect_to_go_on();
}

INSTANTIATE_TEST_SUITE_P(Of, CutAt, ::testing::ValuesIn([] {
                           std::vector<std::pair<System, End>> all;
                           for (const System system : kSystems)
                             for (const End end : {End::source, End::destination})
                               all.emplace_back(system, end);
                           return all;
                         }()),
                         [](const auto& instance) {
                           return std::string(name_of(instance.param.first)) +
                                  (instance.param.second == End::source ? "_source" : "_destination");
                         });

/// The fate of a COMMIT is not known: it never came, or its answer never came.
class CutCommit : public CutNetwork, public ::testing::WithParamInterface<System> {};

TEST_P(CutCommit, IsRepeatedToNoEffect) {
  if (!is_set(variable_of(GetParam()))) GTEST_SKIP() << not_set(variable_of(GetParam()));
  begin_behind_proxy(GetParam(), End::destination);
  run_syncs();
  // In a message of its own: tables of ours are made ON COMMIT DROP.
  const std::string commit =
      GetParam() == System::postgresql ? std::string("COMMIT\0", 7) : std::string("\x03") + "COMMIT";
  int round = 0;
  for (const auto at : {Fault::At::before, Fault::At::behind, Fault::At::answer})
    for (const Cut cut : {Cut::close, Cut::black_hole}) {
      SCOPED_TRACE(fmt::format("{} at {}", testkit::name_of(cut), static_cast<int>(at)));
      change(++round);
      proxy_->arm({.cut = cut, .pattern = commit, .at = at});
      const Finished finished = run({"run", "--json"});
      EXPECT_TRUE(proxy_->fired());
      EXPECT_NE(finished.exit.code, 0) << finished;
      EXPECT_THAT(finished.out, HasSubstr("COMMIT was not answered: its rows are there or not")) << finished;
      if (at == Fault::At::answer) {
        EXPECT_NE(
            destination_->value(fmt::format("SELECT count(*) FROM items WHERE name = 'round {}'", round)),
            "0");
      }
      expect_to_go_on();
      if (HasFailure()) return;
    }
}

INSTANTIATE_TEST_SUITE_P(Of, CutCommit, ::testing::ValuesIn(kSystems),
                         [](const auto& instance) { return std::string(name_of(instance.param)); });

}  // namespace
}  // namespace syncflow::tests
