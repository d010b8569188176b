#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <string>

#include "drivers/libpq/session.h"

namespace syncflow::libpq {
namespace {

using namespace std::chrono_literals;

/// A server that takes one connection, waits for its first message, and answers with these bytes.
class OneAnswer {
 public:
  explicit OneAnswer(std::string answer) : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 1) != 0)
      throw Error(ErrorKind::bug, "the test cannot listen");
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    served_ = std::async(std::launch::async, [listener = listener_, answer = std::move(answer)] {
      const int client = accept(listener, nullptr, nullptr);
      char first[1024];
      if (read(client, first, sizeof first) > 0 && !answer.empty())
        (void)!write(client, answer.data(), answer.size());
      // With nothing to say it stays silent until the client gives up.
      while (read(client, first, sizeof first) > 0) {
      }
      close(client);
    });
  }
  ~OneAnswer() {
    shutdown(listener_, SHUT_RDWR);
    served_.wait();
    close(listener_);
  }

  Target target() const {
    Target target;
    target.host = "127.0.0.1";
    target.port = port_;
    target.user = "ann";
    target.password = Secret("hunter2");
    target.database = "shop";
    return target;
  }

 private:
  int listener_;
  int port_ = 0;
  std::future<void> served_;
};

/// An ErrorResponse as the protocol has it (manual, chapter 55.7); its words in any language.
std::string refusal(const std::string& sqlstate, const std::string& message) {
  const std::string zero(1, '\0');
  const std::string fields =
      "SFATAL" + zero + "VFATAL" + zero + "C" + sqlstate + zero + "M" + message + zero + zero;
  const std::uint32_t size = htonl(static_cast<std::uint32_t>(fields.size() + 4));
  return "E" + std::string(reinterpret_cast<const char*>(&size), 4) + fields;
}

/// Kind and message of the login's failure.
std::pair<ErrorKind, std::string> failure(const Target& target, std::stop_token stop = {}) {
  try {
    Session session(target, stop);
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  return {ErrorKind::bug, "logged in"};
}

TEST(PostgresLogin, SaysWhatToDoAboutEachRefusalInWhateverLanguageItCame) {
  const std::tuple<const char*, ErrorKind, const char*> cases[] = {
      {"28P01", ErrorKind::unauthorized, "correct user and password"},
      {"28000", ErrorKind::unauthorized, "correct user and password"},
      {"3D000", ErrorKind::not_found, "has no database \"shop\""},
      {"53300", ErrorKind::unavailable, "trop de clients"},
      {"57P03", ErrorKind::unavailable, "trop de clients"},
      {"42501", ErrorKind::forbidden, "trop de clients"},
  };
  for (const auto& [sqlstate, kind, part] : cases) {
    const OneAnswer server(refusal(sqlstate, "trop de clients"));
    const auto [thrown, message] = failure(server.target());
    EXPECT_EQ(thrown, kind) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_NE(message.find("127.0.0.1"), std::string::npos) << message;
    EXPECT_EQ(message.find("hunter2"), std::string::npos) << message;
    EXPECT_EQ(message.find("LOCATION"), std::string::npos) << message;
  }
}

TEST(PostgresLogin, DoesNotGoOnInPlainTextWhenTheServerDeclinesTls) {
  for (const Tls tls : {Tls::require, Tls::verify}) {
    const OneAnswer server("N");
    Target target = server.target();
    target.tls = tls;
    target.ca_file = "/dev/null";
    const auto [kind, message] = failure(target);
    EXPECT_EQ(kind, ErrorKind::bad_config) << message;
    EXPECT_NE(message.find("does not offer TLS"), std::string::npos) << message;
  }
}

TEST(PostgresLogin, GivesUpAServerThatSaysNothing) {
  const OneAnswer server("");
  Target target = server.target();
  target.connect_timeout = 100ms;
  EXPECT_EQ(failure(target).first, ErrorKind::unavailable);
}

TEST(PostgresLogin, EndsWithinASecondOfAStopRequest) {
  const OneAnswer server("");
  std::stop_source stop;
  auto logging_in =
      std::async(std::launch::async, [&] { return failure(server.target(), stop.get_token()).first; });
  EXPECT_EQ(logging_in.wait_for(50ms), std::future_status::timeout);
  stop.request_stop();
  ASSERT_EQ(logging_in.wait_for(1s), std::future_status::ready);
  EXPECT_EQ(logging_in.get(), ErrorKind::cancelled);
}

}  // namespace
}  // namespace syncflow::libpq
