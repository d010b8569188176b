#include "api/http.h"

#include <gtest/gtest.h>

#include "api/router.h"
#include "core/error.h"

namespace syncflow::api {
namespace {

Request asking(std::string method, std::string target) {
  return {std::move(method), std::move(target), {}, ""};
}

TEST(Query, IsDecoded) {
  const Query query(asking("GET", "/hello?a=1&b=%C3%A4+%26&c&=x&&a=2"));
  EXPECT_EQ(query.get("a"), "2") << "the last one counts";
  EXPECT_EQ(query.get("b"), "\xC3\xA4 &");
  EXPECT_EQ(query.get("c"), "");
  EXPECT_EQ(query.all().size(), 5u);
  EXPECT_TRUE(Query(asking("GET", "/hello")).get("a").empty());
}

TEST(Query, RefusesBrokenEscapesAndWhatIsNotUtf8) {
  for (const char* broken : {"/a?x=%", "/a?x=%4", "/a?x=%zz", "/a?x=%ff", "/a?%80=1"}) {
    const Request request = asking("GET", broken);
    EXPECT_THROW(Query{request}, Error) << broken;
  }
}

class Routes : public ::testing::Test {
 protected:
  Routes() {
    const auto saying = [](std::string what) {
      return [what](const Request&, const std::string& id) {
        return Response{200, what + id, "text/plain", {}};
      };
    };
    router_.add("GET", "/jobs", saying("list"));
    router_.add("POST", "/jobs", saying("create"));
    router_.add("GET", "/jobs/{id}", saying("show "));
    router_.add("POST", "/jobs/{id}/retry", saying("retry "));
  }

  Router router_;
};

TEST_F(Routes, FindByMethodAndPath) {
  EXPECT_EQ(router_.route(asking("GET", "/jobs?limit=1")).body, "list");
  EXPECT_EQ(router_.route(asking("HEAD", "/jobs")).body, "list");
  EXPECT_EQ(router_.route(asking("POST", "/jobs")).body, "create");
  EXPECT_EQ(router_.route(asking("GET", "/jobs/7")).body, "show 7");
  EXPECT_EQ(router_.route(asking("POST", "/jobs/7/retry")).body, "retry 7");
}

TEST_F(Routes, NameTheMethodsThatAPathTakes) {
  const Response refused = router_.route(asking("DELETE", "/jobs"));
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.headers.at(0), (std::pair<std::string, std::string>("Allow", "GET, HEAD, POST")));
  EXPECT_EQ(router_.route(asking("GET", "/jobs/7/retry")).headers.at(0).second, "POST");
}

TEST_F(Routes, AnswerAnythingElseWith404) {
  for (const char* path : {"/", "/job", "/jobs/", "/jobs/7/", "/jobs/7/retry/8", "//jobs"})
    EXPECT_EQ(router_.route(asking("GET", path)).status, 404) << path;
}

}  // namespace
}  // namespace syncflow::api
