#include "core/options.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace syncflow {
namespace {

std::string message_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_config);
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

OptionSpec option(std::string name, OptionKind kind) {
  OptionSpec spec;
  spec.name = std::move(name);
  spec.kind = kind;
  return spec;
}

std::vector<OptionSpec> declared() {
  std::vector<OptionSpec> specs = {option("url", OptionKind::url), option("token", OptionKind::secret),
                                   option("port", OptionKind::number), option("tls", OptionKind::choice),
                                   option("file", OptionKind::path)};
  specs[3].choices = {"verify", "require", "off"};
  specs[4].required = true;
  specs[4].help = "Where the database lies.";
  return specs;
}

TEST(Options, AreShownWithoutTheirSecrets) {
  Options options;
  options.set("url", "postgresql://app:hunter2@db/shop");
  options.set("token", "hunter2");
  options.set("file", "/var/lib/shop.db");
  options.set("tokn", "hunter2");
  const auto shown = options.shown(declared());
  EXPECT_EQ(shown.at("url"), "postgresql://app:***@db/shop");
  EXPECT_EQ(shown.at("token"), "***");
  EXPECT_EQ(shown.at("tokn"), "***");
  EXPECT_EQ(shown.at("file"), "/var/lib/shop.db");
}

TEST(Options, AreCheckedAgainstWhatIsDeclared) {
  Options good;
  good.set("file", "a.db");
  good.set("port", "5432");
  good.set("tls", "off");
  EXPECT_NO_THROW(check_options(good, declared(), "connection shop"));

  Options slip = good;
  slip.set("prot", "1");
  EXPECT_EQ(message_of([&] { check_options(slip, declared(), "connection shop"); }),
            "connection shop: unknown option \"prot\"; did you mean \"port\"?");
  Options stranger = good;
  stranger.set("completely_else", "1");
  EXPECT_NE(
      message_of([&] { check_options(stranger, declared(), "connection shop"); }).find("it takes url, token"),
      std::string::npos);
  Options word = good;
  word.set("port", "five");
  EXPECT_EQ(message_of([&] { check_options(word, declared(), "connection shop"); }),
            "connection shop: option port: \"five\" is not a whole number");
  Options choice = good;
  choice.set("tls", "maybe");
  EXPECT_EQ(message_of([&] { check_options(choice, declared(), "connection shop"); }),
            "connection shop: tls is \"maybe\"; it must be verify, require or off");
  EXPECT_EQ(message_of([&] { check_options({}, declared(), "connection shop"); }),
            "connection shop: option \"file\" is missing: Where the database lies.");
}

TEST(Options, GiveNumbersOrSayWhyNot) {
  Options options;
  options.set("n", "-12");
  EXPECT_EQ(options.number("n", 7), -12);
  EXPECT_EQ(options.number("m", 7), 7);
  for (const char* text : {"", "1.5", "1e3", "99999999999999999999", " 1", "1 "}) {
    options.set("n", text);
    EXPECT_NE(message_of([&] { options.number("n", 0); }).find("option n"), std::string::npos) << text;
  }
}

// --- URLs ---

TEST(WithoutPassword, ShowsTheRestOfAGoodUrl) {
  EXPECT_EQ(without_password("postgresql://app:x@db.example:5432/shop?sslmode=require"),
            "postgresql://app:***@db.example:5432/shop?sslmode=require");
  EXPECT_EQ(without_password("mysql://app@db/shop"), "mysql://app@db/shop");
  EXPECT_EQ(without_password("mysql://db:3306/shop"), "mysql://db:3306/shop");
  EXPECT_EQ(without_password("mysql://:x@[::1]:3306/shop"), "mysql://:***@[::1]:3306/shop");
  EXPECT_EQ(without_password("postgresql://app:x@a:1,b:2/shop"), "postgresql://app:***@a:1,b:2/shop");
  EXPECT_EQ(without_password("postgresql:///shop"), "postgresql:///shop");
  EXPECT_EQ(without_password("postgresql://app:@db/shop"), "postgresql://app:***@db/shop");
}

