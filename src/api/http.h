#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"

namespace syncflow::api {

/// What a client asked, read in full.
struct Request {
  std::string method;  ///< "GET", upper case as sent
  std::string target;  ///< as sent: "/jobs?limit=10"
  /// Names in lower case, in the order sent; a name may come twice.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  /// The part of the target before '?', not decoded: ids need no decoding, and `%2F` is no slash.
  std::string_view path() const;
  /// Empty when missing; the first when it comes more than once. `name` in lower case.
  std::string_view header(std::string_view name) const;
};

/// What is answered. The server adds Content-Length, Date and Connection, and leaves the body out for HEAD.
struct Response {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
};

/// A request that its sender can mend: answered with 400. No other Error is the sender's mistake.
class BadRequest : public Error {
 public:
  explicit BadRequest(const std::string& sentence) : Error(ErrorKind::bad_config, sentence) {}
};

/// Called from several threads at once. What it throws is answered with 500.
using Handler = std::function<Response(const Request&)>;

/// Whether a request is answered without waiting for anything. Called from the thread of the sockets.
using IsQuick = std::function<bool(const Request&)>;

/// The parameters after '?', decoded, in the order sent.
///
/// Throws BadRequest for a broken escape or for what is not UTF-8.
class Query {
 public:
  explicit Query(const Request& request);
  /// Empty when missing; the last when it comes more than once.
  std::string get(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const& { return parameters_; }
  void all() && = delete;  // it would dangle

 private:
  std::vector<std::pair<std::string, std::string>> parameters_;
};

/// "Not Found"
std::string_view title_of(int status);

/// An `application/problem+json` answer with a sentence for the caller; with Retry-After for 429 and 503.
Response problem(int status, std::string_view sentence);

}  // namespace syncflow::api
