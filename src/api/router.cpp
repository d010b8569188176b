#include "api/router.h"

#include <fmt/core.h>

#include <optional>

#include "core/text.h"

namespace syncflow::api {
namespace {

/// What stands in the place of `{id}`; empty text where the pattern has none; nothing when they differ.
std::optional<std::string> match(std::string_view pattern, std::string_view path) {
  const std::vector<std::string> wanted = split(pattern, '/');
  const std::vector<std::string> given = split(path, '/');
  if (wanted.size() != given.size()) return std::nullopt;
  std::string id;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == "{id}" && !given[i].empty()) {
      id = given[i];
    } else if (wanted[i] != given[i]) {
      return std::nullopt;
    }
  }
  return id;
}

Response method_not_allowed(const Request& request, const std::vector<std::string>& allowed) {
  const std::string methods = join(allowed, ", ");
  Response response = problem(
      405, fmt::format("this path does not take {}; it takes {}", shortened(request.method, 20), methods));
  response.headers.emplace_back("Allow", methods);
  return response;
}

}  // namespace

void Router::add(std::string method, std::string pattern, Answer answer) {
  entries_.push_back({std::move(method), std::move(pattern), std::move(answer)});
}

std::string_view Router::pattern_of(std::string_view path) const {
  for (const Entry& entry : entries_)
    if (match(entry.pattern, path)) return entry.pattern;
  return {};
}

Response Router::route(const Request& request) const {
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  std::vector<std::string> allowed;
  for (const Entry& entry : entries_) {
    const std::optional<std::string> id = match(entry.pattern, request.path());
    if (!id) continue;
    if (entry.method == method) return entry.answer(request, *id);
    allowed.push_back(entry.method);
    if (entry.method == "GET") allowed.push_back("HEAD");
  }
  if (!allowed.empty()) return method_not_allowed(request, allowed);
  return problem(404, "there is nothing at this path; docs/api.md lists what there is");
}

}  // namespace syncflow::api
