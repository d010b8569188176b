#include "testkit/http_client.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "core/text.h"

namespace syncflow::testkit {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(fmt::format("test client: {}: {}", what, std::strerror(errno)));
}

std::string in_lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

HttpAnswer parse_head(std::string_view head) {
  HttpAnswer answer;
  const std::vector<std::string> lines = split(head, '\n');
  answer.status = std::stoi(lines.at(0).substr(9, 3));
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::size_t colon = lines[i].find(": ");
    if (colon == std::string::npos) continue;
    std::string value = lines[i].substr(colon + 2);
    if (!value.empty() && value.back() == '\r') value.pop_back();
    answer.headers[in_lower_case(lines[i].substr(0, colon))] = value;
  }
  return answer;
}

}  // namespace

HttpClient::HttpClient(std::uint16_t port, const std::string& from)
    : port_(port), socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{10, 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in own{};
  own.sin_family = AF_INET;
  inet_pton(AF_INET, from.c_str(), &own.sin_addr);
  const int late = 1;  // the port is chosen with the connection, so that there are as many as it takes
  setsockopt(socket_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
  if (bind(socket_, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) fail("binding to " + from);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(socket_);
    fail(fmt::format("connecting to port {}", port));
  }
}

HttpClient::~HttpClient() { close(socket_); }

bool HttpClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return false;
    if (sent < 0) fail("sending");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool HttpClient::receive_more() {
  char buffer[4096];
  const ssize_t count = recv(socket_, buffer, sizeof buffer, 0);
  if (count < 0 && errno != ECONNRESET) fail("receiving");
  if (count <= 0) return false;
  received_.append(buffer, static_cast<std::size_t>(count));
  return true;
}

HttpAnswer HttpClient::receive(bool head) {
  std::size_t end = std::string::npos;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos)
    if (!receive_more()) fail("the connection was closed before an answer came");
  HttpAnswer answer = parse_head(std::string_view(received_).substr(0, end));
  received_.erase(0, end + 4);
  const std::size_t size = head || answer.status == 100 ? 0 : std::stoul(answer.headers.at("content-length"));
  while (received_.size() < size)
    if (!receive_more()) fail("the connection was closed inside an answer");
  answer.body = received_.substr(0, size);
  received_.erase(0, size);
  return answer;
}

std::string HttpClient::receive_all() {
  while (receive_more()) {
  }
  return std::move(received_);
}

HttpAnswer HttpClient::request(const std::string& method, const std::string& target, const std::string& body,
                               const std::map<std::string, std::string>& headers) {
  std::string text = fmt::format("{} {} HTTP/1.1\r\n", method, target);
  if (headers.count("Host") == 0) text += fmt::format("Host: localhost:{}\r\n", port_);
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  if (!body.empty() || method == "POST") text += fmt::format("Content-Length: {}\r\n", body.size());
  send(text + "\r\n" + body);
  return receive(method == "HEAD");
}

HttpAnswer HttpClient::get(const std::string& target, const std::map<std::string, std::string>& headers) {
  return request("GET", target, "", headers);
}

HttpAnswer HttpClient::post(const std::string& target, const std::string& body,
                            const std::map<std::string, std::string>& headers) {
  std::map<std::string, std::string> all = headers;
  all.emplace("Content-Type", "application/json");
  return request("POST", target, body, all);
}

}  // namespace syncflow::testkit
