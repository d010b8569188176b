#include "api/openapi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "api/handlers.h"

namespace syncflow::api {
namespace {

const boost::json::object& document() {
  static const boost::json::value parsed = boost::json::parse(openapi_document());
  return parsed.as_object();
}

/// "GET /jobs"
std::set<std::string> described() {
  std::set<std::string> all;
  for (const auto& path : document().at("paths").as_object())
    for (const auto& operation : path.value().as_object()) {
      std::string method(operation.key());
      for (char& c : method) c = static_cast<char>(std::toupper(c));
      all.insert(method + " " + std::string(path.key()));
    }
  return all;
}

TEST(OpenApi, DescribesEachRouteAndNoOther) {
  std::set<std::string> answered;
  for (const Route& route : routes()) answered.insert(route.method + " " + route.pattern);
  EXPECT_EQ(described(), answered);
}

TEST(OpenApi, IsOfVersion31AndRefersToNothingThatIsMissing) {
  EXPECT_EQ(document().at("openapi"), "3.1.0");
  std::string text(openapi_document());
  const std::string begin = R"("$ref": "#)";
  for (std::size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at + 1)) {
    const std::size_t from = at + begin.size();
    const std::string pointer = text.substr(from, text.find('"', from) - from);
    boost::json::error_code missing;
    EXPECT_NE(boost::json::value(document()).find_pointer(pointer, missing), nullptr) << pointer;
  }
}

TEST(OpenApi, LetsThePathsThatAreOpenBeAskedWithoutAKeyAndNoOther) {
  for (const auto& path : document().at("paths").as_object())
    for (const auto& operation : path.value().as_object()) {
      const bool open = path.key() == "/hello" || path.key() == "/healthz" || path.key() == "/readyz";
      EXPECT_EQ(operation.value().as_object().contains("security"), open) << path.key();
    }
}

}  // namespace
}  // namespace syncflow::api
