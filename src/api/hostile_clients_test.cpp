#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <latch>
#include <list>

#include "api/open_files.h"
#include "api/server.h"
#include "core/metrics.h"
#include "testkit/http_client.h"

namespace syncflow::api {
namespace {

using namespace std::chrono_literals;
using ::testing::AnyOf;
using ::testing::Not;
using ::testing::StartsWith;
using testkit::HttpAnswer;
using testkit::HttpClient;

Response echo(const Request& request) {
  return {200, request.method + " " + request.target + " " + request.body, "text/plain", {}};
}

class HostileClients : public ::testing::Test {
 protected:
  void start(Limits limits = {}, Handler handler = echo) {
    server_ = std::make_unique<Server>(Address{"127.0.0.1", 0}, std::move(handler), clock_, limits);
  }
  std::uint16_t port() const { return server_->address().port; }
  void expect_others_are_answered() { EXPECT_EQ(HttpClient(port()).get("/good").body, "GET /good "); }
  /// What comes back until the service closes.
  std::string answer_to(const std::string& bytes) {
    HttpClient client(port());
    client.send(bytes);
    return client.receive_all();
  }

  SystemClock clock_;
  std::unique_ptr<Server> server_;
};

TEST_F(HostileClients, GetNoTwoReadingsOfOneRequest) {
  start();
  const std::string get = "GET /a HTTP/1.1\r\nHost: a\r\n";
  const std::string post = "POST /a HTTP/1.1\r\nHost: a\r\n";
  const std::string smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  const std::vector<std::string> forms = {
      post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: gzip\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding:\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled,
      "POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
      post + "Content-Length: 0\r\nContent-Length: 36\r\n\r\n" + smuggled,
      post + "Content-Length: 36\r\nContent-Length: 36\r\n\r\n" + smuggled,
      post + "Content-Length: 36, 36\r\n\r\n" + smuggled,
      post + "Content-Length: +36\r\n\r\n" + smuggled,
      post + "Content-Length: -1\r\n\r\n" + smuggled,
      post + "Content-Length: 0x24\r\n\r\n" + smuggled,
      post + "Content-Length: 3 6\r\n\r\n" + smuggled,
      post + "Content-Length: \r\n\r\n" + smuggled,
      post + "Content-Length: 18446744073709551616\r\n\r\n" + smuggled,
      post + "Content-Length : 36\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: chunked\r\n\r\n +1\r\na\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: chunked\r\n\r\n\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\na\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" + smuggled,
      post + "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n" + smuggled,
      get + "Host: b\r\n\r\n" + smuggled,
      get + "X: a\rGET /smuggled HTTP/1.1\r\n\r\n",
      get + "X: a\nY: b\r\n\r\n" + smuggled,
      "GET /a HTTP/1.1\nHost: a\n\n" + smuggled,
      get + "X: a" + std::string(1, '\0') + "b\r\n\r\n" + smuggled,
      get + "X" + std::string(1, '\0') + ": b\r\n\r\n" + smuggled,
      get + "X y: b\r\n\r\n" + smuggled,
      get + ": b\r\n\r\n" + smuggled,
      get + "X\r\n\r\n" + smuggled,
      " GET /a HTTP/1.1\r\nHost: a\r\n\r\n" + smuggled,
      "GET  /a HTTP/1.1\r\nHost: a\r\n\r\n" + smuggled,
      "GET /a  HTTP/1.1\r\nHost: a\r\n\r\n" + smuggled,
      "GET /a" + std::string(1, '\0') + " HTTP/1.1\r\nHost: a\r\n\r\n" + smuggled,
      "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n" + smuggled,
      "GET /a HTTP/2.0\r\nHost: a\r\n\r\n" + smuggled,
      "GET /a HTTP/1.2\r\nHost: a\r\n\r\n" + smuggled,
      "GET /a\r\n\r\n" + smuggled,
      "GET * HTTP/1.1\r\nHost: a\r\n\r\n" + smuggled,
      "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n" + smuggled,
      "GET https://a/ HTTP/1.1\r\nHost: b\r\n\r\n" + smuggled,
      "GET a HTTP/1.1\r\nHost: a\r\n\r\n" + smuggled,
  };
  for (const std::string& form : forms) {
    const std::string answer = answer_to(form);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 ")) << form;
    EXPECT_THAT(answer, Not(::testing::HasSubstr("smuggled"))) << form;
  }
  expect_others_are_answered();
}

TEST_F(HostileClients, MayUseTheOddFormsThatAreInTheStandard) {
  start();
  HttpClient client(port());
  const auto body_of = [&](const std::string& bytes) {
    client.send(bytes);
    return client.receive().body;
  };
  const std::string post = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ";
  EXPECT_EQ(body_of(post + "chunked\r\n\r\n1\r\na\r\n000a;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n"),
            "POST /a a0123456789");
  EXPECT_EQ(body_of(post + "CHUNKED\r\n\r\n0\r\n\r\n"), "POST /a ");
  EXPECT_EQ(body_of("GET /b HTTP/1.1\r\nHost:\r\nX:   spaced   \r\nY:\r\n\r\n"), "GET /b ");
  EXPECT_EQ(body_of("GET /c HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"), "GET /c hi");
  EXPECT_EQ(body_of("GET /%zz/%00/J\xC3\xB6rg?%C3%B6=\xC3\xB6 HTTP/1.1\r\nHost: a\r\n\r\n"),
            "GET /%zz/%00/J\xC3\xB6rg?%C3%B6=\xC3\xB6 ");
}

TEST_F(HostileClients, GetEachOfAThousandPipelinedRequestsAnsweredInOrder) {
  start();
  HttpClient client(port());
  std::string all;
  for (int i = 0; i < 1000; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  ASSERT_TRUE(client.send(all));
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(client.receive().body, "GET /" + std::to_string(i) + " ");
}

TEST_F(HostileClients, AreRefusedWithABombOfHeaders) {
  start();
  std::string many = "GET /a HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 10'000; ++i) many += "X" + std::to_string(i) + ": y\r\n";
  for (const std::string& bomb :
       {many + "\r\n", "GET /" + std::string(100'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n",
        std::string(100'000, 'A') + " / HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\n" + std::string(100'000, 'x') + ": y\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(100'000, 'e') +
            "\r\na\r\n"})
    EXPECT_THAT(answer_to(bomb), AnyOf(StartsWith("HTTP/1.1 431 "), StartsWith("HTTP/1.1 400 ")))
        << bomb.size();
  expect_others_are_answered();
}

TEST_F(HostileClients, AreClosedWhenHeadersOrBodyComeByDripsHoweverSteadily) {
  Limits limits;
  limits.idle = limits.body = 100ms;
  start(limits);
  HttpClient headers(port());
  headers.send("GET /a HTTP/1.1\r\nHost: a\r\n");
  // So little at a time that no limit of bytes ends it.
  std::jthread slow([&] {
    for (int i = 0; i < 1000 && headers.send("X:\r\n"); ++i) clock_.sleep(1ms, {});
  });
  HttpClient body(port());
  body.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 1000 && body.send("1\r\na\r\n"); ++i) clock_.sleep(1ms, {});
  EXPECT_FALSE(body.send("1\r\na\r\n"));
  slow.join();
  EXPECT_FALSE(headers.send("X:\r\n"));
  expect_others_are_answered();
}

TEST_F(HostileClients, AreClosedWhenTheyDoNotReadTheirAnswer) {
  Limits limits;
  limits.answer = 200ms;
  start(limits, [](const Request& request) {
    return request.target == "/large" ? Response{200, std::string(20u << 20, 'x'), "text/plain", {}}
                                      : echo(request);
  });
  HttpClient client(port());
  client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  expect_others_are_answered();
  while (metrics::exposition({}).find("\nsyncflow_http_connections 0\n") == std::string::npos)
    clock_.sleep(5ms, {});
  EXPECT_LT(client.receive_all().size(), 20u << 20);
}

TEST_F(HostileClients, ThatHoldMuchMemoryForLongMakeRoom) {
  Limits limits;
  limits.buffered_bytes = 100'000;
  limits.body_bytes = 60'000;
  start(limits);
  std::list<HttpClient> slow;
  for (int i = 0; i < 3; ++i) {
    slow.emplace_back(port()).send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
    EXPECT_EQ(HttpClient(port()).post("/good", "body").body, "POST /good body");
  }
  EXPECT_EQ(slow.front().receive_all(), "") << "it held most for longest";
  slow.back().send(std::string(60'000, 'x'));
  EXPECT_EQ(slow.back().receive().body.size(), 60'008u);
}

/// Requests that wait until they are let go.
class BusyHandlers : public HostileClients {
 protected:
  void start_slow(Limits limits) {
    start(limits, [this, gate = gate_](const Request& request) {
      if (request.target == "/slow") {
        begun_.count_down();
        gate.wait();
      }
      return echo(request);
    });
  }
  HttpClient& ask_slowly(const std::string& from = "127.0.0.1") {
    HttpClient& client = slow_.emplace_back(port(), from);
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    return client;
  }
  void let_go() {
    let_go_.set_value();
    for (HttpClient& client : slow_) EXPECT_EQ(client.receive().body, "GET /slow ");
  }

  std::promise<void> let_go_;
  std::shared_future<void> gate_ = let_go_.get_future().share();
  std::latch begun_{2};
  std::list<HttpClient> slow_;
};

TEST_F(BusyHandlers, AreNotFilledByOneClient) {
  Limits limits;
  limits.requests_of_a_client = 2;
  start_slow(limits);
  ask_slowly();
  ask_slowly();
  begun_.wait();
  HttpClient third(port());
  const HttpAnswer refused = third.get("/more");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_EQ(refused.headers.at("content-type"), "application/problem+json");
  EXPECT_EQ(HttpClient(port(), "127.0.0.2").get("/other").body, "GET /other ");
  let_go();
  EXPECT_EQ(third.get("/again").body, "GET /again ") << "the connection goes on";
}

TEST_F(BusyHandlers, SayWhenTheyAreSaturated) {
  Limits limits;
  limits.requests = 2;
  start_slow(limits);
  ask_slowly();
  ask_slowly("127.0.0.2");
  begun_.wait();
  HttpClient third(port(), "127.0.0.3");
  const HttpAnswer refused = third.get("/more");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.count("retry-after"), 1u);
  let_go();
  EXPECT_EQ(third.get("/again").body, "GET /again ");
}

TEST_F(BusyHandlers, SurviveClientsThatGoBeforeTheirAnswer) {
  start_slow({});
  ask_slowly();
  ask_slowly();
  begun_.wait();
  slow_.clear();
  let_go();
  expect_others_are_answered();
}

TEST_F(HostileClients, ThatSendBodiesWithoutEndDoNotKeepOthersOut) {
  Limits limits;
  limits.connections = 8;
  start(limits);
  std::list<HttpClient> slow;
  for (int i = 0; i < 20; ++i)
    slow.emplace_back(port()).send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab");
  expect_others_are_answered();
}

/// Bytes of this process's memory that are in use.
std::size_t resident_bytes() {
  std::size_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * 4096;
}

TEST_F(HostileClients, InTheThousandsLeaveAGoodOneAnswered) {
  constexpr std::size_t kClients = 5000;
  const std::size_t files = raise_open_files(2 * kClients + 500);
  const std::size_t clients = std::min(kClients, files / 2 - 100);
  Limits limits;
  limits.connections = clients;
  start(limits);
  HttpClient good(port());
  EXPECT_EQ(good.get("/before").body, "GET /before ");
  const std::size_t before = resident_bytes();
  std::list<HttpClient> idle;
  for (std::size_t i = 0; i < clients + 100; ++i) {
    idle.emplace_back(port());
    if (i % 2 == 0) idle.back().send("GET /a HTTP/1.1\r\nHost: ");
    if (i % 500 == 0) {
      EXPECT_EQ(good.get("/among").body, "GET /among ");
    }
  }
  const auto began = clock_.monotonic();
  EXPECT_EQ(good.get("/after").body, "GET /after ");
  EXPECT_EQ(HttpClient(port()).get("/new").body, "GET /new ");
  EXPECT_LT(clock_.monotonic() - began, 2s);
  EXPECT_LT(resident_bytes() - before, 200u << 20) << "a sanitizer needs several times what it takes without";
}

}  // namespace
}  // namespace syncflow::api
