#include "api/http.h"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "core/error.h"
#include "core/secrets.h"
#include "core/text.h"

namespace syncflow::api {
namespace {

std::string unescaped(std::string_view escape) {
  try {
    return from_hex(escape.substr(1));
  } catch (const Error&) {
    throw BadRequest(fmt::format("\"{}\" is no escape; a % itself is written %25", repaired_utf8(escape)));
  }
}

std::string decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else if (i + 2 < text.size()) {
      out += unescaped(text.substr(i, 3));
      i += 2;
    } else {
      throw BadRequest("it ends inside a % escape");
    }
  }
  if (!is_utf8(out)) throw BadRequest("it is not UTF-8 once it is decoded");
  return out;
}

}  // namespace

std::string_view Request::path() const { return std::string_view(target).substr(0, target.find('?')); }

std::string_view Request::header(std::string_view name) const {
  for (const auto& [present, value] : headers) {
    if (present == name) return value;
  }
  return {};
}

Query::Query(const Request& request) {
  const std::size_t mark = request.target.find('?');
  if (mark == std::string::npos) return;
  for (const std::string& part : split(std::string_view(request.target).substr(mark + 1), '&')) {
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    const std::string_view name = std::string_view(part).substr(0, equals);
    const std::string_view value =
        equals == std::string::npos ? std::string_view() : std::string_view(part).substr(equals + 1);
    try {
      parameters_.emplace_back(decoded(name), decoded(value));
    } catch (const Error& error) {
      throw BadRequest(
          error.while_doing(fmt::format("query parameter \"{}\"", shortened(repaired_utf8(name)))).what());
    }
  }
}

std::string Query::get(std::string_view name) const {
  for (auto parameter = parameters_.rbegin(); parameter != parameters_.rend(); ++parameter) {
    if (parameter->first == name) return parameter->second;
  }
  return "";
}

std::string_view title_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Error";
  }
}

Response problem(int status, std::string_view sentence) {
  // It may tell what a server said, in whatever encoding that was.
  const std::string detail = repaired_utf8(without_secrets(sentence));
  Response response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body = boost::json::serialize(boost::json::object{{"type", "about:blank"},
                                                             {"title", title_of(status)},
                                                             {"status", status},
                                                             {"detail", detail},
                                                             {"error", detail}});
  if (status == 429) response.headers.emplace_back("Retry-After", "1");
  if (status == 503) response.headers.emplace_back("Retry-After", "5");
  return response;
}

}  // namespace syncflow::api
