#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace syncflow::testkit {

/// What came back. Header names in lower case.
struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string body;

  boost::json::value json() const { return boost::json::parse(body); }
};

/// A blocking HTTP/1.1 client on one connection to 127.0.0.1, which sends exactly what it is told.
///
/// Waits at most ten seconds for anything; throws std::runtime_error when nothing comes.
class HttpClient {
 public:
  /// `from`: the address that it comes from, of 127.0.0.0/8.
  explicit HttpClient(std::uint16_t port, const std::string& from = "127.0.0.1");
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Raw bytes. False: the other end has closed.
  bool send(std::string_view bytes);
  /// The next answer. `head`: it was asked for with HEAD, so no body follows.
  HttpAnswer receive(bool head = false);
  /// Reads whatever comes until the other end closes.
  std::string receive_all();

  HttpAnswer get(const std::string& target, const std::map<std::string, std::string>& headers = {});
  /// With `Content-Type: application/json` unless `headers` has another.
  HttpAnswer post(const std::string& target, const std::string& body,
                  const std::map<std::string, std::string>& headers = {});
  HttpAnswer request(const std::string& method, const std::string& target, const std::string& body,
                     const std::map<std::string, std::string>& headers);

 private:
  bool receive_more();

  std::uint16_t port_;
  int socket_;
  std::string received_;
};

}  // namespace syncflow::testkit
