#include "testkit/cut_proxy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace syncflow::testkit {
namespace {

using namespace std::chrono_literals;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// One end of a connection, which never waits for longer than ten seconds.
class End {
 public:
  explicit End(int socket) : socket_(socket) {}
  static End to(std::uint16_t port) {
    End end(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(port);
    if (::connect(end.socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      end.error_ = errno;
    return end;
  }
  End(End&& other) noexcept : socket_(std::exchange(other.socket_, -1)), error_(other.error_) {}
  ~End() {
    if (socket_ >= 0) ::close(socket_);
  }
  void send(std::string_view bytes) const {
    EXPECT_EQ(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// So many bytes, or less: then `<end>` or `<reset>` tells why, and `<silence>` after `patience`.
  std::string receive(std::size_t size, std::chrono::milliseconds patience = 10s) const {
    std::string all;
    while (all.size() < size) {
      pollfd waiting{socket_, POLLIN, 0};
      if (::poll(&waiting, 1, static_cast<int>(patience.count())) == 0) return all + "<silence>";
      char bytes[4096];
      const ssize_t got = ::recv(socket_, bytes, std::min(sizeof bytes, size - all.size()), 0);
      if (got <= 0) return all + (got == 0 ? "<end>" : "<reset>");
      all.append(bytes, static_cast<std::size_t>(got));
    }
    return all;
  }
  int error() const { return error_; }

 private:
  int socket_;
  int error_ = 0;
};

class Proxied : public ::testing::Test {
 protected:
  Proxied() {
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    proxy_.emplace("127.0.0.1", ntohs(address.sin_port));
  }
  ~Proxied() override { ::close(listener_); }

  End accept() const { return End(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)); }
  /// A client and its server that have spoken.
  std::pair<End, End> connected() {
    End client = End::to(proxy_->port());
    End server = accept();
    client.send("hello");
    EXPECT_EQ(server.receive(5), "hello");
    server.send("welcome");
    EXPECT_EQ(client.receive(7), "welcome");
    return {std::move(client), std::move(server)};
  }
  void signal() const { EXPECT_EQ(End::to(proxy_->signal_port()).receive(1), "<end>"); }

  int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::optional<CutProxy> proxy_;
};

TEST_F(Proxied, ForwardsBothWaysAndTheEndOfEach) {
  auto [client, server] = connected();
  const std::string much(3'000'000, 'x');
  std::thread writer([&, &from = client] { from.send(much); });
  EXPECT_EQ(server.receive(much.size()), much);
  writer.join();
  EXPECT_EQ(proxy_->connections(), 1);
  { const End gone = std::move(client); }
  EXPECT_EQ(server.receive(1), "<end>");
}

TEST_F(Proxied, Resets) {
  auto [client, server] = connected();
  proxy_->cut(Cut::reset);
  EXPECT_EQ(client.receive(1), "<reset>");
  EXPECT_EQ(server.receive(1), "<reset>");
  connected();
}

TEST_F(Proxied, HalfClosesTowardsTheClient) {
  auto [client, server] = connected();
  proxy_->cut(Cut::half_client);
  EXPECT_EQ(client.receive(1), "<end>");
  client.send("more");
  EXPECT_EQ(server.receive(4), "more");
}

TEST_F(Proxied, HalfClosesTowardsTheServer) {
  auto [client, server] = connected();
  proxy_->cut(Cut::half_server);
  EXPECT_EQ(server.receive(1), "<end>");
  server.send("more");
  EXPECT_EQ(client.receive(4), "more");
}

TEST_F(Proxied, KeepsSilentUntilItIsHealed) {
  auto [client, server] = connected();
  proxy_->cut(Cut::black_hole);
  client.send("asked");
  EXPECT_EQ(server.receive(1, 50ms), "<silence>");
  proxy_->heal();
  EXPECT_EQ(server.receive(5), "asked");
}

TEST_F(Proxied, TruncatesBehindSoManyBytesOfAllConnections) {
  auto [first, first_server] = connected();
  auto [second, second_server] = connected();
  proxy_->arm({.cut = Cut::close, .way = Way::to_client, .after_bytes = 10});
  first_server.send("123456");
  EXPECT_EQ(first.receive(6), "123456");
  EXPECT_FALSE(proxy_->fired());
  second_server.send("789012");
  EXPECT_EQ(second.receive(6), "7890<end>");
  EXPECT_TRUE(proxy_->fired());
  first_server.send("ok");
  EXPECT_EQ(first.receive(2), "ok");
}

TEST_F(Proxied, CutsBeforeAPatternThatComesInPieces) {
  auto [client, server] = connected();
  proxy_->arm({.cut = Cut::close, .pattern = "COMMIT"});
  client.send("one COM");
  EXPECT_EQ(server.receive(4), "one ");
  client.send("MIT two");
  EXPECT_TRUE(proxy_->wait_until_fired(10s));
  EXPECT_EQ(server.receive(9), "COM<end>");
}

TEST_F(Proxied, CutsBehindAPattern) {
  auto [client, server] = connected();
  proxy_->arm({.cut = Cut::close, .pattern = "COMMIT", .at = Fault::At::behind});
  client.send("one COMMIT two");
  EXPECT_EQ(server.receive(20), "one COMMIT<end>");
}

TEST_F(Proxied, CutsInsteadOfTheAnswer) {
  auto [client, server] = connected();
  proxy_->arm({.cut = Cut::reset, .pattern = "COMMIT", .at = Fault::At::answer});
  client.send("COMMIT;");
  EXPECT_EQ(server.receive(7), "COMMIT;");
  EXPECT_FALSE(proxy_->fired());
  server.send("done");
  EXPECT_EQ(client.receive(4), "<reset>");
}

TEST_F(Proxied, CutsOnASignalAndAnswersItThen) {
  auto [client, server] = connected();
  signal();  // nothing is armed
  proxy_->arm({.cut = Cut::reset, .on_signal = true});
  signal();
  EXPECT_TRUE(proxy_->fired());
  EXPECT_EQ(client.receive(1), "<reset>");
}

TEST_F(Proxied, MayGoOnCuttingUntilItIsHealed) {
  auto [client, server] = connected();
  proxy_->arm({.cut = Cut::reset, .on_signal = true, .lasting = true});
  signal();
  EXPECT_EQ(client.receive(1), "<reset>");
  EXPECT_EQ(End::to(proxy_->port()).receive(1), "<reset>");
  proxy_->arm({.cut = Cut::black_hole, .on_signal = true, .lasting = true});
  signal();
  EXPECT_EQ(End::to(proxy_->port()).receive(1, 50ms), "<silence>");
}

TEST_F(Proxied, RefusesNewConnections) {
  auto [client, server] = connected();
  proxy_->refuse();
  EXPECT_EQ(client.receive(1), "<reset>");
  EXPECT_EQ(End::to(proxy_->port()).error(), ECONNREFUSED);
  proxy_->heal();
  connected();
}

TEST_F(Proxied, Delays) {
  auto [client, server] = connected();
  proxy_->delay(100ms);
  const auto began = std::chrono::steady_clock::now();
  client.send("slow");
  EXPECT_EQ(server.receive(4), "slow");
  EXPECT_GE(std::chrono::steady_clock::now() - began, 100ms);
}

}  // namespace
}  // namespace syncflow::testkit
