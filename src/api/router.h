#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/http.h"

namespace syncflow::api {

/// Finds what answers a request. Filled once, then thread-safe.
class Router {
 public:
  /// `id`: what stood in the place of `{id}`; empty where the pattern has none.
  using Answer = std::function<Response(const Request& request, const std::string& id)>;

  /// `pattern` is a path; one of its segments may be `{id}`. HEAD is answered wherever GET is.
  void add(std::string method, std::string pattern, Answer answer);

  /// 404 for an unknown path, 405 with Allow for a known one by another method.
  Response route(const Request& request) const;

  /// The pattern that a path fits; empty: none. There are few, whatever clients ask for.
  std::string_view pattern_of(std::string_view path) const;

 private:
  struct Entry {
    std::string method, pattern;
    Answer answer;
  };
  std::vector<Entry> entries_;
};

}  // namespace syncflow::api
