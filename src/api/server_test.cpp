#include "api/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <memory>
#include <vector>

#include "core/error.h"
#include "testkit/http_client.h"

namespace syncflow::api {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using testkit::HttpAnswer;
using testkit::HttpClient;

Response echo(const Request& request) {
  Response response;
  response.content_type = "text/plain";
  response.body = request.method + " " + request.target + " " + request.body;
  return response;
}

class HttpServer : public ::testing::Test {
 protected:
  std::unique_ptr<Server> start(Handler handler = echo, Limits limits = {}, IsQuick is_quick = {}) {
    return std::make_unique<Server>(Address{"127.0.0.1", 0}, std::move(handler), clock_, limits,
                                    std::move(is_quick));
  }

  SystemClock clock_;
};

TEST_F(HttpServer, AnswersSeveralRequestsOnOneConnection) {
  const auto server = start();
  HttpClient client(server->address().port);
  EXPECT_EQ(client.get("/a?b=c").body, "GET /a?b=c ");
  const HttpAnswer posted = client.post("/d", "body");
  EXPECT_EQ(posted.body, "POST /d body");
  EXPECT_EQ(posted.headers.at("content-type"), "text/plain");
  EXPECT_THAT(posted.headers.at("date"), HasSubstr(" GMT"));
}

TEST_F(HttpServer, AnswersRequestsThatWereSentInOnePieceInTheirOrder) {
  const auto server = start();
  HttpClient client(server->address().port);
  client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
  EXPECT_EQ(client.receive().body, "GET /1 ");
  EXPECT_EQ(client.receive().body, "POST /2 hi");
}

TEST_F(HttpServer, LeavesTheBodyOutForHeadAndSaysHowLongItWouldBe) {
  const auto server = start();
  HttpClient client(server->address().port);
  const HttpAnswer answer = client.request("HEAD", "/a", "", {});
  EXPECT_EQ(answer.headers.at("content-length"), "8");
  EXPECT_EQ(client.get("/b").body, "GET /b ") << "no body of HEAD stands before this answer";
}

TEST_F(HttpServer, ClosesAfterTheAnswerWhenTheClientAsksForIt) {
  const auto server = start();
  HttpClient client(server->address().port);
  EXPECT_EQ(client.get("/a", {{"Connection", "close"}}).headers.at("connection"), "close");
  EXPECT_EQ(client.receive_all(), "");
}

TEST_F(HttpServer, RefusesWhatIsNoRequestWith400) {
  const auto server = start();
  for (const char* broken :
       {"what is this\r\n\r\n", "GET /a HTTP/1.1\r\n\r\n", "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    HttpClient client(server->address().port);
    client.send(broken);
    EXPECT_THAT(client.receive_all(), StartsWith("HTTP/1.1 400 Bad Request")) << broken;
  }
}

TEST_F(HttpServer, RefusesHeadersOverTheLimitWith431) {
  const auto server = start();
  HttpClient client(server->address().port);
  client.send("GET /a HTTP/1.1\r\nHost: a\r\nX: " + std::string(64 * 1024, 'x') + "\r\n\r\n");
  EXPECT_EQ(client.receive().status, 431);
}

TEST_F(HttpServer, RefusesABodyOverTheLimitWith413WhichArrivesThoughTheClientStillSends) {
  const auto server = start();
  HttpClient announced(server->address().port);
  announced.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n" +
                 std::string(500'000, 'x'));
  EXPECT_EQ(announced.receive().status, 413);
  HttpClient chunked(server->address().port);
  chunked.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1E8480\r\n" +
               std::string(2'000'000, 'x'));
  EXPECT_EQ(chunked.receive().status, 413);
}

TEST_F(HttpServer, InvitesABodyThatAsksForLeaveFirst) {
  const auto server = start();
  HttpClient client(server->address().port);
  client.send("POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  client.send("hi");
  EXPECT_EQ(client.receive().body, "POST /a hi");
}

TEST_F(HttpServer, AnswersAHandlersExceptionWith500AndKeepsWhatItSaysToItself) {
  const auto server = start([](const Request&) -> Response { throw std::runtime_error("the inner secret"); });
  HttpClient client(server->address().port);
  ::testing::internal::CaptureStderr();
  const HttpAnswer answer = client.get("/a");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("the inner secret")) << "the log has it";
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.headers.at("content-type"), "application/problem+json");
  EXPECT_EQ(answer.body.find("secret"), std::string::npos);
}

TEST_F(HttpServer, ClosesAConnectionThatNeverFinishesItsRequest) {
  Limits limits;
  limits.idle = std::chrono::milliseconds(50);
  limits.body = std::chrono::milliseconds(50);
  const auto server = start(echo, limits);
  HttpClient slow_headers(server->address().port);
  slow_headers.send("GET /a HTT");
  EXPECT_EQ(slow_headers.receive_all(), "");
  HttpClient slow_body(server->address().port);
  slow_body.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(slow_body.receive_all(), "");
}

TEST_F(HttpServer, ClosesTheLongestWaitingConnectionWhenThereAreTooMany) {
  Limits limits;
  limits.connections = 2;
  const auto server = start(echo, limits);
  HttpClient oldest(server->address().port);
  oldest.get("/1");
  HttpClient newer(server->address().port);
  newer.get("/2");
  oldest.get("/3");  // now `newer` has waited longer
  HttpClient newest(server->address().port);
  EXPECT_EQ(newest.get("/4").body, "GET /4 ");
  EXPECT_EQ(newer.receive_all(), "");
  EXPECT_EQ(oldest.get("/5").body, "GET /5 ");
}

TEST_F(HttpServer, AnswersOthersWhileAHandlerTakesItsTime) {
  std::promise<void> let_go;
  const auto gate = let_go.get_future().share();
  const auto server = start([gate](const Request& request) {
    if (request.target == "/slow") gate.wait();
    return echo(request);
  });
  HttpClient slow(server->address().port);
  slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  HttpClient quick(server->address().port);
  EXPECT_EQ(quick.get("/quick").body, "GET /quick ");
  let_go.set_value();
  EXPECT_EQ(slow.receive().body, "GET /slow ");
}

TEST_F(HttpServer, AnswersWhatIsQuickWhileEveryHandlerIsBusyAndAllRequestsAreTaken) {
  std::promise<void> let_go;
  const auto gate = let_go.get_future().share();
  Limits limits;
  limits.requests = 4;
  std::latch busy(4);
  const auto server = start(
      [&, gate](const Request& request) {
        if (request.target == "/slow") {
          busy.count_down();
          gate.wait();
        }
        return echo(request);
      },
      limits, [](const Request& request) { return request.path() == "/quick"; });
  std::vector<std::unique_ptr<HttpClient>> slow;
  for (int i = 0; i < 4; ++i) {
    slow.push_back(std::make_unique<HttpClient>(server->address().port));
    slow.back()->send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  busy.wait();
  HttpClient probe(server->address().port);
  EXPECT_EQ(probe.get("/other").status, 503);
  EXPECT_EQ(probe.get("/quick?a").body, "GET /quick?a ");
  EXPECT_EQ(probe.post("/quick", "body").body, "POST /quick body");
  let_go.set_value();
  for (const auto& client : slow) EXPECT_EQ(client->receive().body, "GET /slow ");
}

TEST_F(HttpServer, LetsAnAnswerOnItsWayArriveWhenItStopsAndClosesTheIdleAtOnce) {
  std::promise<void> let_go;
  const auto gate = let_go.get_future().share();
  std::latch arrived(1);
  auto server = start([&, gate](const Request& request) {
    if (request.target == "/slow") {
      arrived.count_down();
      gate.wait();
    }
    return echo(request);
  });
  HttpClient idle(server->address().port);
  idle.get("/a");
  HttpClient busy(server->address().port);
  busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  arrived.wait();
  server->stop();
  EXPECT_EQ(idle.receive_all(), "");
  let_go.set_value();
  const HttpAnswer answer = busy.receive();
  EXPECT_EQ(answer.body, "GET /slow ");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  const std::uint16_t port = server->address().port;
  server.reset();
  EXPECT_THROW(HttpClient{port}, std::runtime_error);
}

TEST_F(HttpServer, NamesTheAddressThatIsTaken) {
  const auto server = start();
  try {
    Server second(server->address(), echo, clock_);
    FAIL() << "two servers on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    EXPECT_THAT(error.what(), HasSubstr("cannot listen on 127.0.0.1:"));
    EXPECT_THAT(error.what(), HasSubstr("another program listens there"));
  }
}

TEST(ListenAddress, IsReadInTheFormsThatPeopleWrite) {
  EXPECT_EQ(to_text(parse_address("127.0.0.1:80")), "127.0.0.1:80");
  EXPECT_EQ(to_text(parse_address("[::1]:3001")), "[::1]:3001");
  EXPECT_EQ(to_text(parse_address(":3001")), "0.0.0.0:3001");
  EXPECT_EQ(to_text(parse_address("8080")), "127.0.0.1:8080");
  for (const char* wrong :
       {"", "localhost", "127.0.0.1:", "127.0.0.1:70000", "::1:80", "1.2.3.4:8o", "[x]:80"})
    EXPECT_THROW(parse_address(wrong), Error) << wrong;
}

}  // namespace
}  // namespace syncflow::api