/// `hunter` and `secret` are the two halves of each password, on both sides of what breaks the URL.
TEST(WithoutPassword, NeverShowsAnyPartOfOneHoweverTheUrlIsBroken) {
  const char* const urls[] = {"postgresql://app:huntersecret@db/shop",
                              "postgresql://app:hunter@secret@db/shop",
                              "postgresql://app:hunter/secret@db/shop",
                              "postgresql://app:hunter#secret@db/shop",
                              "postgresql://app:hunter?secret@db/shop",
                              "postgresql://app:hunter:secret@db/shop",
                              "postgresql://app:hunter%secret@db/shop",
                              "postgresql://app:hunter secret@db/shop",
                              "postgresql://app:hunter\nsecret@db/shop",
                              "postgresql://app:hunter\\secret@db/shop",
                              "postgresql://app:hunter@x/secret@db/shop",
                              "postgresql://app:hunter@x?secret@db/shop",
                              "postgresql://app:hunter@x#secret@db/shop",
                              "postgresql://app:hunter://secret@db/shop",
                              "postgresql://app:hunter[secret@db/shop",
                              "postgresql://app:huntersecret",
                              "postgresql://app:huntersecret/shop",
                              "postgresql://app:1/huntersecret@db/shop",
                              "postgresql://app:1?huntersecret@db/shop",
                              "postgresql://app:1#huntersecret@db/shop",
                              "postgresql://app:1#huntersecret",
                              "postgresql:app:huntersecret@db/shop",
                              "postgresql:/app:huntersecret@db/shop",
                              "app:huntersecret@db/shop",
                              "app:hunter://secret@db/shop",
                              "huntersecret",
                              "://app:huntersecret@db",
                              "postgresql//app:huntersecret@db/shop",
                              "postgresql://db/shop?password=huntersecret",
                              "postgresql://db/shop?PASSWORD=huntersecret",
                              "postgresql://db/shop?p%61ssword=huntersecret",
                              "postgresql://db/shop?sslmode=require&sslpassword=huntersecret",
                              "postgresql://db/shop?user=app&pwd=huntersecret",
                              "mysql://db/shop?access_token=huntersecret",
                              "postgresql://app:hunter@db:secret/shop",
                              "postgresql://app:hunter@db/app:secret",
                              "postgresql://app:hunter@db/x?a=b#secret",
                              "https://db/shop?api_key=huntersecret",
                              "postgresql://app:hunter,secret@db/shop",
                              "postgresql://app:hunter\xff@secret@db/shop"};
  for (const char* url : urls) {
    const std::string shown = without_password(url);
    EXPECT_EQ(shown.find("hunter"), std::string::npos) << url << " shows " << shown;
    EXPECT_EQ(shown.find("secret"), std::string::npos) << url << " shows " << shown;
    EXPECT_NE(shown.find("***"), std::string::npos) << url << " shows " << shown;
    // What parse_url says about it is no worse.
    try {
      const Url parsed = parse_url(url);
      const std::string open_parts = parsed.scheme + parsed.user + parsed.host + parsed.path;
      EXPECT_EQ(open_parts.find("hunter"), std::string::npos) << url;
      if (std::string_view(url).find("hunter@db") == std::string_view::npos) {
        EXPECT_EQ(open_parts.find("secret"), std::string::npos) << url;
      }
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find("hunter"), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find("secret"), std::string::npos) << error.what();
    }
  }
}

TEST(ParseUrl, GivesThePartsDecoded) {
  const Url url =
      parse_url("postgresql://us%40er:p%3A%2F%40%23%25w@db.example:6432/my%20shop?sslmode=require&a=%26");
  EXPECT_EQ(url.scheme, "postgresql");
  EXPECT_EQ(url.user, "us@er");
  EXPECT_EQ(url.password.reveal(), "p:/@#%w");
  EXPECT_EQ(url.host, "db.example");
  EXPECT_EQ(url.port, 6432);
  EXPECT_EQ(url.path, "/my shop");
  EXPECT_EQ(url.query.at("sslmode"), "require");
  EXPECT_EQ(url.query.at("a"), "&");
  EXPECT_EQ(parse_url("mysql://db").port, 0);
  EXPECT_EQ(parse_url("mysql://db:/x").port, 0);
  EXPECT_EQ(parse_url("mysql://[::1]:3306/x").host, "::1");
  EXPECT_EQ(parse_url("mysql://app:x@db/with%40at").path, "/with@at");
}

TEST(ParseUrl, RefusesWhatItWouldMisread) {
  for (const char* url :
       {"", "shop", "mysql:shop", "mysql:/db/shop", "mysql://db:70000/shop", "mysql://db:0/shop",
        "mysql://db:x/shop", "mysql://u:12/x@db/shop", "mysql://u:12?x@db/shop", "mysql://u:12#x@db/shop",
        "mysql://u:p@db/shop#part", "mysql://u:a b@db/shop", "mysql://u:a%zz@db/shop"})
    EXPECT_NE(message_of([&] { parse_url(url); }).find("is not a URL like"), std::string::npos) << url;
}

TEST(ParseUrl, NamesAPortThatThereCannotBeUnlessItMayBeAPieceOfAPassword) {
  for (const char* url : {"mysql://u:p@db:99999/shop", "mysql://u:p@[::1]:99999", "mysql://u@db:99999?a=b"})
    EXPECT_EQ(message_of([&] { parse_url(url); }), "port is 99999; it must be 1 to 65535") << url;
  for (const char* url : {"mysql://u:99999/x@db/shop", "mysql://u:p@w:99999/x@db",
                          "mysql://u:99999#x@db/shop", "mysql://u:a@99999:x@db/shop", "mysql://u:99999"})
    EXPECT_EQ(message_of([&] { parse_url(url); }).find("99999"), std::string::npos) << url;
}

TEST(Secret, ComparesByContent) {
  EXPECT_EQ(Secret("a"), Secret("a"));
  EXPECT_FALSE(Secret("a") == Secret("b"));
  EXPECT_TRUE(Secret().empty());
}

}  // namespace
}  // namespace syncflow
