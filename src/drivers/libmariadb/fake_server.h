#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <thread>

#include "drivers/libmariadb/session.h"

namespace syncflow::mysql {

inline Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::bug, "no error"};
}

/// A port of the loopback that takes connections, and what a test does with the first.
class FakeServer {
 public:
  explicit FakeServer(std::function<void(int socket)> serve) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 4), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this, serve = std::move(serve)] {
      const int socket = ::accept(listener_, nullptr, nullptr);
      if (socket < 0) return;
      serve(socket);
      ::close(socket);
    });
  }
  ~FakeServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  Target target() const {
    Target target;
    target.host = "127.0.0.1";
    target.port = port_;
    target.user = "u";
    target.password = Secret("s3cret-word");
    target.tls = Tls::disable;
    return target;
  }

 private:
  int listener_ = -1;
  int port_ = 0;
  std::jthread thread_;
};

inline void send_packet(int socket, unsigned char number, const std::string& content) {
  std::string packet;
  packet += static_cast<char>(content.size() & 0xff);
  packet += static_cast<char>(content.size() >> 8);
  packet += '\0';
  packet += static_cast<char>(number);
  packet += content;
  EXPECT_EQ(::send(socket, packet.data(), packet.size(), MSG_NOSIGNAL), static_cast<ssize_t>(packet.size()));
}

inline std::string receive(int socket) {
  char buffer[65536];
  const ssize_t size = ::recv(socket, buffer, sizeof buffer, 0);
  return {buffer, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

/// Protocol 10, no TLS, mysql_native_password.
inline std::string greeting(bool with_tls = false) {
  std::string out("\x0a", 1);
  out += std::string("8.0.30-fake\0", 12);
  out += std::string("\x01\0\0\0", 4);        // connection id
  out += std::string("12345678\0", 9);        // challenge, first part
  out += with_tls ? "\xff\xff" : "\xff\xf7";  // capabilities; 0x800 is TLS
  out += std::string("\x2d\x02\0", 3);        // character set, status
  out += std::string("\x0f\0\x15", 3);        // capabilities, length of the challenge
  out += std::string(10, '\0');
  out += std::string("123456789012\0", 13);  // challenge, second part
  out += std::string("mysql_native_password\0", 22);
  return out;
}

inline const std::string kOk("\0\0\0\x02\0\0\0", 7);

}  // namespace syncflow::mysql
